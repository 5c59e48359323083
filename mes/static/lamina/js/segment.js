// The page on which a person segments: the slices with the mask of the draft over them, and points that are picked for an operation.

import { toast } from "lamina/app.js";
import { Stack } from "lamina/panes.js";

const page = document.querySelector("[data-segment]");
const overlay = page.querySelector("[data-overlay]");
const stack = new Stack(page);
let picking = null;

// --- points for an operation: picked by pointer, or taken from the crosshair by a button
function pick() {
  const point = stack.point.map((one) => one.toFixed(3)).join(" ");
  const text = picking.value.trim();
  picking.value = text ? `${text}\n${point}` : point;
}

stack.addEventListener("pressed", () => picking && pick());
stack.addEventListener("dragged", () => picking?.dataset.stroke !== undefined && pick());

page.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pick], [data-take], [data-clear]");
  const field = button?.closest(".field")?.querySelector("textarea");
  if (!field) return;
  if (button.dataset.take !== undefined) {
    picking = field;
    pick();
    picking = null;
  } else if (button.dataset.clear !== undefined) field.value = "";
  else picking = picking === field ? null : field;
  for (const other of page.querySelectorAll("[data-pick]")) {
    other.setAttribute("aria-pressed", String(other.closest(".field").querySelector("textarea") === picking));
  }
});

// --- the mask over the slices
function laid() {
  stack.mask = overlay.value;
  stack.show();
}
overlay.addEventListener("change", laid);

// The draft is put in anew after every step: its masks are known by their digests.
const known = () => [...document.querySelectorAll("#draft [data-url]")].map((one) => [one.dataset.title, one.dataset.url]);
let drawn = null;
function overlays() {
  const now = known();
  if (String(now) === drawn) return;
  const chosen = overlay.selectedOptions[0]?.text;
  drawn = String(now);
  overlay.replaceChildren(...now.map(([title, url]) => new Option(title, url)), new Option("None", ""));
  overlay.selectedIndex = Math.max([...overlay.options].findIndex((one) => one.text === chosen && chosen !== "None"), 0);
  laid();
}
new MutationObserver(overlays).observe(page, { childList: true, subtree: true });

window.addEventListener("unhandledrejection", (event) => toast(String(event.reason?.message ?? "A slice could not be shown.")));
overlays();
stack.begin();
