"""Bugs that the sweep must find, each put into one process only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import ColumnElement, Table, false, true
from werkzeug.routing import Rule

from plugin.domain.ids import InstallationId
from plugin.ports.records import Installation, InstallationStatus
from plugin.storage import rows
from plugin.storage.rows import TenantRows
from plugin.storage.tables import orders, plans, refunds
from plugin.web import canvas_buttons
from plugin.web.auth import Access, open_to
from plugin.web.canvas_buttons import Buttons
from plugin.web.install_screen import InstallScreen
from plugin.web.panel_scene import Sitting
from plugin.web.problems import NotHere
from tests.tenants.scene import Scene


def _look_without_tenant(_: Scene) -> None:
    """A screen that finds a connection by its id alone: whose it is, nobody asks."""

    def installation(self: InstallScreen, ref: str) -> Installation:
        found = self._context.storage.find_installation(InstallationId(ref))
        if found is None or found.status is InstallationStatus.REMOVED:
            raise NotHere("no_such_installation")
        return found

    InstallScreen.installation = installation  # type: ignore[method-assign]  # for this process


def _read_without_tenant(_: Scene) -> None:
    """Orders, plans and refunds that are filtered by nobody's tenant."""
    own = TenantRows._mine

    def mine(self: TenantRows, table: Table) -> ColumnElement[bool]:
        return true() if table in (orders, plans, refunds) else own(self, table)

    TenantRows._mine = mine  # type: ignore[method-assign]  # for this process
    made_once = rows.mine

    def open_to_all(table: Table) -> ColumnElement[bool]:
        # The tenant is given to the statement all the same, and asked for by nobody.
        is_open = table in (orders, plans, refunds)
        return made_once(table) | (table.c.tenant_id == table.c.tenant_id if is_open else false())

    rows.mine = open_to_all
    rows._in_state.cache_clear()


def _press_anybodys(_: Scene) -> None:
    """One-time numbers that anybody can spend who knows them, whosever canvas they stood on."""

    def kept(sitting: Sitting, nonce: str) -> str:
        del sitting
        return nonce

    def spend(self: Buttons, sitting: Sitting, nonce: str) -> bool:
        del sitting
        storage, spent = self.context.storage, False
        for tenant in storage.tenants():
            with storage.begin(tenant.id) as uow:
                spent |= uow.sign_ins.use(nonce, self.context.clock.now())
                uow.commit()
        return spent

    canvas_buttons._kept = kept
    Buttons.spend = spend  # type: ignore[method-assign]  # for this process


def _add_a_route(scene: Scene) -> None:
    """A route that nobody declared a case for."""

    @open_to(Access.PUBLIC)
    def planted() -> str:
        return "open to all"

    # Not by Flask's own word for it: the application has answered requests already.
    scene.house.app.view_functions["planted"] = planted
    scene.house.app.url_map.add(Rule("/planted", endpoint="planted"))


PLANTED: Final[Mapping[str, Callable[[Scene], None]]] = MappingProxyType(
    {
        "screen_without_tenant": _look_without_tenant,
        "rows_without_tenant": _read_without_tenant,
        "button_of_anybody": _press_anybodys,
        "route_without_case": _add_a_route,
    }
)
