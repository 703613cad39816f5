"""What every source of webhooks must do: signatures, recorded bytes, duplicates, hostile bodies.

A platform's tests give a `source` fixture. Recordings are files of `{"headers": ..., "body": ...}`
where `body` is the text of the raw bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugin.domain.events import StoreEvent, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.platforms.strict_json import JsonValue, Malformed, Unreadable, read_json
from plugin.platforms.webhook_declaration import Webhooks
from webhooks.delivery import Delivery
from webhooks.signatures import Verified, verify

RECEIVED = datetime(2026, 11, 22, 12, tzinfo=UTC)
INSTALLATION = InstallationId("inst-1")

Parse = Callable[[Delivery, InstallationId, JsonValue], Sequence[StoreEvent]]

SHARED = (HealthCheck.function_scoped_fixture, HealthCheck.differing_executors)
"""Each platform's subclass runs these laws with its own fixtures: that is what a contract is."""


@dataclass(frozen=True)
class Recording:
    """One delivery as it came: headers and raw bytes."""

    name: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, path: Path) -> Recording:
        told = json.loads(path.read_text("utf-8"))
        return cls(path.stem, told["headers"], told["body"].encode())

    def delivery(
        self, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Delivery:
        """The delivery, with another body or with some headers changed."""
        folded = {name.lower(): value for name, value in self.headers.items()}
        folded |= {name.lower(): value for name, value in (headers or {}).items()}
        return Delivery.from_headers(
            folded.items(), body if body is not None else self.body, RECEIVED
        )


@dataclass(frozen=True)
class WebhookSource:
    """A platform's declaration and parser with recordings signed with `secret`.

    `attempt_header` differs between two tries of one delivery, where the platform has one.
    `rename_topic` makes a recording one of another topic.
    """

    webhooks: Webhooks
    parse: Parse
    secret: bytes
    recordings: tuple[Recording, ...]
    rename_topic: Callable[[Recording, str], tuple[Delivery, JsonValue]]
    attempt_header: str | None = None


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(["2026-09-27T20:16:26+00:00", "eur", "JPY", "one_shot", "subscription"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


class WebhookContract:
    """Each test goes over all recordings of the source."""

    @pytest.fixture
    def deliveries(self, source: WebhookSource) -> list[Delivery]:
        assert source.recordings, "a source without recordings proves nothing"
        return [recording.delivery() for recording in source.recordings]

    def accepted(self, source: WebhookSource, delivery: Delivery, *secrets: bytes) -> bool:
        signature = source.webhooks.signature
        assert signature is not None
        found = verify(signature, delivery, secrets or (source.secret,), RECEIVED)
        return isinstance(found, Verified)

    def test_recorded_bytes_are_accepted(
        self, source: WebhookSource, deliveries: list[Delivery]
    ) -> None:
        assert all(self.accepted(source, one) for one in deliveries)

    def test_another_secret_is_refused(
        self, source: WebhookSource, deliveries: list[Delivery]
    ) -> None:
        assert not any(self.accepted(source, one, b"another secret") for one in deliveries)

    def test_an_unsigned_delivery_is_refused(
        self, source: WebhookSource, deliveries: list[Delivery]
    ) -> None:
        signature = source.webhooks.signature
        assert signature is not None
        for one in deliveries:
            headers = {k: v for k, v in one.headers.items() if k != signature.header.lower()}
            assert not self.accepted(source, Delivery(one.body, headers, RECEIVED))

    @given(data=st.data())
    @settings(suppress_health_check=SHARED, deadline=None)
    def test_one_changed_byte_is_refused(self, source: WebhookSource, data: st.DataObject) -> None:
        recording = data.draw(st.sampled_from(source.recordings))
        at = data.draw(st.integers(0, len(recording.body) - 1))
        flip = data.draw(st.integers(1, 255))
        body = bytearray(recording.body)
        body[at] ^= flip
        # A platform may sign a normalised form: then other bytes may say the very same.
        if self.accepted(source, recording.delivery(bytes(body))):
            assert source.webhooks.signature is not None
            assert source.webhooks.signature.normalise_json
            assert read_json(bytes(body)) == read_json(recording.body)

    def test_recorded_bytes_become_the_declared_events(self, source: WebhookSource) -> None:
        kinds = {name for names in source.webhooks.topics.values() for name in names}
        for recording in source.recordings:
            events = self.events(source, recording.delivery())
            assert events, recording.name
            assert {snake(type(event).__name__) for event in events} <= kinds, recording.name

    def test_every_declared_kind_has_a_recording(self, source: WebhookSource) -> None:
        declared = {name for names in source.webhooks.topics.values() for name in names}
        recorded = {
            snake(type(event).__name__)
            for recording in source.recordings
            for event in self.events(source, recording.delivery())
        }
        assert declared <= recorded

    def test_a_second_try_has_the_same_id_and_the_same_events(self, source: WebhookSource) -> None:
        header = source.webhooks.delivery_id_header
        for recording in source.recordings:
            attempt = {source.attempt_header: "again"} if source.attempt_header else {}
            first, second = recording.delivery(), recording.delivery(headers=attempt)
            assert first.delivery_id(header) == second.delivery_id(header)
            assert self.events(source, first) == self.events(source, second)

    def test_different_deliveries_have_different_ids(
        self, source: WebhookSource, deliveries: list[Delivery]
    ) -> None:
        ids = {one.delivery_id(source.webhooks.delivery_id_header) for one in deliveries}
        assert len(ids) == len(deliveries)

    def test_an_unknown_topic_is_kept_as_unrecognised(self, source: WebhookSource) -> None:
        delivery, body = source.rename_topic(source.recordings[0], "SOMETHING_NEW")
        events = source.parse(delivery, INSTALLATION, body)
        assert [type(event) for event in events] == [Unrecognised]

    @given(data=st.data())
    @settings(suppress_health_check=SHARED, deadline=None)
    def test_a_mutated_body_is_malformed_or_gives_events(
        self, source: WebhookSource, data: st.DataObject
    ) -> None:
        recording = data.draw(st.sampled_from(source.recordings))
        body = read_json(recording.body)
        for _ in range(data.draw(st.integers(1, 3))):
            body = _mutated(body, data)
        try:
            # Through the strict reader, as a real body would come.
            body = read_json(json.dumps(body).encode())
        except Unreadable:
            return
        try:
            events = source.parse(recording.delivery(), INSTALLATION, body)
        except Malformed:
            return
        assert all(isinstance(event, get_args(StoreEvent)) for event in events)

    def events(self, source: WebhookSource, delivery: Delivery) -> Sequence[StoreEvent]:
        return source.parse(delivery, INSTALLATION, read_json(delivery.body))


def _mutated(value: JsonValue, data: st.DataObject) -> JsonValue:
    """`value` with one thing somewhere in it replaced, added or left out."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(sorted(value)))
        rest = {name: inner for name, inner in value.items() if name != key}
        match data.draw(st.integers(0, 5)):
            case 0:
                return rest
            case 1:
                return {**value, data.draw(st.text(max_size=8)): data.draw(_JSON)}
            case _:
                return {**rest, key: _mutated(value[key], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 3)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], _mutated(value[at], data), *value[at + 1 :]]
    return data.draw(_JSON)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)[1:]
