// The fleet, live. A state is taken if its version is newer, telemetry if its (epoch, counter) is. A printer that was not
// heard for ten seconds is unknown whatever it said; five seconds without a heartbeat and the whole screen says so.

import { age } from "lamina/app.js";

const STALE_PRINTER = 10_000;
const SILENT_AFTER = 5_000;
const TONES = {
  idle: "ok", ready: "ok", preparing: "busy", printing: "busy", pausing: "wait", paused: "wait", attention: "wait", cancelling: "wait",
  finished: "wait", cancelled: "off", busy: "busy", maintenance: "off", error: "stop", offline: "stop", unknown: "stop",
};
const ICONS = {
  idle: "circle-check", ready: "circle-check", preparing: "progress", printing: "printer", pausing: "player-pause", paused: "player-pause",
  attention: "alert-triangle", cancelling: "player-stop", finished: "flag", cancelled: "circle-x", busy: "progress",
  maintenance: "settings-automation", error: "alert-triangle", offline: "plug-connected-x", unknown: "help-circle",
};

const UNITS = { ml: "mL", g: "g" };

class Fleet {
  constructor(root) {
    this.root = root;
    this.live = document.getElementById("live");
    this.states = new Map();
    this.values = new Map();
    this.clockSkew = 0;
    this.heardServer = 0;
    this.wait = 500;
    this.icons = document.getElementById("icon-url").dataset.url;
    this.connect();
    this.clock = setInterval(() => this.tick(), 1000);
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.socket = new WebSocket(`${scheme}://${location.host}${this.root.dataset.url}`);
    this.socket.addEventListener("open", () => {
      const only = this.root.dataset.only;
      this.send(only ? { t: "subscribe", printers: [only] } : { t: "subscribe" });
    });
    this.socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    this.socket.addEventListener("close", (event) => this.closed(event));
  }

  closed(event) {
    this.asked = false;
    if (event.code === 4403) {
      this.signedOut();
      return;
    }
    this.say("stale", "Connection lost. Trying again…");
    const pause = Math.random() * this.wait; // full jitter: a room of screens does not come back at once
    this.wait = Math.min(this.wait * 2, 30_000);
    setTimeout(() => this.connect(), Math.max(500, pause));
  }

  /** The rights are gone: what they showed goes too, and no clock ticks on over an empty page. */
  signedOut() {
    clearInterval(this.clock);
    this.states.clear();
    this.values.clear();
    const link = document.createElement("a");
    link.href = `/sign-in/?next=${encodeURIComponent(location.pathname)}`;
    link.textContent = "Sign in";
    const said = document.createElement("p");
    said.setAttribute("role", "alert");
    said.append("You are signed out. ", link, ".");
    this.root.replaceChildren(said);
    this.root.classList.remove("is-stale");
    if (!this.live) return;
    this.live.dataset.live = "stale";
    this.live.textContent = "You are signed out";
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  take(message) {
    if (message.at) this.clockSkew = Date.parse(message.at) - Date.now();
    if (message.t === "snapshot") this.snapshot(message);
    else if (message.t === "state") this.state(message.printer);
    else if (message.t === "telemetry") this.telemetry(message.printer);
    else if (message.t === "heartbeat") this.heartbeat(message);
  }

  snapshot(message) {
    this.wait = 500;
    this.asked = false;
    this.states.clear();
    for (const state of message.printers) this.state(state);
    for (const values of message.telemetry) this.telemetry(values);
    this.heartbeat({ versions: {}, fleet: message.fleet });
  }

  heartbeat(message) {
    this.heardServer = Date.now();
    this.root.classList.remove("is-stale");
    this.say(message.fleet.alive ? "on" : "stale", message.fleet.alive ? "Live" : "Live, but no process is talking to the printers");
    const behind = Object.entries(message.versions).some(([code, version]) => version > (this.states.get(code)?.version ?? 0) + 1);
    const unknown = Object.keys(message.versions).some((code) => !this.states.has(code));
    if (behind || unknown) this.resync();
  }

  resync() {
    if (this.asked) return;
    this.asked = true;
    this.send({ t: "resync" });
    setTimeout(() => (this.asked = false), 5000);
  }

  tick() {
    if (this.heardServer && Date.now() - this.heardServer > SILENT_AFTER) {
      this.root.classList.add("is-stale");
      this.say("stale", `No word from Lamina for ${Math.round((Date.now() - this.heardServer) / 1000)} s. What you see is old.`);
      this.resync();
    }
    for (const [code, state] of this.states) this.paintState(code, state);
  }

  state(state) {
    const known = this.states.get(state.code);
    if (known && known.version >= state.version) return;
    this.states.set(state.code, state);
    const tile = this.tile(state.code);
    if (!tile) return this.newcomer();
    this.paint(tile, state);
    this.paintState(state.code, state);
    if (known) this.refreshActions(tile);
  }

  telemetry(values) {
    const known = this.values.get(values.code);
    if (known && (known.epoch > values.epoch || (known.epoch === values.epoch && known.counter >= values.counter))) return;
    this.values.set(values.code, values);
    const state = this.states.get(values.code);
    if (state && values.heard_at > (state.heard_at ?? "")) state.heard_at = values.heard_at;
    const tile = this.tile(values.code);
    if (tile) this.paintValues(tile, values);
  }

  tile(code) {
    return this.root.querySelector(`[data-printer="${CSS.escape(code)}"]`);
  }

  newcomer() {
    if (this.root.dataset.only) return;
    if (!this.reloading) setTimeout(() => location.reload(), 1500);
    this.reloading = true;
  }

  slot(tile, name) {
    return tile.querySelector(`[data-f="${name}"]`);
  }

  put(tile, name, text) {
    const slot = this.slot(tile, name);
    if (slot && slot.textContent !== text) slot.textContent = text;
  }

  paint(tile, state) {
    const job = state.job;
    this.put(tile, "job", job ? `${job.code} ${job.state_label}: ${job.devices.join(", ")}` : "none");
    const box = state.container;
    this.put(tile, "material", box ? `${box.material} ${box.label}, ${Number(box.remaining).toFixed(0)} ${UNITS[box.unit] ?? box.unit} left` : "none loaded");
    const notice = [state.clearance_needed && `Clear the plate: ${state.clearance_needed}`, state.foreign_run && `Prints something else: ${state.foreign_run}`, state.held && `On hold: ${state.hold_reason}`, state.command && `Command “${state.command.kind}” is ${state.command.state}`].filter(Boolean).join(" · ");
    this.put(tile, "notice", notice);
    this.slot(tile, "notice").hidden = !notice;
    this.slot(tile, "notice-label").hidden = !notice;
    for (const part of ["progress", "bar"]) this.slot(tile, part).hidden = !job;
    if (!job) {
      this.put(tile, "percent", "—");
      this.put(tile, "layer", "");
      this.put(tile, "eta", "");
      this.slot(tile, "bar").value = 0;
    } else if (!this.values.has(state.code) && job.layers) {
      this.layers(tile, job.layers_done, job.layers, job.layers_done / job.layers);
    }
  }

  paintState(code, state) {
    const tile = this.tile(code);
    if (!tile) return;
    const now = Date.now() + this.clockSkew;
    const heard = state.heard_at ? Date.parse(state.heard_at) : 0;
    const silent = now - heard > STALE_PRINTER && state.operation !== "offline";
    const operation = silent ? "unknown" : state.operation;
    const label = silent ? "not heard from" : state.operation_label;
    tile.classList.toggle("is-silent", silent);
    this.put(tile, "heard", state.heard_at ? age(new Date(heard - this.clockSkew).toISOString()) : "never");
    const key = `${operation}|${label}`;
    if (tile.dataset.shown === key) return;
    tile.dataset.shown = key;
    tile.className = `tile top-${TONES[operation] ?? "off"}${silent ? " is-silent" : ""}`;
    this.slot(tile, "state").replaceChildren(this.badge(TONES[operation] ?? "off", ICONS[operation] ?? "circle-dot", label));
  }

  badge(tone, icon, text) {
    const badge = document.createElement("span");
    badge.className = `state tone-${tone}`;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `${this.icons}#${icon}`);
    svg.append(use);
    badge.append(svg, text);
    return badge;
  }

  layers(tile, done, all, share) {
    this.put(tile, "percent", share === null || share === undefined ? "—" : `${Math.floor(share * 100)} %`);
    this.put(tile, "layer", all ? `layer ${done ?? 0} of ${all}` : "");
    this.slot(tile, "bar").value = share ?? 0;
  }

  paintValues(tile, values) {
    const job = this.states.get(values.code)?.job;
    if (job) this.layers(tile, values.layer, values.layers, values.progress);
    this.put(tile, "eta", values.eta_s ? `${this.lasting(values.eta_s)} left` : "");
    const heat = (values.temperatures ?? []).map((one) => `${one.name} ${one.actual_c.toFixed(1)} °C${one.target_c ? ` of ${one.target_c.toFixed(0)}` : ""}`);
    this.put(tile, "temperatures", heat.join(", ") || "—");
    const trouble = values.fault || values.attention;
    if (trouble) {
      this.put(tile, "notice", trouble);
      this.slot(tile, "notice").hidden = false;
      this.slot(tile, "notice-label").hidden = false;
    }
  }

  lasting(seconds) {
    const minutes = Math.round(seconds / 60);
    if (minutes < 1) return `${Math.round(seconds)} s`;
    return minutes >= 60 ? `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min` : `${minutes} min`;
  }

  async refreshActions(tile) {
    const slot = this.slot(tile, "actions");
    if (!slot || document.querySelector("dialog[open]")) return;
    const answer = await fetch(tile.dataset.actions, { headers: { "HX-Request": "true" } });
    if (!answer.ok) return;
    slot.innerHTML = await answer.text();
    window.htmx?.process(slot);
  }

  say(live, text) {
    if (!this.live) return;
    this.live.dataset.live = live;
    if (this.live.textContent !== text) this.live.textContent = text;
    if (live === "stale") this.root.classList.toggle("is-stale", !this.heardServer || Date.now() - this.heardServer > SILENT_AFTER);
  }
}

for (const root of document.querySelectorAll("[data-fleet]")) new Fleet(root);
