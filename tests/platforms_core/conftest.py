"""Manifests of two made-up platforms, for the tests of what all platforms share."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.platforms_core.certificates import make_certificate
from tests.platforms_core.http_peers import Peer


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A loopback peer whose answer each test sets."""
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def secure_peer(tmp_path: Path) -> Iterator[tuple[Peer, Path]]:
    """A peer under TLS that is called shop.example, and the file of whom to trust."""
    public, private = make_certificate(tmp_path, "shop.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    peer = Peer(context)
    yield peer, public
    peer.close()


@pytest.fixture
def toy_store() -> dict[str, Any]:
    """Return the platform.json of a store that uses every part."""
    return {
        "$schema": "../../schema.json",
        "name": "Toy Shop",
        "stem": "toy_shop",
        "kind": "store",
        "docs": "https://docs.toy.example/api",
        "api_version": "2026-10",
        "auth": "api_key",
        "scopes": ["refunds:write"],
        "install_fields": [
            {
                "name": "shop",
                "label": "Shop name",
                "hint": "the part before .toy.example",
                "form": "dns_label",
            },
            {"name": "api_key", "label": "API key", "secret": True},
            {"name": "mode", "label": "Mode", "choices": ["live", "test"], "required": False},
        ],
        "self_test": [
            {"check": "key_works", "sentence": "The key opens your shop"},
            {"check": "rights_are_enough", "sentence": "The key may read orders and refund"},
        ],
        "outgoing": {
            "base_url": "https://{shop}.toy.example/api",
            "hosts": ["{shop}.toy.example", "login.toy.example"],
            "rate_limit": {"requests": 100, "per_seconds": 60, "burst": 10},
            "timeouts": {"total": 15},
        },
        "webhooks": {
            "signature": {"scheme": "hmac_sha256_hex", "header": "X-Toy-Signature"},
            "trust": "signed",
            "delivery_id_header": "X-Toy-Id",
            "topic_header": "X-Toy-Topic",
            "topics": {"SALE": ["sale_made"], "GONE": ["sale_refunded", "subscription_cancelled"]},
        },
        "capability_words": [{"can": "refund", "words": "in full, and in part by hand"}],
        "capabilities": {
            "find_orders": "native",
            "history": "native",
            "news": "none",
            "refund_full": "native",
            "refund_partial": "manual",
            "lookup": "native",
            "revoke": "emulated",
            "suspend": "none",
            "restore": "emulated",
            "tags": "none",
            "cancel_subscription": "none",
            "usage": "none",
            "disputes": "none",
        },
        "refunds": {
            "idempotency": "key",
            "key_lives_seconds": 86400,
            "look_up_after_seconds": [5, 30, 300],
            "manual": {
                "steps": ["Open the sale", "Press Refund"],
                "link": "https://{shop}.toy.example/sales/{order_id}?customer={customer_id}",
            },
        },
        "money": {
            "amounts": "minor_units",
            "currency_case": "lower",
            "exponents": {"ISK": 2},
            "refused": ["JPY"],
        },
        "quality": [
            {"rule": "contract_tests", "status": "done", "verified": "a fake over HTTP"},
            {"rule": "real_account", "status": "todo", "reason": "no account yet"},
        ],
    }


@pytest.fixture
def toy_desk() -> dict[str, Any]:
    """Return the platform.json of a helpdesk, simulated and without webhooks."""
    return {
        "name": "Toy Desk",
        "stem": "toy_desk",
        "kind": "helpdesk",
        "docs": "https://docs.toy.example/desk",
        "auth": "none",
        "simulated": True,
        "capability_words": [{"can": "show", "words": "the panel"}],
        "capabilities": {
            "context": "native",
            "requester": "native",
            "note": "native",
            "reply": "none",
            "tags": "none",
            "fields": "none",
        },
        "panel": {
            "agent_vouched_by": "signed",
            "frame_ancestors": ["https://*.toy.example"],
            "script_hosts": ["https://static.toy.example"],
        },
    }
