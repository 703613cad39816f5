// The script of our page inside a store's own admin. A platform's bridge stands before it and sets
// window.makegood.token: a function that gives a promise of a fresh token of that admin. Each call
// carries one, in its header; none is kept. It holds no words and stores nothing in the browser.

import htmx from "htmx.org";

Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyEnabled: false,
  historyCacheSize: 0,
  timeout: 60_000,
  responseHandling: [
    { code: "2..", swap: true },
    { code: "401|409|410|422", swap: true }, // a page that says what to do
    { code: "...", swap: false, error: true },
  ],
});

// htmx notes the page's address while it loads, query and all.
try {
  sessionStorage.removeItem("htmx-current-path-for-history");
} catch {
  // A frame without storage keeps nothing anyway.
}

const trouble = (is) => {
  document.getElementById("trouble").hidden = !is;
};

let token = "";
let pressed = 0; // presses that wait for their token
let look = null; // the request that nobody pressed for

// Asked for before each call: a token lives for a minute. What a look answers would take the pressed button
// away, and with it the press: it gives way.
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { issueRequest, triggeringEvent } = event.detail;
  const press = triggeringEvent ? 1 : 0;
  pressed += press;
  if (press) look?.abort();
  Promise.resolve()
    .then(() => window.makegood.token())
    .finally(() => {
      pressed -= press;
    })
    .then(
      (fresh) => {
        if (!press && pressed) return;
        token = fresh;
        issueRequest(true);
      },
      () => trouble(true),
    );
});

document.addEventListener("htmx:beforeRequest", ({ detail }) => {
  if (!detail.requestConfig.triggeringEvent) look = detail.xhr;
});

document.addEventListener("htmx:configRequest", ({ detail }) => {
  detail.headers.Authorization = `Bearer ${token}`;
  token = "";
});

// What came tells where to go on: at what it says, or at the field that could not be taken.
document.addEventListener("htmx:afterSwap", () => {
  trouble(false);
  document.querySelector("#embedded [data-focus]")?.focus();
});
for (const lost of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(lost, () => trouble(true));
}
