"""A new key for a connection that works: kept aside until it is known to open the same account.

What was sold, refunded and granted is kept under a connection. Another account's key in its place
would merge two books, so until then nothing of the connection changes. Pure: makes connections from
connections, stores and calls nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from plugin.ports import Connection, Probe
from plugin.services.webhook_secrets import with_webhook_secrets_of

KEY_WORKS: Final = "key_works"
"""The line of the self-test that tries a key, and so also a new one."""

ACCOUNT: Final = "account"
"""Where a connection's settings keep the account's name, once a key opened it."""
ACCOUNT_ID: Final = "account_id"
"""Where they keep the platform's own id of that account, where it tells one."""

_OFFER: Final = "offered-form"
"""Among the secrets, for it holds some; no field of a form can have this name."""


def with_offer(
    connection: Connection, settings: Mapping[str, str], secrets: Mapping[str, str]
) -> Connection:
    """The same connection with a filled-in form kept aside, in place of one kept before."""
    offer = json.dumps({"settings": dict(settings), "secrets": dict(secrets)})
    return replace(connection, secrets={**connection.secrets, _OFFER: offer})


def without_offer(connection: Connection) -> Connection:
    """The same connection, and nothing kept aside."""
    secrets = {name: value for name, value in connection.secrets.items() if name != _OFFER}
    return replace(connection, secrets=secrets)


def with_secrets(connection: Connection, secrets: Mapping[str, str]) -> Connection:
    """The same connection with the webhook secrets among `secrets`, and its own in all else.

    A form kept aside stays, whenever it came, and so do keys that were renewed meanwhile.
    """
    return replace(connection, secrets=with_webhook_secrets_of(connection.secrets, secrets))


def offers(connection: Connection) -> bool:
    """Whether a form is kept aside, to be tried."""
    return _OFFER in connection.secrets


def offered(connection: Connection) -> Connection | None:
    """The connection as it would be with the form kept aside; None where none is.

    What the platform gave us since (ids, webhook secrets) stays.
    """
    if not offers(connection):
        return None
    form = json.loads(connection.secrets[_OFFER])
    return renewed(without_offer(connection), form["settings"], form["secrets"])


def renewed(
    connection: Connection, settings: Mapping[str, str], secrets: Mapping[str, str]
) -> Connection:
    """The connection with a form's values in place of the ones before."""
    # An address for development is of its form: left out the next time, it must not stay.
    kept = {name: value for name, value in connection.settings.items() if name != "base_url"}
    return replace(
        connection,
        settings={**kept, **settings},
        secrets={**connection.secrets, **secrets},
    )


def why_another_account(connection: Connection, probe: Probe, *, is_new_key: bool) -> str | None:
    """A sentence when `probe` opened another account than the connection's; None when it did not.

    None also where nothing that can be compared is known. Without the platform's own id, a new key
    proves itself by showing the webhook that we registered with the one before.
    """
    known = connection.settings.get(ACCOUNT_ID, "")
    if known and probe.account_id:
        if known == probe.account_id:
            return None
        ours = _named(connection.settings.get(ACCOUNT, ""), known)
        theirs = _named(probe.account, probe.account_id)
        return f"This key opens {theirs}; this connection is {ours}. {_ANOTHER}"
    if is_new_key and probe.has_our_webhook is False:
        return (
            "The account that this key opens does not have our webhook, so it is another account, "
            f"or somebody removed the webhook there: then test the old key again first. {_ANOTHER}"
        )
    return None


_ANOTHER: Final = "Connect another account beside this one"


def _named(account: str, account_id: str) -> str:
    return f"{account} ({account_id})" if account else account_id
