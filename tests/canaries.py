"""Strings that occur nowhere else: wherever one of them is found, something leaked."""

from __future__ import annotations

import os

from tests.platforms.zendesk.data import TOKEN


class Canaries:
    """`made` holds them all, by what they stand for."""

    def __init__(self) -> None:
        self.made: dict[str, str] = {"desk token": TOKEN}

    def word(self, what: str) -> str:
        """A new one, made of lower-case letters and digits only: it survives every encoding."""
        return self.made.setdefault(what, f"kanari{len(self.made):02}{os.urandom(5).hex()}")

    def mail(self, what: str) -> str:
        return f"{self.word(what)}@customers.example"

    def found_in(self, text: str) -> list[str]:
        return [what for what, word in self.made.items() if word in text]
