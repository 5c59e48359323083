// Slices of a volume, fetched one at a time and kept for a while, and drawn in millimetres with a window of HU.

const KEPT_BYTES = 96 * 1024 * 1024;
const AHEAD = 4;

// Fetches slices by address. Newest use last; the oldest go when there are too many bytes.
export class Slices {
  constructor(decode) {
    this.decode = decode;
    this.kept = new Map();
    this.bytes = 0;
    this.under = new Map();
  }

  have(url) {
    const found = this.kept.get(url);
    if (found) {
      this.kept.delete(url);
      this.kept.set(url, found);
    }
    return found;
  }

  async get(url) {
    const found = this.have(url);
    if (found) return found;
    if (!this.under.has(url)) this.under.set(url, this.load(url).finally(() => this.under.delete(url)));
    return this.under.get(url);
  }

  async load(url) {
    const answer = await fetch(url, { headers: { Accept: "application/octet-stream" } });
    if (!answer.ok) throw new Error(`A slice could not be read (${answer.status}).`);
    const slice = this.decode(await answer.arrayBuffer());
    this.kept.set(url, slice);
    this.bytes += slice.byteLength;
    for (const [old, held] of this.kept) {
      if (this.bytes <= KEPT_BYTES) break;
      this.kept.delete(old);
      this.bytes -= held.byteLength;
    }
    return slice;
  }
}

export const values = new Slices((buffer) => new Int16Array(buffer));
export const masks = new Slices((buffer) => new Uint8Array(buffer));

// The address of a slice, from that of the first axial one.
export function at(first, plane, index) {
  return first.replace(/axial\/0\/$/, `${plane}/${index}/`);
}

// The slices that come next in the direction of the last step, so that they are there when they are asked for.
export function ahead(index, step, count) {
  const wanted = [];
  for (let n = 1; n <= AHEAD; n += 1) wanted.push(index + n * step);
  wanted.push(index - step);
  return wanted.filter((one) => one >= 0 && one < count);
}

// One byte of grey for each of the 65,536 values, for a window of HU.
export function greys(level, width) {
  const table = new Uint8ClampedArray(65536);
  for (let value = -32768; value < 32768; value += 1) table[value & 0xffff] = ((value - level) / width + 0.5) * 255;
  return table;
}

const TINT = [255, 176, 0];
const SHARE = 0.28;

// Paints a slice, and the mask over it as tint and outline, into an image of one pixel a voxel. A share of 0 leaves the tint out.
export function painted(image, slice, mask, table, share = SHARE) {
  const { data, width, height } = image;
  const inside = (row, column) => {
    if (row < 0 || column < 0 || row >= height || column >= width) return 0;
    const bit = row * width + column;
    return (mask[bit >> 3] >> (7 - (bit & 7))) & 1;
  };
  for (let bit = 0; bit < slice.length; bit += 1) {
    const grey = table[slice[bit] & 0xffff];
    data[bit * 4] = data[bit * 4 + 1] = data[bit * 4 + 2] = grey;
    data[bit * 4 + 3] = 255;
  }
  if (!mask) return;
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const bit = row * width + column;
      if (!mask[bit >> 3]) {
        column += 7 - (bit & 7); // the rest of this byte lies outside too
        continue;
      }
      if (!inside(row, column)) continue;
      const edge = !(inside(row - 1, column) && inside(row + 1, column) && inside(row, column - 1) && inside(row, column + 1));
      for (let channel = 0; channel < 3; channel += 1) {
        const grey = data[bit * 4 + channel];
        data[bit * 4 + channel] = edge ? TINT[channel] : grey * (1 - share) + TINT[channel] * share;
      }
    }
  }
}
