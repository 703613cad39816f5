// The script of the install and admin pages: the same forms swap in place, and lists look again by
// themselves. Everything works without it, as plain forms. It holds no words and stores nothing.

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
    { code: "409|422", swap: true },
    { code: "...", swap: false, error: true },
  ],
});

// A look that got no answer is tried again: the list must not stand still because a line was lost.
for (const lost of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(lost, ({ detail }) => {
    const form = detail.elt;
    if (form.matches("#self-test form")) setTimeout(() => form.isConnected && htmx.trigger(form, "load"), 5_000);
  });
}
