"""An open order as the panel shows it: what can be chosen, what it will do, and the button.

Pure: takes a preview and formats it. The button has a ticket only when there is a plan to decide.
"""

from __future__ import annotations

from plugin.domain.access_map import AccessMap
from plugin.domain.effects import TellCustomer
from plugin.domain.orders import Order, ResourceKind
from plugin.domain.plan import AmountKind as PlannedAmount
from plugin.domain.plan import Blocked, BlockedBy, Choice, Plan, PlanItem, UnknownItem
from plugin.domain.requests import GUIDED_STEPS, RefundRequest, next_step
from plugin.domain.verdict import Because, OrderVerdict, VerdictKind
from plugin.services.plan_refund import Preview
from plugin.services.wording import amount_words, because_words, kind_word, locale_of
from plugin.web.views.build_choice import (
    MAY_CHOOSE,
    WITHOUT_CLAUSE,
    Typed,
    build_amounts,
    build_lines,
    build_reasons,
)
from plugin.web.views.build_orders import Telling, build_head, first_name, order_key
from plugin.web.views.panel_blocks import (
    Decide,
    Lot,
    LotItem,
    LotKind,
    MessageText,
    NineSteps,
    PlanBlock,
    PlanTicket,
    PoliteNo,
    Step,
    SubscriptionQuestion,
    SumRow,
    Tally,
)
from plugin.web.views.panel_parts import Direction, Icon, Notice, Tone
from plugin.web.views.panel_view import OpenOrder


def build_open_order(
    tell: Telling,
    order: Order,
    request: RefundRequest,
    choice: Choice,
    preview: Preview,
    access: AccessMap,
    typed: Typed,
) -> OpenOrder:
    """The whole lower half of the panel while nothing is decided. `access` tells what opens."""
    verdict = preview.verdict
    outcome = preview.outcome
    plan = outcome if isinstance(outcome, Plan) else None
    may_choose = verdict.kind in MAY_CHOOSE and not _is_final(outcome)
    return OpenOrder(
        head=build_head(tell, order, None if may_choose else verdict),
        steps=build_steps(tell, request),
        decide=_decide(tell, order, preview, choice, typed),
        currency=order.currency,
        lines=build_lines(tell, order, verdict, choice, access) if may_choose else (),
        amounts=build_amounts(tell, order, verdict, choice, typed) if may_choose else (),
        reasons=build_reasons(tell, request) if may_choose else (),
        plan=build_plan_block(tell, order, plan) if plan is not None else None,
        polite_no=_polite_no(tell, order, verdict),
        notice=_notice(tell, outcome),
    )


_NOTED = (BlockedBy.WHOLE_ONLY, BlockedBy.IN_PROGRESS, BlockedBy.OTHER_PAYMENT)
"""What the foot of the button cannot say in so few words."""


def _is_final(outcome: Plan | Blocked) -> bool:
    """Whether no other choice would help."""
    return isinstance(outcome, Blocked) and outcome.by in (
        BlockedBy.NOTHING_LEFT,
        BlockedBy.NO_ROUTE,
        BlockedBy.IN_PROGRESS,
        BlockedBy.OTHER_PAYMENT,
        BlockedBy.DISPUTE_OPEN,
    )


def build_steps(tell: Telling, request: RefundRequest) -> NineSteps:
    """The guided steps as kept with the request."""
    now = next_step(request)
    return NineSteps(
        frozenset(Step(step.value) for step in GUIDED_STEPS if request.is_done(step)),
        None if now is None else Step(now.value),
        "" if now is None else tell.say(f"hint.{now.value}"),
    )


def build_plan_block(tell: Telling, order: Order, plan: Plan) -> PlanBlock:
    """The preview: money, three lists, the question about future charges, the texts."""
    name = first_name(order.name or order.email)
    fees = [part.fee_kept for part in plan.parts if part.fee_kept is not None]
    asides: tuple[SumRow, ...] = ()
    if fees:
        fee = sum(fees[1:], start=fees[0])
        gateway = tell.titles.get(plan.parts[0].payment.installation, "")
        asides = (SumRow(tell.say("plan.fee", gateway=gateway), amount_words(fee, tell.locale)),)
    return PlanBlock(
        currency=plan.amount.currency,
        money=tuple(
            SumRow(tell.say("plan.to", payment=part.label), amount_words(part.amount, tell.locale))
            for part in plan.parts
        ),
        total=SumRow(tell.say("plan.gets", name=name), amount_words(plan.amount, tell.locale)),
        asides=asides,
        holds=tell.say("plan.holds", minutes=5),
        lots=build_lots(tell, plan),
        subscription=_subscription(tell, order, plan),
        messages=_messages(tell, plan, name),
    )


def build_lots(tell: Telling, plan: Plan) -> tuple[Lot, ...]:
    """Goes, stays, unknown: always in this order, empty ones left out."""
    goes = tuple(_goes(tell, item) for item in plan.goes)
    stays = tuple(
        LotItem(
            kind_word(item.resource.kind),
            item.resource.name or item.resource.ref,
            because_words(item.because, tell.time_zone, tell.locale, plan.order),
            item.resource.kind is ResourceKind.TAG,
        )
        for item in plan.stays
    )
    unknown = tuple(build_unknown(tell, item) for item in plan.unknown)
    lots = (
        Lot(LotKind.GOES, goes, str(len(goes))),
        Lot(LotKind.STAYS, stays, str(len(stays))),
        Lot(LotKind.UNKNOWN, unknown, str(len(unknown))),
    )
    return tuple(lot for lot in lots if lot.items)


def _goes(tell: Telling, item: PlanItem) -> LotItem:
    resource = item.resource
    is_tag = resource.kind is ResourceKind.TAG
    carriers = [reason.through for reason in item.because]
    through = None if None in carriers else next(iter(carriers), None)
    if item.already:
        because = tell.say("goes.already")
    elif is_tag:
        because = tell.say("goes.tag")
    elif through is not None and through.kind is ResourceKind.TAG:
        because = tell.say("goes.through_tag", tag=through.name or through.ref)
    elif through is not None:
        because = tell.say("goes.through_bundle", bundle=through.name or through.ref)
    else:
        because = tell.say("goes.line")
    return LotItem(kind_word(resource.kind), resource.name or resource.ref, because, is_tag)


def build_unknown(tell: Telling, item: UnknownItem) -> LotItem:
    """What nobody can tell, and why."""
    store = tell.titles.get(item.installation, "") if item.installation else ""
    because = tell.say(f"unknown.{item.why}", store=store)
    resource = item.resource
    if resource is None:
        return LotItem("", item.title, because)
    is_tag = resource.kind is ResourceKind.TAG
    return LotItem(kind_word(resource.kind), resource.name or resource.ref, because, is_tag)


def _subscription(tell: Telling, order: Order, plan: Plan) -> SubscriptionQuestion | None:
    subscription = order.subscription
    if subscription is None or not (plan.cancels or not plan.choice.stop_subscription):
        return None
    hint = ""
    if subscription.renews is not None and subscription.renews_at is not None:
        hint = tell.say(
            "subscription.stop.hint",
            amount=tell.both(subscription.renews),
            date=tell.day(subscription.renews_at),
        )
    return SubscriptionQuestion(plan.choice.stop_subscription, hint)


def _messages(tell: Telling, plan: Plan, name: str) -> tuple[MessageText, ...]:
    texts = []
    for planned in plan.effects:
        effect = planned.effect
        if not isinstance(effect, TellCustomer):
            continue
        language = locale_of(effect.locale)
        summary = tell.say(
            "message.summary",
            name=name,
            language=language.get_display_name(locale_of(tell.locale)) or effect.locale,
            channel=tell.say("channel.ticket" if effect.ticket else "channel.mail"),
        )
        rtl = language.text_direction == "rtl"
        direction = Direction.RIGHT_TO_LEFT if rtl else Direction.LEFT_TO_RIGHT
        paragraphs = tuple(effect.body.split("\n\n"))
        texts.append(MessageText(summary, paragraphs, effect.locale, direction))
    return tuple(texts)


def tally_of(plan: Plan) -> Tally:
    """The line above the button."""
    return Tally(len(plan.goes), len(plan.stays), len(plan.unknown))


def _decide(tell: Telling, order: Order, preview: Preview, choice: Choice, typed: Typed) -> Decide:
    """The button; blocked it keeps its amount, where there is one, and says what it waits for."""
    outcome = preview.outcome
    if isinstance(outcome, Blocked):
        waits_for_amount = choice.kind is PlannedAmount.FREE and (
            typed.fault or outcome.by is BlockedBy.OVER_POLICY
        )
        if waits_for_amount:
            return Decide(None, tell.say("blocked.amount_fault"))
        leading = preview.verdict.leading
        is_no = preview.verdict.kind is VerdictKind.NOT_ELIGIBLE
        if is_no and leading.because is Because.ALREADY_REFUNDED:
            return Decide(None, tell.say("blocked.nothing_left"))
        if is_no and leading.clause is not None:
            clause = tell.say("verdict.clause", clause=leading.clause.id)
            return Decide(
                tell.money(order.paid - order.refunded),
                tell.say("decide.waits_clause", clause=clause),
            )
        most = tell.money(outcome.most) if outcome.most is not None else None
        return Decide(most, tell.say(f"blocked.{outcome.by}"))
    amount = tell.both(outcome.amount)
    return Decide(
        tell.money(outcome.amount),
        parts_line(tell, outcome),
        PlanTicket(order_key(order.ref), outcome.id, outcome.hash),
        tally_of(outcome),
        tell.say("decide.hand_foot" if outcome.by_hand else "decide.undo_foot"),
        tell.say("decide.by_hand", amount=amount) if outcome.by_hand else "",
    )


def parts_line(tell: Telling, plan: Plan) -> str:
    """`91.79 to Visa ...4242, 19.96 to gift card`; only the name where there is one payment."""
    if len(plan.parts) == 1:
        return tell.say("parts.one", payment=plan.parts[0].label)
    return ", ".join(
        tell.say("parts.each", amount=amount_words(part.amount, tell.locale), payment=part.label)
        for part in plan.parts
    )


def _polite_no(tell: Telling, order: Order, verdict: OrderVerdict) -> PoliteNo | None:
    leading = verdict.leading
    if (
        verdict.kind is not VerdictKind.NOT_ELIGIBLE
        or leading.clause is None
        or leading.because in WITHOUT_CLAUSE
    ):
        return None
    return PoliteNo(
        tell.say(
            "no.sentence",
            product=order.title,
            date=tell.day(order.bought_at),
            clause=leading.clause.text,
            because=tell.say(f"no.{leading.because}"),
        )
    )


def _notice(tell: Telling, outcome: Plan | Blocked) -> Notice | None:
    if isinstance(outcome, Blocked) and outcome.by in _NOTED:
        return Notice(
            Tone.WARN,
            Icon.WARN,
            tell.say(f"notice.{outcome.by}.title"),
            tell.say(f"notice.{outcome.by}.text"),
        )
    return None
