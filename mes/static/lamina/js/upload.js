// Forms with files: sent with progress, and answered with a page or with the reasons why not. Images come in by parts first.

import { askNext } from "lamina/app.js";
import { Stopped, Transfer } from "lamina/resumable.js";

document.body.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-upload]");
  if (!form) return;
  event.preventDefault();
  const input = form.querySelector("input[data-resumable]");
  if (input) sendByParts(form, input);
  else send(form, new FormData(form));
});

// A folder is chosen by the same field: a browser offers files or folders, never both.
document.body.addEventListener("click", (event) => {
  const button = event.target.closest("[data-folder-for]");
  const input = button && document.getElementById(button.dataset.folderFor);
  if (!input) return;
  input.webkitdirectory = true;
  input.addEventListener("change", () => (input.webkitdirectory = false), { once: true });
  input.addEventListener("cancel", () => (input.webkitdirectory = false), { once: true });
  input.click();
});

document.body.addEventListener("change", (event) => {
  const input = event.target.closest("input[type=file]");
  const said = input?.closest(".drop")?.querySelector("[data-files-said]");
  if (said) said.textContent = summary([...input.files]);
});

for (const kind of ["dragenter", "dragover"]) {
  document.body.addEventListener(kind, (event) => {
    const drop = event.target.closest?.(".drop");
    if (!drop) return;
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.body.addEventListener("dragleave", (event) => event.target.closest?.(".drop")?.classList.remove("over"));
document.body.addEventListener("drop", (event) => {
  const drop = event.target.closest?.(".drop");
  if (!drop) return;
  event.preventDefault();
  drop.classList.remove("over");
  const input = drop.querySelector("input[type=file]");
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
});

// Names of files may name a patient, so only their number and size are shown.
function summary(files) {
  if (!files.length) return "No file chosen";
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  return `${files.length} file${files.length === 1 ? "" : "s"}, ${(bytes / 1e6).toFixed(1)} MB`;
}

// The files by parts, then the form without them: it names what was sent.
async function sendByParts(form, input) {
  const [bar, said, stop] = ["progress", "[data-progress-said]", "[data-stops]"].map((one) => form.querySelector(one));
  const button = form.querySelector("button:not([type=button])");
  const told = (done, text) => {
    if (done !== null) bar.value = done;
    said.textContent = text;
  };
  const token = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const transfer = new Transfer(input.dataset.resumable, input.dataset.purpose, [...input.files], token, told);
  const stopped = () => transfer.stop();
  stop.addEventListener("click", stopped, { once: true });
  form.closest("dialog")?.addEventListener("close", () => transfer.pauseForNow(), { once: true });
  button.disabled = true;
  bar.hidden = stop.hidden = false;
  bar.value = 0;
  form.querySelector(".refusal-slot").replaceChildren();
  try {
    const sent = await transfer.run();
    const fields = new FormData(form);
    fields.delete(input.name);
    fields.set(`${input.name}_upload`, sent.name);
    fields.set(`${input.name}_digest`, sent.digest);
    send(form, fields);
  } catch (fault) {
    await transfer.gone;
    button.disabled = false;
    bar.hidden = true;
    told(null, fault instanceof Stopped ? "Stopped. Nothing was changed." : `${fault.message || "The connection broke."} Send it again: it goes on where it was.`);
  } finally {
    stop.removeEventListener("click", stopped);
    stop.hidden = true;
  }
}

function send(form, fields) {
  const slot = form.querySelector(".refusal-slot");
  const bar = form.querySelector("progress");
  const said = form.querySelector("[data-progress-said]");
  const button = form.querySelector("button:not([type=button])");
  const request = new XMLHttpRequest();
  request.open("POST", form.action || location.href);
  request.setRequestHeader("HX-Request", "true");
  const end = (text) => {
    button.disabled = false;
    bar.hidden = true;
    if (said) said.textContent = text;
  };
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) return;
    bar.value = event.loaded / event.total;
    if (said) said.textContent = event.loaded < event.total ? `${Math.round(bar.value * 100)} % sent` : "Sent. Lamina is taking it in…";
  });
  request.addEventListener("load", () => {
    const next = request.getResponseHeader("HX-Redirect");
    if (next) {
      location.assign(next);
      return;
    }
    end("");
    const dialog = request.getResponseHeader("Lamina-Dialog");
    if (dialog) {
      askNext(dialog);
      return;
    }
    if (request.status >= 400 && request.status < 500) slot.innerHTML = request.responseText;
    else slot.textContent = "Something broke on the server. Nothing was changed.";
    slot.scrollIntoView({ block: "nearest" });
  });
  request.addEventListener("error", () => end("The connection broke. Nothing was changed; send it again."));
  request.addEventListener("abort", () => end("Stopped. Nothing was changed."));
  button.disabled = true;
  bar.hidden = false;
  bar.value = 0;
  slot.replaceChildren();
  request.send(fields);
}
