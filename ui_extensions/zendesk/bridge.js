// Joins the panel to Zendesk's client library (the global ZAFClient, loaded from the vendor's host).
//
// It says which ticket the page stands beside, hands on the theme, and tells Zendesk how tall the panel
// is. What it says is a claim: the server reads the ticket again for the agent whom Zendesk signed. It
// stands before the panel's script, calls no API of Zendesk, changes no ticket, and stores nothing.

const makegood = (window.makegood ??= {});
const form = document.getElementById("desk-open");
const loaded = new Promise((resolve) => {
  // htmx takes the form over while the page loads; sent before that, it would leave the frame's address,
  // and with it what the client library needs.
  if (document.readyState === "complete") resolve();
  else window.addEventListener("load", resolve, { once: true });
});

function showNoDesk() {
  const box = document.getElementById("trouble");
  box.querySelector("p").textContent = form.dataset.noDesk;
  box.hidden = false;
}

function join(client) {
  let claimed = ""; // the ticket that was opened last
  let height = 0;

  // ---- which ticket -----------------------------------------------------------------------------------

  async function open() {
    const answer = await client.get("ticket.id");
    const ticket = String(answer["ticket.id"] ?? "");
    if (ticket === "" || ticket === claimed) return;
    await loaded;
    claimed = ticket;
    form.elements.ticket.value = ticket;
    form.requestSubmit();
  }

  const tryOpen = () => open().catch(() => claimed === "" && showNoDesk());

  // After a failure the next look at this ticket asks again.
  form.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.successful && detail.requestConfig.parameters.ticket === claimed) claimed = "";
  });

  // ---- at home ----------------------------------------------------------------------------------------

  makegood.onResize = (wished) => {
    if (wished === height) return;
    height = wished;
    // A desk that does not answer keeps its own height: the panel scrolls.
    client.invoke("resize", { width: "100%", height: `${wished}px` }).catch(() => {});
  };

  async function dress(scheme) {
    await loaded;
    if (scheme === "light" || scheme === "dark") makegood.theme?.(scheme);
  }

  // Older accounts do not tell their colours; the system's then hold.
  const askTheme = () => client.get("colorScheme").then((answer) => dress(answer.colorScheme), () => {});

  // ---- the life of the frame --------------------------------------------------------------------------

  const listeners = {
    "app.registered": () => {
      tryOpen();
      askTheme();
    },
    "app.activated": tryOpen,
    "ticket.id.changed": tryOpen,
    "colorScheme.changed": dress,
    "app.willDestroy": () => {
      makegood.onResize = undefined;
      form.dispatchEvent(new CustomEvent("htmx:abort"));
      for (const [name, listener] of Object.entries(listeners)) client.off(name, listener);
    },
  };
  for (const [name, listener] of Object.entries(listeners)) client.on(name, listener);
}

const client = window.ZAFClient?.init();
if (client) join(client);
else showNoDesk();
