"""Every call of ours is in Intercom's own OpenAPI, and our fake answers in its shapes, strictly.

Objects that list their properties may have no others: a field that the vendor does not name is one
that we made up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.contracts.fields import DONE
from tests.contracts.helpdesk import MARKER
from tests.platforms.intercom.data import AGENT
from tests.platforms.intercom.fake import Seen
from tests.platforms.intercom.world import World

SPEC = Path(__file__).parents[4] / "shared" / "specs" / "intercom" / "api.intercom.io-2.15.yaml"

pytestmark = pytest.mark.skipif(
    not SPEC.is_file(), reason="the vendor's specification (../shared/specs/intercom) is not here"
)

Spec = dict[str, Any]


@pytest.fixture(scope="module")
def spec() -> Spec:
    loaded: Spec = yaml.load(SPEC.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


@pytest.fixture
def seen(world: World) -> list[Seen]:
    """Every call that the adapter can make, with its answer."""
    world.name_field()
    ticket = world.add_ticket(["mia@example.com", "mia@work.example"], ["vip"])
    acts: list[Callable[[], object]] = [
        world.desk.probe,
        world.desk.check_rights,
        lambda: world.desk.read_agent(world.agent),
        lambda: world.desk.read_ticket(ticket, world.agent),
        lambda: world.desk.add_note(ticket, "Refunded.", ["refunded"], MARKER, DONE),
        lambda: world.desk.reply(ticket, "On its way.", f"{MARKER}-reply"),
        lambda: world.desk.has_marker(ticket, MARKER),
        lambda: world.desk.find_open_tickets("mia@example.com"),
    ]
    for act in acts:
        act()
    world.delete(ticket)
    world.desk.has_marker(ticket, MARKER)
    return world.fake.seen


def operation(spec: Spec, one: Seen) -> tuple[str, Spec] | None:
    """The path of the specification that a call is of, and what it says of the method."""
    for path, item in spec["paths"].items():
        pattern = re.sub(r"\{\w+\}", r"[^/]+", path)
        if (
            re.fullmatch(pattern, one.path)
            and one.method.lower() in item
            and ("{" in path or path == one.path)
        ):
            found: Spec = item[one.method.lower()]
            if path == one.path or one.path not in spec["paths"]:
                return path, found
    return None


def strict(schema: Any, spec: Spec, inside: tuple[str, ...] = ()) -> Any:  # noqa: ANN401 - any part of a schema
    """`schema` as plain JSON Schema: references resolved, null where allowed, nothing unnamed."""
    if isinstance(schema, list):
        return [strict(part, spec, inside) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in inside:
            return {}
        plain = strict(spec["components"]["schemas"][name], spec, (*inside, name))
        plain = {**plain, "nullable": schema.get("nullable") or plain.get("nullable")}
    else:
        plain = {
            key: {name: strict(inner, spec, inside) for name, inner in value.items()}
            if key == "properties"
            else strict(value, spec, inside)
            for key, value in schema.items()
            if key not in {"example", "examples", "format"}
        }
    if "oneOf" in plain:  # parts that are cut where they repeat themselves fit twice
        plain["anyOf"] = plain.pop("oneOf")
    for part in plain.pop("allOf", ()):
        plain["properties"] = {**part.get("properties", {}), **plain.get("properties", {})}
    if "properties" in plain and "additionalProperties" not in plain:
        plain["additionalProperties"] = False
    if plain.pop("nullable", None):
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def schema_of(content: Spec) -> Any:  # noqa: ANN401 - any schema
    return content["content"]["application/json"]["schema"]


def test_every_call_is_in_the_specification(spec: Spec, seen: list[Seen]) -> None:
    assert [one.path for one in seen if operation(spec, one) is None] == []
    called = {found[0] for one in seen if (found := operation(spec, one))}
    assert called == {
        "/me",
        "/admins/{admin_id}",
        "/contacts/search",
        "/contacts/{contact_id}",
        "/conversations/search",
        "/conversations/{conversation_id}",
        "/conversations/{conversation_id}/reply",
        "/conversations/{conversation_id}/tags",
        "/data_attributes",
        "/tags",
    }


def test_every_query_of_a_call_is_named_there(spec: Spec, seen: list[Seen]) -> None:
    for one in seen:
        found = operation(spec, one)
        assert found is not None
        named = {parameter["name"]: parameter for parameter in found[1].get("parameters", [])}
        for name, values in one.query.items():
            allowed = named[name]["schema"].get("enum", values)
            assert set(values) <= set(allowed), name


def test_every_body_that_we_send_is_of_its_schema(spec: Spec, seen: list[Seen]) -> None:
    judged = set()
    for one in seen:
        found = operation(spec, one)
        if one.body is not None and found is not None:
            schema = strict(schema_of(found[1]["requestBody"]), spec)
            jsonschema.Draft202012Validator(schema).validate(one.body)
            judged.add(found[0])
    assert len(judged) == 6


def test_every_answer_of_the_fake_is_of_its_schema(spec: Spec, seen: list[Seen]) -> None:
    judged = set()
    for one in seen:
        found = operation(spec, one)
        assert found is not None
        schema = strict(schema_of(found[1]["responses"][str(one.status)]), spec)
        jsonschema.Draft202012Validator(schema).validate(one.answer)
        judged.add((found[0], one.status))
    assert len(judged) == 11
    assert {status for _, status in judged} == {200, 404}


def test_the_vendor_has_no_call_that_does_two_of_a_refunds_writes(spec: Spec) -> None:
    """Else a refund could be two writes: the rule `two_writes` of the manifest rests on this."""
    schemas = spec["components"]["schemas"]
    writes = {
        "/conversations/{conversation_id}/reply": ["admin_reply_conversation_request"],
        "/conversations/{conversation_id}": ["update_conversation_request"],
        "/conversations/{conversation_id}/parts": [
            "close_conversation_request",
            "snooze_conversation_request",
            "open_conversation_request",
            "assign_conversation_request",
        ],
    }
    for path, names in writes.items():
        assert {"post", "put"} & set(spec["paths"][path])
        for name in names:
            assert not {"tag", "tags", "note", "parts", "messages"} & set(
                schemas[name]["properties"]
            )
    with_attributes = [
        name
        for names in writes.values()
        for name in names
        if "custom_attributes" in schemas[name]["properties"]
    ]
    assert with_attributes == ["update_conversation_request"]


def test_a_body_of_another_shape_would_be_seen(spec: Spec, seen: list[Seen]) -> None:
    reply = next(one for one in seen if one.path.endswith("/reply"))
    found = operation(spec, reply)
    assert found is not None
    assert reply.body is not None
    schema = strict(schema_of(found[1]["requestBody"]), spec)
    for wrong in ({**reply.body, "made_up": 1}, {**reply.body, "admin_id": AGENT}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(wrong)
