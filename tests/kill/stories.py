"""What happens in the world: customers buy, agents refund, stores tell their news, people meddle.

Agents press at the door (`agents.py`), and press again where no answer came, with the same words.
Remembers what they were answered and what was done outside, for the judge.
"""

from __future__ import annotations

import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.exc import DBAPIError

from plugin.app import Parts
from plugin.commands.copies import release_holds
from plugin.domain.ids import PlanId
from plugin.domain.orders import OrderRef
from plugin.storage.last_seen import FILE as LAST_SEEN
from tests.kill.scene import STRIPE, SYSTEME_IO, Outside, Scene

ANSWER_SECONDS = 30.0
_JSON = {"Content-Type": "application/json"}
_DECIDED = ("Decided", "AlreadyDecided")
_NOT_NOW = (None, "Held")
Job = Generator[None, None, None]
"""A story in steps; each `yield` lets others go on."""
Words = dict[str, Any]


@dataclass(slots=True)
class Done:
    """What happened, as the world remembers it."""

    decided: dict[PlanId, tuple[str, int]] = field(default_factory=dict)
    """Plan -> the customer and the amount that a person confirmed."""
    outside: dict[str, str] = field(default_factory=dict)
    """The gateway's refund that somebody made there -> its charge."""
    cancelled: list[str] = field(default_factory=list)
    """Customers whose sale the store reported as refunded."""
    lost: dict[str, str] = field(default_factory=dict)
    """The dispute that the bank decided for the customer -> the customer."""
    undone: set[PlanId] = field(default_factory=set)
    """Plans of which an agent was answered that they are taken back."""
    attested: set[PlanId] = field(default_factory=set)
    """Plans of which a person said that what goes back by hand went back."""
    meddled: set[str] = field(default_factory=set)
    """Customers whom somebody gave something back by hand: a person must see it, and no more."""
    answered_decided: Counter[str] = field(default_factory=Counter)
    """Plan -> how often somebody was answered that it was decided by this very press."""
    stories: int = 0


class Stories:
    """Each kind of story by its name, with its share of all: the address of its customer is given.

    `door` is the port at which agents press.
    """

    def __init__(
        self, scene: Scene, parts: Parts, outside: Outside, door: int, chance: random.Random
    ) -> None:
        self.done = Done()
        self._scene = scene
        self._parts = parts
        self._outside = outside
        self._door = door
        self._chance = chance
        self.kinds: dict[str, tuple[int, Callable[[str], Job]]] = {
            "part": (40, self._refund_part),
            "full": (14, self._refund_in_full),
            "prorated": (10, self._refund_by_time),
            "joined": (12, self._refund_a_joined_sale),
            "outside": (12, self._refund_outside),
            "cancelled": (6, self._cancel_a_sale),
            "tagged": (6, self._tag_and_untag),
            "disputed": (8, self._dispute),
            "ticked": (4, self._tick_and_look),
            "undone": (4, self._undo),
            "swept": (2, self._sweep),
            "meddled": (2, self._give_back_by_hand),
            # On the wall's own time a hold would last as long as all the rest.
            "restored": (1 if scene.factor > 1 else 0, self._put_back_an_older_copy),
        }

    # --- the stories ------------------------------------------------------------------------------

    def _refund_part(self, email: str) -> Job:
        """Less than half of it, so that a second one would find money to move."""
        paid = self._price()
        charge = self._outside.stripe.ask("sell", email=email, amount=paid)
        part = self._chance.randint(1, paid * 2 // 5)
        yield from self._refund(email, OrderRef(STRIPE, charge), part)

    def _refund_in_full(self, email: str) -> Job:
        charge = self._outside.stripe.ask("sell", email=email, amount=self._price())
        yield from self._refund(email, OrderRef(STRIPE, charge))

    def _refund_by_time(self, email: str) -> Job:
        charge = self._outside.stripe.ask("subscribe", email=email, amount=self._price())
        yield from self._refund(email, OrderRef(STRIPE, charge))

    def _refund_a_joined_sale(self, email: str) -> Job:
        """Sold at the store, paid at the gateway: the money goes back there, the access here.

        Where the gateway told of its payment too late, by hand: then a person says that it was.
        """
        amount = self._price()
        sold = self._outside.systeme_io.ask("sell", email=email, amount=amount)
        self._outside.stripe.ask("sell", email=email, amount=amount)
        order = OrderRef(SYSTEME_IO, str(sold["order"]))
        yield from self._until_known(order)
        words = yield from self._refund(email, order)
        yield from self._until_answered("attest", words)
        self.done.attested.add(PlanId(words["plan"]))

    def _refund_outside(self, email: str) -> Job:
        """Somebody refunds in the gateway's dashboard, in full or a part."""
        paid = self._price()
        charge = self._outside.stripe.ask("sell", email=email, amount=paid)
        if self._chance.random() < 0.5:
            self._outside.desk.ask("ask", email=email)
        yield
        amount = paid if self._chance.random() < 0.5 else self._chance.randint(1, paid)
        made = self._outside.stripe.ask("refund_outside", charge=charge, amount=amount)
        self.done.outside[made] = charge

    def _cancel_a_sale(self, email: str) -> Job:
        sold = self._outside.systeme_io.ask("sell", email=email, amount=self._price())
        if self._chance.random() < 0.5:
            yield from self._until_known(OrderRef(SYSTEME_IO, str(sold["order"])))
        self._outside.systeme_io.ask("cancel", item=sold["item"])
        self.done.cancelled.append(email)

    def _tag_and_untag(self, email: str) -> Job:
        """A tag that opens a course comes, and goes again; the course must go with it."""
        contact = self._outside.systeme_io.ask("tag", email=email)
        yield from self._wait(5)
        if self._chance.random() < 0.7:
            self._outside.systeme_io.ask("untag", contact=contact)

    def _dispute(self, email: str) -> Job:
        """A sale that is disputed; the bank decides it one way or the other, or not yet."""
        amount = self._price()
        sold = self._outside.systeme_io.ask("sell", email=email, amount=amount)
        charge = self._outside.stripe.ask("sell", email=email, amount=amount)
        if self._chance.random() < 0.5:
            yield from self._until_known(OrderRef(SYSTEME_IO, str(sold["order"])))
        dispute = str(self._outside.stripe.ask("dispute", charge=charge))
        yield
        status = self._chance.choice(("won", "lost", "needs_response"))
        if status != "needs_response":
            self._outside.stripe.ask("close_dispute", dispute=dispute, status=status)
        if status == "lost":
            self.done.lost[dispute] = email

    def _tick_and_look(self, email: str) -> Job:
        """An agent ticks the guided steps, refunds, and has it looked up at once."""
        charge = self._outside.stripe.ask("sell", email=email, amount=self._price())
        order = OrderRef(STRIPE, charge)
        words = {"ticket": self._outside.desk.ask("ask", email=email), "order": [STRIPE, charge]}
        yield from self._until_answered("tick", words)
        decided = yield from self._refund(email, order)
        yield from self._until_answered("look", decided)

    def _undo(self, email: str) -> Job:
        """Decided, and taken back within the ten seconds, or too late."""
        charge = self._outside.stripe.ask("sell", email=email, amount=self._price())
        words = yield from self._refund(email, OrderRef(STRIPE, charge), undoable=True)
        if (yield from self._until_answered("undo", words)):
            self.done.undone.add(PlanId(words["plan"]))

    def _sweep(self, email: str) -> Job:
        """Somebody has missed events looked for, and does not wait for the time of that."""
        del email
        for installation in (STRIPE, SYSTEME_IO):
            yield from self._until_answered("sweep", {"installation": installation})

    def _give_back_by_hand(self, email: str) -> Job:
        """After a cancelled sale the course is given back at the store: that must be seen here."""
        self.done.meddled.add(email)
        sold = self._outside.systeme_io.ask("sell", email=email, amount=self._price())
        yield from self._until_known(OrderRef(SYSTEME_IO, str(sold["order"])))
        self._outside.systeme_io.ask("cancel", item=sold["item"])
        self.done.cancelled.append(email)
        yield from self._wait(60)
        self._outside.systeme_io.ask("give_back", item=sold["item"])
        yield from self._until_answered("sweep", {"installation": SYSTEME_IO})

    def _put_back_an_older_copy(self, email: str) -> Job:
        """The next worker must believe so: what was seen last is more than the database knows.

        Done when the story begins, since a worker looks when its life does.
        """
        del email
        self._end_hold()
        now = self._parts.clock.now()
        file = self._parts.settings.data_dir / LAST_SEEN
        part = file.with_suffix(".planted")
        part.write_text(json.dumps({self._scene.tenant: (2**30, "f" * 64, now.isoformat())}))
        part.replace(file)
        return self._wait_and_end_hold()

    def _wait_and_end_hold(self) -> Job:
        yield from self._wait(120)
        self._end_hold()

    def _end_hold(self) -> None:
        """As the operator does: a store that tells no news is never known to be read."""
        with suppress(DBAPIError):
            release_holds(self._parts, lambda _: None)

    def _wait(self, seconds: float) -> Job:
        later = self._parts.clock.now() + timedelta(seconds=seconds)
        while self._parts.clock.now() < later:
            yield

    def _price(self) -> int:
        return self._chance.randint(500, 50_000)

    # --- as an agent does it ----------------------------------------------------------------------

    def _until_known(self, order: OrderRef) -> Job:
        while True:
            with suppress(DBAPIError), self._parts.house.storage.read(self._scene.tenant_id) as uow:
                if uow.orders.get(order) is not None:
                    return
            yield

    def _press(self, do: str, words: Mapping[str, object]) -> Any:  # noqa: ANN401 - any JSON
        """What the door answers; None where it does not, and one has to press again."""
        door = http.client.HTTPConnection("127.0.0.1", self._door, timeout=ANSWER_SECONDS)
        try:
            door.request("POST", f"/agents/{do}", json.dumps(words), _JSON)
            answer = door.getresponse()
            return json.loads(answer.read()) if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            door.close()

    def _until_answered(self, do: str, words: Mapping[str, object]) -> Generator[None, None, Any]:
        while (answer := self._press(do, words)) is None:
            yield
        return answer

    def _refund(
        self, email: str, order: OrderRef, part: int | None = None, *, undoable: bool = False
    ) -> Generator[None, None, Words]:
        """Press until it is decided; the words of that plan."""
        words: Words = {
            "email": email,
            "order": [order.installation, order.ref],
            "ticket": self._outside.desk.ask("ask", email=email),
            "replies": self._chance.random() < 0.5,
            "undoable": undoable,
            "part": part,
        }
        while True:
            words |= yield from self._until_answered("plan", words)
            yield
            if (yield from self._decided(words)):
                return words

    def _decided(self, words: Words) -> Generator[None, None, bool]:
        """Whether the plan is decided now. Who had no answer, and now and then who had, asks again.

        Not where there is something new to be seen: then a new plan is needed.
        """
        clicks = 2 if self._chance.random() < 0.1 else 1
        while clicks:
            said = self._press("decide", words)
            if said in _NOT_NOW:
                yield
                continue
            if said not in _DECIDED:
                return False
            clicks -= 1
            times = self.done.answered_decided
            times[words["plan"]] += said == "Decided"
            self.done.decided[PlanId(words["plan"])] = (words["email"], words["amount"])
        return True
