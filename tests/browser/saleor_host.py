"""A dashboard like Saleor's around our page, for browser tests and pictures.

It speaks as the vendor's AppBridge expects (@saleor/app-sdk 1.15): a token by `handshake` once we
said `notifyReady`, and by `tokenRefresh` later. Our own side is the whole application. Every
address is answered by `route()`; nothing leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Frame, Page, Route

from tests.platforms.saleor.in_dashboard import API, PAGE, InDashboard

OURS = "https://refunds.plugin.test"
DASHBOARD = "https://ada.example.com"
HOSTILE = "https://hostile.plugin.test"
HOST_PAGE = """<!doctype html><html lang="en"><title>Dashboard</title>
<style>body { margin: 0 } iframe { border: 0; width: 100vw; height: 90vh }</style>
%s<iframe id="app" title="Makegood" src="%s"></iframe>
<script>
const app = document.querySelector("#app");
window.ready = 0;
window.tell = async (type) => {
  const token = await (await fetch("/token")).text();
  app.contentWindow.postMessage({ type, payload: { token, version: 1 } }, "%s");
};
window.addEventListener("message", ({ source, origin, data }) => {
  if (source !== app.contentWindow || origin !== "%s") return;
  if (data.type !== "notifyReady" || !data.payload.actionId) return;
  window.ready += 1;
  tell("handshake");
});
</script></html>"""
SIBLING = """<iframe title="Other" srcdoc="<script>setInterval(() => {
  for (let at = 0; at &lt; parent.length; at += 1) parent[at].postMessage(
    { type: 'handshake', payload: { token: 'evil' } }, '*');
}, 5)</script>" sandbox="allow-scripts"></iframe>"""


@dataclass
class Scene:
    """Staff at the dashboard, as one test sees it."""

    page: Page
    at: InDashboard
    beside: str = ""
    spoilt: bool = False
    sent: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.route("**/*", lambda route: route.abort())
        self.page.route(f"{OURS}/**", self.answer)
        self.page.route(f"{DASHBOARD}/**", self.host)
        self.page.route(f"{HOSTILE}/**", self.host)
        self.page.on("console", lambda line: self.said.append(line.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def go(self, start: str = DASHBOARD) -> None:
        self.page.goto(f"{start}/dashboard/apps/makegood")

    @property
    def ours(self) -> Frame:
        return next(one for one in self.page.frames if one.url.startswith(OURS))

    @property
    def calls(self) -> list[str]:
        """What the calls of our page's script showed."""
        return [one for one in self.sent if one]

    def answer(self, route: Route) -> None:
        """Our application, behind https."""
        request = route.request
        address = urlsplit(request.url)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        self.sent.append(headers.get("authorization", ""))
        client = self.at.ways.site.app.test_client(use_cookies=False)
        answer = client.open(
            f"{address.path}?{address.query}",
            method=request.method,
            headers=headers,
            data=request.post_data_buffer or b"",
        )
        body = answer.data
        answer.close()
        route.fulfill(status=answer.status_code, headers=dict(answer.headers.items()), body=body)

    def host(self, route: Route) -> None:
        if urlsplit(route.request.url).path == "/token":
            token = self.at.token()
            route.fulfill(body=token[:-4] + "AAAA" if self.spoilt else token)
            return
        framed = f"{OURS}{PAGE}?{urlencode({'saleorApiUrl': API, 'id': 'App:3'})}"
        body = HOST_PAGE % (self.beside, framed.replace("&", "&amp;"), OURS, OURS)
        route.fulfill(body=body, content_type="text/html")
