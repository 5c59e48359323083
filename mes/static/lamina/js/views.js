// Shapes and slices side by side: a place that is pointed at in one is looked at in all, and the slices show where they cut the shapes.

import * as THREE from "three";
import { Stack } from "lamina/panes.js";
import { Section } from "lamina/sections.js";

const MARK = 0xd98a00;
const OUTLINES = { design: "#4fd6e8", before: "#c79bff", bone: "#e3d8c2" };

export class Views {
  constructor(viewer, box) {
    this.viewer = viewer;
    this.box = box;
    this.stack = new Stack(box);
    this.stack.share = 0; // what lies inside an outline is for the eye to judge
    this.stack.over = (pen, pane) => this.outlines(pen, pane);
    this.stack.addEventListener("moved", () => this.mark());
    this.marker = new THREE.Group();
    viewer.scene.add(this.marker);
    viewer.figure.addEventListener("viewer:shown", () => this.shape());
    for (const heard of ["pointed", "picked"]) viewer.figure.addEventListener(`viewer:${heard}`, (event) => this.seek(event.detail));
    box.addEventListener("change", (event) => event.target.dataset.outline && this.chosen());
    this.chosen();
    this.stack.begin();
    this.shape();
  }

  wants(name) {
    return this.box.querySelector(`[data-outline=${name}]`)?.checked;
  }

  chosen() {
    this.stack.mask = this.wants("mask") ? this.box.dataset.mask : "";
    this.stack.show();
  }

  // The shape that is looked at is cut by the slices as well, beside the design, which always is.
  shape() {
    const { mesh, shown } = this.viewer;
    if (!mesh) return;
    const section = () => new Section(mesh.geometry, this.stack.geometry);
    const first = !this.design;
    if (first) {
      this.design = section();
      this.named = shown.title;
    }
    const other = shown.title !== this.named && shown.shape !== "difference";
    this.other = other ? { section: section(), colour: shown.shape === "bone" ? OUTLINES.bone : OUTLINES.before } : null;
    const told = this.box.querySelector("[data-outline-shown]");
    Object.assign(told, { hidden: !other, textContent: shown.title });
    told.dataset.outlineShown = shown.shape;
    if (first) this.seek(mesh.geometry.boundingBox.getCenter(new THREE.Vector3()).toArray());
    else this.mark();
    this.stack.draw();
  }

  // Brings slices and mark to a point in LPS mm; where the images do not reach it, that is said.
  seek(point) {
    const voxel = this.stack.voxelOf(point);
    if (voxel) this.stack.move(voxel, point);
    else this.stack.said.textContent = "This place lies outside the images.";
  }

  mark() {
    const { mesh } = this.viewer;
    if (!mesh) return;
    for (const part of this.marker.children) part.geometry.dispose();
    this.marker.clear();
    const size = mesh.geometry.boundingBox.getSize(new THREE.Vector3()).length();
    const material = { color: MARK, depthTest: false, transparent: true };
    this.marker.add(new THREE.Mesh(new THREE.SphereGeometry(size / 160, 16, 12), new THREE.MeshBasicMaterial(material)));
    const ends = [[1, 0, 0], [0, 1, 0], [0, 0, 1]].flatMap((way) => [-1, 1].map((sign) => new THREE.Vector3(...way).multiplyScalar((sign * size) / 3)));
    this.marker.add(new THREE.LineSegments(new THREE.BufferGeometry().setFromPoints(ends), new THREE.LineBasicMaterial({ ...material, opacity: 0.8 })));
    this.marker.position.set(...this.stack.point);
    for (const part of this.marker.children) part.renderOrder = 9;
    this.viewer.draw();
  }

  outlines(pen, pane) {
    pen.lineWidth = 1.5 * (window.devicePixelRatio || 1);
    pen.lineCap = "round";
    if (this.other) this.outline(pen, pane, this.other.section, this.other.colour);
    const drawn = this.design && this.wants("design") ? this.outline(pen, pane, this.design, OUTLINES.design) : 0;
    pane.box.dataset.outline = drawn;
  }

  outline(pen, pane, section, colour) {
    const pieces = section.pieces(pane.depth, pane.painted);
    pen.strokeStyle = colour;
    pen.beginPath();
    for (const [from, to] of pieces) {
      pen.moveTo(...pane.onto(from));
      pen.lineTo(...pane.onto(to));
    }
    pen.stroke();
    return pieces.length;
  }
}
