"""The vendor's own specification, kept beside the repository: every call and answer is held to it.

Stricter than the specification's words: a field it does not know is a fault, both ways. The
differences of 2026 are laid over the OpenAPI of 2025 where they touch what we send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.platforms.systeme_io.routes import Exchange

SPECS = Path(__file__).resolve().parents[4] / "shared" / "specs" / "systemeio"
NEEDS_SPECS = pytest.mark.skipif(
    not SPECS.is_dir(), reason="the vendors' specifications (../shared/specs) are not here"
)


@cache
def openapi() -> Any:  # noqa: ANN401 - a vendor's document
    told = json.loads((SPECS / "openapi-3.0-2025.json").read_text("utf-8"))
    changes = json.loads((SPECS / "openapi-3.1-2026-10-changes.json").read_text("utf-8"))
    newer = changes["CreateWebhookInput"]["properties"]["subscriptions"]["items_oneOf"][1]
    subscription = {
        "type": "object",
        "required": ["event"],
        "properties": {
            "event": {"type": "string", "enum": newer["event"]},
            "schemaVersion": {"type": "integer"},
        },
    }
    create = told["paths"]["/api/webhooks"]["post"]["requestBody"]["content"]["application/json"]
    create["schema"]["properties"]["subscriptions"]["items"] = subscription
    for path, method, status in (
        ("/api/webhooks", "get", "200"),
        ("/api/webhooks", "post", "201"),
        ("/api/webhooks/{id}", "get", "200"),
    ):
        shown = told["paths"][path][method]["responses"][status]["content"]["application/json"]
        schema = shown["schema"]["properties"]
        hook = schema["items"]["items"]["properties"] if "items" in schema else schema
        hook["subscriptions"]["items"]["properties"]["schemaVersion"] = {"type": "integer"}
    return told


def check_exchanges(exchanges: Iterable[Exchange]) -> None:
    """Hold every call to the specification; without it there is nothing to hold it to."""
    if SPECS.is_dir():
        for call in exchanges:
            check_request(call)
            if call.fault is None:
                check_answer(call)


def check_request(call: Exchange) -> None:
    operation = operation_of(call)
    parameters = {one["name"]: one for one in operation.get("parameters", ())}
    told = {name for name, _ in call.query}
    assert len(told) == len(call.query), f"{call.path}: a parameter twice"
    for name, value in call.query:
        assert name in parameters, f"{call.path}: unknown parameter {name}"
        schema = parameters[name]["schema"]
        fits(schema, int(value) if schema["type"] == "integer" else value, f"{call.path}?{name}")
    needed = {n for n, one in parameters.items() if one["required"] and one["in"] == "query"}
    assert needed <= told, f"{call.path}: {needed - told} is missing"
    if "requestBody" in operation:
        assert call.headers["content-type"] == "application/json"
        assert call.body is not None, f"{call.method} {call.path} needs a body"
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        fits(schema, call.body, f"{call.method} {call.path}")
    else:
        assert call.body is None, f"{call.method} {call.path} takes no body"


def check_answer(call: Exchange) -> None:
    where = f"{call.method} {call.path}: {call.status}"
    if call.status == 401:
        told = json.loads((SPECS / "samples" / "api_errors.json").read_text("utf-8"))
        assert call.answer in (told["401_no_header"]["body"], told["401_wrong_key"]["body"])
        return
    answers = operation_of(call)["responses"]
    assert str(call.status) in answers, where
    if call.status in (200, 201):
        fits(answers[str(call.status)]["content"]["application/json"]["schema"], call.answer, where)
    elif call.status in (202, 204):
        assert call.answer is None, where


def operation_of(call: Exchange) -> Any:  # noqa: ANN401 - a part of a vendor's document
    for template, operations in openapi()["paths"].items():
        pattern = re.sub(r"\{[^}]+\}", "[^/]+", template)
        if re.fullmatch(pattern, call.path) and call.method.lower() in operations:
            return operations[call.method.lower()]
    raise AssertionError(f"the vendor knows no {call.method} {call.path}")


def fits(schema: Any, value: object, where: str) -> None:  # noqa: ANN401 - as openapi
    faults = [error.message for error in Draft202012Validator(_strict(schema)).iter_errors(value)]
    assert not faults, f"{where}: {faults}"


def _strict(schema: Any) -> Any:  # noqa: ANN401 - as openapi
    """OpenAPI 3.0 as JSON Schema: null where `nullable`, and no field that is not named."""
    if isinstance(schema, list):
        return [_strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(inner) for key, inner in schema.items()}
    if isinstance(schema.get("properties"), dict):
        strict["additionalProperties"] = False
    if schema.get("nullable") is True:
        if "enum" in strict:
            strict["enum"] = [*strict["enum"], None]
        return {"anyOf": [strict, {"type": "null"}]}
    return strict
