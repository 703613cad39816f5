"""Finding: all stores at once, no store's silence fails it, and no weak proof moves money."""

from __future__ import annotations

from dataclasses import replace

import pytest

from plugin.domain.errors import RetryLater
from plugin.ports import FindsOrders
from plugin.ports.records import InstallationStatus
from plugin.services.find_orders import (
    Evidence,
    FindOrders,
    FoundOrders,
    Search,
    evidence_for,
    is_strong,
)
from tests.factories import (
    BANK,
    EMAIL,
    NOW,
    ORDER,
    STORE,
    a_payment,
    an_installation,
    an_order,
    an_order_ref,
)
from tests.fakes.platforms import one_after_the_other
from tests.services.scene import BY_MAIL, Scene, sale


def search(scene: Scene, wanted: Search = BY_MAIL) -> FoundOrders:
    finder = FindOrders(scene.storage, scene.platforms, one_after_the_other)
    return finder(scene.tenant.id, wanted, scene.clock.now())


def recall(scene: Scene, wanted: Search = BY_MAIL) -> FoundOrders:
    finder = FindOrders(scene.storage, scene.platforms, one_after_the_other)
    return finder.recall(scene.tenant.id, wanted, scene.clock.now())


def refs(found: FoundOrders) -> list[str]:
    return [f.order.ref.ref for f in found.orders]


def test_all_stores_are_asked_and_the_newest_order_comes_first(scene: Scene) -> None:
    scene.sell(order=sale(ref="old", days=40))
    scene.sell(order=sale(ref="new", days=2))
    found = search(scene)
    assert refs(found) == ["new", "old"]
    assert [(s.installation, s.answered, s.count) for s in found.stores] == [
        (BANK, True, 0),
        (STORE, True, 2),
    ]
    assert scene.shop.called("find_orders") == scene.bank.called("find_orders") == [EMAIL]
    assert found.read_at == scene.clock.now()


def test_one_order_is_looked_up_by_its_name(scene: Scene) -> None:
    scene.sell()
    found = search(scene)
    assert found.get(ORDER) == found.orders[0]
    assert found.get(an_order_ref("nobody")) is None


def test_a_silent_store_is_named_and_its_last_word_is_shown_with_its_age(scene: Scene) -> None:
    scene.sell()
    search(scene)
    scene.clock.advance(hours=3)
    scene.shop.raises["find_orders"] = [RetryLater("down")]
    found = search(scene)
    (order,) = found.orders
    assert order.silent
    (shop,) = [s for s in found.stores if s.installation == STORE]
    assert (shop.answered, shop.last_read) == (False, NOW)
    assert order.order.read_at == NOW


def test_a_store_that_never_answered_has_no_last_word(scene: Scene) -> None:
    scene.shop.raises["find_orders"] = [RetryLater("down")]
    (shop,) = [s for s in search(scene).stores if s.installation == STORE]
    assert (shop.answered, shop.last_read) == (False, None)


def test_a_bug_of_ours_is_not_taken_for_silence(scene: Scene) -> None:
    scene.shop.raises["find_orders"] = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        search(scene)


def test_what_a_store_told_by_events_counts_as_current(scene: Scene) -> None:
    scene.platforms.lack(STORE, FindsOrders)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.orders.save(sale())
        uow.commit()
    scene.clock.advance(days=2)
    (order,) = search(scene).orders
    assert not order.silent
    assert order.order.read_at == scene.clock.now()


def test_orders_of_a_removed_store_are_found_no_more(scene: Scene) -> None:
    scene.sell()
    search(scene)
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(an_installation(STORE, status=InstallationStatus.REMOVED))
        uow.commit()
    assert refs(search(scene)) == []


def test_an_order_of_somebody_else_is_not_shown(scene: Scene) -> None:
    scene.sell(order=sale(email="other@mail.example", customer="other@mail.example"))
    assert refs(search(scene)) == []


def test_looking_again_asks_no_store(scene: Scene) -> None:
    scene.sell()
    search(scene)
    scene.shop.calls.clear()
    found = recall(scene)
    assert refs(found) == ["10412"]
    assert not found.orders[0].silent
    assert scene.shop.calls == []


def test_looking_again_finds_by_number(scene: Scene) -> None:
    scene.sell()
    search(scene)
    assert refs(recall(scene, Search(number=" 10412 "))) == ["10412"]


@pytest.mark.parametrize(("kept", "typed"), [("10412", "#10412"), ("#10412", " 10412 ")])
def test_a_number_is_one_with_and_without_its_sign(scene: Scene, kept: str, typed: str) -> None:
    scene.sell(order=sale(number=kept))
    search(scene)
    [found] = recall(scene, Search(number=typed)).orders
    assert found.evidence == {Evidence.ORDER_NUMBER}


# --- evidence -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "evidence"),
    [
        (Search(), set()),
        (Search(emails=("  Mirela.Kovac@mail.example ",)), {Evidence.REQUESTER_EMAIL}),
        (Search(emails=("mirelakovac@mail.example",)), set()),
        (Search(typed_email=EMAIL), {Evidence.TYPED_EMAIL}),
        (Search(number=" MG-7 "), {Evidence.ORDER_NUMBER}),
        (Search(named_email=EMAIL), {Evidence.NAMED_EMAIL}),
        (Search(named_email="mirelakovac@mail.example"), set()),
        (Search(typed_email=EMAIL, named_email=EMAIL), {Evidence.TYPED_EMAIL}),
        (Search(text="Order (mg-7), please!"), {Evidence.NAMED_NUMBER}),
        (Search(text='Order "#MG-7".'), {Evidence.NAMED_NUMBER}),
        (Search(number="MG-7", text="Order MG-7"), {Evidence.ORDER_NUMBER}),
        (Search(text="Order mg-71"), set()),
        (Search(card_digits=" 4242 "), {Evidence.CARD_DIGITS}),
        (Search(card_digits="42"), set()),
        (Search(card_digits="card"), set()),
        (Search(card_digits="٤٢٤٢"), set()),
    ],
)
def test_proof_is_exact(wanted: Search, evidence: set[Evidence]) -> None:
    order = an_order(number="MG-7")
    order = replace(order, payments=(*order.payments, replace(a_payment(), label="gift card")))
    assert evidence_for(order, wanted) == evidence


def test_an_order_without_a_number_is_not_found_by_none() -> None:
    order = replace(an_order(), number="")
    assert evidence_for(order, Search(number="  ", text="")) == frozenset()


@pytest.mark.parametrize(
    ("given", "strong"),
    [
        ({Evidence.REQUESTER_EMAIL}, True),
        ({Evidence.TYPED_EMAIL, Evidence.CARD_DIGITS}, True),
        ({Evidence.ORDER_NUMBER, Evidence.CARD_DIGITS}, True),
        ({Evidence.TYPED_EMAIL, Evidence.ORDER_NUMBER}, True),
        ({Evidence.TYPED_EMAIL}, False),
        ({Evidence.ORDER_NUMBER}, False),
        ({Evidence.CARD_DIGITS}, False),
        (set(), False),
    ],
)
@pytest.mark.parametrize(
    "named",
    [
        set(),
        {Evidence.NAMED_EMAIL},
        {Evidence.NAMED_NUMBER},
        {Evidence.NAMED_EMAIL, Evidence.NAMED_NUMBER},
    ],
)
def test_the_writers_own_address_or_two_that_an_agent_gave_are_strong_whatever_a_text_names(
    given: set[Evidence], named: set[Evidence], *, strong: bool
) -> None:
    assert is_strong(frozenset(given | named)) is strong


@pytest.mark.parametrize(
    ("text", "tried"),
    [
        (" ".join(f"{number}" for number in range(1000, 1007)) + " MG-7", True),
        (" ".join(f"{number}" for number in range(1000, 1200)) + " MG-7", False),
        (" ".join(f"{number}" for number in range(1000, 1200)) + " (#MG-7)", True),
        ("1 2 3 4 5 6 7 8 MG-7", False),
        ("1 1 1 1 1 1 1 1 MG-7", True),
        ("Of the many, many words here none is a number, not one: MG-7", True),
    ],
)
def test_few_words_of_a_text_are_tried_those_most_like_an_order_number_first(
    text: str, *, tried: bool
) -> None:
    order = an_order(number="MG-7")
    assert evidence_for(order, Search(text=text)) == ({Evidence.NAMED_NUMBER} if tried else set())


def test_a_longer_number_is_tried_before_prices_and_days() -> None:
    text = "On 1.2. I paid 30 of 60 by 4 p.m., 5 a.m., 7, 8, 9, 10 and 11 for 20418"
    assert evidence_for(an_order(number="20418"), Search(text=text)) == {Evidence.NAMED_NUMBER}


def test_an_address_that_a_text_names_is_looked_for(scene: Scene) -> None:
    scene.sell()
    named = Search(emails=("other@mail.example",), named_email=EMAIL)
    assert refs(search(scene, named)) == refs(recall(scene, named)) == ["10412"]
    assert scene.shop.called("find_orders") == [f"other@mail.example,{EMAIL}"]
