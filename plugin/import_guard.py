"""Refuse to start when another distribution owns one of our import names.

Our import names are the folder names, and one of them exists on the package index as somebody
else's: installed after us it overwrites our files, and the webhook listener would break or,
worse, answer with foreign code (docs/adr/0001-import-names.md). This module only reads the
metadata of what is installed. It imports nothing of ours, so it works when our files are damaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import packages_distributions

DISTRIBUTION = "makegood"
IMPORT_NAMES = ("plugin", "webhooks")


class ImportNameTaken(Exception):
    """Another distribution claims `plugin` or `webhooks`; the message names it and what to do."""


def foreign_owners(owners: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return our import names that others claim, with their distributions, sorted.

    `owners` maps top-level import names to distributions, as `packages_distributions()` does. A
    name nobody claims is fine: that is a checkout that was never installed.
    """
    claimed = {
        name: sorted({owner for owner in owners.get(name, ()) if owner.lower() != DISTRIBUTION})
        for name in IMPORT_NAMES
    }
    return {name: others for name, others in claimed.items() if others}


def refuse_foreign_owners() -> None:
    """Raise ImportNameTaken when an installed distribution claims one of our import names."""
    taken = foreign_owners(packages_distributions())
    if not taken:
        return
    claims = "; ".join(f"`{name}` by {', '.join(others)}" for name, others in taken.items())
    strangers = " ".join(sorted({other for others in taken.values() for other in others}))
    message = (
        f"Another package uses Makegood's import names: {claims}. Give Makegood an environment of "
        f"its own, or run: pip uninstall {strangers} && pip install --force-reinstall makegood"
    )
    raise ImportNameTaken(message)
