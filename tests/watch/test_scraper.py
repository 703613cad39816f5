"""The token, and a worker's own small door."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from plugin.domain.errors import NeedsHuman
from plugin.watch.scraper import scrape_door, shows_token

TOKEN = "a-token-made-up-for-tests"


@pytest.mark.parametrize(
    ("shown", "is_right"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Basic {TOKEN}", False),
        (TOKEN, False),
        ("Bearer ", False),
        ("Bearer \udcff", False),
        ("", False),
    ],
)
def test_only_the_token_opens(shown: str, is_right: bool) -> None:
    assert shows_token(shown, TOKEN) is is_right
    assert not shows_token(shown, "")


def test_an_empty_token_is_none() -> None:
    assert not shows_token("Bearer ", "")


@pytest.fixture
def port() -> Iterator[int]:
    with scrape_door("127.0.0.1", 0, TOKEN, lambda: b"series 1\n") as one:
        yield one


def asked(port: int, path: str, authorization: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Authorization": authorization})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_door_gives_the_page_to_who_shows_the_token(
    port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    assert asked(port, "/metrics", f"Bearer {TOKEN}") == (200, b"series 1\n")
    assert asked(port, "/metrics", "Bearer x") == (401, b"")
    assert asked(port, "/metrics?canary", f"Bearer {TOKEN}") == (404, b"")
    assert capfd.readouterr().err == ""


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(NeedsHuman, match="MAKEGOOD_METRICS_PORT"),
            scrape_door("127.0.0.1", port, TOKEN, bytes),
        ):
            pass
