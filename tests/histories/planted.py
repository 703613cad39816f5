"""The bugs that this harness must find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import count
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from plugin.domain import endings, ledger, refunds, rules
from plugin.domain.facts import Fact, PaidUntil
from plugin.domain.refunds import Refund, Silence
from plugin.ports.records import StoredEffect
from plugin.services import (
    apply_payment_news,
    carry_out,
    read_moment,
    run_rules,
    send_refund,
    sweep_account,
)
from plugin.services.effect_calls import Attempt, Done, TryLater
from plugin.storage.ledger_rows import FactRows


@contextmanager
def _ledger_order() -> Iterator[None]:
    """Facts older than one that is known are taken for stale."""
    append = FactRows.append

    def append_newest(self: FactRows, fact: Fact, source: str, at: datetime) -> bool:
        known = self.of_customer(fact.customer)
        if any(type(other) is type(fact) and other.at > fact.at for other in known):
            return False
        return append(self, fact, source, at)

    with patch.object(FactRows, "append", append_newest):
        yield


@contextmanager
def _dispute() -> Iterator[None]:
    """A dispute that the bank decided against us ends nothing."""
    with patch.object(endings, "_lost", lambda *_: set()):
        yield


@contextmanager
def _echo() -> Iterator[None]:
    """News of our own refund are booked beside it."""
    with (
        patch.object(apply_payment_news, "_our_refund", lambda *_: None),
        patch.object(apply_payment_news, "_may_be_echo", lambda *_: False),
    ):
        yield


@contextmanager
def _resumed() -> Iterator[None]:
    """The first news of a subscription's end counts, whatever comes after."""

    def first(bought: Any, known: Sequence[Fact]) -> Sequence[PaidUntil]:  # noqa: ANN401 - passed on
        news = [f for f in known if isinstance(f, PaidUntil) and endings._is_about(f, bought)]
        return sorted(news, key=lambda fact: fact.at)[:1]

    with patch.object(endings, "_news_of", first):
        yield


@contextmanager
def _fresh_key() -> Iterator[None]:
    """Every call has a key of its own, also one that repeats a call without an answer."""
    numbers = count()
    fresh = property(lambda self: f"mg-{self.id}-{next(numbers)}")
    with patch.object(Refund, "key", fresh):
        yield


@contextmanager
def _silence() -> Iterator[None]:
    """No answer is taken for a no."""
    after_call = refunds.after_call

    def after(refund: Refund, answer: Any, *rest: Any) -> Any:  # noqa: ANN401 - passed on
        declined = refunds.Declined("no_answer")
        return after_call(refund, declined if isinstance(answer, Silence) else answer, *rest)

    with patch.object(send_refund, "after_call", after):
        yield


@contextmanager
def _flag() -> Iterator[None]:
    """Access is a flag: whatever ends one reason ends it."""
    with patch.object(ledger.Holding, "owed", property(lambda self: not self.ended)):
        yield


@contextmanager
def _no_keeps() -> Iterator[None]:
    """What a store takes although another sale gives it stays gone."""
    with patch.object(rules, "_keeps", lambda *_: iter(())):
        yield


@contextmanager
def _no_moment() -> Iterator[None]:
    """Nobody looks again when a paid period ends."""
    with (
        patch.object(run_rules, "book_next_moment", lambda *_: None),
        patch.object(read_moment, "book_next_moment", lambda *_: None),
    ):
        yield


@contextmanager
def _call_twice() -> Iterator[None]:
    """What was done is not written down the first time, and done again."""
    after_attempt = carry_out.after_attempt

    def forgetful(effect: StoredEffect, outcome: Attempt, now: datetime) -> StoredEffect:
        is_first = isinstance(outcome, Done) and effect.attempts == 1
        return after_attempt(effect, TryLater("forgotten") if is_first else outcome, now)

    with patch.object(carry_out, "after_attempt", forgetful):
        yield


@contextmanager
def _no_sweep() -> Iterator[None]:
    """Missed news are read, and put nowhere."""
    with patch.object(sweep_account._Run, "_take_in", lambda *_: None):
        yield


PLANTED: Mapping[str, Callable[[], AbstractContextManager[None]]] = MappingProxyType(
    {
        "call_twice": _call_twice,
        "dispute": _dispute,
        "echo": _echo,
        "flag": _flag,
        "fresh_key": _fresh_key,
        "ledger_order": _ledger_order,
        "no_keeps": _no_keeps,
        "no_moment": _no_moment,
        "no_sweep": _no_sweep,
        "resumed": _resumed,
        "silence": _silence,
    }
)
