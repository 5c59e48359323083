// Places for a dialog, picked on the shape of the page: the dialog stands beside it, a button asks, and a click fills x, y and z.

import { Marks } from "lamina/marks.js";

const dialog = document.getElementById("dialog");
const figure = document.querySelector("[data-viewer]");
const said = figure.querySelector("[data-viewer-read]");
let asking = null;
let marks = null;

function ask(button) {
  asking = button === asking ? null : button;
  for (const other of dialog.querySelectorAll("[data-pick]")) other.setAttribute("aria-pressed", String(other === asking));
  figure.toggleAttribute("data-picking", Boolean(asking));
  if (!asking) return;
  // What is picked lies on the anatomy, whatever is looked at.
  figure.querySelector("[data-shape=bone][aria-pressed=false]")?.click();
  // A narrow window has the dialog below the shape.
  figure.scrollIntoView({ block: window.innerWidth > 800 ? "center" : "start" });
  say();
}

function say() {
  if (asking) said.textContent = `Click the shape: ${asking.textContent.trim().replace(/^Pick\s+/, "").replace(/ \(mm\)$/, "")}`;
}

function take(point) {
  const form = asking?.closest("form");
  if (!form) return;
  "xyz".split("").forEach((axis, place) => {
    const field = form.elements.namedItem(`${asking.dataset.pick}.${axis}`);
    field.value = point[place].toFixed(2);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const button = asking;
  ask(button);
  said.textContent = `Picked: ${point.map((value) => value.toFixed(2)).join(", ")} mm`;
  button.focus();
}

// --- what stands in the fields, drawn on the shape
function vectorOf(name) {
  const parts = "xyz".split("").map((axis) => dialog.querySelector(`[name="${CSS.escape(`${name}.${axis}`)}"]`)?.value ?? "");
  return parts.every((part) => part.trim() && Number.isFinite(Number(part))) ? parts.map(Number) : null;
}

function markOf({ dataset: { vector, title, drawn, standsAt } }) {
  const value = vectorOf(vector), name = title.replace(/ \(mm\)$/, "");
  if (!value) return null;
  if (!standsAt) return { name, kind: "place", at: [value], along: null, joined: drawn === "line" };
  const at = vectorOf(standsAt);
  return at && value.some(Boolean) ? { name, kind: drawn, at: [at], along: value } : null;
}

function draw() {
  if (!figure.viewer) return;
  marks ??= new Marks(figure.viewer);
  const found = [...dialog.querySelectorAll("[data-vector]")].filter((one) => one.dataset.drawn).map(markOf).filter(Boolean);
  const joined = found.filter((mark) => mark.joined).flatMap((mark) => mark.at);
  if (joined.length > 1) found.push({ name: "", kind: "line", at: joined });
  marks.draw(found);
}

dialog.addEventListener("input", draw);
dialog.addEventListener("close", () => marks?.draw([]));
figure.addEventListener("viewer:shown", draw);

dialog.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick]");
  if (button) ask(button);
});
dialog.addEventListener("close", () => asking && ask(asking));
// A shape that has just been loaded says how large it is: what is asked matters more.
figure.addEventListener("viewer:shown", say);
figure.addEventListener("viewer:picked", (event) => take(event.detail));

export function offer() {
  for (const button of dialog.querySelectorAll("[data-pick]")) button.hidden = false;
  draw();
}
