"""Hostile requests to every route that no signature opens: by strangers, forgers, people signed in.

The routes are those of `app.url_map`, the fields those of every form that the web declares: a new
one takes part by being there.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from werkzeug.routing import Rule

from plugin.domain.ids import TenantId
from plugin.helpdesks.practice import practice_link
from plugin.platforms.data_files import DataFiles
from plugin.platforms.practice_cases import AGENTS
from plugin.ports import Connection, Kind
from plugin.ports.records import Installation, InstallationStatus
from plugin.web.auth import Access, access_of, cookie_name
from plugin.web.schemas import VALUE, connect_form
from tests.fuzz import hostile
from tests.fuzz.form_fields import ASKED, OF_DESKS, choices, field_names, host_fields
from tests.fuzz.hostile import HOSTS, TEXTS, broken
from tests.fuzz.world import NOW, TICKETS, World
from tests.fuzz.wsgi import Asked, Told
from tests.platforms.shopify.beside_others import STEM as FRAMES
from tests.platforms.shopify.beside_others import page_of, token_of_staff

FORM: Final = "application/x-www-form-urlencoded"
_PART: Final = re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?([a-z_]+)>")
_FIELD: Final = re.compile(rb'name="([a-z_-]{1,40})" value="([^"&]{1,300})"')
_MADE: Final = re.compile(r"/install/at/([0-9a-f]{32})")
_BEGUN: Final = re.compile(r"/install/pending/([0-9a-f]{32})")
_MOST_SEEN: Final = 24
_CONNECTS: Final = 0.06
"""Of the forms: the one whose texts say where our calls go."""
_OF_SESSIONS: Final = frozenset({"session", "form_token", "link"})

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Tried:
    """A request to a route. `proven`: whoever sent it may write and call by it.

    `counted`: under which name it counts that it got as far as it can.
    """

    asked: Asked
    access: Access | None
    proven: bool
    tenant: TenantId | None = None
    counted: str = ""


@dataclass(slots=True)
class Forms:
    """Makes requests, and remembers what the pages offered: ids, plans, hashes."""

    world: World
    routes: Sequence[tuple[Rule, Access]] = ()
    names: Sequence[str] = ()
    seen: dict[str, list[str]] = field(default_factory=dict)
    made: dict[TenantId, list[str]] = field(default_factory=dict)
    _to_test: list[tuple[TenantId, str]] = field(default_factory=list)
    _weighed: Sequence[tuple[Rule, Access]] = ()

    def __post_init__(self) -> None:
        app = self.world.app
        self.routes = [
            (rule, access)
            for rule in app.url_map.iter_rules()
            if (access := access_of(app.view_functions[rule.endpoint])) is not None
            and access is not Access.SIGNED_WEBHOOK
        ]
        # A frame's first request has one route, and as much behind it as ten others.
        entries = [one for one in self.routes if one[1] is Access.PANEL_ENTRY]
        self._weighed = [*self.routes, *entries * 5]
        self.names = field_names(self.world.parts.registry.manifests())
        refs = list(self.world.installations)
        shop = next(
            ref
            for ref, one in self.world.installations.items()
            if one.connection.tenant == self.world.practice and one.connection.kind == "store"
        )
        numbers = (20418, 20444, 20449, 20457, 20312)
        manifests = self.world.parts.registry.manifests()
        self.seen = {
            "installation": [str(ref) for ref in refs],
            "platform": [m.stem for m in manifests],
            "kind": ["store", "helpdesk"],
            "move": ["open", "step", "again"],
            "name": sorted(set(DataFiles().assets().values())),
            "order": [f"{shop}~order-{number}" for number in numbers],
            "ticket": [str(ticket) for ticket in TICKETS],
            "agent": [str(agent.id) for agent in AGENTS],
            "token": [_forged_token(one.connection) for one in self._desks],
        }
        for name, words in choices(manifests).items():
            self.seen[name] = [*self.seen.get(name, ()), *words]
        ASKED.clear()  # what another batch saw must not change this one

    @property
    def _desks(self) -> Sequence[Installation]:
        return [i for i in self.world.installations.values() if i.connection.kind == "helpdesk"]

    @property
    def _framing(self) -> Connection:
        """The account of a store whose admin frames our page."""
        return next(
            one.connection
            for one in self.world.installations.values()
            if one.connection.platform == FRAMES and one.status is InstallationStatus.CONNECTED
        )

    def learn(self, tried: Tried, told: Told) -> None:
        """Keep what a page's own forms would send back, and the connection that was just made."""
        made = _MADE.match(told.headers.get("Location", ""))
        if made is not None and tried.tenant is not None:
            self.made.setdefault(tried.tenant, []).append(made[1])
            self._to_test.append((tried.tenant, made[1]))
        begun = _BEGUN.match(told.headers.get("Location", ""))
        if begun is not None:
            self.seen.setdefault("pending", []).append(begun[1])
            del self.seen["pending"][:-_MOST_SEEN]
        for name, value in _FIELD.findall(told.body):
            if (key := name.decode()) not in _OF_SESSIONS:
                kept = self.seen.setdefault(key, [])
                if (text := value.decode("utf-8", "replace")) not in kept:
                    kept.append(text)
                    del kept[:-_MOST_SEEN]

    def make(self, chance: random.Random) -> Tried:
        if self._to_test:
            tenant, ref = self._to_test.pop(0)
            return self._by_admin(tenant, f"/install/at/{ref}/step", [], chance)
        if chance.random() < _CONNECTS:
            return self._connected(chance)
        rule, access = chance.choice(self._weighed)
        method = chance.choice(sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}))
        if access is Access.PUBLIC or chance.random() < 0.45:
            if access is Access.EMBEDDED:
                return self._forger(method, rule, chance)
            return self._stranger(method, rule, access, chance)
        tried = self._signed_in(method, rule, access, chance)
        if chance.random() < 0.05:
            way = chance.choice(hostile.ODD_METHODS)
            return replace(tried, asked=replace(tried.asked, method=way))
        return tried

    # --- who --------------------------------------------------------------------------------------

    def _stranger(self, method: str, rule: Rule, access: Access, chance: random.Random) -> Tried:
        """Somebody with nothing, or with what must not open anything."""
        desk = chance.choice(self._desks).connection
        own = {"platform": desk.platform, "installation": str(desk.installation)}
        path = self._path(rule, chance, own if "panel" in access else {})
        world, headers, pairs = self.world, [], self._pairs(rule, chance)
        if access is Access.PANEL_ENTRY and chance.random() < 0.5:
            pairs = [("token", _forged_token(desk)), *pairs]
        http_name = cookie_name(https=False)
        if access is Access.ADMIN:
            admin = chance.choice(list(world.admins.values()))
            cookie = cookie_name(https=True)
            match chance.choice((0, 1, 2, 3, 4, 4, 4, 5)):
                case 0:
                    headers.append(("Cookie", f"{cookie}={chance.choice(hostile.HEADER_VALUES)}"))
                case 1:
                    headers.append(("Cookie", f"{cookie}={world.ended}"))
                case 2:
                    headers.append(("Cookie", f"{http_name}={admin.session.token}"))
                case 3 if method == "POST":  # another site's form, sent with the cookie
                    headers.append(("Cookie", f"{cookie}={admin.session.token}"))
                    headers.append(("Sec-Fetch-Site", chance.choice(("cross-site", "none", "é"))))
                    pairs.append(("form_token", admin.form_token))
                case 4 if method == "POST":
                    headers.append(("Cookie", f"{cookie}={admin.session.token}"))
                    pairs = [pair for pair in pairs if pair[0] != "form_token"]
                    given = chance.choice((chance.choice(TEXTS), "é" * 64, "١" * 64, "0" * 64))
                    pairs.append(("form_token", given))
                case _:
                    pairs.append(("form_token", admin.form_token))
        elif access is Access.PANEL_SESSION:
            token = chance.choice(world.panels).token
            at = chance.randrange(len(token) - 4)
            bad = (
                token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :],
                token.rpartition(".")[0] + ".",
                "",
                "é",
                chance.choice(TEXTS),
                next(iter(world.admins.values())).session.token,
                "eyJhbGciOiJub25lIn0.e30.",
                "a.b.c",
            )
            given = chance.choice(bad)
            if chance.random() < 0.5:
                pairs.append(("session", given))
            else:
                headers.append(("Authorization", f"Bearer {_latin(given)}"))
        asked = self._asked(method, path, headers, pairs, chance)
        return Tried(asked, access, proven=False)

    def _forger(self, method: str, rule: Rule, chance: random.Random) -> Tried:
        """In a store's own admin, with a token that nobody made, or made long ago."""
        account, headers = self._framing, []
        token = token_of_staff(account, NOW)
        at = chance.randrange(len(token) - 4)
        bad = (
            token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :],
            token.rpartition(".")[0] + ".",
            token_of_staff(account, NOW - timedelta(hours=1)),
            "",
            "a.b.c",
            chance.choice(TEXTS),
        )
        headers.append(("Authorization", f"Bearer {_latin(chance.choice(bad))}"))
        path, pairs = self._path(rule, chance, _page_names(account)), self._pairs(rule, chance)
        return Tried(
            self._asked(method, path, headers, pairs, chance), Access.EMBEDDED, proven=False
        )

    def _signed_in(self, method: str, rule: Rule, access: Access, chance: random.Random) -> Tried:
        world, headers, pairs = self.world, [], self._pairs(rule, chance)
        tenant: TenantId | None = None
        proven, own = True, {}
        if access is Access.ADMIN:
            tenant = chance.choice(list(world.admins))
            admin = world.admins[tenant]
            headers.append(("Cookie", f"{cookie_name(https=True)}={admin.session.token}"))
            headers.append(("Sec-Fetch-Site", "same-origin"))
            pairs = [pair for pair in pairs if pair[0] != "form_token"]
            pairs.append(("form_token", admin.form_token))
            theirs = [
                one.connection
                for one in world.installations.values()
                if one.connection.tenant == tenant
            ]
            connection = chance.choice(theirs)
            own = {
                "installation": str(connection.installation),
                "kind": connection.kind,
                "platform": connection.platform,
            }
            if {"kind", "platform"} <= rule.arguments:
                # A platform's own form; another one's fields would not come past its reader.
                names = self._install_fields(own["kind"], own["platform"])
                kept = [pair for pair in pairs if pair[0] in ("form_token", *names)]
                given = {name for name, _ in kept}
                kept += [
                    (name, self._value(name, chance, wild=True))
                    for name in names
                    if name.startswith(VALUE) and name not in given and chance.random() < 0.9
                ]
                pairs = kept
            if tenant in self.made and chance.random() < 0.5:
                own["installation"] = chance.choice(self.made[tenant][-4:])
        elif access is Access.PANEL_SESSION:
            panel = chance.choice(world.panels)
            pairs = [pair for pair in pairs if pair[0] != "session"]
            pairs.append(("session", panel.token))
            own = {"platform": panel.platform, "installation": str(panel.installation)}
        elif access is Access.EMBEDDED:
            account = self._framing
            tenant, own = account.tenant, _page_names(account)
            headers.append(("Authorization", f"Bearer {token_of_staff(account, NOW)}"))
        elif access is Access.SIGN_IN:
            headers.append(("Sec-Fetch-Site", "same-origin"))
            if chance.random() < 0.2:
                pairs = [("link", world.link(chance.choice(list(world.admins))))]
                world.writes.take()  # making it was our own write
        elif access is Access.PANEL_ENTRY and method == "GET":
            mine = (one.connection for one in self._desks)
            desk = next(one for one in mine if one.tenant == world.practice)
            agent, ticket = chance.choice(AGENTS).id, chance.choice(TICKETS)
            link = urlsplit(practice_link(desk, "", ticket, agent, NOW))
            pairs = [*parse_qsl(link.query), *pairs[:1]]
            own = {"platform": desk.platform, "installation": str(desk.installation)}
        else:
            # Passes and one-time addresses that are right are of `tests.fuzz.arrivals`.
            proven = False
        path = self._path(rule, chance, own)
        asked = self._asked(method, path, headers, pairs, chance)
        return Tried(asked, access, proven, tenant)

    def _connected(self, chance: random.Random) -> Tried:
        """A new connection, mostly to a host that no account has: our calls must not go there."""
        manifests = [m for m in self.world.parts.registry.manifests() if host_fields(m)]
        manifest, pairs = chance.choice(manifests), [("another", "yes")]
        for one in manifest.install_fields:
            is_host = VALUE + one.name in host_fields(manifest)
            pairs.append((VALUE + one.name, chance.choice(HOSTS) if is_host else "made-up"))
        path = f"/install/{manifest.kind}/{manifest.stem}"
        return self._by_admin(self.world.home, path, pairs, chance)

    def _by_admin(self, tenant: TenantId, path: str, pairs: Pairs, chance: random.Random) -> Tried:
        """A page's own form, rightly filled in but for `pairs`."""
        admin = self.world.admins[tenant]
        cookie = ("Cookie", f"{cookie_name(https=True)}={admin.session.token}")
        pairs = [("form_token", admin.form_token), *pairs]
        asked = self._asked(
            "POST", path, [cookie, ("Sec-Fetch-Site", "same-origin")], pairs, chance
        )
        return Tried(asked, Access.ADMIN, proven=True, tenant=tenant)

    # --- what -------------------------------------------------------------------------------------

    def _path(self, rule: Rule, chance: random.Random, own: Mapping[str, str]) -> str:
        if chance.random() < 0.03:
            return chance.choice(hostile.PATHS)
        kind = chance.random()
        wild = kind < 0.12

        def value(found: re.Match[str]) -> str:
            if kind > 0.25 and found[1] in own:
                return own[found[1]]
            known = self.seen.get(found[1], self.seen["installation"])
            return chance.choice(TEXTS) if wild else chance.choice(known)

        path = _latin(_PART.sub(value, rule.rule))
        return (
            path + chance.choice(("/", "//", "\0", "?", ";x")) if chance.random() < 0.03 else path
        )

    def _pairs(self, rule: Rule, chance: random.Random) -> Pairs:
        """Fields with what pages offered, or with hostile texts; rarely twice, rarely unknown."""
        wild = chance.random() < 0.4
        names = ASKED.get(rule.endpoint, self.names)
        if access_of(self.world.app.view_functions[rule.endpoint]) is Access.PANEL_ENTRY:
            names = OF_DESKS
        if chance.random() < 0.04:
            names = self.names
        most = min(len(names), 6)
        few = [name for name in names if chance.random() < 0.6][:most]
        chance.shuffle(few)
        pairs = [(name, self._value(name, chance, wild=wild)) for name in few]
        if pairs and chance.random() < 0.05:
            pairs.append(chance.choice(pairs))
        if chance.random() < 0.03:
            pairs.append((chance.choice(TEXTS), chance.choice(TEXTS)))
        if chance.random() < 0.004:
            pairs += [("line", str(n)) for n in range(chance.choice((199, 401)))]
        return pairs

    def _install_fields(self, kind: str, platform: str) -> Sequence[str]:
        manifest = self.world.parts.registry.manifest(Kind(kind), platform)
        return sorted(connect_form(manifest, development=False).fields)

    def _value(self, name: str, chance: random.Random, *, wild: bool) -> str:
        known = self.seen.get(name)
        if known is None or (wild and chance.random() < 0.5):
            return chance.choice(TEXTS)
        return chance.choice(known[-6:]) if chance.random() < 0.7 else chance.choice(known)

    def _asked(
        self, method: str, path: str, headers: Pairs, pairs: Pairs, chance: random.Random
    ) -> Asked:
        text = _encoded(pairs, chance)
        query = ""
        if method == "GET":
            query, text = text.decode("latin-1"), b""
        elif chance.random() < 0.1:
            text = broken(text, chance)
        kind = FORM if chance.random() < 0.93 else chance.choice(hostile.TYPES)
        told = [*headers, ("Content-Type", kind)] if method != "GET" else [*headers]
        accepts = chance.choice(("text/html", "text/html", "*/*", "application/json", "é;q=é"))
        told.append(("Accept", accepts))
        if chance.random() < 0.15:
            more = (chance.choice(hostile.HEADERS), chance.choice(hostile.HEADER_VALUES))
            told.append(more)
        length: str | None = "own"
        if chance.random() < 0.02:
            length = chance.choice(("", "0", "-1", "x", "9" * 30, "65537", None))
        if chance.random() < 0.002:
            text = text.ljust(chance.choice((65_536, 65_537, 200_000)), b"a")
        ended = length is None and chance.random() < 0.5
        return Asked(method, path, query, tuple(told), text, length, ended)


def _page_names(account: Connection) -> dict[str, str]:
    """What names our page in the admin of this account, in its address."""
    platform, app = page_of(account).split("/")[2:]
    return {"platform": platform, "app": app}


def _forged_token(desk: Connection) -> str:
    """A token of the right shape for a desk's frame, which nobody signed."""
    settings = desk.settings
    account = f"{settings.get('subdomain', 'acme')}.zendesk.com"
    installed = settings.get("app_installation_id", "1")
    at = int(NOW.timestamp())
    claims = {
        "iss": account,
        "aud": f"https://{account}/api/v2/apps/installations/{installed}.json",
        "sub": "7",
        "iat": at,
        "exp": at + 300,
        "context": {"product": "support", "location": "ticket_sidebar"},
    }
    parts = [json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "RS256"}, claims)]
    return ".".join(_base64url(part) for part in (*parts, b"x" * 256))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _latin(text: str) -> str:
    """The text as WSGI shows its UTF-8."""
    return text.encode("utf-8", "replace").decode("latin-1")


def _encoded(pairs: Pairs, chance: random.Random) -> bytes:
    text = urlencode(pairs, errors="replace")
    if chance.random() < 0.04:
        text = "&".join(f"{name}={quote_plus(value, safe='%&=;/é')}" for name, value in pairs)
    if chance.random() < 0.04:
        text += chance.choice(
            ("&", "&&", "&=", "&%", "&%zz=%ff", "&a", "=", "&%00=%00", "&x=%ED%A0%80")
        )
    return text.encode("utf-8")
