// Joins our page to Saleor's dashboard by its AppBridge messages: `notifyReady` to it, and from it the
// token, as `handshake` and later as `tokenRefresh` (@saleor/app-sdk, app-bridge). Takes them from the
// dashboard that the page was made for, and from the window around us, and from nobody else. The token
// stays in memory; nothing is called and nothing is stored.

const dashboard = document.querySelector('meta[name="saleor-dashboard"]').content;
const PATIENCE = 15_000;
let token = "";
let waiting = [];

window.addEventListener("message", ({ origin, source, data }) => {
  if (origin !== dashboard || source !== window.parent) return;
  if (data?.type !== "handshake" && data?.type !== "tokenRefresh") return;
  const told = data.payload?.token;
  if (typeof told !== "string" || told === "") return;
  token = told;
  for (const tell of waiting) tell(told);
  waiting = [];
});

(window.makegood ??= {}).token = () =>
  token
    ? Promise.resolve(token)
    : new Promise((tell, giveUp) => {
        waiting.push(tell);
        setTimeout(giveUp, PATIENCE, new Error("the dashboard gave no token"));
      });

window.parent.postMessage({ type: "notifyReady", payload: { actionId: crypto.randomUUID() } }, dashboard);
