"""The webhook secrets among an installation's credentials: several, to rotate without a gap.

Pure: reads and makes mappings, stores nothing, shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_PREFIX = "webhook_secret_"
KEPT = 2


def webhook_secrets(secrets: Mapping[str, str]) -> Sequence[str]:
    """All webhook secrets that may sign, newest first."""
    numbered = [
        (int(name.removeprefix(_PREFIX)), secret)
        for name, secret in secrets.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdecimal()
    ]
    return [secret for _, secret in sorted(numbered, reverse=True)]


def signing_secrets(secrets: Mapping[str, str], own: str | None) -> Sequence[str]:
    """All secrets that may sign: of the webhook, and the app's `own` where it signs with that."""
    named = "" if own is None else secrets.get(own, "")
    return [*webhook_secrets(secrets), *([named] if named else [])]


def with_webhook_secret(secrets: Mapping[str, str], secret: str) -> dict[str, str]:
    """The credentials with a new current webhook secret; the one before stays, older ones go."""
    kept = list(webhook_secrets(secrets))[: KEPT - 1]
    rest = {name: value for name, value in secrets.items() if not name.startswith(_PREFIX)}
    newest_last = [*reversed(kept), secret]
    return rest | {f"{_PREFIX}{n}": value for n, value in enumerate(newest_last, start=1)}


def only_webhook_secret(secret: str) -> dict[str, str]:
    """This webhook secret, and none before it."""
    return {f"{_PREFIX}1": secret}


def with_webhook_secrets_of(secrets: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """The credentials with the webhook secrets of `other` in place of their own."""
    rest = {name: value for name, value in secrets.items() if not name.startswith(_PREFIX)}
    return rest | {name: value for name, value in other.items() if name.startswith(_PREFIX)}
