// The panel's one script. Everything works without it, as plain forms; it makes the same forms swap in
// place, counts the ten seconds down, copies texts, and tells the desk how tall the panel is.
//
// It holds no words (they come with the page), stores nothing in the browser, and evaluates no text as
// code. A desk's bridge stands before it and may set window.makegood = { onResize: (height) => {} };
// afterwards it may call window.makegood.theme("dark") and window.makegood.accent("#1f4d45", "#ffffff").

import htmx from "htmx.org";
import { Idiomorph } from "idiomorph";

const makegood = (window.makegood ??= {});
const byId = (id) => document.getElementById(id);
const words = document.querySelector("main").dataset;
const panel = () => byId("panel");

// ---- htmx: no eval, no styles of its own (CSP), our own answers only --------------------------------

Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyEnabled: false,
  historyCacheSize: 0, // no customer's panel in the browser's storage
  timeout: 60_000,
  responseHandling: [
    { code: "204", swap: false },
    { code: "2..", swap: true },
    { code: "409|422", swap: true }, // a page that says what changed, or what to write instead
    { code: "...", swap: false, error: true },
  ],
});

// htmx notes the page's address while it loads, query and all; a desk's query may carry a token.
try {
  sessionStorage.removeItem("htmx-current-path-for-history");
} catch {
  // A frame without storage keeps nothing anyway.
}

let looksByItself = false; // the answer at hand is to a look that nobody pressed for
let hadFocus = false; // the panel, when that answer came

// What the agent opened stays open; what is being typed is not taken away, nor what was typed by an answer
// that nobody asked for. What has the focus without being typed in, as the refund button, is brought up to
// date like the rest.
const stays = (name, element) =>
  (name === "open" && element.localName === "details") ||
  (looksByItself && name === "value" && element.matches(".input"));
const morph = (target, fragment) =>
  Idiomorph.morph(target, fragment.children, {
    morphStyle: "outerHTML",
    ignoreActiveValue: document.activeElement?.matches("input, textarea, select"),
    callbacks: { beforeAttributeUpdated: (name, element) => !stays(name, element) },
  });

htmx.defineExtension("morph", {
  isInlineSwap: (style) => style === "morph",
  handleSwap: (style, target, fragment) => style === "morph" && morph(target, fragment),
});

// ---- who asks: a bearer token, in memory of this page only ------------------------------------------

const session = document.querySelector('meta[name="session"]');

function renewSession(token) {
  if (!token) return;
  session.content = token;
  for (const field of document.querySelectorAll('input[name="session"]')) field.value = token;
}

document.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.headers.Authorization = `Bearer ${session.content}`;
  detail.parameters.session = session.content;
});

document.addEventListener("htmx:beforeOnLoad", ({ detail }) => {
  renewSession(detail.xhr.getResponseHeader("X-Makegood-Session"));
});

// A token lives for fifteen minutes. An agent who leaves a ticket open while she writes must still be able to
// press; only asleep, as on a closed laptop, does a page let its token end.
const RENEWED_EVERY = 5 * 60_000;

async function renew() {
  const token = session.content;
  const headers = { Authorization: `Bearer ${token}` };
  try {
    const answer = await fetch(session.dataset.renew, { method: "POST", headers });
    // Where another ticket was opened meanwhile, this answer is of the ticket before.
    if (answer.ok && session.content === token) renewSession(answer.headers.get("X-Makegood-Session"));
  } catch {
    // The next press says that nobody answers.
  }
}

setInterval(renew, RENEWED_EVERY);

// ---- before and after an answer ---------------------------------------------------------------------

function say(sentence) {
  byId("status").textContent = sentence;
}

// The same trouble again, as of a look every two seconds, is not said again.
function trouble(sentence = "") {
  const box = byId("trouble");
  const words = box.querySelector("p");
  if (words.textContent !== sentence) words.textContent = sentence;
  if (box.hidden !== !sentence) box.hidden = !sentence;
}

// Money moves once: the panel takes no other press until this one is answered; nor while the desk has turned
// to another ticket, whose panel is not here yet.
let once = null; // the request that is under way, and what was pressed for it
let turning = null; // the request for the desk's other ticket
let pressed = null;
let opening = null; // the desk's form beside the panel, where the desk's ticket changed during a press

const isOutside = (element) => !panel().contains(element);

document.addEventListener(
  "submit",
  (event) => {
    const outside = isOutside(event.target);
    if (outside ? !once : !panel().inert) return;
    if (outside) opening = event.target; // the desk will not say it again
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  { capture: true },
);

// The plan of a typed amount is asked for half a second later. By then the press may be under way, or a
// ticked step that takes the amount along, and the newer request would end it.
let typed = null; // the amount that was asked for last

document.addEventListener("htmx:confirm", (event) => {
  const { elt } = event.detail;
  if (isOutside(elt)) return;
  if (panel().inert || panel().hidden || (elt.id === "free" && elt.value === typed)) event.preventDefault();
});

document.addEventListener("htmx:configRequest", ({ detail }) => {
  typed = detail.parameters.free ?? null;
});

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (detail.elt.matches("[data-once]")) [once, pressed] = [detail.xhr, document.activeElement];
  else if (isOutside(detail.elt)) turning = detail.xhr;
  else return;
  panel().inert = true;
});

document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) typed = null;
  const wasOnce = detail.xhr === once; // its form may be another one by now
  if (!wasOnce && detail.xhr !== turning) return;
  once = turning = null;
  panel().inert = false;
  if (!detail.successful && wasOnce) pressed?.focus();
  if (!opening) return;
  const asked = opening;
  opening = null;
  queueMicrotask(() => asked.requestSubmit()); // after htmx is through with the request that ended
});

// A page of somebody else, as of a proxy that is being mended, says nothing of the money: it does not take
// the panel's place.
document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  looksByItself = !detail.requestConfig.triggeringEvent;
  hadFocus = panel().contains(document.activeElement);
  if (detail.shouldSwap && !detail.serverResponse.includes('<div id="panel"')) {
    detail.shouldSwap = false;
    detail.isError = true;
  }
  if (!detail.isError) trouble();
});

// Where the desk's other ticket could not be opened, what is here is of the ticket before: another customer.
function hideOther({ elt }) {
  if (isOutside(elt)) panel().hidden = true;
}

document.addEventListener("htmx:responseError", ({ detail }) => {
  hideOther(detail);
  const { status } = detail.xhr;
  const box = byId("trouble").dataset;
  trouble(status === 401 ? box.ended : status >= 400 && status < 500 ? box.refused : box.offline);
});

for (const lost of ["htmx:sendError", "htmx:timeout"]) {
  document.addEventListener(lost, ({ detail }) => {
    hideOther(detail);
    trouble(byId("trouble").dataset.offline);
  });
}

let said = panel().dataset.say;

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  // A click the browser remembers must not hide what the answer says is chosen.
  for (const input of panel().querySelectorAll('input:is([type="checkbox"], [type="radio"])')) {
    input.checked = input.defaultChecked;
  }
  const free = byId("free");
  if (free && free === document.activeElement && free.value !== (detail.requestConfig.parameters.free ?? "")) {
    waitForPlan(); // more was typed since this plan was asked for
  }
  countDown();
  markSheet();
  if (panel().dataset.say !== said) {
    said = panel().dataset.say;
    say(said);
  }
});

document.addEventListener("htmx:afterSettle", () => {
  if (once || turning) return; // pressed, or turned, since this answer was swapped in: the panel waits for the next one
  panel().inert = false;
  // The pressed button is gone: go on reading where the new content starts, not at the top. Who writes at
  // the desk, outside of this frame, goes on writing there; who reads further down goes on reading.
  if (looksByItself && !hadFocus) return;
  if (document.hasFocus() && document.activeElement === document.body) {
    panel().querySelector("[data-focus]")?.focus({ preventScroll: false });
  }
});

// ---- choosing: the button waits until the plan fits what is chosen ----------------------------------

// It waits in its place: a button that is `disabled` would be passed over by who goes on by Tab right
// after choosing, and would lose the focus of who is there already.
const waits = (button) => button?.ariaDisabled === "true";

// What the plan before said is not what would be sent now: until the answer comes, no amount of it stands
// on the button or in the plan. The answer puts back all that is changed here, sizes too.
function waitForPlan() {
  const pay = byId("pay");
  if (!pay || waits(pay)) return;
  pay.style.minBlockSize = `${pay.offsetHeight}px`; // two lines that become one must move nothing
  pay.ariaDisabled = "true";
  const [what, until] = [document.createElement("b"), document.createElement("span")];
  [what.textContent, until.textContent] = [words.refund, words.refundWaits];
  pay.replaceChildren(what, until);
  const plan = byId("plan");
  if (plan) plan.ariaBusy = "true";
}

// To leave the field of a typed amount tells of a change that was planned while it was typed.
const isPlanned = ({ type, target }) =>
  type === "change" && target.id === "free" && byId("pay") && !waits(byId("pay"));

for (const kind of ["input", "change"]) {
  document.addEventListener(
    kind,
    (event) => {
      const { target } = event;
      if (!target.closest("[data-plan]")) return;
      if (isPlanned(event)) return event.stopPropagation(); // asked again, the first press would only wait
      if (target.id === "free") {
        byId("amount-free").checked = true;
        if (kind === "input") typed = null;
      }
      if (target.name !== "reason") waitForPlan();
    },
    { capture: true },
  );
}

document.addEventListener(
  "submit",
  (event) => {
    if (!waits(event.submitter)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // Where the plan was asked for in vain, nothing is on its way: this press asks again.
    if (!document.querySelector(".htmx-request")) htmx.trigger(panel().querySelector("[data-plan]"), "change");
    say(words.waitsPlan);
  },
  { capture: true },
);

// ---- ten seconds ------------------------------------------------------------------------------------

let ticking = 0;

function countDown() {
  clearInterval(ticking);
  const box = panel().querySelector("[data-seconds-left]");
  if (!box) return;
  // Counted from our own clock's start: a wrong clock here can neither shorten nor lengthen it.
  const end = performance.now() + Number(box.dataset.secondsLeft) * 1000;
  const tick = () => {
    const left = Math.max(0, Math.ceil((end - performance.now()) / 1000));
    box.querySelector(".secs").textContent = left;
    box.querySelector("progress").value = left;
    if (left === 0) clearInterval(ticking);
  };
  ticking = setInterval(tick, 250);
  tick();
}

// ---- a refund by hand: whoever opened the store's page has done the first step ------------------------

let opened = null; // the refund whose page was opened from here

function markSheet() {
  const sheet = panel().querySelector(".sheet");
  if (!sheet || sheet.dataset.refund !== opened) return;
  const [first, next] = sheet.children;
  for (const [step, state] of [[first, "ok"], [next, "on"]]) {
    if (!step) continue;
    step.className = state;
    step.querySelector("b > .vh").textContent = sheet.dataset[state];
  }
  first.removeAttribute("aria-current");
  next?.setAttribute("aria-current", "step");
}

document.addEventListener("click", ({ target }) => {
  const sheet = target.closest("a") && target.closest(".sheet");
  if (!sheet) return;
  opened = sheet.dataset.refund;
  markSheet();
});

// ---- copying ----------------------------------------------------------------------------------------

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Desks' frames often forbid the clipboard interface; a selected field still works.
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "vh";
    document.body.append(field);
    field.select();
    const copied = document.execCommand("copy");
    field.remove();
    return copied;
  }
}

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  const copied = await copy(button.dataset.copy);
  button.focus();
  button.classList.toggle("copied", copied);
  setTimeout(() => button.classList.remove("copied"), 2_000);
  say(copied ? words.copied : words.copyFailed);
  if (!copied) trouble(words.copyFailed);
});

// ---- at home in each desk ---------------------------------------------------------------------------

const root = document.documentElement;
let wished = [];

function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((part) =>
    part <= 10 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const fromHex = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
const ground = () => getComputedStyle(document.querySelector("main")).backgroundColor.match(/\d+/g).map(Number);

// The accent is left out, and our own blue stays, where its text would be under 4.5:1 or where it could
// not be told from the ground (3:1), as a dark accent in a dark desk.
function setAccent() {
  const hex = wished.every((colour) => /^#[0-9a-f]{6}$/i.test(colour)) ? wished.map(fromHex) : [];
  const [accent, onAccent] = hex;
  const fits = hex.length === 2 && contrast(accent, onAccent) >= 4.5 && contrast(accent, ground()) >= 3;
  const set = (name, value) =>
    fits ? root.style.setProperty(name, value) : root.style.removeProperty(name);
  set("--host-accent", wished[0]);
  set("--host-on-accent", wished[1]);
  return fits;
}

makegood.accent = (accent, onAccent) => {
  wished = [accent, onAccent];
  return setAccent();
};

makegood.theme = (theme) => {
  root.dataset.theme = theme;
  setAccent();
};

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", setAccent);
if (root.dataset.accent) makegood.accent(root.dataset.accent, root.dataset.onAccent);

new ResizeObserver(([entry]) => {
  makegood.onResize?.(Math.ceil(entry.borderBoxSize[0].blockSize));
}).observe(document.body);

countDown();
