// The planning page: a click on the bone fills the field that asked for it, and what stands in the fields is drawn on the bone.
// Axes follow the angles as the server reads them: from straight ahead in the vertebra, towards its middle and towards the feet.

import * as THREE from "three";

const COLOURS = { entry: 0xcf3a2f, contact: 0x2f7fcf, count: 0x6a4fb0, mark: 0x2d8a57 };
const OUTWARD_MM = 20;
const form = document.querySelector("[data-planner]");
const figure = form.querySelector("[data-viewer]");
const field = (name) => form.elements.namedItem(name);

function pointOf(name) {
  const parts = (field(name)?.value ?? "").trim().split(/[\s,;]+/).map(Number);
  return parts.length === 3 && parts.every(Number.isFinite) && field(name).value.trim() ? new THREE.Vector3(...parts) : null;
}

function axisOf(side) {
  const spinous = pointOf("spinous"), body = pointOf("body");
  if (!spinous || !body) return null;
  const ahead = body.sub(spinous).setZ(0).normalize();
  const inward = new THREE.Vector3(0, 0, 1).cross(ahead).multiplyScalar(side === "left" ? -1 : 1);
  const [medial, caudal] = ["medial", "caudal"].map((name) => (Number(field(`${side}-${name}`).value) * Math.PI) / 180);
  const level = ahead.multiplyScalar(Math.cos(medial)).addScaledVector(inward, Math.sin(medial));
  return level.multiplyScalar(Math.cos(caudal)).setZ(-Math.sin(caudal));
}

class Planner {
  constructor(viewer) {
    this.viewer = viewer;
    this.drawn = new THREE.Group();
    viewer.scene.add(this.drawn);
    document.addEventListener("input", (event) => event.target.form === form && this.draw());
    form.addEventListener("click", (event) => this.arm(event.target.closest("[data-pick]")));
    figure.addEventListener("viewer:shown", () => this.see());
    figure.addEventListener("viewer:picked", (event) => this.take(event.detail));
    this.see();
    this.draw();
  }

  see() {
    if (!this.viewer.mesh) return;
    Object.assign(this.viewer.mesh.material, { transparent: true, opacity: 0.62, depthWrite: false });
    this.viewer.look("back");
  }

  arm(button) {
    if (!button) return;
    const asked = button.getAttribute("aria-pressed") === "true" ? null : button;
    for (const other of form.querySelectorAll("[data-pick]")) other.setAttribute("aria-pressed", String(other === asked));
    this.asking = asked?.dataset.pick;
    figure.toggleAttribute("data-picking", Boolean(asked));
    this.viewer.read.textContent = asked ? `Click the bone: ${asked.textContent.trim().replace(/^Pick /, "")}` : "";
  }

  take(point) {
    const wanted = this.asking && field(this.asking);
    if (!wanted) return;
    wanted.value = point.map((value) => value.toFixed(2)).join(", ");
    wanted.focus();
    this.arm(form.querySelector(`[data-pick="${this.asking}"]`));
    this.draw();
  }

  draw() {
    this.drawn.clear();
    for (const input of form.querySelectorAll("[data-point]")) {
      const point = pointOf(input.name), kind = input.dataset.point.split("-").pop();
      if (point) this.dot(point, COLOURS[kind] ?? COLOURS.mark, kind === "count" ? 1.6 : 1.1);
    }
    for (const set of form.querySelectorAll("[data-drill]")) this.drill(set.dataset.drill);
    this.viewer.draw();
  }

  dot(point, colour, radius) {
    const dot = new THREE.Mesh(new THREE.SphereGeometry(radius, 16, 12), new THREE.MeshBasicMaterial({ color: colour, depthTest: false }));
    dot.position.copy(point);
    this.drawn.add(dot);
  }

  drill(side) {
    const entry = pointOf(`${side}-entry`), axis = axisOf(side), depth = Number(field(`${side}-depth`).value);
    if (!entry || !axis || !(depth > 0)) return;
    const length = depth + OUTWARD_MM;
    const bar = new THREE.Mesh(new THREE.CylinderGeometry(1.25, 1.25, length, 20), new THREE.MeshBasicMaterial({ color: COLOURS.entry, transparent: true, opacity: 0.75, depthTest: false }));
    bar.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), axis);
    bar.position.copy(entry).addScaledVector(axis, length / 2 - OUTWARD_MM);
    this.drawn.add(bar);
  }
}

if (figure.viewer) new Planner(figure.viewer);
else figure.addEventListener("viewer:ready", () => new Planner(figure.viewer), { once: true });
