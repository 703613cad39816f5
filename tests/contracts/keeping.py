"""Whether a platform's tests keep a contract whole: nothing of it blanked, replaced or skipped.

Looks at classes only and runs none of them. What a fixture of a platform does is not seen here.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from inspect import getattr_static

import pytest

GIVEN = frozenset({"world", "source", "story"})
"""The fixtures that a platform gives. All else of a contract is the contract's own."""


def changes(contract: type, heir: type) -> set[str]:
    """What of `contract` its heir does not run as it was written: `MoneyContract.test_...`.

    Fixtures and helpers count, too: a test that asks others than its own says something else.
    """
    own = {name for name in dir(contract) if not name.startswith("__")} - GIVEN
    return {
        f"{contract.__name__}.{name}"
        for name in own
        if getattr_static(heir, name) is not getattr_static(contract, name)
    }


def unkept(contract: type, classes: Iterable[type], exempt: Collection[str] = ()) -> set[str]:
    """What is missing until one of `classes` keeps `contract` whole but for what is exempt."""
    heirs = [one for one in classes if issubclass(one, contract)]
    missing = [(changes(contract, heir) - set(exempt)) | _left_out(heir) for heir in heirs]
    return min(missing, key=len, default={contract.__name__})


def _left_out(heir: type) -> set[str]:
    """Why pytest would run none of its tests, if it would not."""
    module = sys.modules[heir.__module__]
    marks = [*_marks(heir), *_marks(module)]
    found = {f"{heir.__name__} is marked {one.name}" for one in marks if _leaves_out(one)}
    runs = getattr(heir, "__test__", True) and getattr(module, "__test__", True)
    return found if runs else found | {f"{heir.__name__} has __test__ = False"}


def _marks(of: object) -> Iterable[pytest.Mark]:
    marks = getattr(of, "pytestmark", [])
    found = marks if isinstance(marks, list) else [marks]
    # On a module stand the decorators, on a class the marks that they made.
    return [one.mark if isinstance(one, pytest.MarkDecorator) else one for one in found]


def _leaves_out(mark: pytest.Mark) -> bool:
    """Whether it counts now. A condition that is text or missing is taken for true."""
    if mark.name == "skipif":
        return any(mark.args) or not mark.args
    return mark.name in ("skip", "xfail")
