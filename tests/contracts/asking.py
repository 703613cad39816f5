"""What every store behind a network must do when its answer fails: say so, and never "nothing".

For what is only read: orders and news. Each call that a question takes goes wrong in its turn, and
each time the whole question fails, in words that tell what to do next and not who was asked for.
Half an answer must not pass for one: a refund would then be decided on what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Protocol
from urllib.parse import quote

import pytest

from plugin.domain.errors import MakegoodError, Refused, RetryLater
from plugin.domain.money import Money
from plugin.ports import OrderQuery
from tests.contracts.orders import ADA, BOB, PRICE, FindingWorld, TellingWorld, by_mail, there


class Trouble(StrEnum):
    """What a call may meet."""

    KEY_EXPIRED = "key_expired"
    RATE_LIMITED = "rate_limited"
    FAILED = "failed"  # 500
    DOWN = "down"  # 503
    SILENT = "silent"  # the connection ends without an answer
    PAGE = "page"  # 200, with a web page
    CUT = "cut"  # the answer ends in its middle
    EMPTY = "empty"  # an empty object, in which nothing is as it should be
    LOST = "lost"  # 404, with a web page of somebody who stands before the store


TOLD_APART = (Trouble.KEY_EXPIRED, Trouble.RATE_LIMITED, Trouble.LOST)
UNREADABLE = [one for one in Trouble if one not in TOLD_APART]
Question = Callable[[], Iterator[str]]
"""Asks, and gives what it was told, by its names."""


class Network(Protocol):
    """What is between: it can be put in trouble."""

    @property
    def retry_after(self) -> int:
        """What a full quota tells to wait, in seconds."""

    def trouble(self, trouble: Trouble, *, after: int) -> None:
        """Let `after` calls go well, and the next one meet it."""

    def calls(self) -> int:
        """How many calls for data were taken so far."""


class NetworkFindingWorld(FindingWorld, Network, Protocol):
    """A store that finds orders, behind a network."""


class NetworkTellingWorld(TellingWorld, Network, Protocol):
    """A store that lists its news, behind a network."""


class _AsksOverTheNetwork:
    """Whatever is asked, and whichever of its calls goes wrong."""

    def failures(self, world: Network, question: Question, trouble: Trouble) -> list[MakegoodError]:
        """How it failed, once for each of its calls.

        What it told before is true, and asked again it tells all.
        """
        whole, before = list(question()), world.calls()
        assert list(question()) == whole
        taken = world.calls() - before
        assert whole
        assert taken > 0
        found = []
        for place in range(taken):
            world.trouble(trouble, after=place)
            told: list[str] = []
            with pytest.raises(MakegoodError) as caught:
                told.extend(question())  # what came before the error stays
            found.append(caught.value)
            assert set(told) <= set(whole)
            assert list(question()) == whole
        return found

    def test_an_expired_key_is_refused(self, world: Network, question: Question) -> None:
        for error in self.failures(world, question, Trouble.KEY_EXPIRED):
            assert isinstance(error, Refused)
            assert error.code == "key_refused"

    def test_a_full_quota_is_waited_for(self, world: Network, question: Question) -> None:
        for error in self.failures(world, question, Trouble.RATE_LIMITED):
            assert isinstance(error, RetryLater)
            assert error.after_seconds == world.retry_after

    @pytest.mark.parametrize("trouble", UNREADABLE)
    def test_what_cannot_be_read_is_asked_for_again_and_is_never_nothing(
        self, world: Network, question: Question, trouble: Trouble
    ) -> None:
        for error in self.failures(world, question, trouble):
            assert isinstance(error, RetryLater)

    def test_an_address_that_leads_nowhere_is_not_a_store_without_orders(
        self, world: Network, question: Question
    ) -> None:
        for error in self.failures(world, question, Trouble.LOST):
            assert isinstance(error, Refused | RetryLater)

    @pytest.mark.parametrize("trouble", list(Trouble))
    def test_no_error_tells_who_was_asked_for(
        self, world: Network, question: Question, trouble: Trouble
    ) -> None:
        for error in self.failures(world, question, trouble):
            words = " ".join(_words(error)).lower()
            assert not {email for email in (ADA, BOB) if email in words or quote(email) in words}


def _words(error: BaseException | None) -> Iterator[str]:
    """Of the error, and of those that a log would show with it."""
    while error is not None:
        yield f"{error} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class FindsOverTheNetwork(_AsksOverTheNetwork):
    """`find_orders` and `read_order`."""

    @pytest.fixture(params=["by_address", "by_number", "again"])
    def question(self, world: NetworkFindingWorld, request: pytest.FixtureRequest) -> Question:
        sold = world.sell(ADA, PRICE)
        world.sell(BOB, PRICE)
        number = there(world.store, sold).number

        def found(query: OrderQuery) -> Iterator[str]:
            yield from (order.ref.ref for order in world.store.find_orders(query))

        def again() -> Iterator[str]:
            yield there(world.store, sold).ref.ref

        questions: dict[str, Question] = {
            "by_address": lambda: found(by_mail(ADA, BOB)),
            "by_number": lambda: found(OrderQuery(number=number)),
            "again": again,
        }
        return questions[request.param]


class NewsOverTheNetwork(_AsksOverTheNetwork):
    """`read_news`, read to its end. What a page told before the trouble stands."""

    @pytest.fixture
    def question(self, world: NetworkTellingWorld) -> Question:
        for email in (ADA, BOB):
            world.pay_back(world.sell(email, PRICE), Money(1500, "EUR"))

        def told() -> Iterator[str]:
            since, until = world.now - timedelta(hours=1), world.now + timedelta(seconds=1)
            yield from (one.name for page in world.store.read_news(since, until) for one in page)

        return told
