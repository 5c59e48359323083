// Meshes of the record in three dimensions: turn, measure, and read a deviation map against its legend.
// Units are millimetres; axes are the patient's: +x left, +y back, +z head.

import * as THREE from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { PLYLoader } from "three/addons/loaders/PLYLoader.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import { Turning } from "lamina/turning.js";

const SIDES = { front: [0, -1, 0], back: [0, 1, 0], left: [1, 0, 0], right: [-1, 0, 0], top: [0, 0, 1], below: [0, 0, -1] };
const COLOURS = { bone: 0xe3d8c2, design: 0x6fb7c4, deviation: 0xffffff, difference: 0xffffff };

export class Viewer {
  constructor(figure) {
    this.figure = figure;
    this.stage = figure.querySelector(".viewer-stage");
    this.said = figure.querySelector("[data-viewer-said]");
    this.read = figure.querySelector("[data-viewer-read]");
    this.marks = [];
    this.measuring = false;
    figure.addEventListener("click", (event) => this.tool(event.target.closest("[data-do]")));
    figure.addEventListener("input", (event) => this.stageOf(event.target));
    figure.addEventListener("input", (event) => event.target.closest("[data-section]") && this.section());
    this.begin();
  }

  say(text) {
    this.said.textContent = text;
    this.said.hidden = !text;
  }

  begin() {
    const canvas = document.createElement("canvas");
    const context = canvas.getContext("webgl2", { antialias: true, alpha: true, preserveDrawingBuffer: true });
    if (!context) {
      this.say("This browser cannot draw in three dimensions. Download the file instead.");
      return;
    }
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    this.stage.prepend(canvas);
    this.renderer = new THREE.WebGLRenderer({ canvas, context, antialias: true, alpha: true });
    this.renderer.localClippingEnabled = true;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(35, 1, 0.1, 5000);
    this.camera.up.set(0, 0, 1);
    this.scene.add(this.camera, new THREE.HemisphereLight(0xffffff, 0x5a6470, 1.6));
    const lamp = new THREE.DirectionalLight(0xffffff, 1.7);
    lamp.position.set(0.6, 0.8, 1);
    this.camera.add(lamp);
    this.controls = new OrbitControls(this.camera, canvas);
    this.turning = new Turning(this);
    this.controls.addEventListener("change", () => this.draw());
    this.controls.listenToKeyEvents(canvas);
    this.controls.keyRotateSpeed = 8;
    canvas.addEventListener("pointerdown", (event) => (this.pressed = event));
    canvas.addEventListener("click", (event) => this.click(event));
    canvas.addEventListener("keydown", (event) => event.key === "Enter" && this.pick(new THREE.Vector2(0, 0)));
    new ResizeObserver(() => this.fit()).observe(this.stage);
    document.addEventListener("lamina:theme", () => this.draw());
    this.show(this.figure.querySelector("[data-shape]"));
    this.figure.viewer = this;
    this.tell("ready");
  }

  // What other modules hear of it: "viewer:ready", "viewer:shown", "viewer:picked" for a place that somebody asked
  // for, "viewer:pointed" for one that nobody did.
  tell(name, detail) {
    this.figure.dispatchEvent(new CustomEvent(`viewer:${name}`, { detail }));
  }

  async show(button) {
    for (const other of this.figure.querySelectorAll("[data-shape]")) other.setAttribute("aria-pressed", String(other === button));
    const { shape, url, format, title } = button.dataset;
    for (const legend of this.figure.querySelectorAll("[data-legend]")) legend.hidden = legend.dataset.legend !== shape;
    this.clearMarks();
    this.say("Loading…");
    this.wanted = url;
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`answer ${response.status}`);
      const geometry = (format === "ply" ? new PLYLoader() : new STLLoader()).parse(await response.arrayBuffer());
      if (this.wanted !== url) return;
      this.place(geometry, shape, title);
      this.say("");
    } catch (failure) {
      this.say(`The shape could not be loaded (${failure.message}).`);
    }
  }

  // A series is looked at from one place, so that what moves is the teeth.
  async stageOf(range) {
    if (!range.matches("[data-stages]")) return;
    const button = this.figure.querySelectorAll("[data-shape]")[Number(range.value) - 1];
    this.figure.querySelector("[data-stage-said]").textContent = button.dataset.title;
    const from = this.mesh && this.camera.position.clone();
    const to = this.mesh && this.controls.target.clone();
    await this.show(button);
    if (!from) return;
    this.camera.position.copy(from);
    this.controls.target.copy(to);
    this.controls.update();
    this.draw();
  }

  place(geometry, shape, title) {
    if (this.mesh) {
      this.scene.remove(this.mesh);
      this.mesh.geometry.dispose();
      this.mesh.material.dispose();
    }
    geometry.computeVertexNormals();
    geometry.computeBoundingBox();
    const coloured = geometry.hasAttribute("color");
    const material = new THREE.MeshStandardMaterial({
      color: COLOURS[shape] ?? 0xcccccc, vertexColors: coloured, roughness: 0.65, metalness: 0.02, side: THREE.DoubleSide, flatShading: !coloured && shape === "design",
    });
    this.mesh = new THREE.Mesh(geometry, material);
    this.shown = { shape, title };
    this.scene.add(this.mesh);
    const size = geometry.boundingBox.getSize(new THREE.Vector3());
    const triangles = (geometry.index ? geometry.index.count : geometry.attributes.position.count) / 3;
    const words = `${size.x.toFixed(1)} × ${size.y.toFixed(1)} × ${size.z.toFixed(1)} mm, ${triangles.toLocaleString("en")} triangles`;
    this.renderer.domElement.setAttribute("aria-label", `${title}: ${words}. Drag to turn; arrow keys move, with Shift they turn, Enter takes the place in the middle.`);
    this.section();
    this.look("front");
    this.read.textContent = [words, this.turning.follow(this.mesh)].filter(Boolean).join("; ");
    this.tell("shown");
  }

  // Cut off what lies beyond a plane, so that one sees into the shape; the plane stands where the slider is, in mm.
  section() {
    const group = this.figure.querySelector("[data-section]");
    if (!group || !this.mesh) return;
    const axis = group.querySelector("select").value, slider = group.querySelector("input");
    slider.hidden = !axis;
    this.cut = null;
    if (axis) {
      const { min, max } = this.mesh.geometry.boundingBox;
      const place = min[axis] + (Number(slider.value) / Number(slider.max)) * (max[axis] - min[axis]);
      this.cut = new THREE.Plane(new THREE.Vector3(...["x", "y", "z"].map((one) => (one === axis ? -1 : 0))), place);
      slider.setAttribute("aria-valuetext", `${axis} = ${place.toFixed(1)} mm`);
      this.read.textContent = `Section at ${axis} = ${place.toFixed(1)} mm`;
    }
    this.mesh.material.clippingPlanes = this.cut && [this.cut];
    this.draw();
  }

  look(side) {
    if (!this.mesh) return;
    const sphere = new THREE.Sphere();
    this.mesh.geometry.boundingBox.getBoundingSphere(sphere);
    const distance = (sphere.radius / Math.sin(((this.camera.fov / 2) * Math.PI) / 180)) * 1.02;
    const direction = new THREE.Vector3(...SIDES[side]);
    if (side === "front") direction.set(0.45, -1, 0.35).normalize();
    this.camera.position.copy(sphere.center).addScaledVector(direction, distance);
    this.camera.near = distance / 100;
    this.camera.far = distance * 10;
    this.controls.target.copy(sphere.center);
    this.fit();
    this.controls.update();
    this.draw();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    this.renderer.setSize(width, height, false);
    this.camera.aspect = width / height;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  draw() {
    this.renderer?.render(this.scene, this.camera);
  }

  tool(button) {
    if (!button) return;
    if (button.dataset.do === "shape") this.show(button);
    else if (button.dataset.do === "look") this.look(button.dataset.side);
    else if (button.dataset.do === "measure") this.measure(button);
    else if (button.dataset.do === "wire" && this.mesh) {
      this.mesh.material.wireframe = !this.mesh.material.wireframe;
      button.setAttribute("aria-pressed", String(this.mesh.material.wireframe));
      this.draw();
    }
  }

  measure(button) {
    this.measuring = !this.measuring;
    button.setAttribute("aria-pressed", String(this.measuring));
    this.clearMarks();
    this.read.textContent = this.measuring ? "Click two points on the surface" : "";
    this.draw();
  }

  clearMarks() {
    for (const mark of this.marks) this.scene?.remove(mark);
    this.marks = [];
  }

  click(event) {
    const turned = this.pressed && Math.hypot(event.clientX - this.pressed.clientX, event.clientY - this.pressed.clientY) > 4;
    const box = this.renderer.domElement.getBoundingClientRect();
    if (!turned) this.pick(new THREE.Vector2(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2));
  }

  // at: a place of the picture, (0, 0) being its middle and (1, 1) its upper right corner.
  pick(at) {
    const point = this.mesh && this.under(at);
    if (!point) return;
    if (this.figure.hasAttribute("data-picking")) this.tell("picked", point.toArray());
    else if (this.measuring) this.mark(point);
    else this.tell("pointed", point.toArray());
  }

  under(at) {
    const ray = new THREE.Raycaster();
    ray.setFromCamera(at, this.camera);
    const seen = (hit) => !this.cut || this.cut.distanceToPoint(hit.point) >= 0;
    return ray.intersectObject(this.mesh).find(seen)?.point;
  }

  mark(point) {
    if (this.marks.length >= 2) this.clearMarks();
    const radius = this.mesh.geometry.boundingBox.getSize(new THREE.Vector3()).length() / 160;
    const dot = new THREE.Mesh(new THREE.SphereGeometry(radius, 16, 12), new THREE.MeshBasicMaterial({ color: 0xcf3a2f }));
    dot.position.copy(point);
    this.marks.push(dot);
    this.scene.add(dot);
    if (this.marks.length === 2) this.span();
    else this.read.textContent = `First point: ${point.toArray().map((value) => value.toFixed(1)).join(", ")} mm`;
    this.draw();
  }

  span() {
    const [from, to] = this.marks.map((mark) => mark.position);
    const line = new THREE.Line(new THREE.BufferGeometry().setFromPoints([from, to]), new THREE.LineBasicMaterial({ color: 0xcf3a2f }));
    this.scene.add(line);
    this.marks.push(line);
    this.read.textContent = `Distance: ${from.distanceTo(to).toFixed(2)} mm, straight`;
  }
}
