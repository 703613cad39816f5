"""One Makegood with real connections to the fakes on loopback, for whole journeys.

The app answers on a port of its own, so that the fakes deliver their webhooks to it over HTTP. The
worker's tasks run here and now, as their rows fall due by a clock that only tests move. Nothing of
ours is replaced: accounts are connected by the code of the command line, and opened by the same
adapters as in production. Only the number of calls per minute is counted by the tests' clock.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from flask import Flask
from werkzeug.serving import make_server

from plugin.app import Parts, create_app, put_together, worker_tasks
from plugin.chance import SystemMint
from plugin.commands.connect import connect_from_terminal
from plugin.domain.ids import InstallationId, TenantId
from plugin.first_start import home_tenant, prepare_house
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.ports.records import DueWork, Installation
from plugin.settings import read_settings
from plugin.storage.budgets import SqlBudgets
from tests.databases import Databases, settings_of
from tests.kill.places import free_port
from tests.platforms.stripe.fake import FakeStripe
from tests.platforms.systeme_io.fake import KEY, FakeSystemeIo
from tests.platforms.zendesk import tokens
from tests.platforms.zendesk.data import AGENT, EMAIL, SUBDOMAIN, TOKEN
from tests.platforms.zendesk.fake import FakeZendesk
from tests.storage_fixtures import FakeClock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
OWNER = "owner@shop.test"
STRIPE_KEY = "rk_test_journey"
_PATIENCE_SECONDS = 3
_MOST_TASKS = 500


def plain(text: str) -> str:
    """Amounts with a plain space, as tests write them."""
    return text.replace("\u00a0", " ")


@dataclass
class Post:
    """The owner's mail server: keeps what it was handed."""

    letters: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        letter = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [plain(letter["Subject"]) for letter in self.letters]

    @property
    def bodies(self) -> list[str]:
        return [plain(letter.get_content()) for letter in self.letters]


@dataclass
class World:
    """The peers outside, all on loopback."""

    stripe: FakeStripe
    systeme_io: FakeSystemeIo
    desk: FakeZendesk
    post: Post
    mail_port: int

    @property
    def places(self) -> tuple[str, ...]:
        return (self.stripe.place, self.systeme_io.place, self.desk.place)


@dataclass
class House:
    """Makegood in that world. `said` holds what the command line said."""

    world: World
    clock: FakeClock
    parts: Parts
    tenant: TenantId
    app: Flask
    folder: Path
    address: str
    said: list[str] = field(default_factory=list)

    # --- connecting -------------------------------------------------------------------------------

    def connect(
        self,
        platform: str,
        typed: Mapping[str, str] | None = None,
        access_map: Mapping[str, object] | None = None,
        *,
        finish: bool = False,
    ) -> dict[str, Any]:
        """`makegood connect`, and its facts. Fails unless it went well."""
        file = None
        if access_map is not None:
            file = self.folder / "map.json"
            file.write_text(json.dumps(access_map), "utf-8")
        code, facts = connect_from_terminal(
            self.parts,
            self.tenant,
            platform,
            typed or {},
            file,
            "",
            self.said.append,
            finish=finish,
        )
        assert code == 0, self.said
        return facts

    def connect_systeme_io(self, access_map: Mapping[str, object] | None = None) -> InstallationId:
        typed = {
            "api_key": KEY,
            "card_payments": "Stripe",
            "base_url": self.world.systeme_io.url,
        }
        facts = self.connect("systeme_io", typed, access_map)
        self.world.systeme_io.deliver()
        self.work()
        return InstallationId(facts["installation"])

    def connect_stripe(self) -> InstallationId:
        typed = {"api_key": STRIPE_KEY, "base_url": self.world.stripe.url}
        return InstallationId(self.connect("stripe", typed)["installation"])

    def connect_desk(self) -> InstallationId:
        """Connected and finished, as after an admin has uploaded the package."""
        typed = {
            "subdomain": SUBDOMAIN,
            "email": EMAIL,
            "api_token": TOKEN,
            "base_url": self.world.desk.base_url,
        }
        name = InstallationId(self.connect("zendesk", typed)["installation"])
        self.world.desk.account.install_app(name)
        self.connect("zendesk", finish=True)
        return name

    def installation(self, name: InstallationId) -> Installation:
        with self.parts.house.storage.read(self.tenant) as uow:
            found = uow.installations.get(name)
        assert found is not None
        return found

    def frame_token(self, agent: int = AGENT, **changed: Any) -> str:  # noqa: ANN401 - hostile values too
        """What Zendesk posts into the frame, signed now."""
        said = tokens.claims(self.clock.now(), agent)
        return tokens.sign(self.world.desk.key, {**said, **changed})

    # --- the worker -------------------------------------------------------------------------------

    def work(self, kind: str = "") -> int:
        """Do all that is due now (of one kind), and what falls due by it; how much that was."""
        tasks = worker_tasks(self.parts)
        done = 0
        while due := self._due(kind):
            for one in due:
                tasks[one.kind](one.tenant, one.ref)
                done += 1
                assert done < _MOST_TASKS, f"never at rest: {one.name}"
        return done

    def _due(self, kind: str) -> list[DueWork]:
        due = self.parts.house.storage.due(self.clock.now(), 64)
        return [one for one in due if kind in ("", one.kind)]

    def settle(self) -> None:
        """Deliver and work until the world is at rest, without letting time pass."""
        while True:
            sent = len(self.world.systeme_io.deliver()) + self.send_stripe_events()
            if not sent and not self.work():
                return
            self.work()

    def pass_time(self, **length: float) -> None:
        """Let time pass, then all that has fallen due happen."""
        self.clock.advance(**length)
        self.settle()

    def rest(self) -> None:
        """Long enough for everything that is tried again to be through."""
        for seconds in (5, 30, 120):
            self.pass_time(seconds=seconds)

    def send_stripe_events(self) -> int:
        """Deliver what the gateway held back, in its order. Returns how many events that were."""
        self.world.stripe.send_hooks()
        hooks = self.world.stripe.hooks
        held, hooks.events = hooks.events, []
        if held:
            hooks.mode = "normal"
            ours = self.parts.settings.public_url  # which a proxy would bring to `address`
            endpoints = [
                {**one, "url": one["url"].replace(ours, self.address)}
                for one in self.world.stripe.books.all("webhook_endpoint")
            ]
            hooks.send(held, endpoints, wait=True)
            hooks.mode, hooks.events = "held", []
        return len(held)


@contextmanager
def open_house(
    folder: Path, databases: Databases, *, public_url: str = "", role: str = "", **given: str
) -> Iterator[House]:
    """A fresh house in a fresh world, on a fresh database.

    Without a `public_url` it is reached on its own port. With a `role` it is watched, as the
    settings that are `given` say.
    """
    clock = FakeClock(START)
    with ExitStack() as stack:
        world = _world(stack, clock)
        house: list[House] = []

        def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            return house[0].app(environ, start)

        # Before the app: its settings name the port.
        server = make_server("127.0.0.1", 0, app, threaded=True)
        address = f"http://127.0.0.1:{server.server_port}"
        data = folder / "data"
        data.mkdir(mode=0o700)
        database = stack.enter_context(databases.fresh(data))
        environment = {
            "MAKEGOOD_DATA_DIR": str(data),
            **settings_of(database),
            "MAKEGOOD_PUBLIC_URL": public_url or address,
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS": ",".join(world.places),
            "MAKEGOOD_SMTP_URL": f"smtp://127.0.0.1:{world.mail_port}",
            "MAKEGOOD_OWNER": OWNER,
            **given,
        }
        settings = read_settings(environment)
        prepare_house(settings, clock, SystemMint()).engine.dispose()
        parts = _on_this_clock(put_together(settings, clock, role), folder, clock)
        stack.callback(parts.house.engine.dispose)
        stack.enter_context(parts.watched(alone=False))
        tenant = home_tenant(parts.house.storage).id
        house.append(House(world, clock, parts, tenant, create_app(parts=parts), folder, address))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        yield house[0]


def _world(stack: ExitStack, clock: FakeClock) -> World:
    stripe = stack.enter_context(FakeStripe(now=lambda: int(clock.now().timestamp())))
    stripe.hooks.mode = "held"
    systeme_io = stack.enter_context(FakeSystemeIo(now=clock.now).running())
    desk = stack.enter_context(FakeZendesk())
    # One for all houses: the adapter keeps an app's key for the life of the process.
    desk.key = _app_key()
    post = Post()
    mail = Controller(post, hostname="127.0.0.1", port=free_port())
    mail.start()
    stack.callback(mail.stop)
    return World(stripe, systeme_io, desk, post, mail.port)


@cache
def _app_key() -> RSAPrivateKey:
    return tokens.new_key()


def _on_this_clock(parts: Parts, folder: Path, clock: FakeClock) -> Parts:
    """The same parts, with call budgets by `clock`, and little patience for silence."""
    manifests = Path(shutil.copytree(DataFiles().manifests(), folder / "manifests"))
    for file in manifests.glob("*/*/platform.json"):
        told = json.loads(file.read_text("utf-8"))
        if told.get("outgoing"):
            patience = _PATIENCE_SECONDS
            told["outgoing"]["timeouts"] = {
                "connect": patience,
                "read": patience,
                "total": patience,
            }
            file.write_text(json.dumps(told), "utf-8")
    registry = Registry([manifests])
    budgets = SqlBudgets(parts.house.engine, lambda _: int(clock.now().timestamp() * 1_000_000))
    adapters = replace(parts.platforms, registry=registry, budget_for=budgets.budget_for)
    return replace(parts, registry=registry, platforms=adapters)
