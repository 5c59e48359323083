// Axial, coronal and sagittal slices of one volume with a crosshair between them, as a stack: three panes that scroll, by pointer
// and by keyboard. What is drawn over them, and what a place is for, is for the page to say.

import { ahead, at, greys, masks, painted, values } from "lamina/slices.js";

const KEYS = { ArrowUp: ["down", -1], ArrowDown: ["down", 1], ArrowLeft: ["right", -1], ArrowRight: ["right", 1], PageUp: ["depth", -1], PageDown: ["depth", 1] };
const LEAP = 10;

const dot = (one, other) => one.reduce((sum, part, axis) => sum + part * other[axis], 0);
const less = (one, other) => one.map((part, axis) => part - other[axis]);
const between = (count, index) => Math.min(Math.max(index, 0), count - 1);

// Where a value lies among growing ones: 2.25 is a quarter of the way from the third to the fourth. Beyond the ends the steps go on.
function among(places, value) {
  let low = 0, high = places.length - 1;
  if (!high) return value - places[0];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (places[middle] <= value) low = middle;
    else high = middle;
  }
  return low + (value - places[low]) / (places[high] - places[low]);
}

// The value at a place between the entries of a list; beyond its ends it goes on as it went.
function lerp(list, index) {
  if (list.length === 1) return list[0];
  const low = between(list.length - 1, Math.floor(index));
  return list[low] + (index - low) * (list[low + 1] - list[low]);
}

function nearest(places, wanted) {
  let best = 0;
  for (let n = 1; n < places.length; n += 1) if (Math.abs(places[n] - wanted) < Math.abs(places[best] - wanted)) best = n;
  return best;
}

// Where the pixels of rows or columns end: half way to the next, and as far beyond the last.
function edges(places) {
  if (places.length === 1) return [-0.5, 0.5];
  const halves = places.slice(1).map((place, n) => (place + places[n]) / 2);
  const [first, last] = [places[0], places.at(-1)];
  return [2 * first - halves[0], ...halves, 2 * last - halves.at(-1)];
}

// The volume's own geometry, as `Volume` has it: positions of the slices in LPS mm, directions of rows and columns, spacing.
export class Geometry {
  constructor({ positions, row_direction: row, column_direction: column, spacing_ij: spacing, planes }) {
    Object.assign(this, { positions, row, column, spacing, planes });
    const [a, b] = [row, column];
    this.normal = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
    if (dot(less(positions.at(-1), positions[0]), this.normal) < 0) this.normal = this.normal.map((part) => -part);
    this.heights = positions.map((place) => dot(less(place, positions[0]), this.normal));
    // How far the first voxel of each slice lies aside of that of the first slice, along columns and rows: a tilted gantry's.
    this.shear = [column, row].map((way) => positions.map((place) => dot(less(place, positions[0]), way)))
      .map((steps) => (steps.some((step) => Math.abs(step) > 1e-6) ? steps : null));
    this.shape = [0, 0, 0];
    for (const plane of Object.values(planes)) this.shape[plane.axes[0]] = plane.count;
  }

  // LPS mm of a voxel (k, j, i).
  patient([k, j, i]) {
    return this.positions[k].map((place, axis) => place + j * this.spacing[1] * this.column[axis] + i * this.spacing[0] * this.row[axis]);
  }

  // Between voxels, too: where a point in LPS mm lies in the stack, in slices, rows and columns. The corner of a slice that is
  // not there lies between those of its neighbours.
  place(point) {
    const from = less(point, this.positions[0]);
    const k = among(this.heights, dot(from, this.normal));
    return [k, this.across(from, this.column, this.shear[0], k) / this.spacing[1], this.across(from, this.row, this.shear[1], k) / this.spacing[0]];
  }

  across(from, direction, shear, k) {
    return dot(from, direction) - (shear ? lerp(shear, k) : 0);
  }

  // Of many points, three numbers each: their heights in mm, and their rows and columns.
  along(points) {
    const found = [0, 1, 2].map(() => new Float32Array(points.length / 3));
    const [corner, sheared] = [this.positions[0], this.shear.some(Boolean)];
    for (let n = 0, at = 0; at < points.length; n += 1, at += 3) {
      const from = [points[at] - corner[0], points[at + 1] - corner[1], points[at + 2] - corner[2]];
      const height = dot(from, this.normal);
      const k = sheared ? among(this.heights, height) : 0;
      found[0][n] = height;
      found[1][n] = this.across(from, this.column, this.shear[0], k) / this.spacing[1];
      found[2][n] = this.across(from, this.row, this.shear[1], k) / this.spacing[0];
    }
    return found;
  }
}

class Pane {
  constructor(stack, box) {
    this.stack = stack;
    this.box = box;
    this.name = box.dataset.plane;
    this.plane = stack.geometry.planes[this.name];
    this.canvas = box.querySelector("canvas");
    this.slider = box.querySelector("input[type=range]");
    this.text = box.querySelector("[data-slice]");
    this.image = new ImageData(this.plane.columns, this.plane.rows);
    this.sheet = document.createElement("canvas");
    [this.sheet.width, this.sheet.height] = [this.plane.columns, this.plane.rows];
    this.step = 1;
    this.wanted = -1;
    this.painted = -1;
    this.since = null;
    const { down_mm: down, right_mm: right, shift_mm: shift } = this.plane;
    this.edges = [edges(down), edges(right)];
    this.left = Math.min(...shift) + this.edges[1][0];
    this.size = [this.edges[1].at(-1) + Math.max(...shift) - this.left, this.edges[0].at(-1) - this.edges[0][0]];
    this.even = shift.every((one) => one === 0) && down.every((y, n) => Math.abs(y - (n * down.at(-1)) / (down.length - 1 || 1)) < 0.01);
    this.slider.max = this.plane.count - 1;
    this.slider.addEventListener("input", () => stack.go(this.plane.axes[0], Number(this.slider.value)));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("pointerdown", (event) => this.press(event));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.fit()).observe(this.canvas);
  }

  get depth() {
    return this.plane.axes[0];
  }

  get index() {
    return this.stack.cross[this.depth];
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
    if (this.wanted !== index || this.since === null) return; // overtaken, or shown by the same wish asked twice
    this.draw();
    this.box.dataset.shown = index;
    performance.measure("lamina-slice", { start: this.since, end: performance.now(), detail: `${this.name} ${index}` });
    this.since = null;
    for (const next of ahead(index, this.step, this.plane.count)) {
      values.get(at(this.stack.slices, this.name, next)).catch(() => {});
      if (this.stack.mask) masks.get(at(this.stack.mask, this.name, next)).catch(() => {});
    }
  }

  async paint(index) {
    const over = this.stack.mask ? masks.get(at(this.stack.mask, this.name, index)) : null;
    const slice = await values.get(at(this.stack.slices, this.name, index));
    const mask = await over;
    if (this.wanted !== index) return;
    painted(this.image, slice, mask, this.stack.table, this.stack.share);
    this.painted = index; // what is drawn over a picture belongs to it, not to the one that is still on its way
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
    if (this.painted >= 0) this.stack.over?.(pen, this);
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
    const [across, along] = this.onto(this.stack.cross);
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

  // Where a place of the stack (k, j, i), also between voxels, lies on the canvas.
  onto(place) {
    const [scale, x, y] = this.scale;
    const { axes, down_mm: down, right_mm: right, shift_mm: shift } = this.plane;
    const row = this.turned(1, place[axes[1]]);
    const across = lerp(right, this.turned(2, place[axes[2]])) + lerp(shift, row) - this.left;
    return [x + across * scale, y + (lerp(down, row) - this.edges[0][0]) * scale];
  }

  // --- asking

  wheel(event) {
    event.preventDefault();
    this.scroll(event.deltaY > 0 ? 1 : -1, event.shiftKey);
  }

  scroll(step, leap) {
    this.step = step;
    this.stack.go(this.depth, this.index + step * (leap ? LEAP : 1));
  }

  key(event) {
    const [way, step] = KEYS[event.key] ?? [];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    if (way === "depth") {
      this.scroll(step, event.shiftKey);
      return;
    }
    const which = way === "down" ? 1 : 2;
    const axis = this.plane.axes[which];
    this.stack.go(axis, this.stack.cross[axis] + step * this.plane.signs[which] * (event.shiftKey ? LEAP : 1));
  }

  voxel(event) {
    const area = this.canvas.getBoundingClientRect();
    const density = this.canvas.width / area.width;
    const [scale, x, y] = this.scale;
    const down = ((event.clientY - area.top) * density - y) / scale + this.edges[0][0];
    const row = nearest(this.plane.down_mm, down);
    const right = ((event.clientX - area.left) * density - x) / scale + this.left - this.plane.shift_mm[row];
    const found = [0, 0, 0];
    found[this.depth] = this.index;
    found[this.plane.axes[1]] = this.turned(1, row);
    found[this.plane.axes[2]] = this.turned(2, nearest(this.plane.right_mm, right));
    return found;
  }

  press(event) {
    if (event.button) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    this.stack.move(this.voxel(event));
    this.stack.tell("pressed");
  }

  drag(event) {
    if (!this.canvas.hasPointerCapture(event.pointerId)) return;
    const before = this.stack.cross.join();
    this.stack.move(this.voxel(event));
    if (this.stack.cross.join() !== before) this.stack.tell("dragged");
  }
}

// What is heard of it: "moved", whenever the crosshair stands somewhere else; "pressed" and "dragged", when a pointer brought it there.
export class Stack extends EventTarget {
  constructor(box) {
    super();
    this.box = box;
    this.slices = box.dataset.slices;
    this.geometry = new Geometry(JSON.parse(document.getElementById("geometry").textContent));
    this.cross = this.geometry.shape.map((count) => Math.floor(count / 2));
    this.point = this.geometry.patient(this.cross);
    this.said = box.querySelector("[data-crosshair]");
    this.level = box.querySelector("[name=level]");
    this.width = box.querySelector("[name=width]");
    this.mask = "";
    this.share = undefined; // of the mask's tint, where it is not the usual one
    this.over = null; // what a page draws over a pane
    this.panes = [...box.querySelectorAll("[data-plane]")].map((one) => new Pane(this, one));
    for (const field of [this.level, this.width]) field.addEventListener("input", () => this.windowed());
    for (const preset of box.querySelectorAll("[data-level]")) {
      preset.addEventListener("click", () => {
        [this.level.value, this.width.value] = [preset.dataset.level, preset.dataset.width];
        this.windowed();
      });
    }
  }

  tell(name) {
    this.dispatchEvent(new Event(name));
  }

  show() {
    if (!this.table) return;
    for (const pane of this.panes) pane.show();
  }

  draw() {
    for (const pane of this.panes) pane.draw();
  }

  // A window of HU, and everything in it.
  windowed() {
    this.table = greys(Number(this.level.value), Number(this.width.value));
    this.box.querySelector("[data-window]").textContent = `${this.level.value} ± ${this.width.value / 2} HU`;
    this.show();
  }

  begin() {
    this.say();
    this.windowed();
  }

  go(axis, index) {
    const next = [...this.cross];
    next[axis] = between(this.geometry.shape[axis], index);
    this.move(next);
  }

  // Puts the crosshair onto a voxel: planes that it leaves show another slice, the others draw its lines anew.
  move(next, point = this.geometry.patient(next)) {
    const left = next.map((index, axis) => index !== this.cross[axis]);
    [this.cross, this.point] = [next, point];
    this.say();
    for (const pane of this.panes) {
      if (left[pane.depth]) pane.show();
      else pane.draw();
    }
    this.tell("moved");
  }

  say() {
    const [x, y, z] = this.point;
    this.said.textContent = `x ${x.toFixed(1)}, y ${y.toFixed(1)}, z ${z.toFixed(1)} mm (LPS)`;
  }

  // The voxel nearest to a point in LPS mm, or nothing where the images do not reach.
  voxelOf(point) {
    const found = this.geometry.place(point).map(Math.round);
    return found.every((index, axis) => index >= 0 && index < this.geometry.shape[axis]) ? found : null;
  }
}
