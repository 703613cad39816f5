"""A vendor that tries an address by HEAD is told whether anybody listens, and nothing is kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tests.webhooks.door import DESK, GONE, PING, SHOP, Door, sign

HEAD: Mapping[str, object] = {"REQUEST_METHOD": "HEAD"}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/webhooks/practice/{SHOP}", 200),
        (f"/webhooks/practice/{SHOP}/", 200),
        (f"/webhooks/practice/{DESK}", 404),
        (f"/webhooks/practice/{GONE}", 404),
        (f"/webhooks/stripe/{SHOP}", 404),
        ("/webhooks/practice/nobody", 404),
        ("/webhooks/practice/no%20id", 404),
        ("/webhooks/nothing/nobody", 404),
        ("/webhooks/shopify/nobody", 401),
    ],
)
def test_a_head_is_told_whether_anybody_listens_there(door: Door, path: str, status: int) -> None:
    with door.writes() as writes:
        answer = door.call(path, PING, {"X-Practice-Signature": sign(PING)}, HEAD)
    assert (answer.status, answer.body) == (status, b"")
    assert (writes, door.stored()) == ([], [])


def test_a_head_to_a_database_that_does_not_answer_is_asked_to_come_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> object:
        raise PoolTimeout("busy")

    monkeypatch.setattr(door.storage, "find_installation", busy)
    answer = door.call(f"/webhooks/practice/{SHOP}", b"", {}, HEAD)
    assert (answer.status, answer.headers["Retry-After"], answer.body) == (503, "30", b"")
