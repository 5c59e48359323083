// Secrets that are no password: a passkey of this device, or a fresh sign-in at the identity provider. Each fills the
// hidden field "assertion" of its form and sends it. Also the idle lock, and the word behind a reset link's "#".

const CHALLENGE = "/sign-in/passkey/";

document.addEventListener("click", (event) => {
  const asked = event.target.closest("[data-passkey], [data-passkey-enrol], [data-provider]");
  if (!asked) return;
  event.preventDefault();
  const act = asked.matches("[data-passkey-enrol]") ? enrol : asked.matches("[data-provider]") ? provider : answer;
  asked.disabled = true;
  act(asked).catch((failure) => said(asked, failure)).finally(() => { asked.disabled = false; });
});

function said(asked, failure) {
  const note = (asked.closest("form")?.parentElement ?? document).querySelector("[data-passkey-said]") ?? document.querySelector("[data-passkey-said]");
  const text = failure.name === "NotAllowedError" ? "The passkey was not used: it was declined, took too long, or none of this account is here." : "This browser could not use a passkey here.";
  if (note) {
    note.hidden = false;
    note.querySelector("span").textContent = text;
  }
}

async function challenge(purpose) {
  const response = await fetch(`${CHALLENGE}?for=${encodeURIComponent(purpose)}`, { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!response.ok) throw new Error("no challenge");
  return (await response.json()).publicKey;
}

async function answer(asked) {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await challenge(asked.dataset.passkey));
  const credential = await navigator.credentials.get({ publicKey });
  give(asked, JSON.stringify(credential.toJSON()));
}

async function enrol(asked) {
  const form = asked.closest("form");
  if (!form.reportValidity()) return;
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(await challenge("enrol"));
  const credential = await navigator.credentials.create({ publicKey });
  form.elements.answer.value = JSON.stringify(credential.toJSON());
  form.requestSubmit();
}

function give(asked, assertion) {
  const form = asked.closest("form");
  form.elements.assertion.value = assertion;
  for (const field of form.querySelectorAll("input[name=password]")) {
    field.required = false;
    field.value = "";
  }
  // A passkey also says who it is: at the door the user id need not be typed.
  if (asked.dataset.passkey === "sign-in" && form.elements.username) form.elements.username.required = false;
  if (asked.hasAttribute("data-passkey-keeps")) {
    form.querySelector("[data-passkey-done]").textContent = "The passkey answered. Go on.";
  } else {
    form.requestSubmit();
  }
}

// --- an answer is good once: after a refusal the form asks for a secret again
document.addEventListener("htmx:after:swap", (event) => {
  const form = event.detail?.ctx?.target?.closest?.("form");
  if (!form?.elements.assertion || !event.detail.ctx.target.matches(".refusal-slot")) return;
  form.elements.assertion.value = "";
  for (const field of form.querySelectorAll("input[name=password]")) field.required = true;
});

// --- the identity provider asks again in a window of its own
async function provider(asked) {
  const channel = new BroadcastChannel("lamina-provider");
  const opened = window.open("/sign-in/provider/?for=signing", "lamina-provider", "popup,width=520,height=680");
  if (!opened) throw new Error("no window");
  await new Promise((resolve, reject) => {
    const over = setTimeout(() => reject(new Error("too long")), 180000);
    channel.onmessage = (message) => {
      clearTimeout(over);
      channel.close();
      give(asked, message.data);
      resolve();
    };
  });
}

const word = document.querySelector("[data-provider-word]")?.dataset.providerWord;
if (word) {
  new BroadcastChannel("lamina-provider").postMessage(word);
  setTimeout(() => window.close(), 300);
}

// --- the link of a reset carries its word behind the "#", which is sent to nobody before the form is
const linked = document.querySelector("form[data-word]");
if (linked && location.hash.length > 1) {
  linked.elements.word.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}

// --- the idle lock: the server decides, this only shows it without delay
const idle = Number(document.body.dataset.idle ?? 0) * 1000;
if (idle) {
  let moved = Date.now();
  let told = Date.now();
  const touch = () => {
    moved = Date.now();
    if (moved - told > 60000) {
      told = moved;
      send("/session/active/");
    }
  };
  for (const name of ["pointerdown", "keydown", "wheel", "touchstart"]) addEventListener(name, touch, { passive: true });
  setInterval(async () => {
    if (Date.now() - moved < idle) return;
    await send("/lock/");
    location.assign(`/locked/?next=${encodeURIComponent(location.pathname)}`);
  }, 5000);
}

function send(path) {
  const token = document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
  return fetch(path, { method: "POST", headers: { "X-CSRFToken": token }, credentials: "same-origin" }).catch(() => undefined);
}
