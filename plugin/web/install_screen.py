"""What the install screen does: connect, watch the self-test, finish, start a policy.

Reads and writes through use cases only; the tenant is the session's. Secrets that were typed are
never shown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.errors import InvalidInput
from plugin.domain.ids import InstallationId, TenantId
from plugin.domain.policy import Clause
from plugin.domain.starting_policies import STARTING_POLICIES
from plugin.platforms.declarations import ManifestDeclarations
from plugin.platforms.manifest import PlatformManifest
from plugin.ports import Connection, FinishesInstall, Kind
from plugin.ports.canvas import CANVAS_POSTS, ServesCanvas
from plugin.ports.records import Installation, InstallationStatus
from plugin.services.connect_platform import (
    AlreadyConnected,
    ConnectPlatform,
    ConnectRequest,
    NotPossible,
    Started,
)
from plugin.services.describe_shop import DescribeShop, NotDescribed
from plugin.services.finish_install import FinishInstall, NotFinished
from plugin.services.run_self_test import RunSelfTest
from plugin.services.save_access_map import of_installation
from plugin.services.self_test_lines import is_under_way
from plugin.services.start_policy import NoSuchPolicy, StartPolicy
from plugin.web.auth import current_admin
from plugin.web.context import WebContext
from plugin.web.pages import ACTOR, Pages, see_other
from plugin.web.problems import NotHere
from plugin.web.schemas import VALUE, AdminForm, ShopForm, StartPolicyForm, connect_form
from plugin.web.strict_forms import read_form
from plugin.web.views import install_view as view
from plugin.web.views.pending_view import PendingCard
from plugin.web.views.shop_view import ShopCard, shop_card

DEFAULT_START = "thirty_days_then_months"


@dataclass(frozen=True, slots=True)
class FormShown:
    """What stands in the connect form: what was typed, and what of it cannot be used.

    `by_way`: it was typed for the platform's own way to install, not for a key. `pending`: that way
    was begun.
    """

    typed: Mapping[str, str] | None = field(default=None, repr=False)
    faults: Mapping[str, str] = field(default_factory=dict)
    by_way: bool = False
    pending: PendingCard | None = None

    def of(self, *, by_way: bool) -> Mapping[str, str]:
        """The faults, where they are of this form."""
        return self.faults if self.by_way is by_way else {}


class InstallScreen:
    """The screen's moves. Reads and writes through use cases; the tenant is the session's."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)
        declarations = ManifestDeclarations(context.registry, context.settings.allow_private_hosts)
        self._declarations = declarations
        self._connect = ConnectPlatform(
            context.storage, declarations, context.mint, context.settings
        )
        self._self_test = RunSelfTest(
            context.storage,
            context.platforms,
            declarations,
            context.mint,
            context.settings.public_url,
        )

    # --- finding ----------------------------------------------------------------------------------

    def manifest(self, kind: str, platform: str) -> PlatformManifest:
        """A platform that this tenant may connect. Raises NotHere."""
        for manifest in self._manifests(current_admin().tenant):
            if (manifest.kind, manifest.stem) == (kind, platform):
                return manifest
        raise NotHere("no_such_platform")

    def installation(self, ref: str) -> Installation:
        """One of this tenant's own, not removed. Raises NotHere."""
        with self._context.storage.read(current_admin().tenant) as uow:
            found = uow.installations.get(InstallationId(ref))
        if found is None or found.status is InstallationStatus.REMOVED:
            raise NotHere("no_such_installation")
        return found

    def _manifests(self, tenant: TenantId) -> list[PlatformManifest]:
        with self._context.storage.read(tenant) as uow:
            simulated = uow.settings.tenant().simulated
        return [one for one in self._context.registry.manifests() if one.simulated is simulated]

    # --- the page ---------------------------------------------------------------------------------

    def overview(
        self,
        manifest: PlatformManifest | None = None,
        installation: Installation | None = None,
        *,
        form: FormShown | None = None,
        notice: AlreadyConnected | str | None = None,
        start: str = "",
        shop: ShopCard | None = None,
        status: int = 200,
    ) -> Response:
        """The whole screen, opened at a platform or at a connection where one is given."""
        form = form or FormShown()
        tenant, now = current_admin().tenant, self._context.clock.now()
        with self._context.storage.read(tenant) as uow:
            told = uow.settings.tenant()
            installations = uow.installations.all()
            policy = uow.settings.policy()
            access = {
                one.connection.installation: of_installation(uow, one.connection.installation)
                for one in installations
            }
        manifests = self._manifests(tenant)
        if installation is not None:
            connection = installation.connection
            manifest = self._context.registry.manifest(connection.kind, connection.platform)
            form = replace(form, typed=form.typed or connection.settings)
        chosen = start or _running(policy.newest.clauses if policy else ()) or DEFAULT_START
        return self._pages.render(
            "install/page.html",
            "install",
            status,
            stores=view.tiles((m for m in manifests if m.kind is Kind.STORE), installations),
            desks=view.tiles((m for m in manifests if m.kind is Kind.HELPDESK), installations),
            manifest=manifest,
            installation=None if installation is None else view.link(installation),
            fields=() if manifest is None else self._fields(manifest, form, by_way=False),
            faults=form.of(by_way=False),
            way=None if manifest is None or form.pending else manifest.install_way,
            way_fields=() if manifest is None else self._fields(manifest, form, by_way=True),
            way_faults=form.of(by_way=True),
            by_way=form.by_way,
            pending=form.pending,
            key_notice=None if manifest is None else view.key_notice(manifest),
            shop=shop or shop_card(told, told.name, told.time_zone, now),
            notice=notice,
            links=[view.link(one) for one in notice.installations]
            if isinstance(notice, AlreadyConnected)
            else [],
            card=None if installation is None else self._card(installation),
            can_finish=installation is not None and self._can_finish(installation),
            webhook_url=self._webhook_url(installation, manifest),
            canvas_urls=() if installation is None else self._canvas_urls(installation.connection),
            found=[
                view.found(one, self._manifest_of(one), access[one.connection.installation])
                for one in installations
                if one.connection.kind is Kind.STORE
            ],
            starts=view.starts(chosen),
            policy=policy.newest if policy else None,
            now=now,
        )

    def _fields(
        self, manifest: PlatformManifest, form: FormShown, *, by_way: bool
    ) -> tuple[view.Field, ...]:
        typed = form.typed or {}
        development = typed.get("base_url", "") if self._is_development else None
        fields = view.form_fields(manifest, typed, form.of(by_way=by_way), development)
        if not by_way:
            return fields
        asks = () if manifest.install_way is None else (*manifest.install_way.asks, "base_url")
        return tuple(one for one in fields if one.name in asks)

    @property
    def _is_development(self) -> bool:
        return bool(self._context.settings.allow_private_hosts)

    def _card(self, installation: Installation) -> view.SelfTestCard:
        now = self._context.clock.now()
        lines = self._declarations.self_test(installation.connection)
        sentences = {line.check: line.sentence for line in lines}
        under_way = is_under_way(installation)
        return view.self_test(installation, sentences, under_way=under_way, now=now)

    def _can_finish(self, installation: Installation) -> bool:
        port = self._context.platforms.able(installation.connection, FinishesInstall)
        return port is not None

    def _webhook_url(
        self, installation: Installation | None, manifest: PlatformManifest | None
    ) -> str:
        if installation is None or manifest is None or manifest.webhooks is None:
            return ""
        return self._self_test.webhook_url(installation.connection)

    def _canvas_urls(self, connection: Connection) -> tuple[tuple[str, str], ...]:
        """Our addresses for a desk that draws the panel itself, each with its name there."""
        if self._context.platforms.able(connection, ServesCanvas) is None:
            return ()
        base = f"{self._context.settings.public_url}/canvas"
        ours = f"{base}/{connection.platform}/{connection.installation}"
        return tuple((f"{name.capitalize()} URL", f"{ours}/{name}") for name in CANVAS_POSTS)

    def _manifest_of(self, installation: Installation) -> PlatformManifest:
        connection = installation.connection
        return self._context.registry.manifest(connection.kind, connection.platform)

    # --- connecting -------------------------------------------------------------------------------

    def connect(self, manifest: PlatformManifest) -> BaseResponse:
        """Keep the form as an installation; the self-test starts on the page that follows."""
        form = read_form(connect_form(manifest, development=self._is_development))
        typed = {
            name.removeprefix(VALUE): value
            for name, value in form.items()
            if name.startswith(VALUE)
        }
        outcome = self._connect(
            current_admin().tenant,
            ConnectRequest(
                manifest.kind,
                manifest.stem,
                {name: value for name, value in typed.items() if value or name != "base_url"},
                InstallationId(form["installation"]) if form["installation"] else None,
                another=form["another"] == "yes",
            ),
            ACTOR,
            self._context.clock.now(),
        )
        match outcome:
            case Started(installation):
                return see_other(f"/install/at/{installation.connection.installation}#connect")
            case NotPossible(name, advice):
                return self.overview(manifest, form=FormShown(typed, {name: advice}), status=422)
            case AlreadyConnected():
                return self.overview(manifest, form=FormShown(typed), notice=outcome, status=409)

    def step(self, installation: Installation) -> Response:
        """Do the next line of the self-test and show how far it is."""
        read_form(AdminForm)
        connection = installation.connection
        now = self._context.clock.now
        after = self._self_test.step(connection.tenant, connection.installation, now)
        return self.overview(installation=after or installation)

    def again(self, installation: Installation) -> BaseResponse:
        """Begin the self-test anew."""
        read_form(AdminForm)
        connection = installation.connection
        self._self_test.restart(
            connection.tenant, connection.installation, ACTOR, self._context.clock.now()
        )
        return see_other(f"/install/at/{connection.installation}#connect")

    def finish(self, installation: Installation) -> BaseResponse:
        """Read what the platform gave our app, once it is installed there."""
        read_form(AdminForm)
        connection = installation.connection
        finisher = FinishInstall(self._context.storage, self._context.platforms)
        outcome = finisher(
            connection.tenant, connection.installation, ACTOR, self._context.clock.now()
        )
        if isinstance(outcome, NotFinished):
            return self.overview(installation=installation, notice=outcome.advice, status=409)
        return see_other(f"/install/at/{connection.installation}#connect")

    # --- the shop ---------------------------------------------------------------------------------

    def describe_shop(self) -> BaseResponse:
        """Keep what the shop is called, its time zone and its language."""
        form = read_form(ShopForm)
        tenant, now = current_admin().tenant, self._context.clock.now()
        outcome = DescribeShop(self._context.storage)(tenant, form, ACTOR, now)
        if isinstance(outcome, NotDescribed):
            with self._context.storage.read(tenant) as uow:
                told = uow.settings.tenant()
            faults = {outcome.field: outcome.advice}
            card = shop_card(told, form["name"], form["time_zone"], now, faults)
            return self.overview(shop=card, status=422)
        return see_other("/install#shop")

    # --- the policy -------------------------------------------------------------------------------

    def start_policy(self) -> BaseResponse:
        """Make the chosen starting point the next version."""
        chosen = read_form(StartPolicyForm)["start"]
        outcome = StartPolicy(self._context.storage)(
            current_admin().tenant, chosen, ACTOR, self._context.clock.now()
        )
        if isinstance(outcome, NoSuchPolicy):
            raise InvalidInput("start", "choose one of the four")
        return see_other("/install#policy")


def _running(clauses: tuple[Clause, ...]) -> str:
    """The starting point that is in force word for word, if one is."""
    return next((one.slug for one in STARTING_POLICIES if one.clauses == clauses), "")
