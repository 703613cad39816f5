"""`python -m tests.bodies --n 100000`: change bodies, parse them, judge what came.

`n` counts the bodies of each parser there is, of stores and of desks, and of each other reader of
foreign bytes. Exit code 0 only when each of them became events, was taken, or got a refusal that
has a name. The last line is one JSON object.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, get_args
from unittest.mock import patch

from plugin.domain.errors import InvalidInput
from plugin.domain.events import StoreEvent, Unrecognised
from plugin.domain.ids import InstallationId
from plugin.platforms.data_files import DataFiles
from plugin.platforms.manifest import PlatformManifest
from plugin.platforms.registry import Registry
from plugin.platforms.strict_json import Malformed, Reader, Unreadable, read_json
from plugin.platforms.webhook_declaration import Webhooks
from tests.bodies.changes import change
from tests.bodies.foreign import Foreign, readers
from tests.bodies.seeds import ROOT, Seeds, seeds_of
from tests.fuzz.hostile import HEADER_VALUES
from tests.harness import Given, Outcome, run_from_terminal, say
from webhooks.delivery import Delivery

MUST_BE_NOTHING: Final = ("other_exceptions", "no_events", "unseeded", "one_sided")
NAMED: Final = (Unreadable, Malformed, InvalidInput)
"""What `webhooks.dispatch` settles as unreadable."""
SECONDS_EACH: Final = 0.05
_EVENTS: Final = get_args(StoreEvent)
_INSTALLATION: Final = InstallationId("f" * 32)
_RECEIVED: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(slots=True)
class Findings:
    """What became of the bodies, and each thing that is wrong once, with the body's number."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, int] = field(default_factory=dict)

    def add(self, kind: str, sentence: str, number: int = 0) -> None:
        self.counts[kind] += 1
        self.wrong.setdefault(f"{kind}: {sentence}", number)


def run_bodies(given: Given) -> Outcome:
    """All parsers, one after the other."""
    registry = Registry([DataFiles().manifests()])
    found = Findings()
    parsers = [one for one in registry.manifests() if one.webhooks is not None]
    with ExitStack() as stack:
        if given.planted:
            stack.enter_context(careless_reader())
        for manifest in parsers:
            parse = registry.parser(manifest.kind, manifest.stem)
            before = found.counts.copy()
            _feed(manifest, parse, given, found)
            say(f"{manifest.stem}: {dict(found.counts - before)}")
        others = list(readers())
        for one in others:
            before = found.counts.copy()
            _feed_foreign(one, given, found)
            say(f"{one.name}: {dict(found.counts - before)}")
    counts = {
        "bodies": found.counts["bodies"],
        "parsers": len(parsers),
        "readers": len(others),
        **{name: found.counts[name] for name in MUST_BE_NOTHING},
        **{
            name: found.counts[name]
            for name in ("events", "silent", "unrecognised", "taken", "refused", "unreadable")
        },
    }
    sentences = [f"{what} (body {number})" for what, number in found.wrong.items()]
    complete = counts["bodies"] == given.n * (len(parsers) + len(others))
    return Outcome(counts, MUST_BE_NOTHING, sentences, complete)


def careless_reader() -> Any:  # noqa: ANN401 - mock's own type
    """The planted bug: what is missing is handed on as if it were there."""
    return patch.object(Reader, "_needed", lambda _reader, value, _keys: value)


def _feed(
    manifest: PlatformManifest, parse: Callable[..., Any], given: Given, found: Findings
) -> None:
    """`n` changed bodies for one parser."""
    stem, webhooks = manifest.stem, manifest.webhooks
    seeds = seeds_of(stem)
    if webhooks is None or not seeds.recordings:
        found.add("unseeded", f"{stem} has no recorded body")
        return
    became: Counter[str] = Counter()
    for number in range(given.n):
        chance = random.Random(f"{given.seed}/{stem}/{number}")
        delivery = _delivery(seeds, webhooks, chance)
        try:
            became[_outcome(parse, delivery)] += 1
        except _NoEvents as error:
            found.add("no_events", f"{stem} gave {error}", number)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            found.add("other_exceptions", f"{stem}: {_place_of(error)}", number)
    found.counts["bodies"] += given.n
    found.counts += became
    if not (became["events"] and became["refused"]):
        found.add("one_sided", f"{stem} took or refused whatever came: {dict(became)}")


def _feed_foreign(one: Foreign, given: Given, found: Findings) -> None:
    """`n` changed bodies for one reader of what is no webhook."""
    seeds = one.seeds
    became: Counter[str] = Counter()
    for number in range(given.n):
        chance = random.Random(f"{given.seed}/{one.name}/{number}")
        body = change(chance.choice(seeds.documents), seeds.values, chance)
        try:
            became["taken" if one.read(body) else "refused"] += 1
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            found.add("other_exceptions", f"{one.name}: {_place_of(error)}", number)
    found.counts["bodies"] += given.n
    found.counts += became
    if not (became["taken"] and became["refused"]):
        found.add("one_sided", f"{one.name} took or refused whatever came: {dict(became)}")


class _NoEvents(Exception):
    """The parser gave something else than a list of events."""


def _outcome(parse: Callable[..., Any], delivery: Delivery) -> str:
    """What became of a delivery. Raises whatever has no name."""
    try:
        document = read_json(delivery.body)
    except Unreadable:
        return "unreadable"
    try:
        events = parse(delivery, _INSTALLATION, document)
    except NAMED:
        return "refused"
    if not isinstance(events, list) or not all(isinstance(one, _EVENTS) for one in events):
        raise _NoEvents(type(events).__name__)
    if not events:
        return "silent"
    is_known = any(not isinstance(one, Unrecognised) for one in events)
    return "events" if is_known else "unrecognised"


def _delivery(seeds: Seeds, webhooks: Webhooks, chance: random.Random) -> Delivery:
    """A changed body, under headers that came with another one or say another topic."""
    recording = chance.choice(seeds.recordings)
    headers = {name.lower(): value for name, value in recording.headers.items()}
    if chance.random() < 0.5:
        document = seeds.documents[seeds.recordings.index(recording)]
    else:
        document = chance.choice(seeds.documents)
        if webhooks.topic_header:
            headers[webhooks.topic_header.lower()] = chance.choice(list(webhooks.topics))
    if chance.random() < 0.05:
        headers[chance.choice(list(headers))] = chance.choice(HEADER_VALUES)
    return Delivery(change(document, seeds.values, chance), headers, _RECEIVED)


def _place_of(error: Exception) -> str:
    """Its kind, and the last line of ours that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [one for one in frames if Path(one.filename).is_relative_to(ROOT)]
    last = ours[-1]
    return f"{type(error).__name__} in {Path(last.filename).relative_to(ROOT)}:{last.lineno}"


def main(words: Sequence[str] | None = None) -> int:
    return run_from_terminal("bodies", 100_000, run_bodies, SECONDS_EACH, words)


if __name__ == "__main__":
    sys.exit(main())
