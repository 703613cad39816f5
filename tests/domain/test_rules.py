"""The rules: what follows from a ledger, in which order, and that it ends."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    PlannedEffect,
    RemoveTag,
    RestoreAccess,
    RestoreTag,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
    access_key,
    run_key,
)
from plugin.domain.facts import Fact, RefundFailed
from plugin.domain.ids import InstallationId, RunId
from plugin.domain.ledger import read_ledger
from plugin.domain.orders import Resource, ResourceKind
from plugin.domain.rules import Tell, Turn, Turns, rule_effects, with_tells
from tests.domain.histories import ACCESS, HISTORIES, THINGS, retellings
from tests.factories import (
    CUSTOMER,
    NOW,
    ORDER,
    STORE,
    a_bundle,
    a_course,
    a_line_ref,
    a_purchase,
    a_refund_fact,
    a_tag,
    a_tag_added,
    a_tag_removed,
    ago,
    an_order_ref,
)

RUN = RunId("run-1")
CANCEL = CancelSubscription(STORE, "sub-1", at_once=False)
COURSE, TAG, BUNDLE = a_course(), a_tag(), a_bundle()
LINE = a_line_ref()
REFUNDED = a_refund_fact(LINE)
SECOND = a_line_ref("1", an_order_ref("10413"))
TURNS = st.dictionaries(
    st.sampled_from(THINGS), st.builds(Turn, st.integers(1, 5), taken=st.booleans())
)


def effects_of(
    facts: Iterable[Fact],
    turns: Turns | None = None,
    access: AccessMap | None = None,
    cancels: tuple[CancelSubscription, ...] = (),
) -> list[Effect]:
    ledger = read_ledger(facts, access or AccessMap(), NOW)
    planned = rule_effects(CUSTOMER, RUN, ledger, turns or {}, cancels)
    return [effect.effect for effect in planned]


def after(turns: Turns, effects: Iterable[PlannedEffect]) -> Turns:
    """The turns once `effects` are written down, as the storage counts them."""
    counted = dict(turns)
    for planned in effects:
        match planned.effect:
            case RevokeAccess(thing) | RemoveTag(thing):
                taken = True
            case RestoreAccess(thing) | RestoreTag(thing):
                taken = False
            case _:
                continue
        turn = counted.get(thing, Turn(0, taken=False)).count + 1
        if planned.key == access_key(CUSTOMER, thing, turn):
            counted[thing] = Turn(turn, taken, planned.causes)
    return counted


# --- laws -----------------------------------------------------------------------------------------


@given(HISTORIES, TURNS)
def test_once_done_nothing_more_is_to_do(facts: list[Fact], turns: dict[Resource, Turn]) -> None:
    ledger = read_ledger(facts, ACCESS, NOW)

    effects = rule_effects(CUSTOMER, RUN, ledger, turns)

    assert rule_effects(CUSTOMER, RunId("run-2"), ledger, after(turns, effects)) == ()


@given(HISTORIES, TURNS)
def test_effects_stand_in_one_order_and_each_once(
    facts: list[Fact], turns: dict[Resource, Turn]
) -> None:
    ledger = read_ledger(facts, ACCESS, NOW)
    note: Tell = AddTicketNote(None, None, "Done.")
    tells = [("note", note), ("owner", TellOwner("Done", "Done."))]

    effects = with_tells(RUN, rule_effects(CUSTOMER, RUN, ledger, turns, (CANCEL,)), tells)

    ranks = [rank(planned, turns) for planned in effects]
    assert ranks == sorted(ranks)
    assert [planned.position for planned in effects] == list(range(len(effects)))
    assert len({planned.key for planned in effects}) == len(effects)
    changes = [planned.effect for planned in effects if 0 < rank(planned, turns) < 4]
    assert len(set(changes)) == len(changes)


def rank(planned: PlannedEffect, turns: Turns) -> int:
    """Cancel, access, tags, keep, verify, tell."""
    match planned.effect:
        case CancelSubscription():
            return 0
        case RestoreAccess(thing) if not turns.get(thing, Turn(0, taken=False)).taken:
            return 3
        case RevokeAccess() | RestoreAccess():
            return 1
        case RemoveTag() | RestoreTag():
            return 2
        case VerifyAccess():
            return 4
        case AddTicketNote() | TellCustomer() | TellOwner():
            return 5


@given(HISTORIES, st.data())
def test_every_way_of_hearing_the_same_ends_with_the_same_taken(
    facts: list[Fact], data: st.DataObject
) -> None:
    at_once = absent_after([facts])
    retold = data.draw(retellings(facts))
    one_by_one = [retold[: count + 1] for count in range(len(retold))]

    assert absent_after([*one_by_one, facts]) == at_once


def absent_after(moments: Iterable[list[Fact]]) -> set[Resource]:
    """What we took, or saw removed by somebody else, after the rules ran at each of `moments`."""
    turns: Turns = {}
    gone: frozenset[Resource] = frozenset()
    for facts in moments:
        ledger = read_ledger(facts, ACCESS, NOW)
        turns = after(turns, rule_effects(CUSTOMER, RUN, ledger, turns))
        gone = ledger.tags_gone
    return {thing for thing, turn in turns.items() if turn.taken} | gone


@given(HISTORIES, TURNS)
def test_only_what_is_not_owed_is_taken_and_only_what_is_owed_is_given(
    facts: list[Fact], turns: dict[Resource, Turn]
) -> None:
    ledger = read_ledger(facts, ACCESS, NOW)
    owed = set(ledger.owed())

    for planned in rule_effects(CUSTOMER, RUN, ledger, turns):
        match planned.effect:
            case RevokeAccess(thing) | RemoveTag(thing):
                assert thing not in owed
                turn = turns.get(thing, Turn(0, taken=False))
                # Taken before: only when something gave it since that we had not heard of then.
                ended = [set(causes) for _, causes in ledger.holdings[thing].ended]
                assert not turn.taken or any(causes.isdisjoint(turn.seen) for causes in ended)
            case RestoreAccess(thing) | RestoreTag(thing):
                assert thing in owed
            case VerifyAccess(_installation, gone, kept):
                assert owed.isdisjoint(gone)
                assert owed >= set(kept)
            case other:
                raise AssertionError(other)


# --- examples -------------------------------------------------------------------------------------


def test_what_a_sale_gave_anew_is_taken_although_we_hear_of_it_only_when_it_is_over() -> None:
    again = an_order_ref("10500")
    first: list[Fact] = [a_purchase(COURSE), a_refund_fact(whole=True)]
    turns = after({}, rule_effects(CUSTOMER, RUN, read_ledger(first, ACCESS, NOW), {}))
    second: list[Fact] = [
        a_purchase(COURSE, line=a_line_ref(order=again), at=ago(hours=3)),
        a_refund_fact(order=again, refund="re-2", whole=True),
    ]

    ledger = read_ledger([*first, *second], ACCESS, NOW)
    taken = rule_effects(CUSTOMER, RUN, ledger, turns)
    assert taken[0].effect == RevokeAccess(COURSE)
    assert rule_effects(CUSTOMER, RUN, ledger, after(turns, taken)) == ()


def test_what_a_tag_opened_anew_is_taken_although_we_hear_of_it_only_when_it_is_over() -> None:
    opens = AccessMap(tags={TAG: (COURSE,)})
    again = an_order_ref("10500")
    first: list[Fact] = [a_purchase(TAG), a_refund_fact(whole=True)]
    turns = after({}, rule_effects(CUSTOMER, RUN, read_ledger(first, opens, NOW), {}))
    second: list[Fact] = [
        a_purchase(TAG, line=a_line_ref(order=again), at=ago(hours=3)),
        a_refund_fact(order=again, refund="re-2", whole=True),
    ]

    ledger = read_ledger([*first, *second], opens, NOW)
    taken = rule_effects(CUSTOMER, RUN, ledger, turns)
    assert [planned.effect for planned in taken][:2] == [RevokeAccess(COURSE), RemoveTag(TAG)]
    assert rule_effects(CUSTOMER, RUN, ledger, after(turns, taken)) == ()


def test_a_tag_that_we_gave_back_is_taken_when_an_older_removal_is_heard_of() -> None:
    sold: list[Fact] = [a_purchase(TAG, at=ago(days=9))]
    turns = {TAG: Turn(2, taken=False)}
    removed = a_tag_removed(TAG, ago(days=5))

    ledger = read_ledger([*sold, removed], ACCESS, NOW)
    assert RemoveTag(TAG) in [e.effect for e in rule_effects(CUSTOMER, RUN, ledger, turns)]
    assert RemoveTag(TAG) not in [e.effect for e in rule_effects(CUSTOMER, RUN, ledger, {})]


def test_nothing_follows_from_a_purchase() -> None:
    assert effects_of([a_purchase(COURSE, TAG)]) == []


def test_a_refund_takes_access_before_tags_and_checks_at_the_end() -> None:
    facts: list[Fact] = [a_purchase(TAG, COURSE), REFUNDED]

    assert effects_of(facts, cancels=(CANCEL,)) == [
        CANCEL,
        RevokeAccess(COURSE),
        RemoveTag(TAG),
        VerifyAccess(STORE, (COURSE, TAG), ()),
    ]


def test_each_effect_says_because_of_which_reason() -> None:
    bought = a_purchase(COURSE)
    ledger = read_ledger([bought, REFUNDED], AccessMap(), NOW)

    (revoke, _verify) = rule_effects(CUSTOMER, RUN, ledger, {})

    assert [reason.line for reason in revoke.because] == [LINE]


def test_a_cancellation_alone_is_done_though_no_access_changes() -> None:
    assert effects_of([a_purchase(COURSE)], cancels=(CANCEL,)) == [CANCEL]


def test_tags_and_bundles_that_stay_are_not_made_sure_of() -> None:
    both = (TAG, BUNDLE)
    facts: list[Fact] = [a_purchase(COURSE, *both), a_purchase(*both, line=SECOND), REFUNDED]

    assert effects_of(facts) == [RevokeAccess(COURSE), VerifyAccess(STORE, (COURSE,), ())]


def test_each_store_is_checked_for_itself() -> None:
    other = a_course("c9", store=InstallationId("store-2"))

    effects = effects_of([a_purchase(COURSE, TAG, other), REFUNDED])

    assert effects[:3] == [RevokeAccess(COURSE), RevokeAccess(other), RemoveTag(TAG)]
    assert effects[3:] == [
        VerifyAccess(STORE, (COURSE, TAG), ()),
        VerifyAccess(InstallationId("store-2"), (other,), ()),
    ]


def test_what_was_taken_is_given_back_when_it_is_owed_again() -> None:
    facts: list[Fact] = [a_purchase(COURSE, TAG), REFUNDED]
    taken = after({}, rule_effects(CUSTOMER, RUN, read_ledger(facts, AccessMap(), NOW), {}))
    failed = RefundFailed(CUSTOMER, ORDER, "re-1", NOW)

    first = Turn(1, taken=True, seen=(REFUNDED.id,))
    assert taken == {COURSE: first, TAG: first}
    assert effects_of([*facts, failed], taken) == [
        RestoreAccess(COURSE),
        RestoreTag(TAG),
        VerifyAccess(STORE, (), (COURSE, TAG)),
    ]


def test_taken_again_after_it_was_given_back_is_another_turn() -> None:
    ledger = read_ledger([a_purchase(COURSE), REFUNDED], AccessMap(), NOW)

    (revoke, _verify) = rule_effects(CUSTOMER, RUN, ledger, {COURSE: Turn(2, taken=False)})

    assert revoke.key == access_key(CUSTOMER, COURSE, 3)


def test_a_tag_that_is_gone_already_is_not_removed() -> None:
    removed = a_tag_removed(TAG, ago(days=2))

    assert effects_of((a_purchase(TAG), removed, REFUNDED)) == []


def test_what_a_removed_tag_opened_is_closed() -> None:
    facts: list[Fact] = [a_tag_added(TAG, ago(days=3)), a_tag_removed(TAG, ago(days=2))]

    assert effects_of(facts, access=AccessMap(tags={TAG: (COURSE,)}))[0] == RevokeAccess(COURSE)


def test_what_another_purchase_gives_is_made_sure_of_when_something_is_taken() -> None:
    facts: list[Fact] = [
        a_purchase(COURSE, a_course("c2"), TAG),
        a_purchase(COURSE, TAG, line=SECOND),
        REFUNDED,
    ]

    assert effects_of(facts) == [
        RevokeAccess(a_course("c2")),
        RestoreAccess(COURSE),
        VerifyAccess(STORE, (a_course("c2"),), (COURSE,)),
    ]


def test_what_another_purchase_gives_is_made_sure_of_once_where_nothing_is_taken() -> None:
    third = a_line_ref("1", an_order_ref("10414"))
    second = a_refund_fact(third, order=third.order, refund="re-2")
    facts: list[Fact] = [
        a_purchase(COURSE),
        a_purchase(COURSE, line=SECOND),
        a_purchase(COURSE, line=third),
        REFUNDED,
    ]
    keep = [RestoreAccess(COURSE), VerifyAccess(STORE, (), (COURSE,))]

    assert effects_of(facts) == keep
    assert effects_of(facts, {COURSE: Turn(1, taken=False, seen=(REFUNDED.id,))}) == []
    ended_again = [*facts, second]
    assert effects_of(ended_again, {COURSE: Turn(1, taken=False, seen=(REFUNDED.id,))}) == keep


def test_what_is_given_back_anyway_is_not_made_sure_of_as_well() -> None:
    facts: list[Fact] = [
        a_purchase(COURSE, a_course("c2")),
        a_purchase(COURSE, line=SECOND),
        REFUNDED,
    ]

    effects = effects_of(facts, {COURSE: Turn(1, taken=True)})

    assert effects.count(RestoreAccess(COURSE)) == 1


def test_a_bundle_with_known_courses_is_closed_course_by_course() -> None:
    access = AccessMap(bundles={BUNDLE: (COURSE,)})

    assert effects_of([a_purchase(BUNDLE), REFUNDED], access=access) == [
        RevokeAccess(COURSE),
        VerifyAccess(STORE, (COURSE,), ()),
    ]


def test_a_bundle_whose_courses_nobody_told_is_closed_as_a_whole() -> None:
    assert effects_of([a_purchase(BUNDLE), REFUNDED])[0] == RevokeAccess(BUNDLE)


def test_a_bundle_that_a_tag_opened_is_closed_with_the_tag() -> None:
    access = AccessMap(bundles={BUNDLE: (COURSE,)}, tags={TAG: (BUNDLE,)})

    effects = effects_of([a_purchase(TAG), REFUNDED], access=access)

    assert effects[:2] == [RevokeAccess(COURSE), RemoveTag(TAG)]


def test_people_are_told_last_and_once_by_name() -> None:
    note = AddTicketNote(None, None, "Done.")
    ledger = read_ledger([a_purchase(COURSE), REFUNDED], AccessMap(), NOW)

    told = with_tells(RUN, rule_effects(CUSTOMER, RUN, ledger, {}), [("note", note)])

    assert told[-1] == PlannedEffect(run_key(RUN, "note"), 2, note)
    assert [thing.kind for thing in ledger.holdings] == [ResourceKind.COURSE]
