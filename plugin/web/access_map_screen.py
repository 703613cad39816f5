"""The access map of one store: what its price plans give, what bundles hold, what tags open.

`MapForm` is the same for our own page and for the one inside a store's admin; what frames it, and
who may come this far, is not its matter. Reads what the store lists each time; where it does not
answer, ids can still be typed. Nothing that is open today is closed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Response
from marshmallow import Schema
from werkzeug.wrappers import Response as BaseResponse

from plugin.domain.errors import MakegoodError
from plugin.domain.ids import InstallationId
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports import Catalog, ListsCatalog
from plugin.ports.records import Installation
from plugin.services.save_access_map import MapRefused, SaveAccessMap, of_installation
from plugin.services.self_test_lines import advice_for
from plugin.web.auth import current_admin
from plugin.web.context import WebContext
from plugin.web.pages import ACTOR, Pages, see_other
from plugin.web.problems import BadForm
from plugin.web.schemas import AdminMapEntry, MapQuery
from plugin.web.strict_forms import Pairs, load, read_pairs, read_query
from plugin.web.views import access_map_view as view
from plugin.web.views.access_map_view import LONGEST_REF, PARTS, MapCard, MapPlace, OpenEntry
from plugin.web.views.install_view import link

_ID: Final = f"give its id, on one line of up to {LONGEST_REF} characters"
_CHOOSE: Final = "choose from the list"
_ADVICE: Final[Mapping[str, str]] = {
    "part": "choose one of these",
    "ref": _ID,
    "more": _ID,
    "kind": "choose what it is",
    "gives": _CHOOSE,
}
_NOT_OURS: Final = "this form is not as we made it: load the page again"


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of an entry. Without `faults` it was kept, or `forgotten`."""

    entry: OpenEntry
    faults: Mapping[str, str]
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class MapForm:
    """Reads and keeps the map of an installation that whoever asks may set."""

    context: WebContext

    def card(
        self, installation: Installation, entry: OpenEntry, faults: Mapping[str, str] | None = None
    ) -> MapCard:
        """What was said so far, and one entry to add or change. One call to the store."""
        connection = installation.connection
        with self.context.storage.read(connection.tenant) as uow:
            access = of_installation(uow, connection.installation)
        catalog, silent = self._catalog(installation)
        return view.map_card(access, connection.installation, catalog, silent, entry, faults or {})

    def _catalog(self, installation: Installation) -> tuple[Catalog | None, str]:
        """What the store lists now, and what is the matter where it lists nothing."""
        connection = installation.connection
        port = self.context.platforms.able(connection, ListsCatalog)
        if port is None:
            return None, ""
        try:
            return port.read_catalog(), ""
        except MakegoodError as error:
            return Catalog(), advice_for(error, self.context.platforms.title(connection))

    def keep(self, installation: Installation, schema: type[Schema], actor: str) -> Tried:
        """Keep the entry of this request's form, or forget it. What was typed comes back."""
        connection = installation.connection
        ref = connection.installation
        typed = _typed(read_pairs(), ref)
        try:
            form = load(schema, read_pairs())
        except BadForm as error:
            return Tried(typed, {name: _ADVICE.get(name, _NOT_OURS) for name in error.faults})
        opens, faults = _opens(form, ref)
        if faults:
            return Tried(typed, faults)
        outcome = SaveAccessMap(self.context.storage).entry(
            connection.tenant,
            ref,
            form["part"],
            form["ref"],
            None if form["forget"] else opens,
            actor,
            self.context.clock.now(),
        )
        if isinstance(outcome, MapRefused):
            advice = _ADVICE.get(outcome.field, outcome.advice)
            return Tried(typed, {outcome.field: advice})
        return Tried(typed, {}, forgotten=bool(form["forget"]))


class AccessMapScreen:
    """The moves of our own page."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._pages = Pages(context)
        self._form = MapForm(context)

    def show(self, installation: Installation) -> Response:
        """The page, with the entry open that its address names."""
        return self._page(installation, asked_entry(read_query(MapQuery)))

    def save(self, installation: Installation) -> BaseResponse:
        """Keep one entry, or forget it."""
        tried = self._form.keep(installation, AdminMapEntry, ACTOR)
        if tried.faults:
            return self._page(installation, tried.entry, tried.faults, 422)
        return see_other(_here(installation))

    def _page(
        self,
        installation: Installation,
        entry: OpenEntry,
        faults: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        here = _here(installation)
        return self._pages.render(
            "install/map.html",
            "install",
            status,
            link=link(installation),
            name=self._context.platforms.title(installation.connection),
            card=self._form.card(installation, entry, faults),
            place=MapPlace(here, here, current_admin().form_token),
        )


def asked_entry(asked: Mapping[str, Any]) -> OpenEntry:
    """The entry that a `MapQuery` names; a new one where it names none."""
    return OpenEntry(asked["part"] or "products", asked["ref"])


def _here(installation: Installation) -> str:
    return f"/install/at/{installation.connection.installation}/map"


def _opens(
    form: Mapping[str, Any], installation: InstallationId
) -> tuple[tuple[Resource, ...], Mapping[str, str]]:
    """What the form says that an entry opens, or what of it cannot be used."""
    named = [view.resource_of(value, installation) for value in form["gives"]]
    opens = [one for one in named if one is not None]
    if len(opens) != len(named):
        return (), {"gives": _CHOOSE}
    if form["more"]:
        further = view.typed_resource(form["kind"], form["more"], installation)
        if further is None:
            return (), {"more": _ID}
        opens.append(further)
    return tuple(dict.fromkeys(opens)), {}


def _typed(pairs: Pairs, installation: InstallationId) -> OpenEntry:
    """What stood in the form, as far as it can stand there again: nothing typed is lost."""
    said = dict(pairs)
    ticked = [view.resource_of(value, installation) for name, value in pairs if name == "gives"]
    return OpenEntry(
        part=said.get("part", "") if said.get("part") in PARTS else "products",
        ref=said.get("ref", ""),
        gives=tuple(dict.fromkeys(one for one in ticked if one is not None)),
        kind=said.get("kind", "") if said.get("kind") in list(ResourceKind) else "course",
        more=said.get("more", ""),
    )
