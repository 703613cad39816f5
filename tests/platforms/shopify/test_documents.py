"""Every document that is sent is one that Shopify's own schema knows, and costs what it may."""

from __future__ import annotations

import gzip
import importlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from plugin.stores.shopify import account, documents
from plugin.stores.shopify.account import manifest
from plugin.stores.shopify.documents import MOST_POINTS, MUTATIONS, QUERIES
from plugin.stores.shopify.installing import COMPLIANCE
from tests.platforms.shopify.selection import Selection, selection_of

_SCHEMA = (
    Path(__file__).parents[4] / "shared/specs/shopify" / f"admin_{manifest().api_version}.json.gz"
)
_ALL = {**QUERIES, **MUTATIONS}


@cache
def _schema() -> Mapping[str, Any]:
    if not _SCHEMA.is_file():
        pytest.skip("Shopify's schema (../shared/specs/shopify) is not here")
    found: Mapping[str, Any] = json.loads(gzip.decompress(_SCHEMA.read_bytes()))["data"]
    return found


@cache
def _built() -> Any:  # noqa: ANN401 - graphql-core's
    graphql = pytest.importorskip("graphql", reason="graphql-core is not installed")
    # The published schema breaks a rule on deprecated fields of its own: it is taken as it is.
    return graphql.build_client_schema(_schema(), assume_valid=True)


@pytest.mark.parametrize("label", sorted(_ALL))
def test_a_document_validates_against_the_schema(label: str) -> None:
    schema = _built()
    graphql = importlib.import_module("graphql")
    assert graphql.validate(schema, graphql.parse(_ALL[label])) == []


def test_a_document_with_a_field_that_is_not_there_does_not() -> None:
    schema = _built()
    graphql = importlib.import_module("graphql")
    wrong = documents.READ_ACCOUNT.replace("currencyCode", "currencyCodes")
    assert graphql.validate(schema, graphql.parse(wrong))


def test_no_document_asks_for_a_deprecated_field_or_for_more_than_was_paid() -> None:
    schema = _built()
    graphql = importlib.import_module("graphql")
    utilities = importlib.import_module("graphql.validation")
    for text in _ALL.values():
        rules = [utilities.NoDeprecatedCustomRule]
        assert graphql.validate(schema, graphql.parse(text), rules) == []
        assert "allowOverRefunding" not in text


def test_only_the_refund_carries_an_idempotency_key() -> None:
    carrying = [label for label, text in _ALL.items() if "@idempotent" in text]
    assert carrying == ["refund.create"]


def test_each_topic_that_we_subscribe_is_one_of_the_schemas() -> None:
    hooks = manifest().webhooks
    assert hooks is not None
    types = {one["name"]: one for one in _schema()["__schema"]["types"]}
    known = {value["name"] for value in types["WebhookSubscriptionTopic"]["enumValues"]}
    ours = {re.sub("[/.]", "_", topic).upper() for topic in set(hooks.topics) - set(COMPLIANCE)}
    assert ours <= known
    assert not {topic.upper().replace("/", "_") for topic in COMPLIANCE} & known


def test_every_status_of_the_schema_has_a_word_of_ours() -> None:
    words = importlib.import_module("plugin.platforms.shopify_words")
    types = {one["name"]: one for one in _schema()["__schema"]["types"]}
    for name, table in (
        ("OrderTransactionStatus", words.TRANSACTION_STATES),
        ("DisputeStatus", words.DISPUTE_STATES),
    ):
        assert {value["name"] for value in types[name]["enumValues"]} == set(table)
    returns = {value["name"] for value in types["OrderReturnStatus"]["enumValues"]}
    assert returns - words.RETURNS_OVER == {
        "INSPECTION_COMPLETE",
        "IN_PROGRESS",
        "RETURN_REQUESTED",
    }
    assert returns > words.RETURNS_OVER


def _points(fields: Selection, times: int = 1) -> int:
    """An object one point, a list its size times its content: more than Shopify may charge."""
    total = 0
    for name, (first, inner) in fields.items():
        if not inner:
            continue
        size = times if first is None else times * first
        total += (0 if name == "nodes" else size) + _points(inner, size)
    return total


@pytest.mark.parametrize("label", sorted(QUERIES))
def test_a_query_costs_less_than_the_most_that_one_may(label: str) -> None:
    assert 0 < _points(selection_of(QUERIES[label])) < MOST_POINTS


def test_every_document_stands_in_the_tables_and_is_sent_from_there_only() -> None:
    texts = {
        value
        for name, value in vars(documents).items()
        if isinstance(value, str) and re.match(r"(query|mutation) ", value)
    }
    assert texts == set(_ALL.values())
    folder = Path(account.__file__).parent
    for path in folder.glob("*.py"):
        if path.name != "documents.py":
            assert not re.search(r"(query|mutation) \w+\s*[({]", path.read_text("utf-8"))
