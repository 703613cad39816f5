"""What the install screen shows: tiles, connect form, self-test, access map, policy.

Made from manifests and rows by pure functions; reads no clock, store or session.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from plugin.domain.access_map import AccessMap
from plugin.domain.policy import Clause
from plugin.domain.starting_policies import STARTING_POLICIES, StartingPolicy
from plugin.platforms.manifest import InstallField, Level, PlatformManifest, SelfTest
from plugin.ports.records import Installation, InstallationStatus, SelfTestLine
from plugin.services.self_test_lines import FAILED, OK, WAITING, is_provoked

_ABILITY: Final[Mapping[str, str]] = {
    "refund": "refund_full",
    "refunds": "refund_full",
    "access": "revoke",
    "remove access": "revoke",
    "tags": "tags",
    "cancel": "cancel_subscription",
    "renewals": "cancel_subscription",
    "usage": "usage",
}
"""What a manifest's own words speak of, where they speak of one capability."""

_LOOK: Final[Mapping[Level, tuple[str, str]]] = {
    Level.NATIVE: ("good", "yes"),
    Level.EMULATED: ("good", "yes"),
    Level.MANUAL: ("warn", "hand"),
    Level.NONE: ("", "no"),
}

_TITLES: Final[Mapping[str, str]] = {
    SelfTest.KEY_WORKS: "The key works",
    SelfTest.RIGHTS_ARE_ENOUGH: "Rights are enough",
    SelfTest.WEBHOOK_REGISTERED: "Webhook registered",
    SelfTest.DELIVERY_RECEIVED: "First delivery received",
    SelfTest.CANARY: "Round trip",
}
_WAITING_TITLES: Final[Mapping[str, str]] = {
    SelfTest.DELIVERY_RECEIVED: "Waiting for a first delivery"
}
_LONG_WAIT_SECONDS: Final = 180

STATUS_LOOK: Final[Mapping[InstallationStatus, tuple[str, str, str]]] = {
    InstallationStatus.CONNECTING: ("", "clock", "Connecting"),
    InstallationStatus.CONNECTED: ("good", "yes", "Connected"),
    InstallationStatus.NEEDS_ATTENTION: ("warn", "warn", "Needs a look"),
    InstallationStatus.REMOVED: ("", "no", "Removed"),
}


@dataclass(frozen=True, slots=True)
class Ability:
    """One row of a tile: `Refunds`, by hand, with a drawing that says the same."""

    label: str
    words: str
    tone: str
    icon: str


@dataclass(frozen=True, slots=True)
class Tile:
    """A platform. `installations` are what is connected of it, with their states."""

    name: str
    kind: str
    platform: str
    initials: str
    abilities: tuple[Ability, ...]
    installations: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A connection: its id, the account it opens, and its state as tone, drawing and word."""

    id: str
    label: str
    tone: str
    icon: str
    state: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the connect form. `value` never holds a secret."""

    name: str
    label: str
    hint: str
    secret: bool
    required: bool
    choices: tuple[Choice, ...]
    value: str
    fault: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a field's choices, and what follows from it."""

    value: str
    hint: str


@dataclass(frozen=True, slots=True)
class KeyNotice:
    """What a key opens, said before it is given."""

    title: str
    words: str


@dataclass(frozen=True, slots=True)
class TestLine:
    """One line of the self-test. `look`: ok, now, next, stop, by (a class of the list)."""

    title: str
    details: str
    look: str
    icon: str
    when: str


@dataclass(frozen=True, slots=True)
class SelfTestCard:
    """The list, how far it is, and whether the page should look again by itself."""

    installation: str
    lines: tuple[TestLine, ...]
    said: str
    asks_again: bool
    pace: str
    failed: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a store. `said` is what its access map tells; empty for nothing yet."""

    link: Link
    name: str
    told: str
    tone: str
    icon: str
    opens_things: bool
    said: str


@dataclass(frozen=True, slots=True)
class Start:
    """A policy to start from, with the clauses as the public page shows them."""

    slug: str
    title: str
    words: str
    clauses: tuple[Clause, ...]
    chosen: bool


_START_WORDS: Final[Mapping[str, str]] = {
    "thirty_days": "The simplest promise; fits one-off sales",
    "fourteen_days_not_downloaded": "For downloads; what the store does not tell, a person decides",
    "thirty_days_then_months": "Made for memberships",
    "eu_withdrawal": "14 days by law, with the waiver for digital content",
}


def tiles(
    manifests: Iterable[PlatformManifest], installations: Sequence[Installation]
) -> tuple[Tile, ...]:
    """One tile per platform, with its connections."""
    return tuple(
        Tile(
            name=manifest.name,
            kind=manifest.kind.value,
            platform=manifest.stem,
            initials=manifest.name[:2],
            abilities=tuple(
                _ability(manifest, words.can, words.words) for words in manifest.capability_words
            ),
            installations=tuple(
                link(one)
                for one in installations
                if (one.connection.kind, one.connection.platform) == (manifest.kind, manifest.stem)
            ),
        )
        for manifest in manifests
    )


def _ability(manifest: PlatformManifest, can: str, words: str) -> Ability:
    label = can[:1].upper() + can[1:]
    capability = _ABILITY.get(can.lower())
    if can.lower() == "not do":
        return Ability("Not", words, "", "no")
    if capability is None:
        return Ability(label, words, "good", "yes")
    level = manifest.level(capability)
    if level is Level.NONE and capability == "usage":
        return Ability(label, words, "unk", "unk")
    tone, icon = _LOOK[level]
    return Ability(label, words, tone, icon)


def link(installation: Installation) -> Link:
    """A connection as a word and a state."""
    tone, icon, state = STATUS_LOOK[installation.status]
    connection = installation.connection
    return Link(connection.installation, connection.label, tone, icon, state)


def form_fields(
    manifest: PlatformManifest,
    typed: Mapping[str, str],
    faults: Mapping[str, str],
    development: str | None,
) -> tuple[Field, ...]:
    """The connect form. `development` is what stands in its address field; None leaves that out."""
    made = [_field(line, typed, faults) for line in manifest.install_fields]
    if development is not None and manifest.outgoing is not None:
        made.append(
            Field(
                name="base_url",
                label="Address for development",
                hint="Only for tests, in place of the platform's own. Leave it empty otherwise.",
                secret=False,
                required=False,
                choices=(),
                value=development,
                fault=faults.get("base_url", ""),
            )
        )
    return tuple(made)


def _field(line: InstallField, typed: Mapping[str, str], faults: Mapping[str, str]) -> Field:
    value = "" if line.secret else typed.get(line.name, line.choices[0] if line.choices else "")
    return Field(
        name=line.name,
        label=line.label,
        hint=line.hint,
        secret=line.secret,
        required=line.required,
        choices=tuple(Choice(one, line.choice_hints.get(one, "")) for one in line.choices),
        value=value,
        fault=faults.get(line.name, ""),
    )


def key_notice(manifest: PlatformManifest) -> KeyNotice | None:
    """What the platform's keys open; None where there is nothing to say."""
    if not manifest.scopes:
        return None
    title = "This key opens the whole account" if manifest.whole_account else "What the key opens"
    rights = "; ".join(manifest.scopes)
    return KeyNotice(title, f"{rights}. We store it encrypted and never show it again.")


def self_test(
    installation: Installation, sentences: Mapping[str, str], *, under_way: bool, now: datetime
) -> SelfTestCard:
    """The list as it stands. The first line that waits is the one being done.

    While a new key is tried, the lines after it are those of the key before: one of them may have
    failed, and the page asks again all the same.
    """
    made, done, current = [], 0, False
    for line in installation.self_test:
        title = _TITLES.get(line.name, line.name.replace("_", " "))
        sentence = _as_sentence(line.details or sentences.get(line.name, ""))
        if line.state == FAILED:
            made.append(TestLine(title, sentence, "stop", "warn", _took(line)))
            current = True
        elif line.state == OK:
            done += 1
            made.append(TestLine(title, sentence, "ok", "check", _took(line)))
        elif line.state == WAITING and is_provoked(line) and line.at is not None:
            waited = int((now - line.at).total_seconds())
            made.append(_waiting_delivery(sentence, waited))
        elif line.state == WAITING:
            look = "next" if current else "now"
            current = True
            made.append(TestLine(_WAITING_TITLES.get(line.name, title), sentence, look, "", ""))
        else:
            done += 1
            made.append(TestLine(title, sentence, "by", "", ""))
    waits = any(line.state == WAITING for line in installation.self_test)
    failed = any(line.state == FAILED for line in installation.self_test)
    return SelfTestCard(
        installation=installation.connection.installation,
        lines=tuple(made),
        said=f"{done} of {len(made)} done",
        asks_again=under_way or (waits and not failed and _is_fresh(installation, now)),
        pace="300ms" if under_way else "2s",
        failed=failed,
    )


def _as_sentence(text: str) -> str:
    """`text` with a capital, but where it begins with a name such as `acme.example`."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text


def _took(line: SelfTestLine) -> str:
    return "" if line.milliseconds is None else f"{line.milliseconds / 1000:.1f} s"


def _waiting_delivery(sentence: str, waited: int) -> TestLine:
    title = _WAITING_TITLES[SelfTest.DELIVERY_RECEIVED]
    if waited < _LONG_WAIT_SECONDS:
        return TestLine(title, sentence, "now", "", f"{max(0, waited)} s")
    late = f"{sentence}. Nothing came yet: check that the platform can reach us, then test again"
    return TestLine(title, late, "huh", "", f"{waited // 60} min")


def _is_fresh(installation: Installation, now: datetime) -> bool:
    """Whether a first delivery may still come while somebody watches."""
    return any(
        line.state == WAITING
        and is_provoked(line)
        and line.at is not None
        and (now - line.at).total_seconds() < _LONG_WAIT_SECONDS
        for line in installation.self_test
    )


def found(installation: Installation, manifest: PlatformManifest, access: AccessMap) -> Found:
    """Day one at one store, as far as it is true today."""
    name = manifest.name
    if manifest.level("find_orders").is_coded:
        told = f"Orders are read from {name} when a ticket opens; nothing is copied before."
        tone, icon = "good", "yes"
    else:
        told = (
            f"{name} lists no sales. Orders are known from the first sale after connecting; "
            "what was sold before stays unknown."
        )
        tone, icon = "unk", "unk"
    said = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in (
            (len(access.products), "price plan"),
            (len(access.bundles), "bundle"),
            (len(access.tags), "tag"),
        )
        if count
    ]
    gives = manifest.level("revoke").is_coded or manifest.level("tags").is_coded
    return Found(
        link=link(installation),
        name=name,
        told=told,
        tone=tone,
        icon=icon,
        opens_things=gives,
        said=", ".join(said),
    )


def starts(chosen: str) -> tuple[Start, ...]:
    """The four policies to start from."""
    return tuple(_start(one, chosen) for one in STARTING_POLICIES)


def _start(one: StartingPolicy, chosen: str) -> Start:
    return Start(one.slug, one.title, _START_WORDS[one.slug], one.clauses, one.slug == chosen)
