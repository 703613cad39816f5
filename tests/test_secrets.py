"""No secret and no customer detail reaches logs, output, metrics, spans or the engine (P10).

Nor error pages. A real `makegood serve` lives through a day with a store, a gateway, a desk and a
mail server that fail now and then, and through hostile requests. Every name, address, key and
password in it is a string that occurs nowhere else; then everything that was written down is
searched for them.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from hmac import HMAC
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from plugin.services.webhook_secrets import webhook_secrets
from plugin.storage.database import choose_sqlite
from tests.canaries import Canaries
from tests.crowded_day import CREDENTIALS, Answer, Crowd, live_it, open_crowd
from tests.kill.places import free_port
from tests.otlp import otlp_receiver
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.systeme_io.books import price_plan
from tests.platforms.systeme_io.fake import FakeSystemeIo, Fault, php_json
from tests.platforms.zendesk.data import EMAIL, SUBDOMAIN, TOKEN
from tests.platforms.zendesk.fake import FakeZendesk, Mishap
from tests.served import ROOT, Served, wait_for


@dataclass
class GrumpyPost:
    """A mail server that repeats what it was told when it refuses."""

    says: str
    asked: list[str] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.asked.extend(envelope.rcpt_tos)
        return f"451 not now, {self.says}"


@dataclass
class World:
    """The peers, Makegood between them, and all texts that came out of it."""

    canary: Canaries
    store: FakeSystemeIo
    gateway: FakeStripe
    desk: FakeZendesk
    post: GrumpyPost
    crowd: Crowd
    served: Served
    texts: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> dict[str, object]:
        """A call of the command line; all that it says is kept."""
        done = subprocess.run(
            [sys.executable, "-m", "plugin.cli", *words, "--json"],
            cwd=ROOT,
            env=self.served.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        self.texts[f"makegood {words[0]} {len(self.texts)}"] = done.stdout + done.stderr
        facts: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return facts

    def connect(self, platform: str, **form: str) -> str:
        typed = [word for name, value in form.items() for word in ("--set", f"{name}={value}")]
        facts = self.command("connect", platform, *typed)
        assert facts["ok"], self.texts
        return str(facts["installation"])

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """As `answered`, for who minds the status alone."""
        return self.answered(method, path, body, headers).status

    def answered(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """A request; its answer is kept when it is a refusal. Never a 5xx."""
        connection = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=30)
        try:
            with suppress(BrokenPipeError):  # a large body is refused before its end
                connection.request(method, path, body, dict(headers or {}))
            told = connection.getresponse()
            text = told.read().decode("utf-8", "replace")
            named = {name.lower(): value for name, value in told.headers.items()}
            answer = Answer(told.status, named, text)
        finally:
            connection.close()
        assert answer.status < 500, f"{method} {path[:40]}"
        if answer.status >= 400:
            kept = f"answer {answer.status} {len(self.texts)}"
            self.texts[kept] = answer.text + str(answer.headers)
        return answer


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder, canary = tmp_path_factory.mktemp("secrets"), Canaries()
    with ExitStack() as stack:
        store = FakeSystemeIo()
        store.key = canary.word("store key")
        stack.enter_context(store.running())
        gateway, desk = stack.enter_context(FakeStripe()), stack.enter_context(FakeZendesk())
        crowd = stack.enter_context(open_crowd(canary))
        post = GrumpyPost(canary.word("mail server's words"))
        mail = Controller(
            post,
            hostname="127.0.0.1",
            port=free_port(),
            authenticator=lambda *_: AuthResult(success=True),
            auth_require_tls=False,
        )
        mail.start()
        stack.callback(mail.stop)
        receiver = stack.enter_context(otlp_receiver())
        places = f"{store.place},{gateway.place},{desk.place},{crowd.places}"
        login = f"{canary.word('mail user')}:{canary.word('mail password')}"
        served = stack.enter_context(
            Served(
                folder,
                "--practice",
                MAKEGOOD_ALLOW_PRIVATE_HOSTS=places,
                MAKEGOOD_SMTP_URL=f"smtp://{login}@127.0.0.1:{mail.port}",
                MAKEGOOD_MAIL_FROM=f"Shop <{canary.mail('sender')}>",
                MAKEGOOD_OWNER=canary.mail("owner"),
                MAKEGOOD_POLL_MILLISECONDS="10",
                MAKEGOOD_METRICS_TOKEN=canary.word("metrics token") * 2,
                MAKEGOOD_OTLP_ENDPOINT=receiver.endpoint,
            )
        )
        assert served.announced["ok"], served.log
        world = World(canary, store, gateway, desk, post, crowd, served)
        name = a_day_at_the_store(world)
        live_it(world, crowd)
        wait_for(lambda: not waiting(world))
        hostile_requests(world, name)
        what_an_operator_asks(world)
        world.texts["metrics"] = scraped(world)
        served.process.send_signal(signal.SIGTERM)
        served.process.wait(60)
        world.texts["spans"] = "".join(receiver.raw)
        # The links are printed on purpose; nothing else on standard output is.
        world.texts["log"] = served.log.replace(served.announced["admin"], "").replace(
            served.announced["practice"], ""
        )
        yield world


def scraped(world: World) -> str:
    """What Prometheus would be told."""
    token = world.canary.made["metrics token"] * 2
    connection = http.client.HTTPConnection("127.0.0.1", world.served.port, timeout=30)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def a_day_at_the_store(world: World) -> str:
    """Connect, sell, cancel, on a bad day for everybody. Returns the store's installation."""
    canary, books = world.canary, world.store.books
    name = world.connect(
        "systeme_io", api_key=world.store.key, card_payments="Stripe", base_url=world.store.url
    )
    key = f"rk_test_{canary.word('gateway key')}"
    world.connect("stripe", api_key=key, base_url=world.gateway.url)
    world.connect(
        "zendesk",
        subdomain=SUBDOMAIN,
        email=EMAIL,
        api_token=TOKEN,
        base_url=world.desk.base_url,
    )
    course = books.add_course(canary.word("course"))
    tag = books.add_tag(canary.word("tag"))
    for place in range(8):
        buyer = books.add_contact(canary.mail(f"buyer {place}"), canary.word(f"name {place}"))
        plan = price_plan(7000 + place, canary.word(f"product {place}"), 4900)
        sold = books.sell(buyer, plan, courses=(course,), tags=(tag,))
        world.store.deliver()
        wait_for(lambda: not waiting(world))
        if place < 6:
            for fault in (Fault.BAD_REQUEST, Fault.GIBBERISH, Fault.SERVER_ERROR_AFTER):
                world.store.plan_fault(fault, method="DELETE")
            world.desk.mishaps.append(Mishap(status=500, times=2))
            books.refund(sold)
            world.store.deliver()
    wait_for(lambda: len(world.post.asked) >= 6)
    customer = world.gateway.books.add_customer(canary.mail("payer"))
    world.gateway.books.sell(1200, customer=customer["id"])
    world.gateway.send_hooks(wait=True)
    wait_for(lambda: not waiting(world))
    return name


def waiting(world: World) -> int:
    """How many deliveries nobody has looked at yet."""
    sqlite = choose_sqlite()
    database = sqlite.connect(world.served.folder / "data" / "makegood.sqlite", timeout=60)
    try:
        query = "SELECT count(*) FROM mg_deliveries WHERE state = 'received'"
        return int(database.execute(query).fetchone()[0])
    finally:
        database.close()


def hostile_requests(world: World, name: str) -> None:
    """What strangers and broken programs send, with things in it that are nobody's business."""
    word, ask = world.canary.word, world.ask
    hook, panel = f"/webhooks/systeme_io/{name}", f"/panel/practice/{name}"
    form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    for what, path in (
        ("path", "/{}"),
        ("query", "/admin?mail={}"),
        ("panel id", "/panel/practice/{}"),
        ("panel ticket", f"{panel}?ticket={{}}&agent=x&s=y"),
        ("panel link", f"{panel}?ticket=1&agent=x&s={{}}"),
        ("sign-in link", "/admin/sign-in?link={}"),
        ("asset", "/assets/{}.js"),
        ("method word", "/install/store/{}"),
        ("mail in a path", "/panel/zendesk/{}@customers.example"),
        ("encoded", "/%00{}%ff"),
    ):
        ask("GET", path.format(word(what)), headers={"Accept": "text/html"})
        ask("GET", path.format(word(what)))
    ask("GET", "/admin", headers={"Cookie": f"makegood_admin={word('cookie')}"})
    ask("GET", panel, headers={"Authorization": f"Bearer {word('bearer token')}"})
    ask("GET", panel, headers={"Authorization": f"Basic {word('basic login')}"})
    ask("GET", "/admin", headers={"Referer": f"https://x/{word('referer')}", "Accept": "text/html"})
    ask("GET", "/admin", headers={"User-Agent": word("user agent"), "X-Odd": word("odd header")})
    ask(word("method").upper(), "/admin")
    ask("POST", "/admin/sign-in", urlencode({"link": word("posted link")}).encode(), form)
    ask("POST", panel, urlencode({"session": word("posted session")}).encode(), form)
    ask("POST", panel, urlencode({word("field name"): "x", "s": word("field")}).encode(), form)
    ask("POST", "/install/policy", json.dumps({"mail": word("json")}).encode())
    ask("POST", hook, json.dumps({"email": word("unsigned body")}).encode())
    signed = {"X-Webhook-Event": "SALE_NEW", "X-Webhook-Signature": word("signature")}
    ask("POST", hook, b"{}", signed)
    ask("POST", hook, word("large body").encode() * 50_000)
    ask("POST", f"/webhooks/{quote(word('platform'))}/{name}", b"{}")
    (secret, *_) = webhook_secrets(secrets_of(world))
    for body in (
        word("no json").encode(),
        b'{"a": "' + word("duplicate key").encode() + b'", "a": 1}',
        php_json({"customer": {"email": world.canary.mail("odd sale")}}),
        php_json([word("deep")] * 3),
        b"\xff" + word("no utf-8").encode(),
    ):
        sign = HMAC(secret.encode(), body, "sha256").hexdigest()
        told = {"X-Webhook-Event": "SALE_NEW", "X-Webhook-Signature": sign}
        assert ask("POST", hook, body, told) == 200
    sign = HMAC(secret.encode(), b"{}", "sha256").hexdigest()
    # A rightly signed topic is the platform's own word: it is listed, so it is no secret.
    told = {"X-Webhook-Event": "SOMETHING_NEW", "X-Webhook-Signature": sign}
    assert ask("POST", hook, b"{}", told) == 200
    wait_for(lambda: not waiting(world))


def secrets_of(world: World) -> dict[str, str]:
    """The store's webhook secret, as its own books have it."""
    (secret,) = world.store.books.secrets.values()
    world.canary.made["webhook secret"] = secret
    return {"webhook_secret_1": secret}


def what_an_operator_asks(world: World) -> None:
    world.command("check")
    world.command("audit", "verify")
    world.command("refunds", "list")
    listed = world.command("deliveries", "list")["deliveries"]
    assert isinstance(listed, list)
    for row in listed[:3]:
        world.command("deliveries", "show", row["id"])
    wrong = f"api_key={world.canary.word('wrong key')}"
    world.command("connect", "systeme_io", "--another", "--set", wrong)
    world.command("connect", "systeme_io", "--set", world.canary.word("bare secret"))


def test_the_day_was_long_enough_to_mean_something(world: World) -> None:
    log = world.texts["log"]
    assert len(world.canary.made) >= 50
    assert world.post.asked
    assert len([name for name in world.texts if name.startswith("answer 4")]) >= 30
    for event in ("intake.refused", "web.answered", "worker.stopped"):
        assert event in log, event
    for series in ("makegood_calls_total{", "makegood_effects_total{", "makegood_requests_total{"):
        assert series in world.texts["metrics"], series
    for span in ("work delivery", "effect RevokeAccess", "call contact.read", "GET /admin"):
        assert span in world.texts["spans"], span


def test_shops_and_desks_had_their_part_of_the_day(world: World) -> None:
    crowd = world.crowd
    mail = f"{world.canary.made['customer of all']}@customers.example"
    asked = {
        "shopify": str(crowd.shopify.named("FindOrders")),
        "woocommerce": unquote(str(crowd.woocommerce.calls)),
        "saleor": str([one.variables for one in crowd.saleor.calls]),
    }
    assert [platform for platform, said in asked.items() if mail not in said] == []
    for platform in ("shopify", "woocommerce", "saleor"):
        assert {(platform, "applied"), (platform, "unreadable")} <= ends_of(world), platform
    assert ("intercom", "unreadable") in ends_of(world)
    assert not crowd.woocommerce.faults, "the shop's bad hour was met"
    for what in ("Freshdesk pass", "panel session", "body signature", "proof"):
        assert what in world.canary.made


def ends_of(world: World) -> set[tuple[str, str]]:
    """How deliveries ended, by platform."""
    sqlite = choose_sqlite()
    database = sqlite.connect(world.served.folder / "data" / "makegood.sqlite", timeout=60)
    try:
        query = "SELECT platform, state FROM mg_deliveries d, mg_installations i "
        return set(database.execute(f"{query} WHERE i.id = d.installation_id"))
    finally:
        database.close()


def test_no_canary_is_in_logs_output_or_refusals(world: World) -> None:
    told = {
        name: found for name, text in world.texts.items() if (found := world.canary.found_in(text))
    }
    assert told == {}


def test_every_line_of_the_log_is_one_object(world: World) -> None:
    lines = [line for line in world.texts["log"].splitlines() if line.strip()]
    odd = [line for line in lines if not line.startswith(("{", "Admin ", "Practice "))]
    assert odd == []
    assert all(json.loads(line)["event"] for line in lines if line.startswith("{"))


def test_the_engine_keeps_ids_only(world: World) -> None:
    assert found_in_files(world, "engine.sqlite") == []


def test_no_credential_is_on_disk_in_clear(world: World) -> None:
    credentials = {"store key", "gateway key", "desk token", "webhook secret", "mail password"}
    credentials |= {*CREDENTIALS}
    assert credentials <= set(world.canary.made)
    assert credentials.isdisjoint(found_in_files(world, "makegood.sqlite"))


def found_in_files(world: World, start: str) -> list[str]:
    """What is found in a database: its file, and those beside it."""
    files = list(Path(world.served.folder / "data").glob(f"{start}*"))
    assert files, start
    return [
        what
        for file in files
        for what in world.canary.found_in(file.read_bytes().decode("latin-1"))
    ]
