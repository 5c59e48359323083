// The page of a design review: places that were marked before are shown on the shape, and new ones are picked on it or typed.

import * as THREE from "three";

import { Marks } from "lamina/marks.js";
import { Views } from "lamina/views.js";

const COLOURS = { asked: "#6a4fb0", asking: "#cf3a2f" };
const page = document.querySelector("[data-review]");
const figure = page.querySelector("[data-viewer]");
const form = page.querySelector("[data-asking]");
const sliced = page.querySelector("[data-views]");

function pointIn(text) {
  const parts = text.trim().split(/[\s,;]+/).map(Number);
  return text.trim() && parts.length === 3 && parts.every(Number.isFinite) ? new THREE.Vector3(...parts) : null;
}

// A flag that stays as large as it is on the screen and is seen through the shape.
function flag(text, colour) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const pen = canvas.getContext("2d");
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(32, 32, 30, 0, 2 * Math.PI);
  pen.fill();
  Object.assign(pen, { fillStyle: "#ffffff", font: `600 ${text.length > 2 ? 24 : 34}px sans-serif`, textAlign: "center", textBaseline: "middle" });
  pen.fillText(text, 32, 34);
  const map = new THREE.CanvasTexture(canvas);
  map.colorSpace = THREE.SRGBColorSpace;
  const material = new THREE.SpriteMaterial({ map, depthTest: false, sizeAttenuation: false });
  const sprite = new THREE.Sprite(material);
  sprite.scale.setScalar(0.036);
  sprite.renderOrder = 10;
  return sprite;
}

class Review {
  constructor(viewer) {
    this.viewer = viewer;
    this.flags = new THREE.Group();
    viewer.scene.add(this.flags);
    this.marks = new Marks(viewer);
    this.given = JSON.parse(document.getElementById("marks").textContent);
    this.views = sliced && new Views(viewer, sliced);
    this.views?.stack.addEventListener("pressed", () => figure.hasAttribute("data-picking") && this.add(this.views.stack.point));
    page.addEventListener("click", (event) => this.act(event.target.closest("button")));
    form?.addEventListener("input", () => this.draw());
    figure.addEventListener("viewer:picked", (event) => this.add(event.detail));
    figure.addEventListener("viewer:shown", () => {
      this.marks.draw(this.given);
      this.draw();
    });
    this.marks.draw(this.given);
    this.draw();
  }

  act(button) {
    if (!button) return;
    if (button.dataset.place) this.seek(pointIn(button.dataset.place));
    else if (button.dataset.do === "mark") this.arm(button);
    else if (button.dataset.do === "add-place") this.add(this.views?.stack.point ?? null);
    else if (button.dataset.do === "remove-place") this.remove(button.closest("li"));
  }

  arm(button) {
    const armed = figure.toggleAttribute("data-picking");
    button.setAttribute("aria-pressed", String(armed));
    this.viewer.read.textContent = armed ? `Click the shape${this.views ? " or a slice" : ""} at each place` : "";
  }

  add(point) {
    const row = form.querySelector("[data-place-row]").content.firstElementChild.cloneNode(true);
    form.querySelector("[data-places]").append(row);
    const at = row.querySelector("[data-at]");
    if (point) at.value = point.map((value) => value.toFixed(2)).join(", ");
    this.number();
    (point ? row.querySelector("[data-note]") : at).focus();
    this.draw();
  }

  remove(row) {
    row.remove();
    this.number();
    this.draw();
    form.querySelector("[data-do=mark]").focus();
  }

  rows() {
    return form ? [...form.querySelectorAll("[data-places] > li")] : [];
  }

  number() {
    this.rows().forEach((row, index) => {
      const [at, note] = [row.querySelector("[data-at]"), row.querySelector("[data-note]")];
      row.querySelector("[data-numbered]").textContent = index + 1;
      Object.assign(at, { name: `place-${index}-at`, ariaLabel: `Place ${index + 1}: x, y, z` });
      Object.assign(note, { name: `place-${index}-note`, ariaLabel: `Place ${index + 1}: what is wrong` });
      row.querySelector("[data-do] .visually-hidden").textContent = `Remove place ${index + 1}`;
    });
  }

  // The place comes into the middle; the side from which one looks, and from how far, stay.
  seek(point) {
    const { camera, controls } = this.viewer;
    const away = camera.position.clone().sub(controls.target);
    controls.target.copy(point);
    camera.position.copy(point).add(away);
    controls.update();
    this.views?.seek(point.toArray());
    this.viewer.read.textContent = `Looking at ${point.toArray().map((value) => value.toFixed(1)).join(", ")} mm`;
    this.viewer.draw();
  }

  draw() {
    for (const old of this.flags.children) old.material.map.dispose();
    this.flags.clear();
    for (const button of page.querySelectorAll("[data-place]")) this.plant(pointIn(button.dataset.place), button.dataset.number, COLOURS.asked);
    this.rows().forEach((row, index) => this.plant(pointIn(row.querySelector("[data-at]").value), String(index + 1), COLOURS.asking));
    this.viewer.draw();
  }

  plant(point, text, colour) {
    if (!point) return;
    const planted = flag(text, colour);
    planted.position.copy(point);
    this.flags.add(planted);
  }
}

if (figure.viewer) new Review(figure.viewer);
else figure.addEventListener("viewer:ready", () => new Review(figure.viewer), { once: true });
