"""Bugs that the harness must find, each put into one world only."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from flask import request
from sqlalchemy import text

from plugin.domain.events import StoreEvent
from plugin.domain.ids import InstallationId
from plugin.helpdesks.intercom import posts
from plugin.ports import Kind
from plugin.services import pending_install
from plugin.web.auth import Access, open_to
from tests.fuzz.world import World
from tests.fuzz.wsgi import Environ
from webhooks.delivery import Delivery

Parser: TypeAlias = Callable[[Delivery, InstallationId, Any], Sequence[StoreEvent]]


def _raise(world: World) -> None:
    """A route that takes every id for a number."""

    @open_to(Access.PUBLIC)
    def planted(number: str) -> str:
        return str(int(number))

    world.app.add_url_rule("/planted/<number>", "planted", planted)


def _write_unchecked(world: World) -> None:
    """A door that notes each visit before it looks at the signature."""

    def note(environ: Environ) -> None:
        if environ["PATH_INFO"].startswith("/webhooks/"):
            with world.parts.house.engine.begin() as db:
                db.execute(text("UPDATE mg_tenants SET audit_count = audit_count + 1"))

    _stand_before(world, note)


def _hear_unsigned(_: World) -> None:
    """A panel that a desk draws, whose posts are read whoever signed them."""
    posts._check_signature = lambda *_: None


def _take_any_address(_: World) -> None:
    """An install's one-time address whose mark nobody compares."""
    pending_install._same = lambda *_: True


def _call_unchecked(world: World) -> None:
    """A guard that asks elsewhere whose cookie that is."""

    def ask() -> None:
        if request.cookies:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", 9), 1)

    world.app.before_request(ask)


def _write_where_told(world: World) -> None:
    """A visitors' book, kept under the name that a visitor gives."""

    def note() -> None:
        for name in request.args.values():
            with suppress(OSError, ValueError):
                (world.folder / name).open("a").close()

    world.app.before_request(note)


def _parse_carelessly(world: World) -> None:
    """A parser that takes a body for an object."""
    registry = world.parts.registry
    strict = registry.parser

    def parser(kind: Kind, stem: str) -> Parser:
        parse = strict(kind, stem)

        def careless(
            delivery: Delivery,
            installation: InstallationId,
            body: Any,  # noqa: ANN401
        ) -> Sequence[StoreEvent]:
            body.get("type")
            events: Sequence[StoreEvent] = parse(delivery, installation, body)
            return events

        return careless

    object.__setattr__(registry, "parser", parser)  # frozen, and this is its one world


def _leave(world: World) -> None:
    """An exception that leaves the application instead of becoming an answer."""
    _stand_before(world, lambda environ: environ["PATH_INFO"].encode("ascii"))


def _stand_before(world: World, look: Callable[[Environ], object]) -> None:
    inner = world.app.wsgi_app

    def app(environ: Environ, start: Any) -> Iterable[bytes]:  # noqa: ANN401 - a server's own
        look(environ)
        return inner(environ, start)

    world.app.wsgi_app = app  # type: ignore[method-assign,assignment]  # as Flask's docs do


PLANTED: Final[Mapping[str, Callable[[World], None]]] = MappingProxyType(
    {
        "raises": _raise,
        "unchecked_writer": _write_unchecked,
        "unchecked_post": _hear_unsigned,
        "unchecked_address": _take_any_address,
        "unchecked_caller": _call_unchecked,
        "told_where": _write_where_told,
        "careless_parser": _parse_carelessly,
        "leaves": _leave,
    }
)
