"""Webhook deliveries that somebody meant badly: recorded ones, changed, most rightly signed.

Every installed platform with webhooks takes part by its manifest and its recordings. What counts
as rightly signed is judged here a second time, and more kindly than the product does.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plugin.domain.ids import InstallationId, TenantId
from plugin.platforms.registry import Registry
from plugin.platforms.signature_declaration import SignatureDeclaration
from plugin.platforms.webhook_declaration import Webhooks
from plugin.ports import Connection, Kind
from plugin.services.webhook_secrets import webhook_secrets
from tests.contracts.webhook import Recording
from tests.fuzz import hostile
from tests.fuzz.dress import dressed
from tests.fuzz.hostile import FRAGMENTS, Spot, broken, spots
from tests.fuzz.signers import SIGN
from tests.fuzz.world import NOW, World
from tests.fuzz.wsgi import Asked
from webhooks.http import MAX_BODY

_RECORDINGS: Final = Path(__file__).parents[1] / "platforms"
SIGNED_SHARE: Final = 0.7
_AT: Final = int(NOW.timestamp())

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One account that sends webhooks, and what it once sent."""

    tenant: TenantId
    installation: InstallationId
    platform: str
    declared: Webhooks
    scheme: SignatureDeclaration
    secrets: Sequence[bytes]
    recordings: Sequence[Recording]

    @property
    def path(self) -> str:
        return f"/webhooks/{self.platform}/{self.installation}"

    @property
    def covered(self) -> frozenset[str]:
        """The headers that the signature is in, or that it covers."""
        return frozenset({self.scheme.header, self.scheme.timestamp_header or self.scheme.header})

    def sign(self, body: bytes, secret: bytes, at: int = _AT) -> dict[str, str]:
        return SIGN[self.scheme.scheme](self.scheme, secret, body, at)

    def is_signed(self, headers: Headers, body: bytes) -> bool:
        """Whether any header value holds a signature of these bytes by this account, in time."""
        told = [value for name, value in headers if _folded(name) == _folded(self.scheme.header)]
        joined = ",".join(told)
        times = {int(t) for t in re.findall(r"t=([0-9]{1,11})", joined)} | {_AT}
        near = [t for t in times if abs(t - _AT) <= (self.scheme.tolerance_seconds or 0)]
        bodies = [body]
        if self.scheme.normalise_json and (written := _php(body)) is not None:
            bodies.append(written)
        made = [
            value.rpartition("v1=")[2]
            for secret in self.secrets
            for one in bodies
            for at in near
            for name, value in self.sign(one, secret, at).items()
            if name == self.scheme.header
        ]
        return any(one.lower() in joined.lower() for one in made)


def _folded(name: str) -> str:
    return name.lstrip("=").removeprefix("HTTP_").lower().replace("_", "-")


def _php(body: bytes) -> bytes | None:
    try:
        text = json.dumps(json.loads(body), separators=(",", ":"))
    except (ValueError, RecursionError):
        return None
    return text.replace("/", "\\/").encode()


def signed_headers(registry: Registry, connection: Connection, body: bytes, name: str) -> Headers:
    """The headers of a delivery `name` as this account sends it, signed by its newest secret."""
    declared = registry.manifest(Kind(connection.kind), connection.platform).webhooks
    if declared is None or declared.signature is None:
        raise LookupError(f"{connection.platform} sends no webhooks")
    secret = webhook_secrets(connection.secrets)[0].encode()
    signed = SIGN[declared.signature.scheme](declared.signature, secret, body, _AT)
    named = {declared.delivery_id_header: name} if declared.delivery_id_header else {}
    return tuple({**named, **signed}.items())


def sources(world: World) -> tuple[Source, ...]:
    """Every connected account whose platform declares signed webhooks."""
    found = []
    for one in world.installations.values():
        connection = one.connection
        manifest = world.parts.registry.manifest(Kind(connection.kind), connection.platform)
        if manifest.webhooks is None or manifest.webhooks.signature is None:
            continue
        folder = _RECORDINGS / connection.platform / "recordings"
        recordings = tuple(Recording.read(path) for path in sorted(folder.glob("*.json")))
        if not recordings or manifest.webhooks.signature.scheme not in SIGN:
            raise LookupError(f"{connection.platform}: recordings and a signer are needed here")
        found.append(
            Source(
                connection.tenant,
                connection.installation,
                connection.platform,
                manifest.webhooks,
                manifest.webhooks.signature,
                [secret.encode() for secret in webhook_secrets(connection.secrets)],
                recordings,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery: `proven` by its signature; `clean` where nothing but its body is strange."""

    asked: Asked
    source: Source
    proven: bool
    clean: bool


_Place = tuple[Source, Recording, Spot]


@dataclass(slots=True)
class Deliveries:
    """Makes deliveries. `sweep` is the next place and fragment of the sweep over all of them."""

    sources: Sequence[Source]
    sweep: int = 0
    number: int = 0
    _places: Sequence[_Place] = ()

    def __post_init__(self) -> None:
        self._places = [
            (source, recording, spot)
            for source in self.sources
            for recording in source.recordings
            for spot in spots(recording.body)
        ]

    @property
    def sweep_size(self) -> int:
        """Every value of every recording, times everything that is put in its place."""
        return len(self._places) * len(FRAGMENTS)

    def make(self, chance: random.Random) -> Sent:
        source, recording, body = self._body(chance)
        self.number += 1
        headers = {
            name: value
            for name, value in recording.headers.items()
            if name.lower() != source.scheme.header.lower()
        }
        if (named := source.declared.delivery_id_header) is not None and chance.random() < 0.95:
            headers[named] = f"fuzz-{self.number}"
        if chance.random() < SIGNED_SHARE:
            return self._signed(source, headers, body, chance)
        return self._unsigned(source, headers, body, chance)

    def _body(self, chance: random.Random) -> tuple[Source, Recording, bytes]:
        kind = chance.random()
        if kind < 0.4:
            place, fragment = divmod(self.sweep, len(FRAGMENTS))
            # Neighbours are far apart, so that a short run sees something of everything.
            place = place * 7919 % len(self._places)
            self.sweep = (self.sweep + 1) % self.sweep_size
            source, recording, spot = self._places[place]
            return source, recording, spot.put(FRAGMENTS[fragment])
        source, recording, spot = chance.choice(self._places)
        if kind < 0.5:
            return source, recording, recording.body
        if kind < 0.58:
            return source, recording, spot.twice(chance.choice((spot.value, *FRAGMENTS)))
        if kind < 0.66:
            return source, recording, spot.without
        if kind < 0.72:
            return source, recording, spot.put(chance.choice(self._places)[2].value)
        body = broken(recording.body, chance)
        if chance.random() < 0.2:
            body = broken(body, chance)
        if chance.random() < 0.002:
            size = chance.choice((MAX_BODY - 1, MAX_BODY, MAX_BODY + 1, 2 * MAX_BODY))
            body = body.ljust(size, chance.choice((b" ", b"[", b'"')))[:size]
        return source, recording, body

    def _signed(
        self, source: Source, headers: Mapping[str, str], body: bytes, chance: random.Random
    ) -> Sent:
        secret = chance.choice(source.secrets)
        at = _AT + chance.choice((0, 0, 0, -300, 300, -7))
        signed = source.sign(body, secret, at)
        clean = len(body) <= MAX_BODY
        if source.scheme.normalise_json and chance.random() < 0.3:
            # What two readers could understand differently has no normal form.
            signed, clean = source.sign(_php(body) or body, secret, at), False
        told = tuple({**headers, **signed}.items())
        asked = Asked("POST", source.path, headers=told, body=body, signed=source.installation)
        if chance.random() < 0.3:
            asked, harmless = dressed(asked, source.covered, chance)
            clean = clean and harmless
        return Sent(asked, source, proven=True, clean=clean)

    def _unsigned(
        self, source: Source, headers: Mapping[str, str], body: bytes, chance: random.Random
    ) -> Sent:
        signed = dict(self._forged(source, body, chance))
        told = tuple({**headers, **signed}.items())
        asked = Asked("POST", source.path, headers=told, body=body)
        if chance.random() < 0.3:
            asked, _ = dressed(asked, source.covered, chance)
        proven = source.is_signed(asked.headers, asked.body)
        return Sent(asked, source, proven=proven, clean=False)

    def _forged(self, source: Source, body: bytes, chance: random.Random) -> Mapping[str, str]:
        """A signature that proves nothing; rarely one that does, which is then seen."""
        own, header = source.secrets[0], source.scheme.header
        other = chance.choice(self.sources)
        match chance.randrange(10):
            case 0:
                return {}
            case 1:
                return {header: chance.choice(hostile.HEADER_VALUES)}
            case 2:
                return source.sign(body, b"")
            case 3:
                return source.sign(body, own + b" ")
            case 4:
                return source.sign(body + b" ", own)
            case 5:
                return source.sign(body, other.secrets[0] if other is not source else b"x")
            case 6:
                return source.sign(body, own, _AT + chance.choice((-301, 301, -86400, 10**9)))
            case 7:
                [(name, value), *_] = source.sign(body, own).items()
                at = chance.randrange(len(value))
                return {name: value[:at] + chance.choice("é0,=\x80 ") + value[at + 1 :]}
            case 8:
                [(name, value), *_] = source.sign(body, own).items()
                return {name: chance.choice((value[:-1], value + "0", value * 2, f" {value}\t"))}
            case _:
                return other.sign(body, own)
