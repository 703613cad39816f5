"""Every call of ours stands in a transcription of Freshdesk's API, and so do the fields we read.

The vendor publishes no specification; this one is a third party's, generated, and names a part of
the fields only. What it does not know is listed below, from the vendor's own pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.fields import DONE
from tests.contracts.helpdesk import MARKER
from tests.platforms.freshdesk.world import World

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "freshdesk"
NOT_DESCRIBED = {"GET /agents/me", "GET /roles"}

pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(),
    reason="the vendor's specifications (../shared/specs/freshdesk) are not here",
)


@pytest.fixture(scope="module")
def operations() -> dict[str, dict[str, Any]]:
    """Every operation by `METHOD /path`, ids as `{id}`."""
    found: dict[str, dict[str, Any]] = {}
    for file in SPECS.glob("*.yml"):
        spec = yaml.safe_load(file.read_text())
        for path, item in spec["paths"].items():
            for method in item.keys() & {"get", "put", "post"}:
                name = re.sub(r"\{\w+\}", "{id}", path)
                found[f"{method.upper()} {name}"] = {"spec": spec, **item[method]}
    return found


@pytest.fixture
def called(world: World) -> set[str]:
    """Every call that the adapter can make."""
    world.name_field()
    ticket = world.add_ticket(["mia@example.com", "mia@work.example"], ["vip"])
    desk = world.desk
    desk.probe()
    desk.check_rights()
    desk.read_ticket(ticket, world.agent)
    desk.read_agent(world.agent)
    desk.read_shared_ticket(ticket)
    desk.add_note(ticket, "Refunded.", ["refunded"], MARKER, DONE)
    desk.reply(ticket, "On its way.", f"{MARKER}-reply")
    desk.find_open_tickets("mia@example.com")
    return {
        re.sub(r"/\d+", "/{id}", f"{one.method} {one.path.removeprefix('/api/v2')}")
        for one in world.fake.seen
    }


def test_every_call_is_one_of_theirs(
    called: set[str], operations: dict[str, dict[str, Any]]
) -> None:
    assert called - operations.keys() == NOT_DESCRIBED
    assert called & operations.keys() == {
        "GET /agents",
        "GET /agents/{id}",
        "GET /contacts/{id}",
        "GET /ticket_fields",
        "GET /tickets",
        "GET /tickets/{id}",
        "GET /tickets/{id}/conversations",
        "POST /tickets/{id}/notes",
        "POST /tickets/{id}/reply",
        "PUT /tickets/{id}",
    }


@pytest.mark.parametrize(
    ("call", "fields"),
    [
        ("PUT /tickets/{id}", {"tags", "custom_fields"}),
        ("POST /tickets/{id}/notes", {"body", "private"}),
        ("POST /tickets/{id}/reply", {"body"}),
    ],
)
def test_what_we_send_is_what_they_take(
    operations: dict[str, dict[str, Any]], call: str, fields: set[str]
) -> None:
    operation = operations[call]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert fields <= set(_properties(operation["spec"], schema))


def _properties(spec: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    named = schema.get("$ref", "").removeprefix("#/components/schemas/")
    yield from (spec["components"]["schemas"][named] if named else schema)["properties"]
