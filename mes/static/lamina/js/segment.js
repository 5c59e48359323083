// The page on which a person segments: three planes that scroll, a crosshair between them, a window of HU, points that are
// picked for an operation, and the mask of the draft over it all.

import { ahead, at, greys, masks, painted, values } from "lamina/slices.js";
import { toast } from "lamina/app.js";

const page = document.querySelector("[data-segment]");
const geometry = JSON.parse(document.getElementById("geometry").textContent);
const shape = [0, 0, 0];
for (const plane of Object.values(geometry.planes)) shape[plane.axes[0]] = plane.count;
const cross = shape.map((count) => Math.floor(count / 2));
const level = page.querySelector("[name=level]");
const width = page.querySelector("[name=width]");
const overlay = page.querySelector("[data-overlay]");
const said = page.querySelector("[data-crosshair]");
let table = greys(Number(level.value), Number(width.value));
let picking = null;

class Pane {
  constructor(box) {
    this.box = box;
    this.name = box.dataset.plane;
    this.plane = geometry.planes[this.name];
    this.canvas = box.querySelector("canvas");
    this.slider = box.querySelector("input[type=range]");
    this.text = box.querySelector("[data-slice]");
    this.image = new ImageData(this.plane.columns, this.plane.rows);
    this.sheet = document.createElement("canvas");
    [this.sheet.width, this.sheet.height] = [this.plane.columns, this.plane.rows];
    this.step = 1;
    this.wanted = -1;
    this.since = null;
    const { down_mm: down, right_mm: right, shift_mm: shift } = this.plane;
    this.edges = [edges(down), edges(right)];
    this.left = Math.min(...shift) + this.edges[1][0];
    this.size = [this.edges[1].at(-1) + Math.max(...shift) - this.left, this.edges[0].at(-1) - this.edges[0][0]];
    this.even = shift.every((one) => one === 0) && down.every((y, n) => Math.abs(y - (n * down.at(-1)) / (down.length - 1)) < 0.01);
    this.slider.max = this.plane.count - 1;
    this.slider.addEventListener("input", () => go(this.plane.axes[0], Number(this.slider.value)));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    new ResizeObserver(() => this.fit()).observe(this.canvas);
  }

  get index() {
    return cross[this.plane.axes[0]];
  }

  fit() {
    const density = window.devicePixelRatio || 1;
    const wide = Math.max(1, Math.round(this.canvas.clientWidth * density));
    const high = Math.max(1, Math.round(this.canvas.clientHeight * density));
    if (this.canvas.width === wide && this.canvas.height === high) return;
    [this.canvas.width, this.canvas.height] = [wide, high];
    this.draw();
  }

  // --- showing

  async show() {
    const index = this.index;
    this.since ??= performance.now(); // a slice that is overtaken leaves the picture behind for as long as the next one takes too
    this.slider.value = index;
    this.text.textContent = `${index + 1} of ${this.plane.count}`;
    this.wanted = index;
    try {
      await this.paint(index);
    } catch (failure) {
      if (this.wanted === index) this.text.textContent = failure.message;
      return;
    }
    if (this.wanted !== index) return;
    this.draw();
    this.box.dataset.shown = index;
    performance.measure("lamina-slice", { start: this.since, end: performance.now(), detail: `${this.name} ${index}` });
    this.since = null;
    for (const next of ahead(index, this.step, this.plane.count)) {
      values.get(at(page.dataset.slices, this.name, next)).catch(() => {});
      if (overlay.value) masks.get(at(overlay.value, this.name, next)).catch(() => {});
    }
  }

  async paint(index) {
    const over = overlay.value ? masks.get(at(overlay.value, this.name, index)) : null;
    const slice = await values.get(at(page.dataset.slices, this.name, index));
    const mask = await over;
    if (this.wanted !== index) return;
    painted(this.image, slice, mask, table);
    this.sheet.getContext("2d").putImageData(this.image, 0, 0);
  }

  // Pixels of the canvas in one mm, and where the picture begins.
  get scale() {
    const scale = Math.min(this.canvas.width / this.size[0], this.canvas.height / this.size[1]);
    return [scale, (this.canvas.width - this.size[0] * scale) / 2, (this.canvas.height - this.size[1] * scale) / 2];
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    const [scale, x, y] = this.scale;
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.even) pen.drawImage(this.sheet, x, y, this.size[0] * scale, this.size[1] * scale);
    else this.rows(pen, scale, x, y);
    this.lines(pen);
    this.letters(pen);
  }

  // Which side of the patient lies where.
  letters(pen) {
    const density = window.devicePixelRatio || 1;
    const [wide, high] = [this.canvas.width, this.canvas.height];
    const edge = 12 * density;
    const places = [[edge, high / 2], [wide - edge, high / 2], [wide / 2, edge], [wide / 2, high - edge]];
    pen.font = `600 ${15 * density}px sans-serif`;
    [pen.textAlign, pen.textBaseline, pen.lineWidth] = ["center", "middle", 3 * density];
    [pen.strokeStyle, pen.fillStyle] = ["#000", "rgb(120 220 255)"];
    this.plane.letters.forEach((letter, n) => {
      pen.strokeText(letter, ...places[n]);
      pen.fillText(letter, ...places[n]);
    });
  }

  // Every slice of an uneven or sheared stack at its own height and place.
  rows(pen, scale, x, y) {
    const { columns, rows, shift_mm: shift } = this.plane;
    const [down, right] = this.edges;
    const wide = (right.at(-1) - right[0]) * scale;
    for (let row = 0; row < rows; row += 1) {
      const top = y + (down[row] - down[0]) * scale;
      pen.drawImage(this.sheet, 0, row, columns, 1, x + (shift[row] + right[0] - this.left) * scale, top, wide, (down[row + 1] - down[row]) * scale + 1);
    }
  }

  lines(pen) {
    const [scale, x, y] = this.scale;
    const row = this.turned(1, cross[this.plane.axes[1]]);
    const column = this.turned(2, cross[this.plane.axes[2]]);
    const across = x + (this.plane.right_mm[column] + this.plane.shift_mm[row] - this.left) * scale;
    const along = y + (this.plane.down_mm[row] - this.edges[0][0]) * scale;
    pen.strokeStyle = "rgb(88 188 203 / 70%)";
    pen.lineWidth = Math.max(1, window.devicePixelRatio || 1);
    pen.beginPath();
    pen.moveTo(across, 0);
    pen.lineTo(across, this.canvas.height);
    pen.moveTo(0, along);
    pen.lineTo(this.canvas.width, along);
    pen.stroke();
  }

  // Between a row or column of the screen and the index of its array axis; the way back is the same.
  turned(which, index) {
    const count = which === 1 ? this.plane.rows : this.plane.columns;
    return this.plane.signs[which] > 0 ? index : count - 1 - index;
  }

  // --- asking

  wheel(event) {
    event.preventDefault();
    this.step = event.deltaY > 0 ? 1 : -1;
    go(this.plane.axes[0], this.index + this.step * (event.shiftKey ? 10 : 1));
  }

  voxel(event) {
    const area = this.canvas.getBoundingClientRect();
    const density = this.canvas.width / area.width;
    const [scale, x, y] = this.scale;
    const down = ((event.clientY - area.top) * density - y) / scale + this.edges[0][0];
    const row = nearest(this.plane.down_mm, down);
    const right = ((event.clientX - area.left) * density - x) / scale + this.left - this.plane.shift_mm[row];
    const found = [0, 0, 0];
    found[this.plane.axes[0]] = this.index;
    found[this.plane.axes[1]] = this.turned(1, row);
    found[this.plane.axes[2]] = this.turned(2, nearest(this.plane.right_mm, right));
    return found;
  }

  press(event) {
    if (event.button) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    move(this.voxel(event));
    if (picking) pick();
  }

  drag(event) {
    if (!this.canvas.hasPointerCapture(event.pointerId)) return;
    const before = cross.join();
    move(this.voxel(event));
    if (picking?.dataset.stroke !== undefined && cross.join() !== before) pick();
  }
}

// Where the pixels of rows or columns end: half way to the next, and as far beyond the last.
function edges(places) {
  const between = places.slice(1).map((place, n) => (place + places[n]) / 2);
  const [first, last] = [places[0], places.at(-1)];
  return [2 * first - between[0], ...between, 2 * last - between.at(-1)];
}

function nearest(places, wanted) {
  let best = 0;
  for (let n = 1; n < places.length; n += 1) if (Math.abs(places[n] - wanted) < Math.abs(places[best] - wanted)) best = n;
  return best;
}

const panes = [...page.querySelectorAll("[data-plane]")].map((box) => new Pane(box));

function go(axis, index) {
  const next = [...cross];
  next[axis] = Math.min(Math.max(index, 0), shape[axis] - 1);
  move(next);
}

// Puts the crosshair onto a voxel: planes that it leaves show another slice, the others draw its lines anew.
function move(next) {
  const left = next.map((index, axis) => index !== cross[axis]);
  next.forEach((index, axis) => (cross[axis] = index));
  const [x, y, z] = patient(cross);
  said.textContent = `x ${x.toFixed(1)}, y ${y.toFixed(1)}, z ${z.toFixed(1)} mm (LPS)`;
  for (const pane of panes) {
    if (left[pane.plane.axes[0]]) pane.show();
    else pane.draw();
  }
}

// LPS mm of a voxel, as `Volume.to_patient` has it.
function patient([k, j, i]) {
  const { positions, row_direction: row, column_direction: column, spacing_ij: spacing } = geometry;
  return positions[k].map((place, axis) => place + j * spacing[1] * column[axis] + i * spacing[0] * row[axis]);
}

// --- points for an operation: picked by pointer, or taken from the crosshair by a button
function pick() {
  const point = patient(cross).map((one) => one.toFixed(3)).join(" ");
  const text = picking.value.trim();
  picking.value = text ? `${text}\n${point}` : point;
}

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

// --- window, overlay, draft
function windowed() {
  table = greys(Number(level.value), Number(width.value));
  page.querySelector("[data-window]").textContent = `${level.value} ± ${width.value / 2} HU`;
  for (const pane of panes) pane.show();
}
for (const field of [level, width]) field.addEventListener("input", windowed);
for (const preset of page.querySelectorAll("[data-level]")) {
  preset.addEventListener("click", () => {
    [level.value, width.value] = [preset.dataset.level, preset.dataset.width];
    windowed();
  });
}
overlay.addEventListener("change", () => panes.forEach((pane) => pane.show()));

// The draft is put in anew after every step: its masks are known by their digests.
const known = () => [...document.querySelectorAll("#draft [data-url]")].map((one) => [one.dataset.title, one.dataset.url]);
let drawn = "";
function overlays() {
  const now = known();
  if (String(now) === drawn) return;
  const chosen = overlay.selectedOptions[0]?.text;
  drawn = String(now);
  overlay.replaceChildren(...now.map(([title, url]) => new Option(title, url)), new Option("None", ""));
  overlay.selectedIndex = Math.max([...overlay.options].findIndex((one) => one.text === chosen && chosen !== "None"), 0);
  for (const pane of panes) pane.show();
}
new MutationObserver(overlays).observe(page, { childList: true, subtree: true });

window.addEventListener("unhandledrejection", (event) => toast(String(event.reason?.message ?? "A slice could not be shown.")));
overlays();
windowed();
move([...cross]);
