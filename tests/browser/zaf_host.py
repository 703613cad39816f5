"""A Zendesk agent's page with our frame in it, and Zendesk's client library, for browser tests.

The page speaks the wire format of the client library: `iframe.handshake`, then `get`, `set` and
`invoke` as JSON texts by postMessage. Put it at Zendesk's real origin with playwright's `route()`:

    page.route(f"{HOST_ORIGIN}/**", lambda route: route.fulfill(body=host_page(...), ...))
    page.route(SDK_URL, lambda route: route.fulfill(body=sdk_script(node_modules), ...))

In the page, `window.desk` changes what Zendesk would change (`openTicket`, `activate`, `setTheme`,
`destroy`) and holds what the frame asked for (`heights`, `asked`, `invoked`, `refusals`).

Source: github.com/zendesk/zendesk_app_framework_sdk (lib/client.js, lib/index.js).
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

HOST_ORIGIN: Final = "https://acme.zendesk.com"
SDK_URL: Final = "https://static.zdassets.com/zendesk_app_framework_sdk/2.0/zaf_sdk.min.js"
APP_GUID: Final = "6f8b0c1e-4d2a-4c55-9a57-0f3b8f0c9d11"
FRAME_NAME: Final = "makegood-app"

_SDK_MODULES: Final = ("index", "client", "utils", "vendor/native-promise-only")


def host_page(
    panel_url: str, token: str, *, ticket: int | str = 5001, agent: int = 102, theme: str = "light"
) -> str:
    """The agent's page: it posts the signed token into the frame, as Zendesk does."""
    address = f"{panel_url}?{urlencode({'origin': HOST_ORIGIN, 'app_guid': APP_GUID})}"
    state = json.dumps({"ticket": ticket, "agent": agent, "theme": theme}).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Ticket {escape(str(ticket))}</title>
<style>body {{ margin: 0 }} iframe {{ width: 320px; height: 80px; border: 0 }}</style></head>
<body>
<iframe name="{FRAME_NAME}" title="Makegood"></iframe>
<form method="post" action="{escape(address)}" target="{FRAME_NAME}">
<input type="hidden" name="token" value="{escape(token)}"></form>
<script>const state = {state};
{_HOST_SCRIPT}</script>
</body>
</html>
"""


def sdk_script(node_modules: Path) -> str:
    """The client library from npm as the one file that Zendesk's host serves (global ZAFClient).

    Raises FileNotFoundError where `zendesk_app_framework_sdk` is not installed.
    """
    folder = node_modules / "zendesk_app_framework_sdk" / "lib"
    parts = [
        f"{json.dumps(name)}: function (module, exports, require) {{\n"
        f"{(folder / f'{name}.js').read_text('utf-8')}\n}}"
        for name in _SDK_MODULES
    ]
    return f"""(function () {{
  var parts = {{ {", ".join(parts)} }};
  var done = {{}};
  function load(name) {{
    var key = name.replace(/^\\.\\//, "");
    if (!done[key]) {{
      done[key] = {{ exports: {{}} }};
      parts[key](done[key], done[key].exports, load);
    }}
    return done[key].exports;
  }}
  window.ZAFClient = load("index");
}})();
"""


_HOST_SCRIPT: Final = """
const frame = document.querySelector("iframe");
const appOrigin = new URL(document.forms[0].action).origin;
const guid = new URL(document.forms[0].action).searchParams.get("app_guid");
const bound = new Set();

const values = {
  "ticket.id": () => state.ticket,
  "colorScheme": () => state.theme,
  "currentUser": () => ({ id: state.agent, role: "agent" }),
};

const send = (message) => frame.contentWindow.postMessage(JSON.stringify(message), appOrigin);
const tell = (name, message) => send({ key: `zaf.${name}`, message });

function answerGet(paths) {
  const result = { errors: {} };
  for (const path of paths) {
    desk.asked.push(path);
    if (path in values) result[path] = values[path]();
    else result.errors[path] = { name: "APIUnknown", message: "is not known here", path };
  }
  return result;
}

function answerInvoke(calls) {
  const result = { errors: {} };
  for (const [name, args] of Object.entries(calls)) {
    desk.invoked.push([name, args]);
    if (name === "resize") {
      desk.heights.push(args[0].height);
      frame.style.height = args[0].height;
    }
    result[name] = null;
  }
  return result;
}

window.desk = {
  asked: [],
  invoked: [],
  heights: [],
  handshakes: 0,
  bound,
  refusals: [],
  openTicket(id) {
    state.ticket = id;
    if (bound.has("ticket.id.changed")) tell("ticket.id.changed", id);
  },
  activate() {
    tell("app.activated", { firstLoad: false });
  },
  setTheme(theme) {
    state.theme = theme;
    if (bound.has("colorScheme.changed")) tell("colorScheme.changed", theme);
  },
  destroy() {
    tell("app.willDestroy", {});
  },
};

window.addEventListener("message", (event) => {
  if (event.source !== frame.contentWindow) return;
  if (event.origin !== appOrigin) {
    desk.refusals.push(event.origin);
    return;
  }
  const message = JSON.parse(event.data);
  if (message.appGuid !== guid) {
    desk.refusals.push(message.appGuid);
  } else if (message.key === "iframe.handshake") {
    desk.handshakes += 1;
    tell("app.registered", {
      metadata: { appId: 913, installationId: 8201, name: "Makegood", settings: {} },
      context: {
        instanceGuid: guid,
        product: "support",
        account: { subdomain: "acme" },
        location: "ticket_sidebar",
        ticketId: state.ticket,
      },
    });
  } else if (message.key?.startsWith("iframe.on:")) {
    bound.add(message.key.slice("iframe.on:".length));
  } else if (message.key?.startsWith("iframe.off:")) {
    bound.delete(message.key.slice("iframe.off:".length));
  } else if (message.request === "get") {
    send({ id: message.id, result: answerGet(message.params) });
  } else if (message.request === "invoke") {
    send({ id: message.id, result: answerInvoke(message.params) });
  } else if (message.request === "set") {
    send({ id: message.id, error: { name: "Error", message: "the panel sets nothing" } });
  }
});

document.forms[0].submit();
"""
