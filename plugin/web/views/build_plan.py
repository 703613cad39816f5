"""An open order as the panel shows it: what can be chosen, what it will do, and the button.

Pure: takes a preview and formats it. The button has a ticket only when there is a plan to decide.
"""

from __future__ import annotations

from dataclasses import dataclass

from babel import Locale

from plugin.domain.effects import TellCustomer
from plugin.domain.orders import Line, Order, ResourceKind
from plugin.domain.plan import AmountKind as PlannedAmount
from plugin.domain.plan import Blocked, BlockedBy, Choice, Plan, PlanItem, UnknownItem
from plugin.domain.requests import GUIDED_STEPS, Reason, RefundRequest, next_step
from plugin.domain.verdict import OrderVerdict, VerdictKind
from plugin.services.plan_refund import Preview
from plugin.services.wording import amount_words, because_words, kind_word, locale_of
from plugin.web.views.build_orders import Telling, build_head, order_key
from plugin.web.views.panel_blocks import (
    AmountChoice,
    AmountKind,
    Decide,
    LinePick,
    Lot,
    LotItem,
    LotKind,
    MessageText,
    MonthBar,
    NineSteps,
    PlanBlock,
    PlanTicket,
    PoliteNo,
    ProrataSum,
    ReasonChip,
    Step,
    SubscriptionQuestion,
    SumRow,
    Tally,
)
from plugin.web.views.panel_parts import Icon, Notice, Tone
from plugin.web.views.panel_view import OpenOrder


@dataclass(frozen=True, slots=True)
class Typed:
    """What came back from the form, to be shown again: the free amount's text and its fault."""

    free: str = ""
    fault: str = ""


def build_open_order(
    tell: Telling,
    order: Order,
    request: RefundRequest,
    choice: Choice,
    preview: Preview,
    name: str,
    typed: Typed,
) -> OpenOrder:
    """The whole lower half of the panel while nothing is decided."""
    verdict = preview.verdict
    outcome = preview.outcome
    plan = outcome if isinstance(outcome, Plan) else None
    may_choose = verdict.kind in _MAY_CHOOSE and not _is_final(outcome)
    return OpenOrder(
        head=build_head(tell, order, None if may_choose else verdict),
        steps=build_steps(tell, request),
        decide=_decide(tell, order, outcome, typed),
        currency=order.currency,
        lines=_lines(tell, order, verdict, choice) if may_choose else (),
        amounts=_amounts(tell, order, verdict, choice, typed) if may_choose else (),
        reasons=_reasons(tell, request) if may_choose else (),
        plan=build_plan_block(tell, order, plan, name) if plan is not None else None,
        polite_no=_polite_no(tell, order, verdict),
        notice=_notice(tell, outcome),
    )


_MAY_CHOOSE = (VerdictKind.ELIGIBLE, VerdictKind.ELIGIBLE_IN_PART, VerdictKind.NEEDS_REVIEW)


def _is_final(outcome: Plan | Blocked) -> bool:
    """Whether no other choice would help."""
    return isinstance(outcome, Blocked) and outcome.by in (
        BlockedBy.NOTHING_LEFT,
        BlockedBy.NO_ROUTE,
        BlockedBy.IN_PROGRESS,
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


def _lines(
    tell: Telling, order: Order, verdict: OrderVerdict, choice: Choice
) -> tuple[LinePick, ...]:
    picks = []
    for line in order.lines:
        of_line = verdict.of(line.ref)
        blocked = of_line.kind not in _MAY_CHOOSE
        hint = _line_hint(tell, line)
        if blocked:
            clause = of_line.clause.id if of_line.clause else ""
            why = tell.say(f"because.{of_line.because}")
            hint = f"{why} {tell.say('verdict.clause', clause=clause)}" if clause else why
        picks.append(
            LinePick(
                line.ref.ref,
                line.title,
                amount_words(line.left, tell.locale),
                picked=not blocked and line.ref in choice.lines,
                blocked=blocked,
                hint=hint,
            )
        )
    return tuple(picks)


def _line_hint(tell: Telling, line: Line) -> str:
    parts = []
    if line.term is not None:
        parts.append(tell.say(f"term.{line.term.unit}", n=line.term.periods))
    if line.gives is None:
        parts.append(tell.say("opens.unknown"))
    elif opened := sum(resource.kind is not ResourceKind.TAG for resource in line.gives):
        parts.append(tell.say("opens.count", n=opened))
    return ", ".join(parts)


def _amounts(
    tell: Telling, order: Order, verdict: OrderVerdict, choice: Choice, typed: Typed
) -> tuple[AmountChoice, ...]:
    ticked = [verdict.of(ref) for ref in choice.lines]
    most = sum((v.amount for v in ticked), start=order.nothing())
    prorated = next((v.prorata for v in ticked if v.prorata is not None), None)
    by_policy = choice.kind is PlannedAmount.POLICY
    if prorated is not None and len(ticked) == 1:
        kind = AmountKind.PRORATA
        label = tell.say("amount.prorata")
        shown = ProrataSum(
            (
                SumRow(
                    tell.say("amount.prorata.paid", n=prorated.periods),
                    amount_words(prorated.kept + prorated.back, tell.locale),
                ),
                SumRow(
                    tell.say("amount.prorata.used", n=prorated.used),
                    f"−{amount_words(prorated.kept, tell.locale)}",
                ),
            ),
            SumRow(
                tell.say("amount.prorata.back", n=prorated.left),
                amount_words(prorated.back, tell.locale),
            ),
            MonthBar(
                prorated.used,
                prorated.periods,
                tell.say("amount.prorata.bar", used=prorated.used, total=prorated.periods),
            ),
        )
    else:
        kind, shown = AmountKind.LINES, None
        label = tell.say("amount.lines", n=max(len(ticked), 1))
    limit = tell.say("amount.free.up_to", amount=amount_words(most, tell.locale))
    return (
        AmountChoice(kind, label, amount_words(most, tell.locale), by_policy, sum=shown),
        AmountChoice(
            AmountKind.FREE,
            tell.say("amount.free"),
            chosen=not by_policy,
            typed=typed.free,
            limit=limit,
            fault=typed.fault,
        ),
    )


def _reasons(tell: Telling, request: RefundRequest) -> tuple[ReasonChip, ...]:
    return tuple(
        ReasonChip(reason.value, tell.say(f"reason.{reason.value}"), reason is request.reason)
        for reason in Reason
    )


def build_plan_block(tell: Telling, order: Order, plan: Plan, name: str) -> PlanBlock:
    """The preview: money, three lists, the question about future charges, the texts."""
    fees = [part.fee_kept for part in plan.parts if part.fee_kept is not None]
    asides: tuple[SumRow, ...] = ()
    if fees:
        fee = sum(fees[1:], start=fees[0])
        gateway = tell.titles.get(plan.parts[0].payment.installation, "")
        asides = (
            SumRow(tell.say("plan.fee", gateway=gateway), amount_words(fee, tell.locale)),
        )
    return PlanBlock(
        currency=plan.amount.currency,
        money=tuple(
            SumRow(
                tell.say("plan.to", payment=part.label), amount_words(part.amount, tell.locale)
            )
            for part in plan.parts
        ),
        total=SumRow(
            tell.say("plan.gets", name=_first(name)), amount_words(plan.amount, tell.locale)
        ),
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
            because_words(item.because, tell.time_zone, tell.locale),
            item.resource.kind is ResourceKind.TAG,
        )
        for item in plan.stays
    )
    unknown = tuple(_unknown(tell, item) for item in plan.unknown)
    lots = (
        Lot(LotKind.GOES, goes, str(len(goes))),
        Lot(LotKind.STAYS, stays, str(len(stays))),
        Lot(LotKind.UNKNOWN, unknown, str(len(unknown))),
    )
    return tuple(lot for lot in lots if lot.items)


def _goes(tell: Telling, item: PlanItem) -> LotItem:
    resource = item.resource
    is_tag = resource.kind is ResourceKind.TAG
    through = next((reason.through for reason in item.because if reason.through), None)
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


def _unknown(tell: Telling, item: UnknownItem) -> LotItem:
    if item.resource is not None and item.installation is not None:
        store = tell.titles.get(item.installation, "")
        return LotItem(
            kind_word(item.resource.kind),
            item.resource.name or item.resource.ref,
            tell.say("unknown.store_silent", store=store),
            item.resource.kind is ResourceKind.TAG,
        )
    return LotItem("", item.title, tell.say(f"unknown.{item.why}"))


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
        if isinstance(effect, TellCustomer):
            language = Locale.parse(effect.locale).get_display_name(locale_of(tell.locale))
            channel = tell.say("channel.ticket" if effect.ticket else "channel.mail")
            summary = tell.say(
                "message.summary",
                name=_first(name),
                language=language or effect.locale,
                channel=channel,
            )
            texts.append(MessageText(summary, tuple(effect.body.split("\n\n")), effect.locale))
    return tuple(texts)


def tally_of(plan: Plan) -> Tally:
    """The line above the button."""
    return Tally(len(plan.goes), len(plan.stays), len(plan.unknown))


def _decide(tell: Telling, order: Order, outcome: Plan | Blocked, typed: Typed) -> Decide:
    if isinstance(outcome, Blocked):
        most = outcome.most if outcome.most is not None else None
        return Decide(
            tell.money(most) if most is not None else None,
            tell.say(f"blocked.{outcome.by}"),
        )
    if typed.fault:
        return Decide(None, tell.say("blocked.amount_fault"))
    ticket = PlanTicket(order_key(order.ref), outcome.id, outcome.hash)
    return Decide(
        tell.money(outcome.amount),
        parts_line(tell, outcome),
        ticket,
        tally_of(outcome),
        tell.say("decide.hand_foot" if outcome.by_hand else "decide.undo_foot"),
    )


def parts_line(tell: Telling, plan: Plan) -> str:
    """`91.79 to Visa ...4242, 19.96 to gift card`; only the name where there is one payment."""
    if len(plan.parts) == 1:
        return tell.say("plan.to", payment=plan.parts[0].label).replace("To ", "to ", 1)
    return ", ".join(
        f"{amount_words(part.amount, tell.locale)} "
        + tell.say("plan.to", payment=part.label).replace("To ", "to ", 1)
        for part in plan.parts
    )


def _polite_no(tell: Telling, order: Order, verdict: OrderVerdict) -> PoliteNo | None:
    if verdict.kind is not VerdictKind.NOT_ELIGIBLE or verdict.leading.clause is None:
        return None
    return PoliteNo(
        tell.say(
            "no.sentence",
            product=order.title,
            date=tell.day(order.bought_at),
            clause=verdict.leading.clause.text,
        )
    )


def _notice(tell: Telling, outcome: Plan | Blocked) -> Notice | None:
    if isinstance(outcome, Blocked) and outcome.by in (BlockedBy.WHOLE_ONLY, BlockedBy.IN_PROGRESS):
        return Notice(
            Tone.WARN,
            Icon.WARN,
            tell.say(f"notice.{outcome.by}.title"),
            tell.say(f"notice.{outcome.by}.text"),
        )
    return None


def _first(name: str) -> str:
    return name.split()[0] if name.split() else name

