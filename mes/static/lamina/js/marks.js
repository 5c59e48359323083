// What a design is made from, drawn on the anatomy with its names: places, axes, planes, and lines through places. LPS mm.

import * as THREE from "three";

const COLOUR = 0x8a3fb5;
// Above and below its place in turn, so that words of neighbours do not cover each other.
const LEVELS = [-0.4, 1.4, -1.5, 2.5];
const SHOWN_THROUGH = { depthTest: false, transparent: true };

// A word beside a place, which stays as large as it is on the screen and is seen through the shape.
function label(text, level) {
  const canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d");
  const font = "600 26px sans-serif";
  pen.font = font;
  [canvas.width, canvas.height] = [Math.ceil(pen.measureText(text).width) + 24, 40];
  Object.assign(pen, { font, fillStyle: "#5f2a80", textBaseline: "middle" });
  pen.beginPath();
  pen.roundRect(0, 0, canvas.width, canvas.height, 12);
  pen.fill();
  pen.fillStyle = "#ffffff";
  pen.fillText(text, 12, 21);
  const map = new THREE.CanvasTexture(canvas);
  map.colorSpace = THREE.SRGBColorSpace;
  const sprite = new THREE.Sprite(new THREE.SpriteMaterial({ map, sizeAttenuation: false, ...SHOWN_THROUGH }));
  sprite.scale.set((0.026 * canvas.width) / canvas.height, 0.026, 1);
  sprite.center.set(0, LEVELS[level % LEVELS.length]);
  sprite.renderOrder = 8;
  return sprite;
}

const ball = (radius) => new THREE.Mesh(new THREE.SphereGeometry(radius, 16, 12), new THREE.MeshBasicMaterial({ color: COLOUR, ...SHOWN_THROUGH }));

function axis(along, size) {
  return new THREE.ArrowHelper(along, along.clone().multiplyScalar(-size / 4), size / 2, COLOUR, size / 16, size / 32);
}

function plane(along, size) {
  const material = new THREE.MeshBasicMaterial({ color: COLOUR, side: THREE.DoubleSide, transparent: true, opacity: 0.25, depthWrite: false });
  const sheet = new THREE.Mesh(new THREE.PlaneGeometry(size * 0.7, size * 0.7), material);
  sheet.quaternion.setFromUnitVectors(new THREE.Vector3(0, 0, 1), along);
  return sheet;
}

function line(places) {
  const curve = new THREE.CatmullRomCurve3(places, false, "chordal");
  const points = curve.getPoints(16 * places.length);
  return new THREE.Line(new THREE.BufferGeometry().setFromPoints(points), new THREE.LineBasicMaterial({ color: COLOUR, ...SHOWN_THROUGH }));
}

export class Marks {
  constructor(viewer) {
    this.viewer = viewer;
    this.group = new THREE.Group();
    viewer.scene.add(this.group);
  }

  // marks: as `marks_of` gives them; only what was there is taken away again.
  draw(marks) {
    this.group.traverse((part) => {
      part.geometry?.dispose();
      part.material?.map?.dispose();
      part.material?.dispose();
    });
    this.group.clear();
    const { mesh } = this.viewer;
    const size = mesh ? mesh.geometry.boundingBox.getSize(new THREE.Vector3()).length() : 100;
    for (const [level, mark] of marks.entries()) this.add(mark, level, mark.at.map((place) => new THREE.Vector3(...place)), size);
    this.viewer.figure.dataset.marks = marks.map((mark) => mark.name || mark.kind).join(", ");
    this.viewer.draw();
  }

  add({ name, kind, along }, level, places, size) {
    if (kind === "line") {
      this.group.add(line(places));
      return;
    }
    const way = along && new THREE.Vector3(...along).normalize();
    const part = kind === "axis" ? axis(way, size) : kind === "plane" ? plane(way, size) : ball(size / 140);
    part.position.add(places[0]);
    const named = label(name, level);
    named.position.copy(places[0]);
    if (kind === "axis") named.position.addScaledVector(way, -size / 4);
    this.group.add(part, named);
  }
}
