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

// Asked for before each call: a token lives for a minute.
document.addEventListener("htmx:confirm", (event) => {
  event.preventDefault();
  const { issueRequest } = event.detail;
  Promise.resolve()
    .then(() => window.makegood.token())
    .then(
      (fresh) => {
        token = fresh;
        issueRequest(true);
      },
      () => trouble(true),
    );
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
