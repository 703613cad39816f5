"""Every call of ours exists in Zendesk's API, and our fake answers in its shapes.

The specification is a third-party transcription of the vendor's documentation. Many of its schemas
are missing: what is not there is not judged, and the one API it lacks is named below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from plugin.domain.errors import Refused
from tests.contracts.fields import DONE
from tests.contracts.helpdesk import MARKER
from tests.platforms.zendesk.data import CUSTOMER
from tests.platforms.zendesk.fake import Seen
from tests.platforms.zendesk.world import INSTALLATION, World

SPECS = Path(__file__).parents[4] / "shared" / "specs" / "zendesk"
FILES = (
    "zendesk-tickets-api-openapi.yml",
    "tickets-openapi-original.yml",
    "users-openapi-original.yml",
    "search-openapi-original.yml",
    "ticket-fields-openapi-original.yml",
)
NOT_DESCRIBED = {"/api/v2/apps/installations", "/api/v2/apps/{id}/public_key.pem"}

pytestmark = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the vendor's specifications (../shared/specs/zendesk) are not here"
)

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def specs() -> list[Spec]:
    return [yaml.safe_load((SPECS / name).read_text()) for name in FILES]


@pytest.fixture
def seen(world: World) -> list[Seen]:
    """Every call that the adapter can make, with its answer."""
    world.fake.account.install_app(INSTALLATION)
    world.name_field()
    ticket = world.add_ticket(["mia@example.com", "mia@work.example"], ["vip"])
    assert world.fake.account.tickets[int(ticket)]["requester_id"] == CUSTOMER
    acts: list[Callable[[], object]] = [
        world.desk.probe,
        world.desk.check_rights,
        world.desk.finish,
        lambda: world.desk.sign_in({"token": world.fake.token()}, {}, world.now),
        lambda: world.desk.read_agent(world.agent),
        lambda: world.desk.read_ticket(ticket, world.agent),
        lambda: world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER, DONE),
        lambda: world.desk.reply(ticket, "On its way.", f"{MARKER}-reply"),
        lambda: world.desk.has_marker(ticket, MARKER),
        lambda: world.desk.find_open_tickets("mia@example.com"),
    ]
    for act in acts:
        act()
    world.close(ticket)
    with pytest.raises(Refused):
        world.desk.reply(ticket, "Too late.", f"{MARKER}-late")
    return world.fake.seen


def template(path: str) -> str:
    return re.sub(r"/\d+", "/{id}", path).removesuffix(".json")


def operations(specs: list[Spec], seen: Seen) -> Iterator[tuple[Spec, Spec]]:
    """The specifications that know a call, each with its operation."""
    for spec in specs:
        for path, item in spec["paths"].items():
            same = re.sub(r"\{\w+\}", "{id}", path) == template(seen.path)
            if same and seen.method.lower() in item:
                yield spec, item[seen.method.lower()] | {"shared": item.get("parameters", [])}


def test_every_call_is_in_the_specification(specs: list[Spec], seen: list[Seen]) -> None:
    unknown = {template(one.path) for one in seen if not any(operations(specs, one))}
    assert unknown == NOT_DESCRIBED
    assert {template(one.path) for one in seen} > NOT_DESCRIBED


def test_every_answer_of_the_fake_has_the_described_shape(
    specs: list[Spec], seen: list[Seen]
) -> None:
    judged = set()
    for one in seen:
        for spec, operation in operations(specs, one):
            content = operation["responses"].get("200", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            if schema is not None and one.status == 200:
                jsonschema.Draft202012Validator(readable(schema, spec)).validate(one.answer)
                judged.add(template(one.path))
    assert judged == {template(one.path) for one in seen} - NOT_DESCRIBED


def test_what_a_write_says_is_known_to_the_specification(
    specs: list[Spec], seen: list[Seen]
) -> None:
    schemas = specs[0]["components"]["schemas"]
    fields, comment = (schemas[name]["properties"] for name in ("TicketUpdate", "Comment"))
    tags = yaml.safe_load((SPECS / "tags-openapi-original.yml").read_text())
    safe = tags["paths"]["/api/v2/tickets/{ticket_id}/tags"]["put"]["description"]
    bodies = [one.body for one in seen if one.body is not None]
    assert len(bodies) == 2
    for body in bodies:
        assert body.keys() == {"ticket"}
        beside = body["ticket"].keys() - fields.keys()
        assert beside == {"safe_update", "updated_stamp"}
        assert all(f"`{name}`" in safe for name in beside)
        assert body["ticket"]["comment"].keys() <= comment.keys()


def readable(schema: Any, spec: Spec) -> Any:  # noqa: ANN401 - any part of a schema
    """`schema` with references resolved (a missing one allows anything), in plain JSON Schema."""
    if isinstance(schema, list):
        return [readable(part, spec) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = spec
        for key in schema["$ref"].removeprefix("#/").split("/"):
            target = target.get(key, {}) if isinstance(target, dict) else {}
        return readable(target, spec)
    plain = {key: readable(part, spec) for key, part in schema.items() if key != "example"}
    # The transcription marks what may be null, if at all, the old way; Zendesk omits nothing.
    if isinstance(plain.get("type"), str) and plain["type"] != "object":
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    return plain
