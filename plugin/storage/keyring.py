"""Credentials at rest: encrypted with a list of keys, the first one current, all readable.

The tenant and installation are sealed inside the ciphertext, so that a row copied to another place
does not open there. Never logs and never shows what it opens.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from plugin.domain.errors import NeedsHuman


def key_mark(key: str) -> str:
    """By what people tell keys apart. It opens nothing, and no key can be found from it."""
    return hashlib.sha256(b"makegood key " + key.encode()).hexdigest()[:8]


class Keyring:
    """Encrypts and opens the secrets of installations."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys`: Fernet keys, newest first.

        Raises NeedsHuman when there is none or one is malformed.
        """
        try:
            self._box = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise NeedsHuman("bad_secret_keys", "give Fernet keys, newest first") from error

    def seal(self, place: str, secrets: Mapping[str, str]) -> str:
        """`secrets` as ciphertext that opens at `place` only."""
        return self._box.encrypt(json.dumps({"at": place, "is": dict(secrets)}).encode()).decode()

    def open(self, place: str, sealed: str) -> dict[str, str]:
        """Raises NeedsHuman when no key opens it, or it was sealed for another place."""
        try:
            document = json.loads(self._box.decrypt(sealed))
        except InvalidToken as error:
            raise NeedsHuman("secrets_unreadable", "none of the keys opens a credential") from error
        if document["at"] != place:
            raise NeedsHuman(
                "secrets_misplaced", "a credential was sealed for another installation"
            )
        return {str(name): str(value) for name, value in document["is"].items()}

    def rotate(self, sealed: str) -> str:
        """The same secrets under the newest key. Raises NeedsHuman when no key opens them."""
        try:
            return self._box.rotate(sealed).decode()
        except InvalidToken as error:
            raise NeedsHuman("secrets_unreadable", "none of the keys opens a credential") from error
