"""How much slower everything gets when a shop has grown a hundredfold.

Two houses on SQLite, one with ten thousand orders and thirty thousand facts, one with a million and
three million; deliveries, rule runs and effects grow with them. The same is asked of both in turns,
of customers drawn by chance who were asked for once before, so that both are as warm. The many rows
are copies of what the product itself wrote, under other names.
"""

from __future__ import annotations

import http.client
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final
from urllib.parse import urlencode

from bench.house import PRICE, DidNotWork, House, a_sale, build_house, keep, outside
from bench.outside import email_of
from bench.panel import Frame, connect_desk
from bench.results import Figure, table
from plugin.chance import SystemClock, SystemMint
from plugin.domain.effects import EffectState
from plugin.domain.events import SaleMade
from plugin.domain.facts import Given, Refunded, TagAdded
from plugin.domain.ids import DeliveryId, RunId, customer_key
from plugin.domain.orders import Resource, ResourceKind
from plugin.ports.records import DeliveryState, RunState, StoredDelivery
from plugin.services.apply_event import apply_event
from plugin.services.applying import Source
from plugin.services.run_rules import run_rules, tell_nobody
from plugin.services.sign_in_admin import SignInAdmin
from plugin.storage.database import choose_sqlite

SMALL: Final = 10_000
LARGE: Final = 1_000_000
ASKED: Final = 40
"""How many customers are asked for; how often each figure is measured."""
_PATTERN: Final = 74_242_427
"""The customer whose rows are copied: no other text in them looks like this number."""
_AT_ONCE: Final = 10_000


# --- growing --------------------------------------------------------------------------------------


def grow(house: House, orders: int, seed: int) -> None:
    """Fill the house up to `orders` customers with an order, three facts and a delivery each.

    Every tenth of them has a rule run behind her.
    """
    now = SystemClock().now()
    _write_pattern(house, now)
    _multiply(house, ("mg_orders", "mg_facts", "mg_deliveries"), range(1, orders + 1), seed)
    _write_runs(house, now)
    _multiply(house, ("mg_runs", "mg_effects"), range(1, orders + 1, 10), seed)


def _write_pattern(house: House, now: datetime) -> None:
    """One customer, as the product writes her: her rows are the pattern of all others."""
    store = house.stores[0]
    bought_at = now - timedelta(days=2)
    customer = customer_key(email_of(_PATTERN))
    tag = Resource(store, ResourceKind.TAG, "8", "newsletter")
    gift = Resource(store, ResourceKind.COURSE, "9", "A Free Lesson")
    body = f'{{"customer": {{"email": "{email_of(_PATTERN)}"}}, "fill": "{"x" * 400}"}}'
    delivery = StoredDelivery(
        DeliveryId(f"delivery-{_PATTERN}"),
        house.tenant,
        store,
        f"message-{_PATTERN}",
        "SALE_NEW",
        bought_at,
        {"content-type": "application/json", "x-webhook-event": "SALE_NEW"},
        body.encode(),
        DeliveryState.APPLIED,
        attempts=1,
    )
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.deliveries.add(delivery)
        keep(uow, a_sale(store, _PATTERN, bought_at), bought_at)
        uow.facts.append(TagAdded(customer, tag, bought_at), "bench", bought_at)
        uow.facts.append(Given(customer, gift, "a gift", bought_at), "bench", bought_at)
        uow.commit()


def _write_runs(house: House, now: datetime) -> None:
    """What followed, months ago, from the refund of the pattern's sale."""
    order = a_sale(house.stores[0], _PATTERN, now - timedelta(days=2))
    refunded = Refunded(order.customer, order.ref, "refund-1", now, PRICE, whole=True)
    with house.parts.house.storage.begin(house.tenant) as uow:
        uow.facts.append(refunded, "bench", now)
        name = RunId(f"run-{_PATTERN}")
        run_rules(uow, order.customer, name, f"delivery delivery-{_PATTERN}", now, tell_nobody)
        run = uow.effects.run(name)
        for effect in uow.effects.of_run(name):
            done = replace(effect, state=EffectState.DONE, attempts=1, changed_at=now)
            uow.effects.set_state(effect.planned.key, effect.state, done)
        if run is not None:
            uow.effects.wake_run(run, wake_at=None, state=RunState.DONE)
        uow.commit()


def _multiply(house: House, names: Sequence[str], customers: range, seed: int) -> None:
    house.parts.house.engine.dispose()
    file = house.parts.settings.data_dir / "makegood.sqlite"
    chance = random.Random(seed)
    with closing(choose_sqlite().connect(file, isolation_level=None)) as db:
        # What is made here is made again when it is lost: no journal, no sync, and a large cache.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1500000"):
            db.execute(f"PRAGMA {pragma}")
        for name in names:
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
            places = ", ".join("?" for _ in columns)
            pattern = db.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - our own names
            insert = f"INSERT INTO {name} VALUES ({places})"  # noqa: S608 - our own names
            made = _copies(pattern, columns, customers, chance)
            while batch := list(islice(made, _AT_ONCE)):
                db.execute("BEGIN")
                db.executemany(insert, batch)
                db.execute("COMMIT")
        db.execute("PRAGMA journal_mode=WAL")


def _copies(
    pattern: Sequence[Sequence[Any]],
    columns: Sequence[str],
    customers: range,
    chance: random.Random,
) -> Iterator[list[Any]]:
    """Each row of the pattern for each customer, under her name, with keys of chance."""
    makers = [
        [_maker(column, value, chance) for column, value in zip(columns, row, strict=True)]
        for row in pattern
    ]
    for customer in customers:
        name = str(customer)
        for row in makers:
            yield [make(name) for make in row]


def _maker(column: str, value: Any, chance: random.Random) -> Callable[[str], Any]:  # noqa: ANN401 - what a column holds
    """From a customer's number to what stands in this column of hers."""
    named = str(_PATTERN)
    if column in ("id", "key") and len(value) == 32:
        return lambda _: f"{chance.getrandbits(128):032x}"
    if isinstance(value, str) and named in value:
        parts = value.split(named)
        return lambda name: name.join(parts)
    if isinstance(value, bytes) and named.encode() in value:
        pieces = value.split(named.encode())
        return lambda name: name.encode().join(pieces)
    return lambda _: value


# --- asking ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Asked:
    """One house, open, with the customers that are asked for."""

    house: House
    frames: dict[int, Frame]
    health: HealthPage

    def panel(self, customer: int) -> float:
        return self.frames[customer].open()

    def plan(self, customer: int) -> float:
        return self.frames[customer].plan()

    def apply(self, customer: int) -> float:
        """Apply the news of one more sale, up to the commit."""
        now = SystemClock().now()
        order = a_sale(self.house.stores[0], customer, now, place=next(self.health.numbers))
        source = Source(DeliveryId(f"sale-{order.ref.ref}"), self.house.stores[0], "Bench", now)
        begun = perf_counter()
        with self.house.parts.house.storage.begin(self.house.tenant) as uow:
            apply_event(uow, SaleMade(order), source, now)
            uow.commit()
        return perf_counter() - begun

    def look_at_health(self, customer: int) -> float:
        del customer
        return self.health.look()


class HealthPage:
    """`/admin/health` as a signed-in admin sees it."""

    def __init__(self, house: House, port: int) -> None:
        self.numbers = count(1)
        self._port = port
        admin = SignInAdmin(house.parts.house.storage, SystemMint())
        link = admin.make_link(house.tenant, "", SystemClock().now())
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Sec-Fetch-Site": "same-origin",
        }
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line:
            token = link.partition("link=")[2]
            line.request("POST", "/admin/sign-in", urlencode({"link": token}), headers)
            answer = line.getresponse()
            answer.read()
        self._cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def look(self) -> float:
        """The seconds it took. Raises DidNotWork unless the page came."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as line:
            line.connect()  # it is not ours how long that takes
            begun = perf_counter()
            line.request("GET", "/admin/health", headers={"Cookie": self._cookie})
            answer = line.getresponse()
            answer.read()
            seconds = perf_counter() - begun
        if answer.status != 200:
            raise DidNotWork(f"the health page answered {answer.status}")
        return seconds


FIGURES: Final = {
    "growth_panel": Asked.panel,
    "growth_plan": Asked.plan,
    "growth_apply": Asked.apply,
    "growth_health": Asked.look_at_health,
}


def _grown(stack: ExitStack, folder: Path, orders: int, seed: int) -> House:
    store = outside(stack, folder, 0)
    house = build_house(stack, folder / str(orders), [store.port])
    begun = perf_counter()
    grow(house, orders, seed)
    size = (house.parts.settings.data_dir / "makegood.sqlite").stat().st_size / 2**20
    print(f"{orders} orders took {perf_counter() - begun:.0f} s and {size:.0f} MB", flush=True)
    return house


def _opened(stack: ExitStack, house: House, orders: int, asked: int, seed: int) -> Asked:
    """After all are grown: no server keeps a silent connection for as long as that takes."""
    customers = random.Random(seed).sample(range(1, orders + 1), asked)
    connect_desk(house, customers)
    web = stack.enter_context(house.web())
    frames = {customer: Frame(house, web.port, customer) for customer in customers}
    health = HealthPage(house, web.port)
    return Asked(house, frames, health)


def run(seed: int, *, small: bool) -> dict[str, Figure]:
    """Measure, print the table, and return the figures."""
    sizes = (100, 2_000) if small else (SMALL, LARGE)
    asked = 3 if small else ASKED
    chance = random.Random(seed)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="makegood-bench-")))
        houses = [_grown(stack, folder, orders, seed) for orders in sizes]
        few, many = (
            _opened(stack, house, orders, asked, seed)
            for house, orders in zip(houses, sizes, strict=True)
        )
        took = {figure: _in_turns(ask, few, many, chance) for figure, ask in FIGURES.items()}
    rows: list[tuple[str, ...]] = [
        (figure, f"{one * 1000:.1f}", f"{other * 1000:.1f}", f"{other / one:.2f}")
        for figure, (one, other) in took.items()
    ]
    head = ("growth", f"{sizes[0]} orders: ms", f"{sizes[1]} orders: ms", "times")
    print(table(head, rows))
    return {figure: round(other / one, 2) for figure, (one, other) in took.items()}


def _in_turns(
    ask: Callable[[Asked, int], float], few: Asked, many: Asked, chance: random.Random
) -> tuple[float, float]:
    """The median seconds of both houses, each customer asked for once before it counts."""
    took: dict[int, list[float]] = {id(few): [], id(many): []}
    for counts in (False, True):
        for pair in zip(few.frames, many.frames, strict=True):
            for house, customer in chance.sample(list(zip((few, many), pair, strict=True)), 2):
                seconds = ask(house, customer)
                if counts:
                    took[id(house)].append(seconds)
    return median(took[id(few)]), median(took[id(many)])
