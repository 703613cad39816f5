"""A platform that does not answer, seen through the parts as the web and the worker build them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from plugin.app import Parts, put_together
from plugin.chance import SystemClock, SystemMint
from plugin.domain.errors import ACCOUNT_RESTING, MakegoodError
from plugin.first_start import prepare_house
from plugin.platforms.breaker import FAILURES_TO_OPEN
from plugin.platforms.http_client import Call
from plugin.settings import Settings, read_settings
from tests.factories import a_connection
from tests.platforms_core.http_peers import Peer, answering


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def settings(tmp_path: Path, peer: Peer) -> Settings:
    settings = read_settings(
        {
            "MAKEGOOD_DATA_DIR": str(tmp_path / "data"),
            "MAKEGOOD_ALLOW_PRIVATE_HOSTS": peer.place,
        }
    )
    prepare_house(settings, SystemClock(), SystemMint()).engine.dispose()
    return settings


def code_of(parts: Parts, peer: Peer, method: str, account: str = "store-1") -> str:
    """What a call to the account ends with."""
    connection = replace(
        a_connection(account), platform="stripe", settings={"base_url": peer.url("")}
    )
    client = parts.platforms.http_for(connection)
    assert client is not None
    try:
        client.send(Call(method, peer.url("/v1/refunds"), "refund.create"))
    except MakegoodError as error:
        return error.code
    return "answered"


def test_what_one_process_saw_fail_the_other_does_not_call(settings: Settings, peer: Peer) -> None:
    web, worker = put_together(settings), put_together(settings)
    peer.respond = answering(503)
    codes = [code_of(web, peer, "GET") for _ in range(FAILURES_TO_OPEN)]
    assert codes == ["server_error"] * FAILURES_TO_OPEN
    assert code_of(worker, peer, "POST") == ACCOUNT_RESTING
    assert code_of(web, peer, "GET") == ACCOUNT_RESTING
    assert len(peer.requests) == FAILURES_TO_OPEN
    assert code_of(worker, peer, "GET", "store-2") == "server_error", "each account by itself"
    for parts in (web, worker):
        parts.house.engine.dispose()
