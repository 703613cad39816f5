"""A process that dies at a chosen point: before or after any commit and any call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from plugin.domain.ids import TenantId
from plugin.ports.storage import Storage, UnitOfWork


class Crash(BaseException):
    """The process is gone: nothing catches this, as nothing catches kill -9."""


@dataclass
class Crashes:
    """Counts the points that are passed, and dies at one of them."""

    at: int
    passed: int = 0

    def point(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            raise Crash


class _Passing:
    """Passes everything on."""

    def __init__(self, inner: object, crashes: Crashes) -> None:
        self._inner = inner
        self._crashes = crashes

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any port
        return getattr(self._inner, name)


class _CrashingUnit(_Passing):
    def commit(self) -> None:
        self._crashes.point()
        self._inner.commit()  # type: ignore[attr-defined]  # it is a UnitOfWork
        self._crashes.point()


class CrashingStorage(_Passing):
    """Dies around commits."""

    @contextmanager
    def begin(self, tenant: TenantId) -> Iterator[UnitOfWork]:
        self._crashes.point()
        storage: Storage = self._inner  # type: ignore[assignment]  # what it was made with
        with storage.begin(tenant) as uow:
            yield _CrashingUnit(uow, self._crashes)


class CrashingPort(_Passing):
    """Dies before or after any call of a port."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - stands for any port
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - stands for any port
            self._crashes.point()
            answer = found(*given, **named)
            self._crashes.point()
            return answer

        return call
