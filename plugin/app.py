"""The one place where the parts are put together, for the web and for the worker.

Each imports what only it needs: Flask never enters the worker, the engine never enters the web.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from plugin.chance import SystemClock, SystemMint, Threads
from plugin.first_start import House, open_house
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.fenced_budget import FencedBudget
from plugin.platforms.kept_connections import KeptConnections
from plugin.platforms.registry import Registry
from plugin.ports.watching import Watch, unwatched
from plugin.services.renew_keys import RenewKeys
from plugin.settings import Settings, read_settings
from plugin.storage.breakers import SqlBreakers
from plugin.storage.budgets import SqlBudgets
from plugin.storage.database import write_log_into_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask import Flask

    from plugin.platforms.token_bucket import Budget, Rate
    from plugin.ports import Clock, Mailer, Mint
    from plugin.services.sweep_account import SweepAccount
    from plugin.watch.watching import Scrape, Watching
    from plugin.workflows.engine import Task
    from plugin.workflows.looking_back import LookingBack

LEFT_TO_PEOPLE: Final = 4
"""One part in so many of the calls that an account can take at once, whatever a sweep looks at."""
BREAKER_LOOK_SECONDS: Final = 0.2
"""How long an account that answers is called without another look at what others found."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What both processes share."""

    settings: Settings
    house: House
    registry: Registry
    platforms: Adapters
    clock: Clock
    mint: Mint
    watching: Watching | None = None
    scrape: Scrape | None = None

    @property
    def watch(self) -> Watch:
        """What every part tells what happens."""
        return unwatched if self.watching is None else self.watching.told

    @contextmanager
    def watched(self, *, alone: bool) -> Iterator[None]:
        """Hand over what was gathered in the end. Who works `alone` has a door for scrapes."""
        settings = self.settings
        with ExitStack() as stack:
            if self.watching is not None:
                stack.callback(self.watching.end)
            if alone and settings.metrics_port and self.scrape is not None:
                from plugin.watch.scraper import scrape_door

                door = scrape_door(
                    settings.host, settings.metrics_port, settings.metrics_token, self.scrape
                )
                stack.enter_context(door)
            yield


def put_together(settings: Settings, clock: Clock | None = None, role: str = "") -> Parts:
    """Open the house and build the adapters. Raises NeedsHuman where a person must act first.

    `role` for a process that serves: `web` or `worker`. It is watched as the settings say.
    """
    clock = clock or SystemClock()
    watching = _watching(role, settings, clock) if role else None
    watch = unwatched if watching is None else watching.told
    house = open_house(settings, watch)
    if role:
        # A start may be one after the disk failed.
        write_log_into_file(house.engine)
    registry = Registry([DataFiles().manifests()])
    platforms = Adapters(
        registry,
        clock,
        SqlBudgets(house.engine).budget_for,
        settings.allow_private_hosts,
        SqlBreakers(house.engine, look_lasts=BREAKER_LOOK_SECONDS).breaker_for,
        watch,
        KeptConnections(),
        RenewKeys(house.storage, clock, registry.title),
    )
    scrape = None if watching is None else _begin_watching(watching, house, clock)
    return Parts(settings, house, registry, platforms, clock, SystemMint(), watching, scrape)


def _watching(role: str, settings: Settings, clock: Clock) -> Watching:
    from plugin.watch.watching import Watching

    return Watching(role, settings, clock)


def _begin_watching(watching: Watching, house: House, clock: Clock) -> Scrape | None:
    from plugin.watch.origins import origin_of

    return watching.begin(lambda: house.storage.gauges(clock.now()), origin_of(house.storage))


def create_app(
    settings: Settings | None = None,
    parts: Parts | None = None,
    is_draining: Callable[[], bool] | None = None,
) -> Flask:
    """The web: webhooks, panel, install and admin screens.

    Every route says how it is opened; one that does not stops the start (UndeclaredRoutes).
    `is_draining`: whether this process was told to end.
    """
    from flask import Flask

    from plugin.web.access_log import install_access_log
    from plugin.web.admin import admin_blueprint
    from plugin.web.canvas import canvas_blueprint
    from plugin.web.context import WebContext
    from plugin.web.embedded import embedded_blueprint
    from plugin.web.headers import unframed
    from plugin.web.install import install_blueprint
    from plugin.web.install_ways import installing_blueprint
    from plugin.web.pairing import pairing_blueprint
    from plugin.web.panel import panel_blueprint
    from plugin.web.public import public_blueprint
    from plugin.web.readiness import Readiness
    from plugin.web.security import install_security
    from webhooks.http import Intake, straight_in, webhooks_blueprint
    from webhooks.inbox import Inbox

    parts = parts or put_together(settings or read_settings(), role="web")
    files = DataFiles()
    context = WebContext(
        settings=parts.settings,
        storage=parts.house.storage,
        platforms=parts.platforms,
        registry=parts.registry,
        gather=Threads(),
        clock=parts.clock,
        mint=parts.mint,
        assets=files.assets(),
        signing_keys=parts.house.signing_keys,
        missing=Readiness(parts.house.storage.what_is_missing, is_draining).missing,
        scrape=parts.scrape,
    )
    app = Flask("plugin.web", static_folder=None, template_folder="templates")
    app.url_map.strict_slashes = False
    install_access_log(app, parts.mint.id, parts.watch)
    inbox = Inbox(parts.house.storage, parts.mint)
    intake = Intake(parts.house.storage, parts.registry, inbox, parts.clock, parts.watch)
    app.register_blueprint(webhooks_blueprint(intake))
    app.register_blueprint(public_blueprint(context, files))
    app.register_blueprint(panel_blueprint(context))
    app.register_blueprint(pairing_blueprint(context))
    app.register_blueprint(canvas_blueprint(context))
    app.register_blueprint(install_blueprint(context))
    app.register_blueprint(installing_blueprint(context))
    app.register_blueprint(embedded_blueprint(context))
    app.register_blueprint(admin_blueprint(context))
    install_security(app, context)
    straight = straight_in(app.wsgi_app, intake, unframed(https=parts.settings.is_https))
    app.wsgi_app = straight  # type: ignore[method-assign, assignment]  # where Flask wants its middleware
    return app


def _fenced(platforms: Adapters, may_call: Callable[[], bool]) -> Adapters:
    def budget_for(account: str, rate: Rate) -> Budget:
        return FencedBudget(platforms.budget_for(account, rate), may_call)

    return replace(platforms, budget_for=budget_for)


def sweeping(parts: Parts) -> SweepAccount:
    """The sweep of an account, which looks after its webhook first."""
    from plugin.platforms.declarations import ManifestDeclarations
    from plugin.services.keep_webhook import KeepWebhook
    from plugin.services.run_self_test import RunSelfTest
    from plugin.services.sweep_account import SweepAccount

    storage, settings = parts.house.storage, parts.settings
    declarations = ManifestDeclarations(parts.registry, settings.allow_private_hosts)
    self_test = RunSelfTest(storage, parts.platforms, declarations, parts.mint, settings.public_url)
    keep = KeepWebhook(storage, parts.platforms, parts.clock, self_test)
    beside = _leaving_some(parts.platforms)
    return SweepAccount(storage, parts.platforms, parts.clock, parts.mint, keep, beside)


def _leaving_some(platforms: Adapters) -> Adapters:
    """The same, by budgets of which some calls are always left to people, who wait for theirs."""

    def budget_for(account: str, rate: Rate) -> Budget:
        return platforms.budget_for(account, replace(rate, left=rate.burst // LEFT_TO_PEOPLE))

    return replace(platforms, budget_for=budget_for)


def looking_back(parts: Parts) -> LookingBack:
    """What has a worker notice that an older copy was put in the database's place."""
    from plugin.services.restored_house import HoldOlder
    from plugin.storage.last_seen import LastSeen
    from plugin.workflows.looking_back import LookingBack

    house = parts.house
    seen = LastSeen(house.engine, parts.settings.data_dir)
    return LookingBack(seen, HoldOlder(house.storage, parts.platforms, parts.clock))


def worker_tasks(parts: Parts, may_call: Callable[[], bool] | None = None) -> dict[str, Task]:
    """What the worker does for each kind of due row.

    `may_call` is asked before each call to a platform: a worker that may be taken for dead begins
    none.
    """
    from plugin.domain.ids import DeliveryId, InstallationId, PairingId, RefundId, RunId, TenantId
    from plugin.mail import SmtpMailer
    from plugin.services.carry_out import CarryOut
    from plugin.services.mail_pairing import MailPairing
    from plugin.services.restored_house import EndHold
    from plugin.services.send_refund import SendRefund
    from plugin.watch.watching import WatchedMailer, watched_tasks
    from webhooks.dispatch import Dispatch

    if may_call is not None:
        parts = replace(parts, platforms=_fenced(parts.platforms, may_call))
    storage = parts.house.storage
    mailer: Mailer = SmtpMailer(parts.settings.smtp_url, parts.settings.mail_from)
    if parts.settings.smtp_url:
        mailer = WatchedMailer(mailer, parts.settings.smtp_url, parts.watch)
    gather = Threads(4)
    dispatch = Dispatch(storage, parts.platforms, parts.registry, parts.clock, gather)
    send = SendRefund(storage, parts.platforms, parts.clock)
    carry_out = CarryOut(storage, parts.platforms, mailer, parts.clock, gather)
    end_hold = EndHold(storage, parts.platforms, parts.clock)
    mail_pairing = MailPairing(
        storage, parts.platforms, mailer, parts.clock, parts.mint, parts.settings.public_url
    )
    sweep_account = sweeping(parts)

    def sweep(tenant: str, installation: str) -> None:
        sweep_account(TenantId(tenant), InstallationId(installation))

    tasks: dict[str, Task] = {
        "delivery": lambda tenant, ref: dispatch(TenantId(tenant), DeliveryId(ref)),
        "refund": lambda tenant, ref: send(TenantId(tenant), RefundId(ref)),
        "run": lambda tenant, ref: carry_out(TenantId(tenant), RunId(ref)),
        "hold": lambda tenant, _: end_hold(TenantId(tenant)),
        "sweep": sweep,
        "pairing": lambda tenant, ref: mail_pairing(TenantId(tenant), PairingId(ref)),
    }
    return watched_tasks(tasks, parts.watch)
