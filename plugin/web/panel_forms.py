"""The panel's forms: what fields may come, how long and how often, and the move that each makes.

A field that is not here, or comes more often than it may, is refused by `plugin.web.strict_forms`.
What a value means is for `plugin.web.panel_flow` to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from marshmallow import fields, validate

from plugin.domain.ids import TicketId
from plugin.web.panel_choice import Picked
from plugin.web.panel_flow import PanelFlow, Picture
from plugin.web.panel_scene import Ask, Sitting
from plugin.web.strict_forms import Form, read_form

_KEY = validate.Length(max=300)
_SHORT = validate.Length(max=200)
_TOKEN = validate.Length(max=4096)

ReadForm: TypeAlias = Callable[[type[Form]], dict[str, Any]]


class OrderForm(Form):
    """What every move may carry."""

    session = fields.String(validate=_TOKEN)
    order = fields.String(load_default="", validate=_KEY)
    again = fields.String(load_default="", validate=validate.OneOf(["", "yes"]))


class ChoiceForm(OrderForm):
    """The choice of an open order; with `plan` and `hash` it is the button."""

    line = fields.List(fields.String(validate=_KEY), load_default=list, validate=_SHORT)
    amount = fields.String(
        load_default="", validate=validate.OneOf(["", "full", "lines", "free", "prorata"])
    )
    free = fields.String(load_default="", validate=validate.Length(max=40))
    reason = fields.String(load_default="", validate=validate.Length(max=40))
    sub = fields.String(load_default="", validate=validate.OneOf(["", "stop", "keep"]))
    plan = fields.String(load_default="", validate=_SHORT)
    hash = fields.String(load_default="", validate=_SHORT)


class RefundForm(OrderForm):
    """A refund that was started: `refund` names its plan."""

    refund = fields.String(load_default="", validate=_SHORT)


class AttestForm(RefundForm):
    """What a person did or saw; the worksheet's button says nothing more than that it was paid.

    `part` is the refund that the question was about, since others of the plan may wait as well.
    """

    part = fields.String(load_default="", validate=_SHORT)
    found = fields.String(load_default="paid", validate=validate.OneOf(["paid", "nothing"]))


class StepsForm(ChoiceForm):
    """The full set of ticked steps, and what is chosen in the order beside them."""

    step = fields.List(fields.String(validate=_SHORT), load_default=list, validate=_SHORT)


class SearchForm(OrderForm):
    """Another e-mail or order number."""

    q = fields.String(load_default="", validate=_SHORT)


class ProofForm(OrderForm):
    """One more proof of who it is."""

    proof = fields.String(load_default="", validate=_SHORT)


class TicketForm(OrderForm):
    """Which ticket the page says that it stands beside: a claim."""

    ticket = fields.String(required=True, validate=[_SHORT, validate.Regexp(r"[0-9A-Za-z_-]+\Z")])


def picked_of(form: Mapping[str, object]) -> Picked:
    """The choice in a loaded form; a form without one gives the order alone."""
    lines = form.get("line", ())
    return Picked(
        order=str(form["order"]),
        lines=tuple(str(line) for line in lines) if isinstance(lines, list) else (),
        amount=str(form.get("amount", "")),
        free=str(form.get("free", "")),
        reason=str(form.get("reason", "")),
        sub=str(form.get("sub", "")),
    )


class PanelMoves:
    """One method per form: reads its fields and makes the move.

    They stand in this request's body, unless `read` takes them from elsewhere.
    """

    def __init__(self, flow: PanelFlow, read: ReadForm = read_form) -> None:
        self._flow = flow
        self._read = read

    def open(self, sitting: Sitting) -> Picture:
        claimed = TicketId(self._read(TicketForm)["ticket"])
        same = claimed == sitting.ticket
        # Proofs belong to one customer and stay behind.
        opened = Sitting(
            sitting.tenant,
            sitting.installation,
            sitting.agent,
            claimed,
            is_proven=sitting.is_proven,
        )
        return self._flow.show(sitting if same else opened, Picked(""))

    def orders(self, sitting: Sitting) -> Picture:
        return self._flow.show(sitting, picked_of(self._read(ChoiceForm)))

    def order(self, sitting: Sitting) -> Picture:
        form = self._read(OrderForm)
        again = form["again"] == "yes"
        return self._flow.show(sitting, picked_of(form), Ask.WHEN_STALE, again=again)

    def plan(self, sitting: Sitting) -> Picture:
        return self._flow.show(sitting, picked_of(self._read(ChoiceForm)), Ask.WHEN_STALE)

    def timeline(self, sitting: Sitting) -> Picture:
        return self._flow.show(sitting, picked_of(self._read(RefundForm)), Ask.NOBODY)

    def refund(self, sitting: Sitting) -> Picture:
        form = self._read(ChoiceForm)
        return self._flow.refund(sitting, picked_of(form), form["plan"], form["hash"])

    def undo(self, sitting: Sitting) -> Picture:
        form = self._read(RefundForm)
        return self._flow.undo(sitting, form["order"], form["refund"])

    def look(self, sitting: Sitting) -> Picture:
        form = self._read(RefundForm)
        return self._flow.look(sitting, form["order"], form["refund"])

    def attest(self, sitting: Sitting) -> Picture:
        form = self._read(AttestForm)
        paid = form["found"] == "paid"
        return self._flow.attest(sitting, form["order"], form["refund"], form["part"], paid=paid)

    def steps(self, sitting: Sitting) -> Picture:
        form = self._read(StepsForm)
        return self._flow.steps(sitting, picked_of(form), form["step"])

    def search(self, sitting: Sitting) -> Picture:
        return self._flow.search(sitting, self._read(SearchForm)["q"])

    def pair(self, sitting: Sitting) -> Picture | None:
        """Whether the agent was proven meanwhile; None where nothing has changed."""
        form = read_form(ChoiceForm)
        if not sitting.is_proven:
            return None
        return self._flow.show(sitting, picked_of(form))

    def prove(self, sitting: Sitting) -> Picture:
        form = self._read(ProofForm)
        return self._flow.prove(sitting, form["order"], form["proof"])
