"""The part of the day of `tests/test_secrets.py` that five more platforms have.

Three shops sell, are refunded and send what nobody can read; two desks ask for one customer whom
all three know, on a bad day too. Every key, name, address and word of theirs is a canary. Nothing
is mocked: connections, deliveries and panels are real ones, over loopback.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hmac import HMAC
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from plugin.domain.money import Money
from tests.canaries import Canaries
from tests.platforms.freshdesk.account import AGENT as FRESHDESK_AGENT
from tests.platforms.freshdesk.account import API_KEY, DOMAIN
from tests.platforms.freshdesk.fake import FakeFreshdesk
from tests.platforms.freshdesk.fake import Mishap as FreshdeskMishap
from tests.platforms.intercom.data import AGENT, CLIENT_ID, WORKSPACE
from tests.platforms.intercom.data import TOKEN as INTERCOM_TOKEN
from tests.platforms.intercom.fake import FakeIntercom
from tests.platforms.intercom.fake import Mishap as IntercomMishap
from tests.platforms.intercom.posts import post_of
from tests.platforms.intercom.posts import signed as signed_post
from tests.platforms.saleor.fake import FakeSaleor
from tests.platforms.saleor.signing import a_key, header_of, key_set, public, signed
from tests.platforms.shopify.fake import FakeShopify
from tests.platforms.woocommerce.fake import FakeShop
from tests.web.canvas_reading import asks_of, chosen_in, components_of

CREDENTIALS: Final = (
    "Shopify secret",
    "Shopify token",
    "WooCommerce key",
    "WooCommerce secret",
    "WooCommerce webhook secret",
    "Saleor token",
    "Intercom token",
    "Intercom secret",
    "Freshdesk key",
    "Freshdesk secret",
)
_RECORDED: Final = Path(__file__).parent / "platforms"
_KID: Final = "one"
_SHOPIFY_ORDER: Final = "450789469"
"""The order of Shopify's recordings."""
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the names of its headers in small letters."""

    status: int
    headers: Mapping[str, str]
    text: str


class House(Protocol):
    """What the day's Makegood lets us do."""

    canary: Canaries

    def connect(self, platform: str, **form: str) -> str: ...

    def answered(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer: ...


@dataclass
class Crowd:
    """The five peers, and by platform the installation that stands for each."""

    canary: Canaries
    shopify: FakeShopify
    woocommerce: FakeShop
    saleor: FakeSaleor
    intercom: FakeIntercom
    freshdesk: FakeFreshdesk
    connected: dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> str:
        peers = (self.shopify, self.woocommerce, self.saleor, self.intercom, self.freshdesk)
        return ",".join(peer.place for peer in peers)

    @property
    def panel(self) -> str:
        """Where Freshdesk's frame is."""
        return f"/panel/freshdesk/{self.connected['freshdesk']}"


@contextmanager
def open_crowd(canary: Canaries) -> Iterator[Crowd]:
    """The peers, with credentials that occur nowhere else."""
    with ExitStack() as stack:
        enter = stack.enter_context
        crowd = Crowd(
            canary,
            enter(FakeShopify()),
            enter(FakeShop()),
            enter(FakeSaleor()),
            enter(FakeIntercom()),
            enter(FakeFreshdesk()),
        )
        crowd.shopify.credentials = ("client-1", f"shpss_{canary.word('Shopify secret') * 2}")
        crowd.shopify.token = f"shpat_{canary.word('Shopify token')}"
        crowd.woocommerce.keys = tuple(
            f"{begins}_{canary.word(f'WooCommerce {what}')}"
            for begins, what in (("ck", "key"), ("cs", "secret"))
        )
        crowd.saleor.token = canary.word("Saleor token")
        crowd.saleor.keys = json.loads(key_set(public(a_key(), _KID)))
        canary.made["Intercom token"] = INTERCOM_TOKEN
        canary.made["Freshdesk key"] = API_KEY
        yield crowd


def live_it(house: House, crowd: Crowd) -> None:
    """The whole of it."""
    connect_all(house, crowd)
    shops_sell(house, crowd)
    desks_ask(house, crowd)


def connect_all(house: House, crowd: Crowd) -> None:
    word = crowd.canary.word
    client, secret = crowd.shopify.credentials
    key, hidden = crowd.woocommerce.keys
    forms: dict[str, dict[str, str]] = {
        "shopify": {
            "shop": "acme",
            "client_id": client,
            "client_secret": secret,
            "base_url": crowd.shopify.url,
        },
        "woocommerce": {
            "shop": "shop.example/de",
            "consumer_key": key,
            "consumer_secret": hidden,
            "base_url": crowd.woocommerce.url,
        },
        "saleor": {
            "host": "ada.example.com",
            "app_token": crowd.saleor.token,
            "base_url": crowd.saleor.url,
        },
        "intercom": {
            "workspace_id": WORKSPACE,
            "api_host": "api.intercom.io",
            "client_id": CLIENT_ID,
            "client_secret": word("Intercom secret"),
            "access_token": INTERCOM_TOKEN,
            "base_url": crowd.intercom.base_url,
        },
        "freshdesk": {
            "domain": DOMAIN,
            "api_key": API_KEY,
            "app_secret": word("Freshdesk secret") * 2,
            "base_url": crowd.freshdesk.base_url,
        },
    }
    for platform, form in forms.items():
        crowd.connected[platform] = house.connect(platform, **form)
    hooks = {str(one["secret"]) for one in crowd.woocommerce.books.webhooks.values()}
    (crowd.canary.made["WooCommerce webhook secret"],) = hooks


# --- shops ----------------------------------------------------------------------------------------


def shops_sell(house: House, crowd: Crowd) -> None:
    """Sales, refunds, wishes to be forgotten; then what nobody can read, rightly signed."""
    # Shopify's sale is read back before it counts.
    sold = crowd.shopify.books.sell(Money(6300, "EUR"), email=crowd.canary.mail("Shopify's buyer"))
    number = str(sold["id"]).rpartition("/")[2]
    for platform, names in _DELIVERIES.items():
        headers: dict[str, str] = {}
        for name in names:
            told = json.loads((_RECORDED / platform / "recordings" / name).read_text("utf-8"))
            headers = told["headers"]
            body = _renamed(crowd.canary, f"{platform} {name}", told["body"])
            _deliver(house, crowd, platform, headers, body.replace(_SHOPIFY_ORDER, number))
        for broken in (
            crowd.canary.word(f"{platform} no json"),
            f'{{"{_ODD.get(platform, "id")}": "{crowd.canary.word(f"{platform} odd id")}"}}',
            f'{{"a": "{crowd.canary.word(f"{platform} twice")}", "a": 1}}',
        ):
            _deliver(house, crowd, platform, headers, broken)
        unsigned = crowd.canary.word(f"{platform} unsigned").encode()
        hook = f"/webhooks/{platform}/{crowd.connected[platform]}"
        assert house.answered("POST", hook, unsigned, headers).status == 401


_DELIVERIES: Final[Mapping[str, tuple[str, ...]]] = {
    "shopify": (
        "orders_paid.json",
        "orders_updated.json",
        "refunds_create_pending.json",
        "customers_redact.json",
        "customers_data_request.json",
    ),
    "woocommerce": ("paid.json", "refunded_newest_first.json", "subscription_cancelled.json"),
    "saleor": ("order_fully_paid.json", "order_fully_refunded.json"),
    "intercom": ("ping.json", "contact_email_updated.json", "contact_deleted.json"),
}


_ODD: Final = {"intercom": "data"}
"""A field that is no text. Intercom's `id` names the delivery: an operator is told it."""


def _renamed(canary: Canaries, what: str, body: str) -> str:
    """The recorded body with a customer, and words of theirs, that occur nowhere else."""
    body = body.replace("ada@example.com", canary.mail(f"{what}: mail"))
    for name in ("Lovelace", "Made-Up", '"L"'):
        quote = '"' if name.startswith('"') else ""
        body = body.replace(name, f"{quote}{canary.word(f'{what}: name')}{quote}")
    for thing in ("Watercolour", "Sourdough", "&ndash; Course"):
        body = body.replace(thing, canary.word(f"{what}: product"))
    return body.replace('"app_id":"acme"', f'"app_id":"{WORKSPACE}"')


def _deliver(
    house: House, crowd: Crowd, platform: str, recorded: Mapping[str, str], body: str
) -> None:
    raw = body.encode()
    name, mark = _SIGNERS[platform](crowd, raw)
    kept = {key: value for key, value in recorded.items() if key.lower() != name.lower()}
    digest = HMAC(b"", raw, "sha256").hexdigest()[:32]
    for one in ("X-Shopify-Webhook-Id", "X-Shopify-Event-Id", "X-WC-Webhook-Delivery-ID"):
        if one in kept:
            kept[one] = digest
    hook = f"/webhooks/{platform}/{crowd.connected[platform]}"
    answer = house.answered("POST", hook, raw, {**kept, name: mark})
    assert answer.status == 200, (platform, answer)


def _base64(secret: str, raw: bytes) -> str:
    return b64encode(HMAC(secret.encode(), raw, "sha256").digest()).decode()


def _by_shopify(crowd: Crowd, raw: bytes) -> tuple[str, str]:
    return "X-Shopify-Hmac-Sha256", _base64(crowd.shopify.credentials[1], raw)


def _by_woocommerce(crowd: Crowd, raw: bytes) -> tuple[str, str]:
    return "X-WC-Webhook-Signature", _base64(crowd.canary.made["WooCommerce webhook secret"], raw)


def _by_saleor(_: Crowd, raw: bytes) -> tuple[str, str]:
    return "Saleor-Signature", signed(a_key(), header_of(_KID), raw)


def _by_intercom(crowd: Crowd, raw: bytes) -> tuple[str, str]:
    secret = crowd.canary.made["Intercom secret"].encode()
    return "X-Hub-Signature", f"sha1={HMAC(secret, raw, 'sha1').hexdigest()}"


_SIGNERS: Final[Mapping[str, Callable[[Crowd, bytes], tuple[str, str]]]] = {
    "shopify": _by_shopify,
    "woocommerce": _by_woocommerce,
    "saleor": _by_saleor,
    "intercom": _by_intercom,
}


# --- desks ----------------------------------------------------------------------------------------


def desks_ask(house: House, crowd: Crowd) -> None:
    """One customer whom all shops know, asked for at both desks; then while everything fails."""
    canary = crowd.canary
    mail, name = canary.mail("customer of all"), canary.word("name of all")
    crowd.shopify.books.sell(Money(4900, "EUR"), email=mail)
    crowd.woocommerce.books.sell(("30.00", "5.70"), email=mail)
    crowd.saleor.books.sell(4900, email=mail)
    contact = crowd.intercom.workspace.add_contact(mail, name=name)
    talk = str(crowd.intercom.workspace.add_conversation(contact))
    _press_in_intercom(house, crowd, talk, name)
    beside = _open_in_freshdesk(house, crowd, mail, name)
    _a_bad_hour(crowd)
    for fails in (True, False, False):
        if fails:
            crowd.intercom.mishaps.append(IntercomMishap(status=503))
            crowd.freshdesk.mishaps.append(FreshdeskMishap(status=503))
        _post(house, crowd, talk, "initialize")
        house.answered("POST", f"{crowd.panel}/open", beside, _FORM)


def _a_bad_hour(crowd: Crowd) -> None:
    """The next answers of the shops are none."""
    for kind in ("unavailable", "html", "truncated", "drop_after"):
        crowd.shopify.fail(kind, on="FindOrders")
        crowd.saleor.fail(kind, on="MakegoodOrdersByEmail")
    crowd.woocommerce.meets = lambda method, path: method == "GET" and path.endswith("/orders")
    crowd.woocommerce.faults += ["down", "firewall", "page", "drop_before"]


def _press_in_intercom(house: House, crowd: Crowd, talk: str, name: str) -> None:
    """Open the panel, press everything on it, and what is not; then come unsigned."""
    first = _post(house, crowd, talk, "initialize")
    assert name in first.text, first.text
    shown = json.loads(first.text)
    presses = list(asks_of(components_of(shown)).values())
    assert presses
    typed = {"q": crowd.canary.mail("searched for"), "proof": crowd.canary.word("proof")}
    for pressed in (*presses, f"search:{crowd.canary.word('odd button')}"):
        values = {**chosen_in(components_of(shown)), **typed}
        more = {"component_id": pressed, "input_values": values, "current_canvas": shown["canvas"]}
        _post(house, crowd, talk, "submit", **more)
    forged = json.dumps(post_of(str(AGENT), talk, odd=crowd.canary.word("forged post"))).encode()
    path = f"/canvas/intercom/{crowd.connected['intercom']}/initialize"
    headers = {**_JSON, "X-Body-Signature": crowd.canary.word("body signature")}
    assert house.answered("POST", path, forged, headers).status == 401


def _post(
    house: House,
    crowd: Crowd,
    talk: str,
    name: str,
    **more: Any,  # noqa: ANN401 - as the vendor's posts
) -> Answer:
    document = post_of(str(AGENT), talk, **more)
    document["admin"]["email"] = crowd.canary.mail("teammate")
    body, headers = signed_post(document, crowd.canary.made["Intercom secret"])
    path = f"/canvas/intercom/{crowd.connected['intercom']}/{name}"
    return house.answered("POST", path, body, headers)


def _open_in_freshdesk(house: House, crowd: Crowd, mail: str, name: str) -> bytes:
    """Fetch a pass, open the frame with it, and the panel beside a ticket. Returns its form."""
    account, canary, base = crowd.freshdesk.account, crowd.canary, crowd.panel
    for one in account.agents.values():
        # Who is not paired sees what everybody sees.
        one.update(ticket_scope=1, type="support_agent")
    ticket = account.add_ticket(account.add_contact([mail], name=name))
    secret = canary.made["Freshdesk secret"] * 2
    for shown in (f"Bearer {canary.word('shown secret')}", f"Basic {secret}"):
        refused = house.answered("POST", f"{base}/pass", b"", {"Authorization": shown, **_FORM})
        assert refused.status == 401
    rightly = {"Authorization": f"Bearer {secret}", **_FORM}
    agent = urlencode({"agent": FRESHDESK_AGENT}).encode()
    frame = json.loads(house.answered("POST", f"{base}/pass", agent, rightly).text)["pass"]
    opened = house.answered("POST", base, urlencode({"pass": frame}).encode(), _FORM)
    session = opened.headers["x-makegood-session"]
    canary.made |= {"Freshdesk pass": frame, "panel session": session}
    fields = {"session": session, "ticket": str(ticket)}
    beside = urlencode(fields).encode()
    panel = house.answered("POST", f"{base}/open", beside, _FORM)
    assert name in panel.text, panel.text
    sought = urlencode({**fields, "q": canary.mail("sought")}).encode()
    house.answered("POST", f"{base}/search", sought, _FORM)
    bent = urlencode({"pass": f"{frame[:-4]}{canary.word('bent pass')}"}).encode()
    assert house.answered("POST", base, bent, _FORM).status == 401
    return beside
