// A shape that a browser draws too slowly to be turned: a coarse stand-in is turned in its place, and the shape itself is drawn again
// as soon as it rests. What is measured or picked is the shape, always.

import * as THREE from "three";

const SMOOTH_MS = 33; // thirty pictures a second
const MOST = 12_000; // triangles that even a browser without a graphics processor draws as fast
const FINEST = 80; // cells along a shape's diagonal
const REST_MS = 160;

export class Turning {
  constructor(viewer) {
    this.viewer = viewer;
    this.standin = null;
    viewer.controls.addEventListener("start", () => this.begin());
    viewer.controls.addEventListener("end", () => this.rest());
    // Before the controls hear of the key: what they draw is the stand-in.
    viewer.renderer.domElement.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && (this.begin(), this.rest()), true);
  }

  // What a person is told of it, "" where the shape itself can be turned.
  follow(mesh) {
    this.forget();
    this.mesh = mesh;
    if (trianglesOf(mesh.geometry) <= MOST || this.frame() <= SMOOTH_MS) return "";
    const took = this.frame(); // the first one also carried the shape to the graphics processor
    if (took <= SMOOTH_MS) return "";
    this.standin = new THREE.Mesh(coarse(mesh.geometry), mesh.material);
    this.standin.visible = false;
    this.viewer.scene.add(this.standin);
    return `coarser while it turns, for this browser takes ${Math.round(took)} ms to draw it`;
  }

  forget() {
    clearTimeout(this.resting);
    if (!this.standin) return;
    this.viewer.scene.remove(this.standin);
    this.standin.geometry.dispose();
    this.standin = null;
  }

  // How long one picture takes, ms: reading a pixel waits for it.
  frame() {
    const pen = this.viewer.renderer.getContext();
    const started = performance.now();
    this.viewer.draw();
    pen.readPixels(0, 0, 1, 1, pen.RGBA, pen.UNSIGNED_BYTE, new Uint8Array(4));
    return performance.now() - started;
  }

  begin() {
    clearTimeout(this.resting);
    if (this.standin) this.swap(true);
  }

  rest() {
    if (this.standin) this.resting = setTimeout(() => (this.swap(false), this.viewer.draw()), REST_MS);
  }

  swap(turning) {
    this.mesh.visible = !turning;
    this.standin.visible = turning;
  }
}

const trianglesOf = (geometry) => (geometry.index ?? geometry.attributes.position).count / 3;

// The shape with its corners drawn together cell by cell, in cells as small as `most` triangles allow.
export function coarse(geometry, most = MOST) {
  if (!geometry.boundingBox) geometry.computeBoundingBox();
  const { min, max } = geometry.boundingBox;
  for (let cell = min.distanceTo(max) / FINEST; ; cell *= 1.4) {
    const { corners, faces } = gathered(geometry, min, cell);
    if (faces.length / 3 > most) continue;
    const made = new THREE.BufferGeometry();
    for (const [name, values] of Object.entries(corners)) made.setAttribute(name, new THREE.Float32BufferAttribute(values, 3));
    made.setIndex(faces);
    made.computeVertexNormals();
    return made;
  }
}

function gathered(geometry, min, cell) {
  const { position, color } = geometry.attributes;
  const places = new Map();
  const own = new Uint32Array(position.count);
  for (let n = 0; n < position.count; n += 1) {
    const i = Math.floor((position.getX(n) - min.x) / cell);
    const j = Math.floor((position.getY(n) - min.y) / cell);
    const key = (i * 4096 + j) * 4096 + Math.floor((position.getZ(n) - min.z) / cell);
    if (!places.has(key)) places.set(key, places.size);
    own[n] = places.get(key);
  }
  const corners = { position: means(position, own, places.size) };
  if (color) corners.color = means(color, own, places.size);
  const { index } = geometry;
  const faces = [];
  for (let n = 0, count = (index ?? position).count; n < count; n += 3) {
    const a = own[index ? index.getX(n) : n];
    const b = own[index ? index.getX(n + 1) : n + 1];
    const c = own[index ? index.getX(n + 2) : n + 2];
    if (a !== b && b !== c && c !== a) faces.push(a, b, c);
  }
  return { corners, faces };
}

function means(attribute, own, count) {
  const sums = new Float32Array(3 * count);
  const shares = new Uint32Array(count);
  for (let n = 0; n < own.length; n += 1) {
    shares[own[n]] += 1;
    sums[3 * own[n]] += attribute.getX(n);
    sums[3 * own[n] + 1] += attribute.getY(n);
    sums[3 * own[n] + 2] += attribute.getZ(n);
  }
  return sums.map((sum, n) => sum / shares[Math.floor(n / 3)]);
}
