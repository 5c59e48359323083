// Where a shape is cut by a slice: its triangles against the plane of the slice, in the volume's own geometry.

export class Section {
  // mesh: a BufferGeometry in LPS mm; geometry: that of the stack. How far each vertex lies along the three axes of the stack is
  // found once: heights in mm along the normal, rows and columns in voxels. On each edge all three grow evenly.
  constructor(mesh, geometry) {
    this.geometry = geometry;
    this.points = mesh.attributes.position.array;
    this.corners = mesh.index?.array ?? null;
    this.count = (this.corners ?? this.points).length / (this.corners ? 3 : 9);
    this.along = geometry.along(this.points);
    this.found = new Map();
  }

  // Pairs of places of the stack (k, j, i), the ends of one piece of the outline each, in slice `index` of a stack's axis.
  pieces(axis, index) {
    const known = this.found.get(axis);
    if (known?.index === index) return known.pieces;
    const pieces = this.cut(this.along[axis], axis === 0 ? this.geometry.heights[index] : index);
    this.found.set(axis, { index, pieces });
    return pieces;
  }

  cut(along, level) {
    const pieces = [];
    const corner = this.corners ? (n) => this.corners[n] : (n) => n;
    for (let n = 0; n < this.count * 3; n += 3) {
      const [a, b, c] = [corner(n), corner(n + 1), corner(n + 2)];
      const [above, beside, beyond] = [along[a] >= level, along[b] >= level, along[c] >= level];
      if (above === beside && beside === beyond) continue;
      // The corner that lies alone on its side is an end of both edges that the plane cuts.
      const [alone, one, other] = above === beside ? [c, a, b] : beside === beyond ? [a, b, c] : [b, a, c];
      pieces.push([this.crossing(along, level, alone, one), this.crossing(along, level, alone, other)]);
    }
    return pieces;
  }

  crossing(along, level, from, to) {
    const share = (level - along[from]) / (along[to] - along[from]);
    const part = (axis) => this.points[3 * from + axis] + share * (this.points[3 * to + axis] - this.points[3 * from + axis]);
    return this.geometry.place([part(0), part(1), part(2)]);
  }
}
