"""The sweep: builds each request with a foreign and with a missing id, and compares the answers."""

from __future__ import annotations

import html
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote, quote_plus, unquote_to_bytes, urlencode

from werkzeug.routing import Rule

from plugin.helpdesks.practice import practice_link
from plugin.platforms.practice_cases import AGENTS
from plugin.ports import Connection
from plugin.web.auth import Access, access_of, cookie_name
from plugin.web.views.canvas_components import ask_id
from tests.fuzz.form_fields import ASKED
from tests.fuzz.wsgi import Asked, Told
from tests.platforms.intercom.beside_practice import STEM
from tests.platforms.shopify.beside_others import STEM as FRAMES
from tests.platforms.shopify.beside_others import token_of_staff
from tests.tenants.cases import CASES, TICKET, Case
from tests.tenants.posts import NUMBER, fresh_number, number_of_theirs, post_of_teammate
from tests.tenants.scene import FORM, WORD, Scene, connection_of, signed_delivery

MUST_BE_NOTHING: Final = (
    "leaks",
    "differs",
    "foreign_writes",
    "unswept_routes",
    "unreached",
    "answers_5xx",
)
NOBODY: Final = "nobody"
SENDER: Final = "sender of ours"
TEAMMATE: Final = "teammate of ours"
STAFF: Final = "staff of a store of another"
"""In the own admin of a store of the business that has, like theirs, an account everywhere."""
_TYPED: Final = frozenset({"line", "amount", "free", "sub", "reason", "step", "q", "proof"})
"""What comes back by the inputs of a canvas; all else stands in the button."""
_FIXED: Final = ("platform", "kind")
_NOT_REACHED: Final = frozenset({400, 401, 403, 405, 413, 415, 422})
_FRESH: Final = re.compile(
    r'name="(?:plan|hash)" value="[^"]*"|:[0-9a-f]{32}(?=[?"])|(?:plan|hash)=[0-9a-f]+'
    r"|eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+"
)
"""Made anew for every page: plans, one-time numbers, and the sessions' tokens, which repeat the
ticket claimed."""
_HEX: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_OWN_FIELDS: Final = frozenset({"session", "form_token"})


@dataclass(frozen=True, slots=True)
class Probe:
    """One route, asked by somebody, with one place in it to fill. No place: asked as it is."""

    endpoint: str
    method: str
    role: str
    slot: str
    rule: Rule = field(compare=False)
    access: Access = field(compare=False)
    case: Case = field(compare=False)

    @property
    def words(self) -> str:
        return f"{self.method} {self.rule.rule} {self.slot or 'as it is'} by {self.role}"


Pair: TypeAlias = tuple[Probe, str]


@dataclass(slots=True)
class Findings:
    """What was found, as counts and as sentences."""

    counts: Counter[str] = field(default_factory=Counter)
    sentences: list[str] = field(default_factory=list)

    def add(self, kind: str, sentence: str) -> None:
        self.counts[kind] += 1
        self.sentences.append(f"{kind}: {sentence}")


@dataclass(slots=True)
class Sweep:
    """All probes over one scene."""

    scene: Scene
    found: Findings = field(default_factory=Findings)
    _before: str = ""
    _number: str = ""
    _missing: dict[tuple[Probe, str, str], tuple[int, str]] = field(default_factory=dict)
    _reached: set[str] = field(default_factory=set)
    _platforms: Mapping[str, Connection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Drawn first: an unspent number of theirs is a part of what must not change.
        self._number = number_of_theirs(self.scene)
        self._before = self.scene.fingerprint()
        storage = self.scene.house.parts.house.storage
        with storage.read(self.scene.theirs) as uow:
            theirs = [one.connection for one in uow.installations.all()]
        self._platforms = {one.installation: one for one in theirs}
        ASKED.clear()

    def pairs(self, most: int, chance: random.Random) -> Sequence[Pair]:
        """Everything to ask, or `most` of it: every place at least once before any place twice."""
        every = [
            (place, probe, value)
            for probe in self.probes()
            for place, value in enumerate(self._values(probe) if probe.slot else ("",))
        ]
        self.found.counts["pairs"] = len(every)
        chance.shuffle(every)
        if 0 < most < len(every):
            every.sort(key=lambda one: (bool(one[1].slot), one[0]))
            del every[most:]
        return [(probe, value) for _, probe, value in every]

    def go(self, pairs: Sequence[Pair]) -> Findings:
        """Ask, compare, and look at what the forms asked for."""
        for probe, value in pairs:
            self._ask(probe, value)
        self._check_fields()
        return self.found

    # --- what to ask ------------------------------------------------------------------------------

    def probes(self) -> Iterator[Probe]:
        """Every route, by everybody, with each of its places. Counts what no case declares."""
        app = self.scene.house.app
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
            case, access = CASES.get(rule.endpoint), access_of(app.view_functions[rule.endpoint])
            if case is None or access is None:
                self.found.add("unswept_routes", f"{rule.rule} ({rule.endpoint}) has no case")
                continue
            if case.free:
                continue
            slots = [*sorted(rule.arguments - set(_FIXED)), *case.ids]
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                for role in self._roles(access):
                    yield from (
                        Probe(rule.endpoint, method, role, slot, rule, access, case)
                        for slot in ("", *slots)
                    )
                yield from self._presses(rule, access, case, method)

    def _presses(self, rule: Rule, access: Access, case: Case, method: str) -> Iterator[Probe]:
        """Posts of our own desk, rightly signed, each with something of theirs in it."""
        if not case.pressed:
            return
        yield Probe(rule.endpoint, method, TEAMMATE, "installation", rule, access, case)
        for verb, move in case.pressed.items():
            role = f"{TEAMMATE} who presses {verb}" if verb else TEAMMATE
            for slot in dict.fromkeys(("", *move.ids, TICKET, *([NUMBER] if verb else []))):
                yield Probe(rule.endpoint, method, role, slot, rule, access, move)

    def _roles(self, access: Access) -> Sequence[str]:
        panels, admins = list(self.scene.panels), list(self.scene.admins)
        match access:
            case Access.PANEL_SESSION:
                return (NOBODY, *panels, admins[0])
            case Access.ADMIN:
                return (NOBODY, *admins, panels[0])
            case Access.PANEL_ENTRY:
                return (NOBODY, panels[0])
            case Access.SIGNED_WEBHOOK:
                return (NOBODY, SENDER)
            case Access.EMBEDDED:
                return (NOBODY, STAFF)
            case _:
                return (NOBODY,)

    def _values(self, probe: Probe) -> Sequence[str]:
        """All that is theirs; first what this place is made for."""
        likely = (self._number,) if probe.slot == NUMBER else self.scene.likely.get(probe.slot, ())
        return [*likely, *(one for one in self.scene.foreign if one not in likely)]

    def _asked(self, probe: Probe, value: str, shape: str) -> Asked:
        """The request with `value` in its place. `shape` is the foreign id that `value` is like."""
        scene, case = self.scene, probe.case
        if probe.role.startswith(TEAMMATE):
            return self._posted(probe, value)
        own = self._own(probe)
        named = self._platforms.get(shape) if probe.slot == "installation" else None
        like = own if named is None else named
        path_values = {"platform": like.platform, "kind": like.kind}
        path_values["installation"] = str(own.installation)
        if probe.access is Access.EMBEDDED:
            path_values |= {"app": own.settings["client_id"], "move": "open"}
        if probe.slot in probe.rule.arguments:
            path_values[probe.slot] = value
        path = _path(probe.rule, path_values)
        pairs = [
            (name, value if name == probe.slot else scene.own.get((case.ticket, name), ""))
            for name in case.ids
        ]
        pairs = [*((n, v) for n, v in pairs if v or n == probe.slot), *case.rest.items()]
        if probe.endpoint == "install.connect":
            manifest = next(
                m for m in scene.house.parts.registry.manifests() if m.stem == like.platform
            )
            pairs += [(f"value-{one.name}", "acme") for one in manifest.install_fields]
        headers = [("Accept", "text/html"), ("Sec-Fetch-Site", "same-origin")]
        return self._by(probe, path, pairs, headers, own)

    def _posted(self, probe: Probe, value: str) -> Asked:
        """A rightly signed post of ours, with `value` in its place."""
        scene, case, slot = self.scene, probe.case, probe.slot
        name, verb = probe.endpoint.rpartition(".")[2], probe.role.rpartition(" presses ")[2]
        ticket = value if slot == TICKET else str(case.ticket)
        if verb == probe.role:
            asked = post_of_teammate(scene, scene.ours, name, ticket)
            if slot != "installation":
                return asked
            return replace(asked, path=_path(probe.rule, {"platform": STEM, slot: value}))
        fields = {
            **{field: scene.own.get((case.ticket, field), "") for field in case.ids},
            **({slot: value} if slot in case.ids else {}),
            **case.rest,
        }
        typed = {field: text for field, text in fields.items() if text and field in _TYPED}
        about = [(field, text) for field, text in fields.items() if field not in typed]
        number = value if slot == NUMBER else fresh_number(scene, ticket)
        pressed = ask_id(verb, number, about)
        more = {"component_id": pressed, "input_values": typed}
        return post_of_teammate(scene, scene.ours, name, ticket, **more)

    def _by(
        self,
        probe: Probe,
        path: str,
        pairs: list[tuple[str, str]],
        headers: list[tuple[str, str]],
        own: Connection,
    ) -> Asked:
        """Add what the role has to show."""
        scene, role = self.scene, probe.role
        if role in scene.admins:
            admin = scene.admins[role]
            headers.append(("Cookie", f"{cookie_name(https=True)}={admin.session.token}"))
            if probe.method != "GET":
                pairs.append(("form_token", admin.form_token))
        elif role in scene.panels and probe.access is Access.PANEL_ENTRY:
            ticket = probe.case.ticket
            now = scene.house.clock.now()
            link = practice_link(own, "", ticket, AGENTS[0].id, now).partition("?")[2]
            told = dict(parse_qsl(link))
            query = urlencode({**told, **{n: v for n, v in pairs if n == probe.slot}})
            body = b"" if probe.method == "GET" else urlencode(pairs).encode()
            kind = () if probe.method == "GET" else (("Content-Type", FORM),)
            return Asked(probe.method, path, query, (*headers, *kind), body)
        elif role in scene.panels:
            pairs = [("session", scene.panels[role][probe.case.ticket]), *pairs]
        elif role == STAFF:
            token = token_of_staff(own, scene.house.clock.now())
            headers.append(("Authorization", f"Bearer {token}"))
        elif role == SENDER:
            shop = scene.house.installation("store").connection
            signed = signed_delivery(scene, shop, b'{"type": "ping"}', "ours")
            return Asked("POST", path, "", signed.headers, signed.body)
        if probe.method == "GET":
            return Asked("GET", path, urlencode(pairs), tuple(headers))
        told_headers = (*headers, ("Content-Type", FORM))
        return Asked(probe.method, path, "", told_headers, urlencode(pairs).encode())

    def _own(self, probe: Probe) -> Connection:
        """The connection that a request of this role is rightly about."""
        scene = self.scene
        if probe.access is Access.EMBEDDED:
            return connection_of(scene, scene.home, "store", FRAMES)
        if probe.role in scene.admins and scene.admins[probe.role].tenant == scene.home:
            with scene.house.parts.house.storage.read(scene.home) as uow:
                return next(
                    one.connection
                    for one in uow.installations.all()
                    if one.connection.kind == "store"
                )
        is_panel = probe.access in (Access.PANEL_ENTRY, Access.PANEL_SESSION)
        return scene.house.installation("helpdesk" if is_panel else "store").connection

    # --- what came back ---------------------------------------------------------------------------

    def _ask(self, probe: Probe, value: str) -> None:
        """Ask with the foreign id, and compare with the answer to one that nobody has."""
        told = self._sent(probe, value, value)
        if not probe.slot:
            return
        if told[0] not in _NOT_REACHED:
            self._reached.add(probe.endpoint)
        if probe.case.told_apart:
            self.found.counts["told_apart"] += 1
            return
        like = self._platforms.get(value)
        key = (probe, _shape(value), like.platform if like else "")
        if key not in self._missing:
            self._missing[key] = self._sent(probe, _like(value), value)
        if told != self._missing[key]:
            # What was kept may be old by now: both once more, side by side.
            told, missing = self._sent(probe, value, value), self._sent(probe, _like(value), value)
            self._missing[key] = missing
            if told != missing:
                self.found.add(
                    "differs", f"{probe.words}: {value} answers {told[0]}, missing {missing[0]}"
                )

    def _sent(self, probe: Probe, value: str, shape: str) -> tuple[int, str]:
        self.found.counts["requests"] += 1
        asked = self._asked(probe, value, shape)
        told = self.scene.send(asked)
        if told.status >= 500:
            self.found.add("answers_5xx", f"{probe.words}: {value} answers {told.status}")
        text = _said(told, value)
        said = f"{asked.path} {asked.query} {asked.body.decode()}"
        self._check_leak(probe, value, text, said)
        if self.scene.writes.take():
            now = self.scene.fingerprint()
            if now != self._before:
                self.found.add("foreign_writes", f"{probe.words}: {value} changed what is theirs")
                self._before = now
        return told.status, text

    def _check_leak(self, probe: Probe, value: str, text: str, said: str) -> None:
        leaked = [WORD] if WORD in text.lower() else []
        leaked += [one for one in self.scene.foreign if len(one) > 12 and one in text]
        leaked = [one for one in leaked if quote(one) not in said and quote_plus(one) not in said]
        if leaked:
            self.found.add("leaks", f"{probe.words}: {value} shows {', '.join(leaked[:3])}")

    def _check_fields(self) -> None:
        """Every field that a form asked for is in its case."""
        for endpoint, names in ASKED.items():
            case = CASES[endpoint]
            moves = (case, *case.pressed.values())
            known = {*_OWN_FIELDS, *(name for one in moves for name in (*one.ids, *one.rest))}
            for name in names:
                if name not in known and not name.startswith("value-") and not case.free:
                    self.found.add("unswept_routes", f"{endpoint}: no case names the field {name}")

    @property
    def reached(self) -> frozenset[str]:
        """The endpoints at which somebody came as far as the ids."""
        return frozenset(self._reached)


def unreached(reached: Iterable[str]) -> Sequence[str]:
    """Endpoints with ids at which nobody came so far: the sweep would have shown nothing there."""
    far = set(reached)
    return sorted(
        endpoint
        for endpoint, case in CASES.items()
        if (case.ids or case.pressed) and not case.free and not case.closed and endpoint not in far
    )


def _path(rule: Rule, values: Mapping[str, str]) -> str:
    def fill(found: re.Match[str]) -> str:
        return quote(values.get(found[1], "x"), safe="").replace("%7E", "~")

    path = re.sub(r"<(?:[a-z]+(?:\([^)]*\))?:)?([a-z_]+)>", fill, rule.rule)
    return _unquoted(path)


def _unquoted(path: str) -> str:
    """As the server hands it over: without quotes, as latin-1."""
    return unquote_to_bytes(path).decode("latin-1")


def _like(value: str) -> str:
    """An id of the same form that nobody has."""
    if any(letter.isdigit() for letter in value):
        return "".join(str((int(c) + 3) % 10) if c.isdigit() else c for c in value)
    return "".join(chr((ord(c) - 97 + 5) % 26 + 97) if "a" <= c <= "z" else c for c in value)


def _shape(value: str) -> str:
    """Ids of one shape have one missing id: its answer is the same for all of them."""
    return f"hex{len(value)}" if _HEX.fullmatch(value) else value


def _said(told: Told, value: str) -> str:
    """The answer without what is fresh in every answer, and without the id that was asked for."""
    place = told.headers.get("Location", "")
    text = (
        f"{place}\n{told.headers.get('Content-Type', '')}\n{told.body.decode('utf-8', 'replace')}"
    )
    text = _FRESH.sub("", text)
    if value:
        quoted = {quote(value), quote(value, safe=""), quote_plus(value)}
        for written in {value, html.escape(value), *quoted}:
            text = text.replace(written, "THE-ID")
    return text
