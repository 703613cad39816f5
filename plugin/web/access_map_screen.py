"""The access map of one store: what its price plans give, what bundles hold, what tags open.

Reads what the store lists each time; where it does not answer, ids can still be typed. Nothing that
is open today is closed by it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.access_map import AccessMap
from plugin.domain.errors import MakegoodError
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports import Catalog, ListsCatalog
from plugin.ports.records import Installation
from plugin.services.save_access_map import MapRefused, SaveAccessMap, of_installation
from plugin.services.self_test_lines import advice_for
from plugin.web.context import WebContext
from plugin.web.pages import ACTOR, Pages, see_other
from plugin.web.schemas import MapEntry, MapQuery
from plugin.web.strict_forms import read_form, read_query
from plugin.web.views import access_map_view as view
from plugin.web.views.install_view import link


class AccessMapScreen:
    """The screen's moves."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)

    def show(
        self,
        installation: Installation,
        faults: Mapping[str, str] | None = None,
        status: int = 200,
        entry: Mapping[str, str] | None = None,
    ) -> Response:
        """What was said so far, and one entry to add or change."""
        asked = entry or read_query(MapQuery)
        connection = installation.connection
        with self._context.storage.read(connection.tenant) as uow:
            access = of_installation(uow, connection.installation)
        catalog, silent = self._catalog(installation)
        part, ref = asked["part"] or "products", asked["ref"]
        opened = _opened(access, connection.installation, part, ref)
        return self._pages.render(
            "install/map.html",
            "install",
            status,
            link=link(installation),
            name=self._context.platforms.title(connection),
            rows=view.map_rows(access, catalog),
            choices=view.map_choices(catalog, opened, with_tags=part == "products"),
            products=catalog.products,
            tags=[one for one in catalog.resources if one.kind is ResourceKind.TAG],
            unlisted=catalog.unlisted,
            silent=silent,
            part=part,
            ref=ref,
            faults=faults or {},
        )

    def _catalog(self, installation: Installation) -> tuple[Catalog, str]:
        """What the store lists now, and what is the matter where it lists nothing."""
        connection = installation.connection
        port = self._context.platforms.able(connection, ListsCatalog)
        if port is None:
            return Catalog(), ""
        try:
            return port.read_catalog(), ""
        except MakegoodError as error:
            return Catalog(), advice_for(error, self._context.platforms.title(connection))

    def save(self, installation: Installation) -> BaseResponse:
        """Keep one entry, or forget it."""
        form = read_form(MapEntry)
        connection = installation.connection
        entry = {"part": form["part"], "ref": form["ref"]}
        named = [view.resource_of(value, connection.installation) for value in form["gives"]]
        opens = tuple(one for one in named if one is not None)
        if len(opens) != len(named):
            return self.show(installation, {"gives": "choose from the list"}, 422, entry)
        outcome = SaveAccessMap(self._context.storage).entry(
            connection.tenant,
            connection.installation,
            form["part"],
            form["ref"],
            None if form["forget"] else opens,
            ACTOR,
            self._context.clock.now(),
        )
        if isinstance(outcome, MapRefused):
            return self.show(installation, {outcome.field: outcome.advice}, 422, entry)
        return see_other(f"/install/at/{connection.installation}/map")


def _opened(
    access: AccessMap, installation: InstallationId, part: str, ref: str
) -> tuple[Resource, ...]:
    """What the entry that is open for change says so far."""
    if part == "products":
        return access.given_by(installation, ref) or ()
    if part == "bundles":
        return access.inside(Resource(installation, ResourceKind.BUNDLE, ref)) or ()
    return access.opened_by(Resource(installation, ResourceKind.TAG, ref))
