"""A host like Shopify's admin around our page, for browser tests and pictures.

Shopify's App Bridge cannot be had: a stand-in at its address asks the page around for a token as
App Bridge does. Our own side is the whole application. Every address is answered by `route()`;
nothing leaves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from playwright.sync_api import Frame, Page, Route

from tests.platforms.shopify.admin import FRAMED, PAGE, ShopifyAdmin
from tests.platforms.shopify.grants import session_token

OURS = "https://refunds.plugin.test"
ADMIN = "https://admin.shopify.com"
HOSTILE = "https://hostile.plugin.test"
CDN = "https://cdn.shopify.com"

APP_BRIDGE = """
{
  const key = document.querySelector('meta[name="shopify-api-key"]').content;
  let asked = 0;
  const waiting = new Map();
  window.addEventListener("message", ({ source, origin, data }) => {
    if (source !== parent || origin !== "https://admin.shopify.com") return;
    waiting.get(data.id)?.(data.token);
  });
  window.shopify = {
    idToken: () => new Promise((resolve) => {
      asked += 1;
      waiting.set(asked, resolve);
      parent.postMessage({ id: asked, key }, "https://admin.shopify.com");
    }),
  };
}
"""
HOST_PAGE = """<!doctype html><html lang="en"><title>acme, Shopify</title>
<style>body { margin: 0 } iframe { border: 0; width: 100vw; height: 100vh }</style>
<iframe title="Makegood" src="%s"></iframe>%s
<script>
window.addEventListener("message", async ({ source, data }) => {
  const frame = document.querySelector("iframe");
  if (source !== frame.contentWindow) return;
  const token = await (await fetch("/token?key=" + data.key)).text();
  source.postMessage({ id: data.id, token }, "https://refunds.plugin.test");
});
</script></html>"""


@dataclass
class Scene:
    """Somebody at the shop's admin, as one test sees it."""

    page: Page
    admin: ShopifyAdmin
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    beside: str = ""
    spoilt: bool = False

    def __post_init__(self) -> None:
        self.page.set_default_timeout(30_000)
        self.page.route("**/*", lambda route: route.abort())
        self.page.route(f"{OURS}/**", self.answer)
        self.page.route(f"{ADMIN}/**", self.host)
        self.page.route(f"{HOSTILE}/**", self.host)
        script = "text/javascript"
        self.page.route(
            f"{CDN}/shopifycloud/app-bridge.js",
            lambda route: route.fulfill(body=APP_BRIDGE, content_type=script),
        )
        self.page.on("console", lambda line: self.said.append(line.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def go(self, start: str = ADMIN) -> None:
        self.page.goto(f"{start}/store/acme/apps/makegood")

    @property
    def ours(self) -> Frame:
        return next(one for one in self.page.frames if one.url.startswith(OURS))

    def answer(self, route: Route) -> None:
        """Our application, behind https."""
        request = route.request
        address = urlsplit(request.url)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        self.sent.append(f"{address.path} {headers.get('authorization', '')}")
        client = self.admin.site.app.test_client(use_cookies=False)
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
        """Shopify's admin, or whoever says so: a page around, and its word for who asks."""
        address = urlsplit(route.request.url)
        if address.path == "/token":
            self.asked.append(address.query)
            token = session_token(self.admin.site.clock.now())
            route.fulfill(body=token[:-4] + "AAAA" if self.spoilt else token)
            return
        framed = f"{OURS}{PAGE}?{urlencode(FRAMED)}"
        body = HOST_PAGE % (framed.replace("&", "&amp;"), self.beside)
        route.fulfill(body=body, content_type="text/html")
