// The page that Freshworks serves around Makegood's frame.
//
// It asks Freshworks to fetch a pass (they add the app's secret on the way; this page never sees it), posts
// the pass into the frame, and says which ticket stands beside it. All that is a claim: the server reads the
// ticket again for the agent who was paired. It calls nobody else, changes no ticket, and stores nothing.

(function () {
  "use strict";

  const TALLEST = 700; // Freshdesk's limit, in pixels
  const SHORTEST = 120;
  const PAUSE = 5000; // between two passes: the account's app may make 50 requests a minute

  const main = document.getElementById("makegood");
  const frame = document.getElementById("panel");
  const form = document.getElementById("enter");
  const trouble = document.getElementById("trouble");
  const address = main.dataset.panel;
  const origin = new URL(address).origin;

  let ticket = ""; // beside which we stand
  let isReady = false; // the frame listens
  let asked = 0; // when a pass was asked for last

  function show(words) {
    trouble.textContent = words;
    trouble.hidden = words === "";
    frame.hidden = words !== "";
  }

  function tell() {
    if (isReady && ticket !== "") {
      frame.contentWindow.postMessage({ makegood: "ticket", ticket: ticket }, origin);
    }
  }

  async function enter(client) {
    asked = Date.now();
    const found = await client.data.get("loggedInUser");
    const agent = String(found.loggedInUser.id);
    const answer = await client.request.invokeTemplate("makegoodPass", {
      context: {},
      body: new URLSearchParams({ agent: agent }).toString(),
    });
    form.action = address;
    form.elements.pass.value = JSON.parse(answer.response).pass;
    form.submit();
    form.elements.pass.value = "";
  }

  async function open(client) {
    try {
      const found = await client.data.get("ticket");
      ticket = String(found.ticket.id);
      if (isReady) {
        show("");
        tell();
      } else if (Date.now() - asked >= PAUSE) {
        show("");
        await enter(client);
      }
    } catch (error) {
      show("Makegood could not be reached. Reload this ticket; nothing has been done.");
    }
  }

  function listen(client) {
    let height = 0;
    window.addEventListener("message", function (event) {
      // Any window may write to us: only our own frame, with our own address in it, is heard.
      if (event.source !== frame.contentWindow || event.origin !== origin) return;
      const said = event.data || {};
      if (said.makegood === "ready") {
        isReady = true;
        tell();
      }
      if (said.makegood === "height" && Number.isFinite(said.height)) {
        const wished = Math.min(TALLEST, Math.max(SHORTEST, Math.ceil(said.height)));
        if (wished === height) return;
        height = wished;
        frame.style.height = wished + "px";
        client.instance.resize({ height: wished + "px" });
      }
    });
  }

  app.initialized().then(
    function (client) {
      listen(client);
      client.events.on("app.activated", function () {
        open(client);
      });
    },
    function () {
      show("Freshdesk's own script did not start here. Reload this ticket; nothing has been done.");
    },
  );
})();
