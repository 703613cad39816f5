"""Every fixed word a person reads in the panel, in one place, by message id.

Two kinds stand here: words the templates set (headings, buttons), and sentences whoever builds the
view fills in (notices and hints). Content such as product names, clauses and messages to customers
is not ours and never stands here. Nothing here is markup; values are escaped by the renderer.

A language is one more dict in `WORDS`. A message that needs a count has one text per plural form of
the language, under ``<id>.one``, ``<id>.other`` and so on (CLDR's names).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from babel import Locale
from babel.core import UnknownLocaleError

if TYPE_CHECKING:
    from collections.abc import Mapping

FALLBACK: Final = "en"

ENGLISH: Final[Mapping[str, str]] = {
    # who
    "match.strong": "Matched by {evidence}",
    "match.weak": "Weak match: {evidence}",
    "who.refunds.one": "{n} refund in 12 months",
    "who.refunds.other": "{n} refunds in 12 months",
    "who.since": "customer since {month}",
    "who.asked_from": "Asked from this address",
    # orders
    "orders": "Orders",
    "orders.count": "{orders} in {stores}",
    "orders.stores.one": "{n} store",
    "orders.stores.other": "{n} stores",
    "orders.age": "read {age} ago",
    "orders.just_now": "read just now",
    "orders.elsewhere": "Look for another purchase",
    "orders.again": "Read the stores again",
    "orders.others.one": "{n} other order",
    "orders.others.other": "{n} other orders",
    "orders.waiting": "asking {store}, {n} of {total} to go",
    "orders.waiting_desk": "waiting for the ticket",
    "orders.keeps_place": "more orders to come",
    "access.live": "access live",
    "access.gone": "access gone",
    "access.suspended": "access suspended",
    "access.unknown": "access unknown",
    "usage.unknown": "use unknown",
    "refunded.already": "{amount} already refunded",
    "refunded.flying": "{amount} being refunded",
    "refunded.left": "{amount} already refunded, {left} left",
    "verdict.eligible": "Eligible",
    "verdict.in_part": "Eligible in part",
    "verdict.not_eligible": "Not eligible",
    "verdict.needs_review": "Needs review",
    "verdict.unknown": "Verdict unknown",
    "verdict.clause": "clause {clause}",
    "verdict.old_data": "old data",
    "verdict.footer": "Policy v{version}, in force on {date}",
    # the guided steps
    "steps": "Guided conversation, {n} of 9 done",
    "steps.keep": "Keep these ticks",
    "step.listen": "Listen",
    "step.review": "Review",
    "step.verify": "Verify",
    "step.offer": "Offer",
    "step.explain": "Explain",
    "step.respect": "Respect",
    "step.document": "Document",
    "step.process": "Process",
    "step.feedback": "Feedback",
    "hint.listen": "Read the whole ticket before you answer.",
    "hint.review": "Look at the order, and at what the policy says about it.",
    "hint.verify": "Make sure this is the person who paid.",
    "hint.offer": "Say what you can do for them.",
    "hint.explain": "Give the reason in their words, with the clause.",
    "hint.respect": "Thank them, and leave the door open.",
    "hint.document": "Note the reason, so that the next person knows.",
    "hint.process": "Read what it will do, then refund.",
    "hint.feedback": "When it is done, ask how it went.",
    # the order that is open
    "order.number": "Order {number}",
    "order.form": "{title}, refund",
    "lines": "Lines",
    "amount": "Amount",
    "amount.full": "All that is left",
    "amount.lines.one": "Ticked line in full",
    "amount.lines.other": "Ticked lines in full",
    "amount.free": "Another amount",
    "amount.free.label": "Another amount in {currency}, {limit}",
    "amount.free.up_to": "up to {amount}",
    "amount.free.fault": "Write an amount such as {example}, {limit}.",
    "amount.free.over": "More than can go back: write {limit}.",
    "amount.prorata.day": "Days not started",
    "amount.prorata.week": "Weeks not started",
    "amount.prorata.month": "Months not started",
    "amount.prorata.year": "Years not started",
    "amount.prorata.paid": "{periods} paid",
    "amount.prorata.used": "{periods} started",
    "amount.prorata.back": "{periods} back",
    "amount.prorata.bar": "{used} of {periods} used",
    "reason": "Reason",
    "reason.no_time": "No time for it",
    "reason.not_as_expected": "Not as expected",
    "reason.technical": "Technical trouble",
    "reason.bought_twice": "Bought twice",
    "reason.too_expensive": "Too expensive",
    "reason.other": "Other",
    # the plan
    "plan": "What this will do",
    "plan.again": "Show what this will do",
    "plan.holds": "holds for {minutes} min",
    "plan.money": "Money per payment, in {currency}",
    "plan.to": "To {payment}",
    "parts.one": "to {payment}",
    "parts.each": "{amount} to {payment}",
    "plan.gets": "{name} gets",
    "plan.fee": "{gateway} keeps its fee, you pay",
    "lot.goes": "Goes",
    "lot.stays": "Stays",
    "lot.unknown": "Unknown",
    "lot.goes.done": "Gone",
    "lot.stays.done": "Stayed",
    "lot.unknown.done": "Still open",
    "subscription": "Also stop future charges?",
    "subscription.stop": "Yes, stop",
    "subscription.keep": "No, keep the renewal",
    "subscription.stop.hint": "{amount} on {date} stops",
    "message.summary": "{name} is told in {language}, by {channel}",
    # the button
    "decide.refund": "Refund {amount}",
    "decide.refund.no_amount": "Refund",
    "decide.by_hand": "Refund {amount} by hand",
    "decide.waits_right": "your role may look, not refund",
    "decide.undo_foot": "You have 10 seconds to undo.",
    "decide.waits_proof": "waits for a proof of who this is",
    "decide.waits_store": "waits for {store}",
    "decide.waits_clause": "{clause} says no",
    "tally.label": "The plan: {goes} go, {stays} stay, {unknown} unknown",
    "tally.goes": "go",
    "tally.stays": "stay",
    "tally.unknown": "unknown",
    "no.heading": "Say it kindly",
    # copying
    "copy.reply": "Put in reply",
    "copy.reply.done": "Copied",
    "copy.done": "Copied.",
    "copy.failed": "Your browser did not let us copy. Select the text and copy it by hand.",
    "copy.email": "Copy e-mail",
    "copy.order": "Copy order number",
    # weak match, nothing found
    "weak.title": "One more proof, please",
    "weak.text": "Two customers are called {name}. "
    "Nothing can be refunded until we know which one writes.",
    "weak.text.address": "This order of {name} was not bought from the address that writes. "
    "Nothing can be refunded until we know that it is theirs.",
    "weak.question": "Order number, or last 4 digits of the card",
    "weak.check": "Check",
    "weak.reply_before": "Or copy into the reply:",
    "weak.reply": "Which order number is on your receipt?",
    "nothing.title": "No purchase under this address",
    "nothing.question": "Look for another e-mail or order number",
    "nothing.look": "Look",
    "nothing.place": "{store}: nothing",
    "nothing.silent": "{store} does not answer",
    "nothing.fault": "Nothing under that either. Check it with the customer.",
    "nothing.reply": "I can't see a purchase under this address. "
    "Did you perhaps pay with another e-mail? The order number helps too.",
    # a store is offline, an order has changed, a dispute is open
    "offline.title": "{store} does not answer",
    "offline.text": "You see what it said {age} ago. No money has moved. "
    "We ask again every minute.",
    "offline.ask_now": "Ask now",
    "changed.title": "This order changed {age} ago",
    "changed.text": "{what} No money has moved from here.",
    "changed.caption": "Before and now, in {currency}",
    "changed.what": "What",
    "changed.before": "before",
    "changed.now": "now",
    "dispute.title": "The bank already holds this money",
    "dispute.text": "{name}'s bank opened a dispute over {amount} on {date}. "
    "A refund on top could pay it twice, so it is not possible here.",
    "dispute.due": "Answer due in {days} days. Access is suspended, progress is kept.",
    # undo
    "undo.text.one": "second, then {amount} is sent",
    "undo.text.other": "seconds, then {amount} is sent",
    "undo.timer": "Time left to undo",
    "undo.button": "Undo, send nothing",
    "undo.foot": "Close the ticket if you like: it carries on, once.",
    "undo.say": "You have {n} seconds to undo. Nothing has been sent yet.",
    "undo.only": "Only {name}, a team lead or an admin can undo this.",
    "undo.only_lead": "Only a team lead or an admin can undo this.",
    "undo.only.say": "It is sent in {n} seconds. Nothing has been sent yet.",
    "undo.only.timer": "Time left until it is sent",
    "undo.starter": "the agent who started it",
    # under way
    "way.title": "Refund of {amount}",
    "way.again": "Look again",
    "way.state.ok": "done",
    "way.state.now": "now",
    "way.state.next": "still to come",
    "way.state.huh": "no answer",
    "way.state.stop": "stopped",
    "way.state.by": "by a person",
    "way.reserved": "Reserved",
    "way.sent": "Sent to {gateway}",
    "way.confirmed": "Confirmed",
    "way.access": "Removing access",
    "way.tags.one": "Remove tag",
    "way.tags.other": "Remove {n} tags",
    "way.so_far": "{done} of {total}",
    "way.tell": "Tell {name}",
    "way.silent": "No answer yet",
    "way.silent.more": "{gateway} took the request and went quiet. "
    "The money may or may not have moved.",
    "way.access.waits": "unchanged until we know",
    "unknown.title": "We are looking it up",
    "unknown.text": "Next look at {time}, then again until it answers. "
    "It is sent again only if {gateway} says it never arrived. You need not wait.",
    "unknown.look": "Look now",
    "unknown.open": "Open in {gateway}",
    # by hand
    "hand.title": "Refund in {store}",
    "hand.intro.one": "{store} lets people refund this, but not programs. One step. "
    "We do the rest.",
    "hand.intro.other": "{store} lets people refund this, but not programs. {n} steps, "
    "about a minute. We do the rest.",
    "hand.open": "Open {store}",
    "hand.attest": "I refunded {amount} by hand",
    "hand.attest.sub": "then tags and access go; no second payment",
    "hand.undo": "Take it back, nothing was paid",
    "hand.undo.only": "Only {name}, a team lead or an admin can take it back.",
    "hand.undo.only_lead": "Only a team lead or an admin can take it back.",
    "hand.only": "Your role may look. An agent who may refund says here when it is paid.",
    "hand.state.ok": "done",
    "hand.state.on": "do this now",
    # done
    "done.title": "{amount} refunded",
    "done.arrives": "Arrives between {first} and {last}. Reference {reference}.",
    "done.told": "{name} was told at {time}. The ticket has a note.",
    "done.as_planned": "as planned",
    "done.asked.one": "asked once",
    "done.asked.other": "asked {n} times",
    "done.bank": "When it arrives is up to the bank; we cannot see inside it.",
    "done.reference": "Reference {reference}.",
    "done.noted": "The ticket has a note.",
    "done.told_only": "{name} was told at {time}.",
    "done.again": "Open the order again",
    "done.renewal": "Future charges",
    "done.left": "We could not end it. A person must look in {store}.",
    # evidence, reasons behind verdicts, terms
    "evidence.requester_email": "e-mail",
    "evidence.typed_email": "another e-mail",
    "evidence.order_number": "order number",
    "evidence.card_digits": "card digits",
    "verdict.day": "Day {day}.",
    "verdict.day_of": "Day {day} of {window}.",
    "because.within_window": "",
    "because.any_time": "",
    "because.months_not_started": "Months not started come back.",
    "because.fee_kept": "A fee is kept.",
    "because.window_over": "The time is over.",
    "because.term_used_up": "Every period has begun.",
    "because.used": "It was used.",
    "because.non_refundable": "It is not refundable.",
    "because.already_refunded": "It went back already.",
    "because.nothing_paid": "Nothing was paid for it.",
    "because.usage_unknown": "The store does not tell whether it was used.",
    "because.no_clause": "No clause speaks of this.",
    "because.fee_in_other_currency": "The fee is in another currency.",
    "because.dispute_open": "A dispute is open.",
    "because.kind_unknown": "What this is, nobody told.",
    "because.term_unknown": "For how long it was paid, nobody told.",
    "because.lines_unknown": "What was bought, nobody told.",
    "because.data_old": "old data",
    "term.day.one": "{n} day",
    "term.day.other": "{n} days",
    "term.week.one": "{n} week",
    "term.week.other": "{n} weeks",
    "term.month.one": "{n} month",
    "term.month.other": "{n} months",
    "term.year.one": "{n} year",
    "term.year.other": "{n} years",
    "opens.unknown": "what it opens is unknown",
    "opens": "opens {things}",
    "opens.by_tag": "{things} by the tag {name}",
    "opens.by_bundle": "{things} in the bundle {name}",
    "opens.course.one": "{n} course",
    "opens.course.other": "{n} courses",
    "opens.bundle.one": "{n} bundle",
    "opens.bundle.other": "{n} bundles",
    "opens.community.one": "{n} community",
    "opens.community.other": "{n} communities",
    "opens.download.one": "{n} download",
    "opens.download.other": "{n} downloads",
    "opens.licence.one": "{n} licence",
    "opens.licence.other": "{n} licences",
    "opens.membership.one": "{n} membership",
    "opens.membership.other": "{n} memberships",
    # why things go, why nobody can tell, why the button waits
    "goes.line": "given by the ticked line",
    "goes.already": "the store says it is gone already",
    "goes.tag": "added by this order, nothing else needs it",
    "goes.through_tag": "opened by the tag {tag}",
    "goes.through_bundle": "part of the bundle {bundle}",
    "unknown.store_silent": "{store} does not answer. The refund does not wait: "
    "we ask again until it answers and tell the ticket.",
    "unknown.line_untold": "Nobody told what this sale opened. Look in the store, "
    "or say it in the access map.",
    "unknown.bundle_untold": "Nobody told which courses are in it. Say it in the access map.",
    "channel.ticket": "a reply in this ticket",
    "channel.mail": "e-mail",
    "blocked.no_lines": "tick a line first",
    "blocked.dispute_open": "waits for the bank",
    "blocked.not_eligible": "the policy says no",
    "blocked.verdict_unknown": "waits until the store tells more",
    "blocked.nothing_left": "all of it went back already",
    "blocked.in_progress": "a refund is under way",
    "blocked.over_policy": "this is the most the policy gives",
    "blocked.over_left": "this is the most that is left",
    "blocked.whole_only": "this store refunds whole payments only",
    "blocked.no_route": "no way back for this payment",
    "blocked.amount_fault": "waits for an amount it can pay",
    "decide.hand_foot": "A person does it in the store; we do the rest.",
    "no.sentence": "Thank you for writing. You bought {product} on {date}. Our refund policy "
    "says: ‘{clause}’ {because} So I cannot refund it, and I am sorry. If something does not "
    "work, tell me, and I will help you with it.",
    "no.window_over": "That time is over.",
    "no.term_used_up": "Every period of it has begun.",
    "no.used": "Our records show that it was used.",
    "no.non_refundable": "This is such an item.",
    "no.fee_kept": "Nothing is left after the fee.",
    "notice.whole_only.title": "Whole payments only",
    "notice.whole_only.text": "This store cannot refund a part. Tick every line, "
    "or refund the whole amount.",
    "notice.in_progress.title": "A refund is under way",
    "notice.in_progress.text": "What is left is already on its way back.",
    "way.then": "Then",
    "way.sends": "{gateway} asked us to wait. It is sent as soon as it may be.",
    "way.pending": "Not through yet",
    "way.pending.more": "{gateway} has it and works on it.",
    "way.confirmed.more": "{amount} to {payment}",
    "way.by_hand": "Refunded by hand",
    "way.refused": "Refused",
    "way.refused.more": "No money has moved. {reason}",
    "way.failed_later": "Came back",
    "way.failed_later.more": "The customer does not have this money. Access is given back.",
    "way.withdrawn": "Taken back; nothing was sent",
    "way.cancel": "Stop future charges",
    "way.keep": "Keep what stays",
    "way.effect.person": "A person must look: {what}",
    "way.effect.waits": "waiting for {what}",
    "person.paid": "The money went back",
    "person.nothing": "It did not, free the amount",
    "person.title": "A person must look",
    "person.text": "We cannot tell whether {gateway} moved the money to {payment}. "
    "Look there, then say what you found.",
    "person.text.look": "We cannot tell whether {gateway} moved the money to {payment}. "
    "An agent who may refund looks there, then says here what they found.",
    "refused.title": "This part was refused",
    "refused.text": "{amount} did not go out. No money has moved for it.",
    "refused.again": "Make a new plan",
    "failed_later.title": "The money came back",
    "failed_later.text": "{amount} did not reach the customer. Access is given back.",
    "certain.paid": "{amount} paid",
    "certain.unknown": "{amount} unknown",
    "certain.waits": "{amount} still to come",
    "certain.not": "{amount} not sent",
    "copy.email.label": "E-mail",
    "copy.order.label": "Order",
    "changed.title_plain": "This order changed since you looked",
    "changed.choice.title": "You changed something",
    "changed.choice": "The button was for another choice. This is what it will do now; "
    "no money has moved.",
    "changed.ran_out.title": "This plan ran out",
    "changed.ran_out": "A plan holds for five minutes. Nothing has changed since, "
    "and no money has moved.",
    "undone.title": "Taken back",
    "undone": "Nothing was sent. No money has moved.",
    "changed.blocked": "It cannot be refunded now.",
    "changed.refunded": "Someone refunded {amount} meanwhile.",
    "changed.amount": "The amount that may go back is another one now.",
    "changed.effects": "What it would do is not the same any more.",
    "ticket.gone.title": "This ticket is not yours to see",
    "ticket.gone.text": "It may be gone, or your role does not cover it. No money has moved.",
    "desk.silent.title": "The desk does not answer",
    "desk.silent.text": "We could not read this ticket. No money has moved. Try again in a moment.",
    "prove.fault": "That does not fit any order here. Check it with the customer.",
    "dispute.text.plain": "{name}'s bank opened a dispute over {amount}. "
    "A refund on top could pay it twice, so it is not possible here.",
    "dispute.reply": "Your bank is already looking into this payment, so I cannot refund it as "
    "well. When the bank has decided, we take it from there.",
    "dispute.next": "Answer the dispute at the gateway. When it is decided, this opens again.",
    # practice
    "practice.banner": "Practice: no real money or people",
    # when a request gets no good answer; set by the script
    "trouble.offline": "Makegood did not answer, so we cannot show what became of your last click. "
    "A refund is never sent twice: try again to see where it stands.",
    "trouble.ended": "Your session has ended. Open the ticket again; "
    "a refund you started carries on, once.",
    "trouble.refused": "This was not accepted, and no money has moved by it. "
    "Open the ticket again, then try once more.",
    "new_tab": "opens in a new tab",
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH}


def word(locale: str, key: str, /, **values: str | int) -> str:
    """The text of message `key` in the nearest language we have, with `values` filled in.

    `locale` is a BCP 47 tag ("hr", "pt-BR"). A message with plural forms is chosen by the value
    `n`. A language that lacks a message falls back to English, message by message.

    Raises:
        KeyError: no such message, or a value it needs is missing. Both are bugs.
    """
    language = locale.replace("_", "-").split("-")[0].lower()
    for tongue in (language, FALLBACK):
        words = WORDS.get(tongue, {})
        for name in _forms(tongue, key, values.get("n")):
            if name in words:
                return words[name].format(**values)
    message = f"the panel has no message {key!r}"
    raise KeyError(message)


def _forms(language: str, key: str, count: str | int | None) -> tuple[str, ...]:
    """The ids to try for `key`: with a number its plural form first, then the plain one."""
    if not isinstance(count, int):
        return (key,)
    try:
        form = Locale.parse(language).plural_form(count)
    except (UnknownLocaleError, ValueError):
        form = "other"
    return (f"{key}.{form}", f"{key}.other", key)
