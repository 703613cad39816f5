"""A store's own admin frames a page of ours: for which account, and who asks. Protocols only.

Where a store has an admin with room for apps, we stand in it: to connect, to see the self-test, to
say what the store's plans give, and to find the way to the settings. Three things are told apart:

- the *frame's address* is a claim. `EmbeddedAdmin.frame` reads from it for which account the page
  is framed, by a strict grammar, and nothing else: the page that answers it is the same for every
  account, asks no database, and may be framed by that account's own admin only (the manifest's
  `embedded.frame_ancestors`, filled with what `frame` read);
- a *token* of the admin comes with every call of the page, in `Authorization`. `account_claimed`
  says, unproven, whose keys can check it; `prove` checks it with them. No cookie is used or set;
- the *tenant* is that of the connection, or of the waiting install, whose keys proved the token. An
  account that no signed-in admin of ours named before opens nothing, and one that two tenants named
  opens nothing either.

An adapter fills it as the class `<Name>Embedded` beside itself, with `embedded` in its manifest.
It is made without arguments, calls nobody and keeps nothing. The page's calls go to
`/embedded/<stem>/<app>/...`; `<app>` is a word of the platform's own (its name for our app). The
page loads the manifest's `embedded.script` and then `ui_extensions/<stem>/bridge.js`, which sets
`window.makegood.token`, a function that gives a promise of a fresh token of the admin. The keys
that prove a token are in the connection's `secrets`: nothing is fetched to check one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Framed:
    """What the frame's address claims. `account` are form values that fill the ancestors.

    `names` are handed to the vendor's script as `<meta name=... content=...>`: nothing secret.
    """

    account: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proven:
    """The token is the admin's own. `person` is the store's id of who sits there.

    `grant` are secrets for the adapter's `TradesGrant`; empty where the admin gives no keys.
    """

    person: str
    grant: Mapping[str, str] = field(default_factory=dict, repr=False)


class EmbeddedAdmin(Protocol):
    """How a platform's own admin frames us. Pure; any text gives an answer and no exception."""

    def frame(self, app: str, query: Mapping[str, str]) -> Framed | None:
        """For which account the page is framed. None where the address is none of the admin's."""

    def account_claimed(self, token: str) -> Mapping[str, str] | None:
        """Settings of the connection whose keys can check the token. Nothing is proven by it."""

    def prove(
        self, settings: Mapping[str, str], secrets: Mapping[str, str], token: str, now: datetime
    ) -> Proven | None:
        """Who asks, where the token was made for this very account and app, and holds now."""
