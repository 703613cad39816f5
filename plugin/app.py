"""The one place where the parts are put together, for the web and for the worker.

Each imports what only it needs: Flask never enters the worker, the engine never enters the web.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from plugin.chance import SystemClock, SystemMint, Threads
from plugin.first_start import House, open_house
from plugin.mail import SmtpMailer
from plugin.platforms.adapters import Adapters
from plugin.platforms.data_files import DataFiles
from plugin.platforms.registry import Registry
from plugin.services.carry_out import CarryOut
from plugin.services.send_refund import SendRefund
from plugin.settings import Settings, read_settings
from plugin.storage.budgets import SqlBudgets

if TYPE_CHECKING:
    from flask import Flask

    from plugin.ports import Clock, Mint
    from plugin.workflows.engine import Task


@dataclass(frozen=True, slots=True)
class Parts:
    """What both processes share."""

    settings: Settings
    house: House
    registry: Registry
    platforms: Adapters
    clock: Clock
    mint: Mint


def put_together(settings: Settings, clock: Clock | None = None) -> Parts:
    """Open the house and build the adapters. Raises NeedsHuman where a person must act first."""
    clock = clock or SystemClock()
    house = open_house(settings)
    registry = Registry([DataFiles().manifests()])
    platforms = Adapters(
        registry, clock, SqlBudgets(house.engine).budget_for, settings.allow_private_hosts
    )
    return Parts(settings, house, registry, platforms, clock, SystemMint())


def create_app(settings: Settings | None = None, parts: Parts | None = None) -> Flask:
    """The web: webhooks, panel, install and admin screens.

    Every route says how it is opened; one that does not stops the start (UndeclaredRoutes).
    """
    from flask import Flask

    from plugin.web.access_log import install_access_log
    from plugin.web.admin import admin_blueprint
    from plugin.web.context import WebContext
    from plugin.web.headers import unframed
    from plugin.web.install import install_blueprint
    from plugin.web.panel import panel_blueprint
    from plugin.web.public import public_blueprint
    from plugin.web.security import install_security
    from webhooks.http import Intake, straight_in, webhooks_blueprint
    from webhooks.inbox import Inbox

    parts = parts or put_together(settings or read_settings())
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
    )
    app = Flask("plugin.web", static_folder=None, template_folder="templates")
    app.url_map.strict_slashes = False
    install_access_log(app)
    inbox = Inbox(parts.house.storage, parts.mint)
    intake = Intake(parts.house.storage, parts.registry, inbox, parts.clock)
    app.register_blueprint(webhooks_blueprint(intake))
    app.register_blueprint(public_blueprint(context, files))
    app.register_blueprint(panel_blueprint(context))
    app.register_blueprint(install_blueprint(context))
    app.register_blueprint(admin_blueprint(context))
    install_security(app, context)
    straight = straight_in(app.wsgi_app, intake, unframed(https=parts.settings.is_https))
    app.wsgi_app = straight  # type: ignore[method-assign, assignment]  # where Flask wants its middleware
    return app


def worker_tasks(parts: Parts) -> dict[str, Task]:
    """What the worker does for each kind of due row."""
    from plugin.domain.ids import DeliveryId, RefundId, RunId, TenantId
    from webhooks.dispatch import Dispatch

    storage = parts.house.storage
    mailer = SmtpMailer(parts.settings.smtp_url, parts.settings.mail_from)
    dispatch = Dispatch(storage, parts.platforms, parts.registry, parts.clock)
    send = SendRefund(storage, parts.platforms, parts.clock)
    carry_out = CarryOut(storage, parts.platforms, mailer, parts.clock)
    return {
        "delivery": lambda tenant, ref: dispatch(TenantId(tenant), DeliveryId(ref)),
        "refund": lambda tenant, ref: send(TenantId(tenant), RefundId(ref)),
        "run": lambda tenant, ref: carry_out(TenantId(tenant), RunId(ref)),
    }
