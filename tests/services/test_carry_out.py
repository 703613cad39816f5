"""Carrying out: in order, each once, none held up by another, and nothing forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from plugin.domain.effects import (
    AddTicketNote,
    CancelSubscription,
    Effect,
    EffectState,
    PlannedEffect,
    RestoreAccess,
    RevokeAccess,
    TellCustomer,
    TellOwner,
    VerifyAccess,
    run_key,
)
from plugin.domain.errors import (
    FIELD_REFUSED,
    NeedsHuman,
    OutcomeUnknown,
    Refused,
    RetryLater,
)
from plugin.domain.events import SaleMade
from plugin.domain.ids import RunId, TicketId
from plugin.ports import HoldsAccess, HoldsTags, Kind, WritesTickets
from plugin.ports.records import InstallationStatus, Run, RunState
from plugin.services.carry_out import CarryOut
from tests.factories import (
    CUSTOMER,
    DESK,
    EMAIL,
    NOW,
    STORE,
    a_course,
    a_subscription,
    a_tag,
    a_tenant,
    an_installation,
)
from tests.fakes.crashes import Crash, Crashes, CrashingPort, CrashingStorage
from tests.fakes.platforms import FakeDesk, Written, one_after_the_other
from tests.services.effect_runs import RUN, a_run, hold, outcomes, run_state, states
from tests.services.scene import Scene, sale

NOTE = AddTicketNote(DESK, TicketId("77"), "Refunded 49.00 EUR.", ("refunded",))
REPLY = TellCustomer(DESK, TicketId("77"), EMAIL, "Sent", "We have sent it.", "en")
MAIL = TellCustomer(None, None, EMAIL, "Sent", "We have sent it.", "en")
OWNER = TellOwner("Look", "A person must look.")


# --- order and ends -------------------------------------------------------------------------------


def test_a_plan_runs_in_order_cancel_access_tags_verify_tell(scene: Scene) -> None:
    order = replace(
        sale(a_course("c1"), a_tag("t1")), subscription=a_subscription(), contact="contact-9"
    )
    order = replace(order, lines=tuple(replace(line, subscription="sub-1") for line in order.lines))
    scene.decided(scene.sell(order=order))
    scene.shop.calls.clear()
    scene.wait(seconds=10)
    assert [name for name, _ in scene.shop.calls] == [
        "cancel_subscription",
        "revoke",
        "remove_tag",
        "read_access",
    ]
    assert scene.shop.called("cancel_subscription") == ["sub-1 at once"]
    assert [note.ticket for note in scene.desk.notes] == ["77"]
    assert len(scene.desk.replies) == 1
    assert scene.mailer.sent == []


def test_what_is_gone_already_is_success(scene: Scene) -> None:
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    assert states(scene) == [EffectState.ALREADY]
    assert run_state(scene) is RunState.DONE
    assert scene.audited() == ["effect.already"]


def test_a_run_that_is_over_not_due_or_unknown_is_left_alone(scene: Scene) -> None:
    a_run(scene, RevokeAccess(a_course("c1")))
    scene.work()
    scene.carry_out(RUN)
    scene.carry_out(RunId("nobody"))
    assert scene.shop.called("revoke") == ["c1"]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (Refused("no_such_contact"), EffectState.NEEDS_PERSON),
        (NeedsHuman("odd"), EffectState.NEEDS_PERSON),
        (RetryLater("busy"), EffectState.WAITING),
        (OutcomeUnknown("silent"), EffectState.WAITING),
        (ZeroDivisionError("someone@mail.example"), EffectState.WAITING),
    ],
)
def test_one_effect_that_fails_holds_up_no_other(
    scene: Scene, error: Exception, state: EffectState
) -> None:
    hold(scene, "c1", "c2")
    scene.shop.raises["revoke"] = [error]
    a_run(scene, RevokeAccess(a_course("c1")), RevokeAccess(a_course("c2")), OWNER)
    scene.work()
    assert states(scene) == [state, EffectState.DONE, EffectState.DONE]
    assert "someone" not in "".join(outcomes(scene))


def test_a_check_waits_for_every_change_at_its_store(scene: Scene) -> None:
    hold(scene, "c1", "c2")
    scene.shop.raises["revoke"] = [RetryLater("busy")]
    gone = (a_course("c1"), a_course("c2"))
    a_run(scene, *map(RevokeAccess, gone), VerifyAccess(STORE, gone, ()), NOTE)
    scene.work()
    assert states(scene)[2] is EffectState.WAITING
    assert scene.shop.called("read_access") == []
    scene.wait(seconds=7)
    assert states(scene)[:3] == [EffectState.DONE] * 3


@pytest.mark.parametrize(("gone", "kept"), [(("c1",), ()), ((), ("c9",))])
def test_a_check_that_does_not_hold_is_made_again(
    scene: Scene, gone: Sequence[str], kept: Sequence[str]
) -> None:
    hold(scene, "c1")
    for ref in kept:
        scene.apply(SaleMade(sale(a_course(ref))))
    check = VerifyAccess(STORE, tuple(map(a_course, gone)), tuple(map(a_course, kept)))
    a_run(scene, check)
    scene.work()
    assert states(scene) == [EffectState.WAITING]
    assert outcomes(scene) == [f"not_yet: {len(gone)} still held, {len(kept)} missing"]
    scene.shop.held[EMAIL] = {a_course(ref) for ref in kept}
    scene.wait(seconds=7)
    assert states(scene) == [EffectState.DONE]


def test_a_check_leaves_out_what_has_changed_again_since(scene: Scene) -> None:
    hold(scene, "c1")
    scene.apply(SaleMade(sale(a_course("c1"))))
    a_run(scene, VerifyAccess(STORE, (a_course("c1"),), (a_course("c2"),)))
    scene.work()
    assert states(scene) == [EffectState.DONE]


# --- two changes of one thing ---------------------------------------------------------------------


def bought_again(scene: Scene) -> None:
    order = sale(a_course("c1"), ref="again", days=0)
    scene.apply(SaleMade(order), "again")


def test_a_change_that_was_overtaken_is_not_made_any_more(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1")))
    scene.shop.raises["revoke"] = [RetryLater("busy")]
    scene.wait(seconds=10)
    bought_again(scene)
    scene.work()
    scene.wait(hours=1)
    assert scene.held() == {"c1"}
    assert scene.shop.called("revoke") == ["c1"]
    assert "overtaken" in [effect.outcome for effect in scene.effects(scene_plan(scene))]
    assert all(effect.state.over for effect in scene.effects(scene_plan(scene)))


def scene_plan(scene: Scene) -> str:
    with scene.storage.read(scene.tenant.id) as uow:
        return uow.refunds.newest(1)[0].plan


def test_a_change_waits_while_the_one_before_it_may_be_on_its_way(scene: Scene) -> None:
    scene.decided(scene.sell(a_course("c1")))
    scene.shop.raises["revoke"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # the process dies
    with pytest.raises(KeyboardInterrupt):
        scene.wait(seconds=10)
    bought_again(scene)
    scene.carry_out(RunId("again"))
    assert scene.shop.called("restore") == []
    scene.work()
    scene.wait(minutes=10)
    assert scene.held() == {"c1"}


def test_making_sure_of_what_stays_has_no_turn(scene: Scene) -> None:
    keep = PlannedEffect(run_key(RUN, "keep"), 0, RestoreAccess(a_course("c1")))
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.effects.add_run(Run(RUN, CUSTOMER, "x", RunState.WAITING, NOW), [keep], NOW)
        uow.commit()
    hold(scene, "c1")
    scene.work()
    assert states(scene) == [EffectState.ALREADY]


def test_making_sure_beside_a_row_of_changes_is_none_of_them(scene: Scene) -> None:
    a_run(scene, RevokeAccess(a_course("c1")))
    with scene.storage.begin(scene.tenant.id) as uow:
        keep = PlannedEffect(run_key(RUN, "keep"), 1, RestoreAccess(a_course("c1")))
        run = uow.effects.run(RUN)
        assert run is not None
        uow.effects.add_effects(run, [keep], NOW)
        uow.commit()
    scene.work()
    assert states(scene) == [EffectState.ALREADY, EffectState.DONE]


# --- where it is done -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "effect", [RevokeAccess(a_course("c1")), VerifyAccess(STORE, (a_course("c1"),), ())]
)
def test_what_no_program_can_do_is_for_a_person(scene: Scene, effect: Effect) -> None:
    scene.platforms.lack(STORE, HoldsAccess)
    a_run(scene, effect)
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["by_hand_only"])


def test_a_store_without_tags_leaves_tags_to_a_person(scene: Scene) -> None:
    scene.platforms.lack(STORE, HoldsTags)
    scene.decided(scene.sell(a_tag("t1")))
    scene.wait(seconds=10)
    kinds = dict(scene.effect_states(scene_plan(scene)))
    assert kinds["RemoveTag"] is EffectState.NEEDS_PERSON


def test_a_removed_store_is_never_called(scene: Scene) -> None:
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.save(an_installation(STORE, status=InstallationStatus.REMOVED))
        uow.commit()
    a_run(scene, CancelSubscription(STORE, "sub-1", at_once=False))
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["not_connected"])
    assert scene.shop.calls == []


def test_the_stores_own_id_of_the_customer_goes_along(scene: Scene) -> None:
    seen: list[object] = []
    order = replace(sale(a_course("c1")), contact="contact-9")
    scene.sell(order=order)
    scene.find()
    original = scene.shop.revoke

    def spy(contact: object, resource: object) -> object:
        seen.append(contact)
        return original(contact, resource)  # type: ignore[arg-type]  # passed on

    scene.shop.revoke = spy  # type: ignore[assignment,method-assign]  # the same call
    a_run(scene, RevokeAccess(a_course("c1")), NOTE)
    scene.work()
    assert [(c.email, c.ref) for c in seen] == [(EMAIL, "contact-9")]  # type: ignore[attr-defined]


# --- people ---------------------------------------------------------------------------------------


def test_a_note_names_what_is_not_through(scene: Scene) -> None:
    hold(scene, "c1")
    scene.shop.raises["revoke"] = [Refused("locked")]
    scene.shop.raises["cancel_subscription"] = [RetryLater("busy")]
    cancel = CancelSubscription(STORE, "sub-1", at_once=True)
    done = RevokeAccess(a_course("c2"))
    a_run(scene, cancel, RevokeAccess(a_course("c1", "Ink & Line")), done, NOTE)
    scene.work()
    (note,) = scene.desk.notes
    assert note.body == (
        "Refunded 49.00 EUR.\n\nNot through yet:\n"
        "- Cancellation of the subscription\n- Course Ink & Line"
    )
    assert note.tags == ("refunded",)


def test_a_note_is_written_once_though_its_answer_was_lost(scene: Scene) -> None:
    a_run(scene, NOTE)
    (effect,) = scene.effects(RUN)
    written = Written(TicketId("77"), "as before", (), effect.planned.key)
    scene.desk.notes.append(written)
    scene.work()
    assert scene.desk.notes == [written]
    assert states(scene) == [EffectState.ALREADY]


def test_a_note_without_a_ticket_goes_to_every_open_one(scene: Scene) -> None:
    second = FakeDesk(open_tickets={EMAIL: [TicketId("5")]})
    scene.platforms.adapters["desk-2"] = second
    with scene.storage.begin(scene.tenant.id) as uow:
        uow.installations.add(an_installation("desk-2", kind=Kind.HELPDESK))
        uow.commit()
    scene.desk.open_tickets[EMAIL] = [TicketId("91"), TicketId("92")]
    a_run(scene, AddTicketNote(None, None, "News."))
    scene.work()
    assert [note.ticket for note in [*scene.desk.notes, *second.notes]] == ["91", "92", "5"]
    assert outcomes(scene) == ["3 tickets"]


def test_a_word_for_the_field_goes_with_the_note(scene: Scene) -> None:
    a_run(scene, replace(NOTE, field="Refunded 49.00 EUR"))
    scene.work()
    assert [note.field for note in scene.desk.notes] == ["Refunded 49.00 EUR"]
    assert (states(scene), outcomes(scene)) == ([EffectState.DONE], ["1 tickets"])


def test_a_note_with_a_field_is_asked_for_again_though_it_stands(scene: Scene) -> None:
    a_run(scene, replace(NOTE, field="Refunded 49.00 EUR"))
    (effect,) = scene.effects(RUN)
    scene.desk.notes.append(Written(TicketId("77"), "as before", (), effect.planned.key))
    scene.work()
    assert [note.field for note in scene.desk.notes] == ["Refunded 49.00 EUR"]
    assert states(scene) == [EffectState.ALREADY]


def test_a_field_that_one_ticket_does_not_take_keeps_no_other_from_its_note(scene: Scene) -> None:
    scene.desk.open_tickets[EMAIL] = [TicketId("91"), TicketId("92")]
    scene.desk.raises["add_note"] = [Refused(FIELD_REFUSED)]
    a_run(scene, AddTicketNote(None, None, "News.", (), "Refunded elsewhere 49.00 EUR"))
    scene.work()
    assert [note.ticket for note in scene.desk.notes] == ["92"]
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], [FIELD_REFUSED])


def test_another_refusal_of_a_note_with_a_field_is_told_as_itself(scene: Scene) -> None:
    scene.desk.raises["add_note"] = [Refused("ticket_gone")]
    a_run(scene, replace(NOTE, field="Refunded 49.00 EUR"))
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["ticket_gone"])


def test_a_note_for_nobody_is_done(scene: Scene) -> None:
    a_run(scene, AddTicketNote(None, None, "News."))
    scene.work()
    assert states(scene) == [EffectState.ALREADY]


@pytest.mark.parametrize("effect", [NOTE, REPLY])
def test_a_desk_that_cannot_be_written_to_leaves_it_to_a_person(
    scene: Scene, effect: Effect
) -> None:
    scene.platforms.lack(DESK, WritesTickets)
    a_run(scene, effect)
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["desk_not_connected"])


def test_a_reply_is_written_once_though_its_answer_was_lost(scene: Scene) -> None:
    scene.desk.raises["reply"] = [OutcomeUnknown("silent")]
    a_run(scene, REPLY)
    scene.work()
    assert states(scene) == [EffectState.WAITING]
    (effect,) = scene.effects(RUN)
    scene.desk.replies.append(Written(TicketId("77"), "arrived", (), effect.planned.key))
    scene.wait(seconds=7)
    assert states(scene) == [EffectState.ALREADY]
    assert len(scene.desk.replies) == 1


def test_a_customer_without_a_ticket_gets_mail(scene: Scene) -> None:
    a_run(scene, MAIL)
    scene.work()
    (mail,) = scene.mailer.sent
    (effect,) = scene.effects(RUN)
    assert (mail.to, mail.subject, mail.message_id) == (EMAIL, "Sent", effect.planned.key)


@pytest.mark.parametrize("effect", [MAIL, OWNER, replace(MAIL, ticket=TicketId("77"))])
def test_a_mail_that_may_have_gone_out_is_unknown_and_never_sent_again(
    scene: Scene, effect: Effect
) -> None:
    scene.mailer.raises["send"] = [OutcomeUnknown("mail_server_quiet")]
    a_run(scene, effect)
    scene.work()
    scene.wait(days=1)
    assert states(scene) == [EffectState.UNKNOWN]
    assert len(scene.mailer.calls) == 1


def test_a_mail_that_was_not_sent_is_sent_later(scene: Scene) -> None:
    scene.mailer.raises["send"] = [RetryLater("mail_deferred")]
    a_run(scene, OWNER)
    scene.work()
    scene.wait(seconds=7)
    assert states(scene) == [EffectState.DONE]
    assert [mail.to for mail in scene.mailer.sent] == ["owner@shop.example"]


def test_a_mail_interrupted_in_the_middle_is_unknown(scene: Scene) -> None:
    scene.mailer.raises["send"] = [KeyboardInterrupt()]  # type: ignore[list-item]  # the process dies
    a_run(scene, OWNER)
    with pytest.raises(KeyboardInterrupt):
        scene.work()
    assert states(scene) == [EffectState.SENDING]
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.UNKNOWN], ["interrupted"])
    assert scene.mailer.sent == []


def test_without_an_owners_address_a_person_must_look(scene: Scene) -> None:
    nobody = replace(a_tenant("tenant-2"), owners=())
    scene.storage.add_tenant(nobody, NOW)
    scene.tenant = nobody
    a_run(scene, OWNER)
    scene.work()
    assert (states(scene), outcomes(scene)) == ([EffectState.NEEDS_PERSON], ["no_owner_address"])


# --- crashes --------------------------------------------------------------------------------------


def test_a_process_that_dies_at_any_point_does_everything_once(scene: Scene) -> None:
    died, at = True, 0
    while died:
        at, died = at + 1, False
        run = RunId(f"run-{at}")
        desk, shop, mailer = FakeDesk(), replace(scene.shop, calls=[]), scene.mailer
        course = a_course(f"c{at}")
        hold(scene, course.ref)
        effects: list[Effect] = [RevokeAccess(course), NOTE, REPLY, OWNER]
        planned = [
            PlannedEffect(run_key(run, str(place)), place, effect)
            for place, effect in enumerate(effects)
        ]
        with scene.storage.begin(scene.tenant.id) as uow:
            uow.effects.add_run(
                Run(run, CUSTOMER, "x", RunState.WAITING, scene.clock.now()), planned, NOW
            )
            uow.commit()
        crashes, mails = Crashes(at), len(mailer.sent)
        platforms = replace(scene.platforms)
        platforms.adapters = {STORE: CrashingPort(shop, crashes), DESK: CrashingPort(desk, crashes)}
        doomed = CarryOut(
            CrashingStorage(scene.storage, crashes),
            platforms,
            CrashingPort(mailer, crashes),
            scene.clock,
            one_after_the_other,
        )
        try:
            doomed(scene.tenant.id, run)
        except Crash:
            died = True
        platforms.adapters = {STORE: shop, DESK: desk}
        for _ in range(3):
            scene.clock.advance(minutes=1)
            carry_out = CarryOut(scene.storage, platforms, mailer, scene.clock, one_after_the_other)
            carry_out(scene.tenant.id, run)
        ends = [state for _, state in scene.effect_states(run)]
        assert all(state.over for state in ends), f"point {at}"
        assert course not in scene.shop.held[EMAIL]
        assert len(desk.notes) == len(desk.replies) == 1, f"point {at}"
        sent = len(mailer.sent) - mails
        assert sent == 1 or (sent == 0 and ends[-1] is EffectState.UNKNOWN)
    assert at > 20
