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

// An address to be pasted elsewhere: one press copies it, and where a browser forbids that, it stands
// selected, ready to be copied by hand.
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    if (!document.execCommand("copy")) return;
  }
  button.focus();
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 2_000);
});
