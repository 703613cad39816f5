"""Every fixed word of the health page, in one place, by message id.

A language is one more dict in `WORDS`; plural forms as `find_word` has them. A sentence that a
person reads says what is so, what waits for it, and what to do next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plugin.web.views.find_word import find_word

if TYPE_CHECKING:
    from collections.abc import Mapping

ENGLISH: Final[Mapping[str, str]] = {
    # the sentence at the top
    "top.well": "All is well. Nothing waits for a person.",
    "top.nothing": "Nothing is connected yet, so there is nothing to watch.",
    "top.one": "One thing needs a look: {what}",
    "top.many": "{n} things need a look, the most urgent first.",
    # what needs a look
    "held": "Nothing is sent since {since}, when a copy was restored. Sending goes on by itself "
    "once it is known what happened outside since {read_from}: makegood check says what is "
    "missing.",
    "workers.none": "No worker runs, so no delivery is read and nothing is sent. Start one with "
    "makegood worker. Nothing is lost meanwhile.",
    "key_refused": "{name} refuses Makegood's key. {waits}",
    "needs_attention": "{name}: its self-test did not end well. {waits}",
    "resting": "{name} does not answer: {tries} calls in a row failed. One goes out again at "
    "{again}. {waits}",
    "not_answering": "{name} could not be asked for its news, {tries} times in a row. {waits}",
    "silent": "{name} has been silent for {age}. {waits}",
    "unsigned": "{name} has no signing secret, so its deliveries are turned away.",
    "new_key_waits": "{name}: a new key waits to be tried.",
    "refunds.one": "{n} refund waits for a person.",
    "refunds.other": "{number} refunds wait for a person.",
    "effects.one": "{n} thing could not be done outside and waits for a person.",
    "effects.other": "{number} things could not be done outside and wait for a person.",
    "deliveries.one": "{n} delivery could not be applied.",
    "deliveries.other": "{number} deliveries could not be applied.",
    "drifts.one": "{n} thing at a platform is not as your books say.",
    "drifts.other": "{number} things at a platform are not as your books say.",
    # what waits for a connection
    "waits.nothing": "No refund waits for it.",
    "waits.closings": "No refund waits for it; {closings}.",
    "waits.refunds.one": "{n} refund waits for it.",
    "waits.refunds.other": "{number} refunds wait for it.",
    "waits.both": "{refunds} and {closings} wait for it.",
    "closings.do.one": "{n} closing does",
    "closings.do.other": "{number} closings do",
    "closings.one": "{n} closing",
    "closings.other": "{number} closings",
    "some_refunds.one": "{n} refund",
    "some_refunds.other": "{number} refunds",
    # where to go
    "go.connection": "Look at the connection",
    "go.key": "Give it a new key",
    "go.test": "Test again",
    "go.list.one": "Look at it",
    "go.list.other": "Look at them",
    # figures
    "fact.on_the_way": "Refunds on the way",
    "fact.unknown": "Unknown",
    "fact.unknown.asked": "asked again at {at}",
    "fact.not_applied": "Failed deliveries",
    "fact.slowest": "Slowest in a self-test",
    "fact.workers": "Workers",
    "fact.workers.none": "nothing is sent",
    "count.more": "{n} or more",
    "count.failed": "{n} failed",
    "count.unreadable": "{n} unreadable",
    "count.unrecognised": "{n} of a kind we do not know",
    # connections
    "state.well": "Well",
    "state.connecting": "Connecting",
    "state.silent": "Silent",
    "state.not_answering": "Does not answer",
    "state.resting": "Resting",
    "state.needs_attention": "Needs a look",
    "state.key_refused": "Key refused",
    "heard.never": "nothing heard yet",
    "heard.ago": "{age} ago",
    "heard.before": "Before, never for longer than {gap}.",
    "heard.again": "Asked again at {at}.",
    # spans of time
    "age.seconds": "{n} s",
    "age.minutes": "{n} min",
    "age.hours": "{n} h",
    "age.tenths": "{n} s",
    "age.days.one": "{n} day",
    "age.days.other": "{n} days",
    # deliveries
    "day.none": "nothing came",
    "day.total.bad": "{total}, {bad} not applied",
    "day.bars": "Deliveries per hour: fewest {least} at {least_at}, most {top} at {top_at}.",
    "day.bars.bad": "Not applied: {bad}.",
    "day.bars.bad_at": "{n} at {at}",
    "hour": "{begins} to {ends}",
    "hour.bad": "{total}, {bad} not applied",
    "delivery.untold": "Delivery without a topic",
    "delivery.removed": "a removed connection",
    "delivery.tried": "Tried {n} times; kept.",
    "delivery.kept": "Kept as it came.",
    # what waits for a person
    "replay.of": "{what}, {at}",
    "order": "order {ref}",
    "ticket": "Ticket {ref}, {desk}",
    "more": "These are the {shown} of {total} that have waited longest.",
    # keys
    "key.key_refused": "Key refused",
    "key.webhook_off": "Webhook off",
    "key.unsigned": "No signing secret",
    "key.new_key_waits": "New key waits",
    "key.webhook_made_anew": "Webhook on again",
    "key.fine": "Works",
    "key.key_refused.next": "Make a new key there and give it to this connection.",
    "key.webhook_off.next": "It tells Makegood nothing. Testing again registers the webhook anew.",
    "key.webhook_made_anew.next": "The platform had switched it off; Makegood made it anew {at}. "
    "What it did not bring meanwhile was read there, so nothing is lost.",
    "key.webhook_made_anew.unread": "The platform had switched it off; Makegood made it anew {at}. "
    "What happened meanwhile it cannot list: look at its refunds of that time.",
    "key.unsigned.next": "Its deliveries are turned away. Testing again makes a secret.",
    "key.new_key_waits.next": "The old one is in use until the new one was seen to work.",
    "key.seen": "Key last seen to work {at}",
    "key.unseen": "Key not seen to work yet",
    "key.secrets.none": "no signing secret",
    "key.secrets.one": "{n} signing secret",
    "key.secrets.other": "{n} signing secrets",
    # budgets
    "budget.left": "{left} of {burst}",
    "budget.rate": "{requests} in {seconds} s",
    "budget.spent": "All are spent, so calls wait and go out by themselves as the budget fills, "
    "which takes {full}; where it is spent day after day, ask {name} for a higher limit.",
    "budget.rests": "rests until {at}",
    # drift
    "drift.access_left": "{thing} is still open to {customer}",
    "drift.access_missing": "{thing} is missing for {customer}",
    "drift.refund_unheard": "Refund {refund}: {there} that nobody told Makegood of",
    "drift.refund_differs": "Refund {refund}: {there} there, {here} here",
    "drift.refund_gone": "Refund {refund}: {here} here, and nothing there",
    "drift.news_gap": "A gap in the news",
    "drift.found": "found {at}",
    "drift.somebody": "a customer",
    # after a press
    "said.replayed": "It is back in line. Its turn comes within seconds.",
    "said.in_line": "It is in line already, so nothing was changed.",
    "said.closed": "Closed. It is not shown any more while it stays as it is.",
    "said.done_by_hand": "Closed as done by hand. Who closed it stands in the audit trail.",
    "said.closed_before": "It was closed as done by hand before, so nothing was changed.",
    "said.not_there": "It is not open any more, so nothing was changed.",
    "said.done": "It is done already, so nothing was changed.",
    "said.may_repeat": "It may have gone out already. It is sent again only by the button that "
    "says so.",
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH}


def health_word(locale: str, key: str, /, **values: str | int) -> str:
    """The text of message `key`, as `panel_words.word` does it. Raises KeyError for a bug."""
    return find_word(WORDS, locale, key, values)
