// What every page does: dialogs, keyboard, theme, ages that keep counting, and failures that are said.

const body = document.body;
const dialog = document.getElementById("dialog");
const OPEN_MENUS = ":is([data-menu], [data-fold])[open]";

// --- dialogs: whatever htmx puts into #dialog-body opens it
body.addEventListener("htmx:after:swap", (event) => {
  const target = event.detail?.ctx?.target;
  if (target?.id === "dialog-body") openDialog(dialog);
  if (target?.classList?.contains("refusal-slot")) refused(target);
});

// An answer may ask for the rest: another dialog takes the place of the one that was answered.
export const askNext = (address) => htmx.ajax("GET", address, { target: "#dialog-body", swap: "innerHTML" });

body.addEventListener("htmx:after:request", (event) => {
  const next = event.detail?.ctx?.response?.headers.get("Lamina-Dialog");
  if (next) askNext(next);
});

// A scanner types and presses Enter at once: what it types belongs into the first field, in place of what stands
// there, and never on the close button.
const FIELDS = "input:not([type=hidden], [type=radio], :disabled), textarea:not(:disabled), select:not(:disabled)";
const FIRST = ["[autofocus]", `:is(${FIELDS}):not([hidden] *)`, ".dialog-foot button", ".dialog-head h2"];

// A modal dialog that stood before the page gives way to one that stands beside it, with what it shows by now.
const noLongerModal = (which) => new Promise((resolve) => {
  const place = document.getElementById("dialog-body");
  const shown = [...place.childNodes];
  which.addEventListener("close", () => resolve(place.replaceChildren(...shown)), { once: true });
  which.close();
});

async function openDialog(which) {
  // Places are picked on the shape beside the dialog: the page has to stay in reach.
  if (which.querySelector("[data-pick]") && document.querySelector("[data-viewer]")) {
    if (which.matches(":modal")) await noLongerModal(which);
    which.show();
    import("lamina/picking.js").then(({ offer }) => offer());
  } else if (!which.open) which.showModal();
  const first = FIRST.map((selector) => which.querySelector(selector)).find((found) => found);
  if (first?.matches("h2")) first.tabIndex = -1;
  first?.focus();
  if (first?.matches("input")) first.select();
}

function refused(slot) {
  for (const field of slot.closest("form")?.querySelectorAll("input[type=password]") ?? []) field.value = "";
  slot.scrollIntoView({ block: "nearest" });
  // What is signed changed after it was shown: show it as it is now, to be read again.
  if (slot.textContent.includes("ES-19")) document.getElementById("signed")?.dispatchEvent(new CustomEvent("lamina:changed"));
}

dialog?.addEventListener("close", () => document.getElementById("dialog-body").replaceChildren());

body.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) openDialog(document.getElementById(opener.dataset.opens));
  if (event.target.closest("[data-closes]")) event.target.closest("dialog")?.close();
  if (event.target instanceof HTMLDialogElement) event.target.close();
  for (const menu of document.querySelectorAll(OPEN_MENUS)) {
    if (!menu.contains(event.target) || event.target.closest("[data-opens]")) menu.open = false;
  }
});

body.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && dialog?.open && !dialog.matches(":modal")) dialog.close();
  if (event.key !== "Escape" || dialog?.open) return;
  for (const menu of document.querySelectorAll(OPEN_MENUS)) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// --- the server could not be reached, or broke: say so, keep what was typed
for (const name of ["htmx:error", "htmx:response:error"]) {
  body.addEventListener(name, (event) => {
    const status = event.detail?.ctx?.response?.status;
    if (status && status < 500) return; // refusals are shown where they belong
    toast(status ? "Something broke on the server. Nothing was changed." : "The server did not answer. Try again.");
  });
}
body.addEventListener("htmx:before:swap", (event) => {
  if (event.detail?.ctx?.response?.status >= 500) event.preventDefault();
});

export function toast(text) {
  const note = document.createElement("div");
  note.className = "note tone-stop";
  note.textContent = text;
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), 8000);
}

// --- theme
body.addEventListener("click", (event) => {
  const choice = event.target.closest("[data-theme-choice]")?.dataset.themeChoice;
  if (choice) document.dispatchEvent(new CustomEvent("lamina:choose-theme", { detail: choice }));
});
document.addEventListener("lamina:theme", (event) => markTheme(event.detail));
function markTheme(chosen) {
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === chosen));
  }
}
try {
  markTheme(localStorage.getItem("lamina-theme") ?? "system");
} catch {
  markTheme("system");
}

// --- keyboard: "/" finds, "g" and a letter goes, "?" helps
let going = 0;
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("find")?.focus();
  } else if (event.key === "?") {
    openDialog(document.getElementById("keys"));
  } else if (event.key === "g") {
    going = Date.now();
  } else if (Date.now() - going < 1500) {
    document.querySelector(`[data-go="${CSS.escape(event.key)}"]`)?.click();
    going = 0;
  }
});

function typing(element) {
  return element.matches?.("input, textarea, select, [contenteditable]");
}

// --- ages
export function age(iso) {
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(iso)) / 1000));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  }
  return `${seconds} s ago`;
}
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const text = age(time.dateTime);
    if (time.textContent !== text) time.textContent = text;
  }
}, 1000);

// --- on a narrow screen the line of stages begins at the current one
for (const line of document.querySelectorAll(".line")) {
  const now = line.querySelector("[aria-current=step]");
  if (now) line.scrollLeft = now.offsetLeft - line.clientWidth / 2;
}

// --- modules that only some pages need
// A slider and the number beside it say the same; the number alone is sent.
document.addEventListener("input", ({ target }) => {
  const form = target.form;
  if (target.dataset.slides) {
    form.elements.namedItem(target.dataset.slides).value = String(Number(Number(target.value).toFixed(3)));
  } else if (form && target.name) {
    const slider = form.querySelector(`[data-slides="${CSS.escape(target.name)}"]`);
    if (slider) slider.value = target.value;
  }
});

// Three dimensions weigh more than all the rest of a page: they are loaded when somebody comes near them.
const near = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    near.unobserve(target);
    import("lamina/viewer.js").then(({ Viewer }) => new Viewer(target));
  }
}, { rootMargin: "200px" });
for (const figure of document.querySelectorAll("[data-viewer]")) near.observe(figure);
if (document.querySelector("[data-planner]")) import("lamina/planner.js");
if (document.querySelector("[data-review]")) import("lamina/review.js");
if (document.querySelector("[data-fleet]")) import("lamina/fleet.js");
if (document.querySelector("[data-layers]")) import("lamina/layers.js");
if (document.querySelector("[data-segment]")) import("lamina/segment.js");
import("lamina/upload.js");
import("lamina/passkey.js");
