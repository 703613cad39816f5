// Joins the panel to the page that Freshworks serves around our frame.
//
// It takes from that page which ticket it stands beside, and tells it how tall the panel is. What the page
// says is a claim: the server reads the ticket again for the agent. Only the window that frames us is heard,
// and who may frame us stands in the page's policy. It calls nobody and stores nothing.

const makegood = (window.makegood ??= {});
const form = document.getElementById("desk-open");
const around = window.parent;

if (form && around !== window) {
  let claimed = ""; // the ticket that was opened last

  const say = (words) => around.postMessage(words, "*"); // a height and a greeting: no secret

  const open = (ticket) => {
    if (!/^[1-9][0-9]{0,18}$/.test(ticket) || ticket === claimed) return;
    claimed = ticket;
    form.elements.ticket.value = ticket;
    form.requestSubmit();
  };

  // After a failure the next word of this ticket asks again.
  form.addEventListener("htmx:afterRequest", ({ detail }) => {
    if (!detail.successful && detail.requestConfig.parameters.ticket === claimed) claimed = "";
  });

  window.addEventListener("message", ({ source, data }) => {
    if (source === around && data?.makegood === "ticket") open(String(data.ticket));
  });

  makegood.onResize = (height) => say({ makegood: "height", height });

  // htmx takes the form over while the page loads; sent before that, it would leave the frame's address.
  const greet = () => say({ makegood: "ready" });
  if (document.readyState === "complete") greet();
  else window.addEventListener("load", greet, { once: true });
}
