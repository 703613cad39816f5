"""The default rules: what follows from a changed ledger, always in the same order.

Cancel, access, tags, keep, verify, tell. The rules are a function of (ledger, what we did before);
they never look at which event came in, so any history that ends in the same facts ends in the same
effects.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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
from plugin.domain.endings import Causes
from plugin.domain.ids import CustomerKey, RunId
from plugin.domain.ledger import Holding, Ledger
from plugin.domain.orders import Resource, ResourceKind


@dataclass(frozen=True, slots=True)
class Turn:
    """Our changes to one resource of one customer: how many, and whether the last took it away.

    `seen` are the facts that had ended reasons for it when the last change was planned.
    """

    count: int
    taken: bool
    seen: Causes = ()


Turns = Mapping[Resource, Turn]
Tell = AddTicketNote | TellCustomer | TellOwner
_NO_TURN = Turn(0, taken=False)


def rule_effects(
    customer: CustomerKey,
    run: RunId,
    ledger: Ledger,
    turns: Turns,
    cancels: Sequence[CancelSubscription] = (),
) -> tuple[PlannedEffect, ...]:
    """All that must be done for the ledger to hold, in order. Empty when nothing changes."""
    changes = list(_access_changes(customer, ledger, turns))
    first = [
        PlannedEffect(run_key(run, f"cancel/{c.installation}/{c.subscription}"), 0, c)
        for c in cancels
    ]
    keeps = list(_keeps(customer, ledger, turns))
    everything = [*first, *changes, *keeps]
    return _in_order([*everything, *_verifications(run, everything)])


def turns_after(turns: Turns, effects: Iterable[PlannedEffect]) -> Turns:
    """The turns once these effects are planned for good."""
    after = dict(turns)
    for planned in effects:
        match planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                taken = True
            case RestoreAccess(resource) | RestoreTag(resource):
                taken = False
            case _:
                continue
        count = turns.get(resource, _NO_TURN).count + 1
        after[resource] = Turn(count, taken, planned.causes)
    return after


def with_tells(
    run: RunId, effects: Iterable[PlannedEffect], tells: Iterable[tuple[str, Tell]]
) -> tuple[PlannedEffect, ...]:
    """`effects`, and after them the people to tell, each by a name: it is told once per run."""
    told = [PlannedEffect(run_key(run, name), 0, tell) for name, tell in tells]
    return _in_order([*effects, *told])


def _access_changes(customer: CustomerKey, ledger: Ledger, turns: Turns) -> Iterator[PlannedEffect]:
    """Access before tags: a tag that goes last is still there to see, should access not close."""
    for resource in sorted(ledger.holdings, key=lambda r: (r.kind is ResourceKind.TAG, r)):
        if resource.kind is ResourceKind.BUNDLE and resource not in ledger.unknown_bundles:
            continue  # its courses are closed one by one; closing the bundle too would say it twice
        holding = ledger.holdings[resource]
        turn = turns.get(resource, _NO_TURN)
        key, causes = access_key(customer, resource, turn.count + 1), _causes(holding)
        is_tag = resource.kind is ResourceKind.TAG
        if not holding.owed and not _is_gone(holding, turn, ledger):
            take: Effect = RemoveTag(resource) if is_tag else RevokeAccess(resource)
            yield PlannedEffect(key, 0, take, tuple(reason for reason, _ in holding.ended), causes)
        elif holding.owed and turn.taken:
            give: Effect = RestoreTag(resource) if is_tag else RestoreAccess(resource)
            yield PlannedEffect(key, 0, give, holding.living, causes)


def _is_gone(holding: Holding, turn: Turn, ledger: Ledger) -> bool:
    """Whether nothing is left to take: the store said so, or we took it and nothing gave it since.

    What the store said of a tag may be older than the day on which we gave that tag back. And a
    sale that we hear of only when it is over was opened by its store all the same.
    """
    given_by_us = turn.count > 0 and not turn.taken
    if holding.resource in ledger.tags_gone and not given_by_us:
        return True
    gives_anew = any(not set(causes) & set(turn.seen) for _, causes in holding.ended)
    return turn.taken and not gives_anew


def _keeps(customer: CustomerKey, ledger: Ledger, turns: Turns) -> Iterator[PlannedEffect]:
    """Make sure of what stays: a store may itself take what another sale still gives.

    Once for each time that a reason ends, also where we take nothing at all.
    """
    for resource in sorted(ledger.holdings):
        holding, turn = ledger.holdings[resource], turns.get(resource, _NO_TURN)
        causes = _causes(holding)
        if not holding.owed or set(causes) <= set(turn.seen):
            continue
        if turn.taken:
            continue  # it is given back already
        if resource.kind in (ResourceKind.TAG, ResourceKind.BUNDLE):
            continue
        key = access_key(customer, resource, turn.count + 1)
        yield PlannedEffect(key, 0, RestoreAccess(resource), holding.living, causes)


def _causes(holding: Holding) -> Causes:
    """The facts that ended reasons for it."""
    return tuple(sorted({fact for _, facts in holding.ended for fact in facts}))


def _verifications(run: RunId, effects: Iterable[PlannedEffect]) -> Iterator[PlannedEffect]:
    gone: dict[str, list[Resource]] = {}
    kept: dict[str, list[Resource]] = {}
    for planned in effects:
        match planned.effect:
            case RevokeAccess(resource) | RemoveTag(resource):
                gone.setdefault(resource.installation, []).append(resource)
            case RestoreAccess(resource) | RestoreTag(resource):
                kept.setdefault(resource.installation, []).append(resource)
            case _:
                pass
    for installation in sorted({*gone, *kept}):
        all_of_it = (*gone.get(installation, ()), *kept.get(installation, ()))
        yield PlannedEffect(
            run_key(run, f"verify/{installation}"),
            0,
            VerifyAccess(
                all_of_it[0].installation,
                tuple(gone.get(installation, ())),
                tuple(kept.get(installation, ())),
            ),
        )


def _in_order(effects: Iterable[PlannedEffect]) -> tuple[PlannedEffect, ...]:
    return tuple(replace(effect, position=place) for place, effect in enumerate(effects))
