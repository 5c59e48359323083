// Files in parts: a broken connection is waited for, a page that was loaded again goes on where it was. Names are never sent.

const PATIENCE = [1, 2, 4, 8, 15, 30, 30, 30, 30, 30, 30, 30];
const PART_TYPE = "application/offset+octet-stream";

export class Stopped extends Error {}
export class Refused extends Error {
  constructor(reasons) {
    super(reasons.map((one) => `${one.text} ${one.cure}`).join(" "));
  }
}

// Bytes of all files one behind the other, a piece at a time.
function piece(files, offset, size) {
  const parts = [];
  let begin = 0;
  let left = size - (offset % size);
  for (const file of files) {
    const from = offset - begin;
    if (left && from < file.size) {
      const part = file.slice(Math.max(from, 0), Math.min(file.size, Math.max(from, 0) + left));
      parts.push(part);
      left -= part.size;
      offset += part.size;
    }
    begin += file.size;
  }
  return new Blob(parts);
}

// By what the same files are known again after the page was loaded anew: sizes and times, no names.
function mark(device, files) {
  return `lamina-upload:${device}:${files.map((file) => `${file.size}.${file.lastModified}`).join(",")}`;
}

async function key(device, files) {
  const text = mark(device, files);
  return text.length < 200 ? text : `lamina-upload:${device}:${hex(await sha256(new TextEncoder().encode(text)))}`;
}

const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const base64 = (bytes) => btoa(String.fromCharCode(...bytes));

// Only pages that came over TLS, or from this machine, may hash.
async function sha256(buffer) {
  return crypto.subtle ? new Uint8Array(await crypto.subtle.digest("SHA-256", buffer)) : new Uint8Array();
}

export class Transfer {
  // told(done, text): a share from 0 to 1, and what to say.
  constructor(device, purpose, files, token, told) {
    Object.assign(this, { device, purpose, files, token, told, address: "", size: files.reduce((sum, file) => sum + file.size, 0) });
    this.stopping = new AbortController();
  }

  stop() {
    this.stopping.abort();
    localStorage.removeItem(this.key);
    if (this.address) this.gone = fetch(this.address, { method: "DELETE", headers: this.headers() });
  }

  // Nobody waits for it any more; what is there stays, and the same files go on from it.
  pauseForNow() {
    this.stopping.abort();
  }

  // Everything is there: its name, and the digest of what was sent.
  async run() {
    this.key = await key(`${this.device}:${this.purpose}`, this.files);
    let offset = await this.patiently(() => this.found());
    while (offset < this.size) offset = await this.patiently(() => this.part(offset));
    this.told(1, "Sent. Lamina is taking it in…");
    return { name: this.name, digest: await this.digest() };
  }

  async patiently(act) {
    for (const pause of [...PATIENCE, 0]) {
      try {
        return await act();
      } catch (fault) {
        if (this.stopping.signal.aborted) throw new Stopped();
        if (!(fault instanceof TypeError) || !pause) throw fault;
        this.told(null, "The connection broke. Lamina goes on by itself as soon as it is back.");
        await this.pause(pause);
      }
    }
    throw new Stopped();
  }

  pause(seconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000);
      window.addEventListener("online", () => resolve(clearTimeout(timer)), { once: true });
      this.stopping.signal.addEventListener("abort", () => resolve(clearTimeout(timer)), { once: true });
    });
  }

  headers(more = {}) {
    return { "X-CSRFToken": this.token, Accept: "application/json", ...more };
  }

  async ask(address, init = {}) {
    const answer = await fetch(address, { ...init, signal: this.stopping.signal });
    // Behind a proxy, a server that is being started again looks like this.
    if (answer.status >= 502 && answer.status <= 504) throw new TypeError("the server is away");
    return answer;
  }

  // The offset of the upload that was begun before, or of a new one.
  async found() {
    const before = localStorage.getItem(this.key);
    if (before) {
      const answer = await this.ask(`/api/uploads/${before}`, { headers: this.headers() });
      if (answer.ok) return this.goOn(await answer.json());
      localStorage.removeItem(this.key);
    }
    const body = JSON.stringify({ device: this.device, purpose: this.purpose, sizes: this.files.map((file) => file.size) });
    const answer = await this.ask("/api/uploads", {
      method: "POST", headers: this.headers({ "Content-Type": "application/json" }), body,
    });
    if (!answer.ok) throw new Refused((await answer.json()).reasons ?? []);
    const begun = await answer.json();
    localStorage.setItem(this.key, begun.upload);
    return this.goOn(begun);
  }

  goOn(upload) {
    this.name = upload.upload;
    this.piece = upload.piece;
    this.address = `/api/uploads/${upload.upload}`;
    return upload.offset;
  }

  async part(offset) {
    this.told(offset / this.size, `${Math.floor((100 * offset) / this.size)} % sent`);
    const bytes = await piece(this.files, offset, this.piece).arrayBuffer();
    const checksum = await sha256(bytes);
    const answer = await this.ask(this.address, {
      method: "PATCH",
      headers: this.headers({
        "Content-Type": PART_TYPE, "Upload-Offset": String(offset),
        ...(checksum.length ? { "Upload-Checksum": `sha256 ${base64(checksum)}` } : {}),
      }),
      body: bytes,
    });
    const held = answer.headers.get("Upload-Offset");
    // Misplaced is no refusal: a part whose answer was lost is there already.
    if (answer.ok || (answer.status === 409 && held !== null)) return Number(held);
    throw new Refused((await answer.json()).reasons ?? []);
  }

  async digest() {
    if (!crypto.subtle) return "";
    const digests = [];
    for (let offset = 0; offset < this.size; offset += this.piece) {
      digests.push(await sha256(await piece(this.files, offset, this.piece).arrayBuffer()));
    }
    return hex(await sha256(await new Blob(digests).arrayBuffer()));
  }
}
