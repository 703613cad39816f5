"""What comes where nobody is signed in: below an install that an admin began, and to a desk's pass.

Who has the address that we made for an install may use it up and cause its one try; with a bent one
nothing is written or called. A pass is for who shows the desk's secret. It is stateless, and so is
the frame that it opens: neither ever writes or calls, whoever asks.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from plugin.helpdesks.freshdesk.frame_pass import give_pass
from plugin.platforms.declarations import ManifestDeclarations
from plugin.ports import Connection
from plugin.ports.connecting import PendingInstall
from plugin.services.connect_platform import ConnectPlatform, ConnectRequest
from plugin.services.pending_install import Begun, InstallByWay
from plugin.stores.saleor.installing import MANIFEST, REGISTER
from plugin.stores.woocommerce.installing import KEYS
from plugin.web.auth import Access
from tests.bodies.changes import change
from tests.fuzz import hostile
from tests.fuzz.forms import FORM, Pairs, Tried
from tests.fuzz.hostile import TEXTS
from tests.fuzz.world import NOW, World, account
from tests.fuzz.wsgi import Asked
from tests.platforms.saleor.dashboard import registration_headers
from tests.platforms.woocommerce.consent import Consent

TRIES: Final = "install_tries"
"""Arrivals whose keys were tried: the call that they cause is refused here."""
PASSES: Final = "passes"
"""Passes that were given, and frames that they opened."""
_PASS_SHARE: Final = 0.3
_GIVES_PASSES: Final = "freshdesk"


@dataclass(frozen=True, slots=True)
class _Way:
    """What a platform sends below its install: where to, with which body and headers."""

    part: str
    body: Callable[[PendingInstall], Mapping[str, Any]]
    headers: Callable[[PendingInstall], Mapping[str, str]]


def _keys(pending: PendingInstall) -> Mapping[str, Any]:
    told: dict[str, Any] = json.loads(Consent("", pending.id, "", "").keys())
    return told


_WAYS: Final[Mapping[str, _Way]] = {
    "woocommerce": _Way(KEYS, _keys, lambda _: {"Content-Type": "application/json"}),
    "saleor": _Way(
        REGISTER,
        lambda _: {"auth_token": "made-up"},
        lambda pending: registration_headers(f"https://{pending.typed['host']}"),
    ),
}


@dataclass(slots=True)
class Arrivals:
    """Makes requests; begins an install anew where the last one may be used up."""

    world: World
    waiting: dict[str, PendingInstall] = field(default_factory=dict)

    def make(self, chance: random.Random) -> Tried:
        if chance.random() < _PASS_SHARE:
            return self._at_the_frame(chance)
        return self._at_an_install(chance)

    # --- installs ---------------------------------------------------------------------------------

    def _at_an_install(self, chance: random.Random) -> Tried:
        platform = chance.choice(sorted(_WAYS))
        way, pending = _WAYS[platform], self._begun(platform, chance)
        base = urlsplit(self._by_way._urls(pending).arrivals).path
        proven = chance.random() < 0.7
        if not proven:
            base = self._bent(base, pending, chance)
        others = (KEYS, REGISTER, MANIFEST, "back", chance.choice(hostile.PATHS), "é")
        part = way.part if chance.random() < 0.8 else chance.choice(others)
        document = way.body(pending)
        body = json.dumps(document).encode()
        if chance.random() < 0.35:
            body = change(document, {name: [value] for name, value in document.items()}, chance)
        headers = list(way.headers(pending).items())
        if chance.random() < 0.3:
            headers[chance.randrange(len(headers))] = (
                chance.choice([name for name, _ in headers]),
                chance.choice(hostile.HEADER_VALUES),
            )
        method = "POST" if chance.random() < 0.9 else chance.choice(("GET", "PUT", "HEAD"))
        path = f"{base}/{part}".encode().decode("latin-1")
        asked = Asked(method, path, "", tuple(headers), body if method != "GET" else b"")
        return Tried(asked, Access.PENDING_INSTALL, proven, counted=TRIES)

    @property
    def _by_way(self) -> InstallByWay:
        parts = self.world.parts
        declarations = ManifestDeclarations(parts.registry, frozenset())
        storage = parts.house.storage
        return InstallByWay(
            storage,
            parts.platforms,
            declarations,
            ConnectPlatform(storage, declarations, parts.mint, parts.settings),
            parts.settings.public_url,
            parts.house.signing_keys,
        )

    def _begun(self, platform: str, chance: random.Random) -> PendingInstall:
        """One that waits, mostly; one that was used now and then."""
        if platform in self.waiting and chance.random() < 0.25:
            return self.waiting[platform]
        world = self.world
        manifest = next(m for m in world.parts.registry.manifests() if m.stem == platform)
        assert manifest.install_way is not None
        settings = account(world.home, manifest, "0" * 32).connection.settings
        typed = {name: settings[name] for name in manifest.install_way.asks}
        asked = ConnectRequest(manifest.kind, manifest.stem, typed, None, another=True)
        begun = self._by_way.begin(world.home, asked, "fuzz", NOW)
        assert isinstance(begun, Begun), begun
        world.writes.take()  # beginning it was our own write
        self.waiting[platform] = begun.pending
        return begun.pending

    def _bent(self, base: str, pending: PendingInstall, chance: random.Random) -> str:
        """An address that we did not make."""
        root, _, one_time = base.rpartition("/")
        ref, _, mark = one_time.partition(".")
        at = chance.randrange(len(mark))
        other = "0" if mark[at] != "0" else "1"
        stranger = next(name for name in sorted(_WAYS) if name != pending.platform)
        return chance.choice(
            (
                f"{root}/{ref}.{mark[:at]}{other}{mark[at + 1 :]}",
                f"{root}/{ref}.{mark[:-1]}",
                f"{root}/{ref}.",
                f"{root}/{ref}",
                f"{root}/{'0' * len(ref)}.{mark}",
                f"{root}/{ref}.{mark.upper()}\u00e9",
                f"/installing/{stranger}/{one_time}",
                f"{root}/{chance.choice(TEXTS)}",
            )
        )

    # --- passes -----------------------------------------------------------------------------------

    def _at_the_frame(self, chance: random.Random) -> Tried:
        desk = chance.choice(
            [
                one.connection
                for one in self.world.installations.values()
                if one.connection.platform == _GIVES_PASSES
            ]
        )
        base = f"/panel/{desk.platform}/{desk.installation}"
        said = chance.choice(("102", chance.choice(TEXTS)))
        headers = [("Accept", "text/html"), ("Content-Type", FORM)]
        if chance.random() < 0.5:
            shown = f"Bearer {desk.secrets['app_secret']}"
            if chance.random() < 0.3:
                shown = chance.choice((shown[:-1], shown.lower(), *hostile.HEADER_VALUES))
            fields = {"agent": said, **self._more(chance)}
            return self._posted(f"{base}/pass", [*headers, ("Authorization", shown)], fields)
        frame = self._pass(desk, said)
        if chance.random() < 0.4:
            at = chance.randrange(len(frame))
            frame = chance.choice((frame[:at], f"{frame[:at]}A{frame[at + 1 :]}", frame * 9))
        return self._posted(base, headers, {"pass": frame, **self._more(chance)})

    def _pass(self, desk: Connection, said: str) -> str:
        secret = desk.secrets["app_secret"]
        return give_pass(secret, desk.installation, f"Bearer {secret}", said, NOW)

    def _more(self, chance: random.Random) -> Mapping[str, str]:
        if chance.random() < 0.7:
            return {}
        return {chance.choice(("ticket", "token", "session", "x")): chance.choice(TEXTS)}

    def _posted(self, path: str, headers: Pairs, fields: Mapping[str, str]) -> Tried:
        body = urlencode(fields, errors="replace").encode()
        asked = Asked("POST", path, "", tuple(headers), body)
        # Not as an entry: no key is looked for here.
        return Tried(asked, None, proven=False, counted=PASSES)
