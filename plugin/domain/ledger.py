"""Why a customer has what she has: a pure reading of the facts as a set.

Access is derived, never flipped. Every resource has reasons, living and ended. A resource is owed
while one reason lives; it is *ended* when it had reasons and none lives. What has no fact is not
ours to judge and never appears here. Because facts are read as a set, order, duplication and
lateness cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from plugin.domain.access_map import AccessMap
from plugin.domain.endings import Causes, SoldLine, sold_lines
from plugin.domain.facts import (
    Bought,
    DisputeClosed,
    DisputeOpened,
    Fact,
    Given,
    TagAdded,
    TagRemoved,
)
from plugin.domain.orders import LineRef, OrderRef, Resource, ResourceKind

TAG_ECHO = timedelta(minutes=15)
"""A store reports the tag that a sale added as news of its own: so near to it, it is the sale's."""


class ReasonKind(StrEnum):
    """Why somebody has something."""

    PURCHASE = "purchase"
    BUNDLE = "bundle"
    TAG = "tag"
    BY_ITSELF = "by_itself"  # a tag added by hand, a form or an automation: we do not know
    GIFT = "gift"


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """One grant: why a customer has a resource. `through` is the bundle or tag that led to it."""

    kind: ReasonKind
    source: str  # the line, gift or tag event it comes from; stable, for keys
    since: datetime
    title: str = ""
    line: LineRef | None = None
    through: Resource | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """A resource with its reasons. `ended` are the dead ones, each with the facts that ended it."""

    resource: Resource
    living: tuple[Reason, ...]
    ended: tuple[tuple[Reason, Causes], ...]

    @property
    def owed(self) -> bool:
        return bool(self.living)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the facts say at one moment.

    `unknown_lines` are living lines of which nobody told what they give. `unknown_bundles` are
    bundles that were given and whose courses nobody told. `tags_gone` are tags that the store
    itself reported removed after everything that gave them: there is nothing left to remove.
    `next_change` is when time alone will next change the answer.
    """

    holdings: Mapping[Resource, Holding]
    unknown_lines: tuple[Bought, ...]
    unknown_bundles: tuple[Resource, ...]
    tags_gone: frozenset[Resource]
    next_change: datetime | None

    def owed(self) -> tuple[Resource, ...]:
        """What the customer should have."""
        return tuple(sorted(r for r, holding in self.holdings.items() if holding.owed))

    def ended(self) -> tuple[Holding, ...]:
        """What she had a reason for and should have no more."""
        return tuple(self.holdings[r] for r in sorted(self.holdings) if not self.holdings[r].owed)


Beside = Mapping[Resource, Sequence[Reason]]
"""Purchases that still give something to an account of hers at a store, by another address."""


def read_ledger(
    facts: Iterable[Fact], access: AccessMap, now: datetime, beside: Beside = MappingProxyType({})
) -> Ledger:
    """The ledger of one customer at `now` (aware UTC).

    What `beside` gives stays hers while it lives: the store keeps one thing once for an account,
    by whatever address it was bought. It adds nothing that none of her own facts speak of.
    """
    by_id = {fact.id: fact for fact in facts}
    known = tuple(by_id[name] for name in sorted(by_id))
    lines = list(sold_lines(known, now))
    direct = [*_sold(lines, access), *_gifts(known)]
    others = [grant for grant in direct if grant.resource.kind is not ResourceKind.TAG]
    given_tags = [grant for grant in direct if grant.resource.kind is ResourceKind.TAG]
    tags = _holdings(_tag_grants(given_tags, known))
    others += [grant for tag in tags.values() for grant in _opened(tag, access)]
    bundles = [grant for grant in others if grant.resource.kind is ResourceKind.BUNDLE]
    inside = [course for bundle in bundles for course in _unpacked(bundle, access)]
    untold = (line.bought for line in lines if not line.ended)
    unknown_lines = (bought for bought in untold if gives_of(bought, access) is None)
    unknown_bundles = {b.resource for b in bundles if access.inside(b.resource) is None}
    holdings = {**_holdings([*others, *inside]), **tags}
    return Ledger(
        {resource: _shared(one, beside.get(resource, ())) for resource, one in holdings.items()},
        tuple(sorted(unknown_lines, key=lambda bought: bought.line)),
        tuple(sorted(unknown_bundles)),
        frozenset(_tags_gone(given_tags, known)),
        min((line.ends_at for line in lines if line.ends_at is not None), default=None),
    )


def _shared(holding: Holding, beside: Sequence[Reason]) -> Holding:
    return holding if holding.living else replace(holding, living=tuple(beside))


def gives_of(bought: Bought, access: AccessMap) -> tuple[Resource, ...] | None:
    """What a line gives: what the store told of the sale, else the map, else None for unknown."""
    if bought.gives is not None:
        return bought.gives
    return access.given_by(bought.line.order.installation, bought.product)


def open_disputes(facts: Iterable[Fact], order: OrderRef) -> tuple[DisputeOpened, ...]:
    """Disputes of an order that the bank has not decided yet."""
    facts = tuple(facts)
    closed = {(f.order, f.dispute) for f in facts if isinstance(f, DisputeClosed)}
    return tuple(
        f
        for f in facts
        if isinstance(f, DisputeOpened) and f.order == order and (f.order, f.dispute) not in closed
    )


# --- grants: one resource, one reason -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Grant:
    """One reason for one resource, and what ended it."""

    resource: Resource
    reason: Reason
    ended: Causes


@dataclass(slots=True)
class _Found:
    """The grants of one resource, while they are gathered."""

    resource: Resource
    living: set[Reason] = field(default_factory=set)
    ended: set[tuple[Reason, Causes]] = field(default_factory=set)


def _holdings(grants: Iterable[_Grant]) -> dict[Resource, Holding]:
    found: dict[Resource, _Found] = {}
    for grant in grants:
        of_it = found.setdefault(grant.resource, _Found(grant.resource))
        if not of_it.resource.name:
            of_it.resource = grant.resource  # news without a name must not hide the name
        if grant.ended:
            of_it.ended.add((grant.reason, grant.ended))
        else:
            of_it.living.add(grant.reason)
    return {
        f.resource: Holding(f.resource, tuple(sorted(f.living)), tuple(sorted(f.ended)))
        for f in found.values()
    }


def _sold(lines: Iterable[SoldLine], access: AccessMap) -> Iterator[_Grant]:
    for sold in lines:
        bought, line = sold.bought, sold.bought.line
        source = f"{line.order.installation}/{line.order.ref}/{line.ref}"
        reason = Reason(ReasonKind.PURCHASE, source, bought.at, bought.title, line)
        for resource in gives_of(bought, access) or ():
            yield _Grant(resource, reason, sold.ended)


def _gifts(known: Iterable[Fact]) -> Iterator[_Grant]:
    for fact in known:
        if isinstance(fact, Given):
            yield _Grant(fact.resource, Reason(ReasonKind.GIFT, fact.id, fact.at, fact.why), ())


def _opened(tag: Holding, access: AccessMap) -> Iterator[_Grant]:
    """What a tag opens, for as long as the tag has a reason."""
    reasons = tag.living or tuple(reason for reason, _ in tag.ended)
    # Each end of its own: what a later sale of the tag opened anew has ended with that sale.
    ends = {()} if tag.living else {causes for _, causes in tag.ended}
    source = f"{tag.resource.installation}/{tag.resource.ref}"
    since = min(reason.since for reason in reasons)
    reason = Reason(ReasonKind.TAG, source, since, tag.resource.name, through=tag.resource)
    for resource in access.opened_by(tag.resource):
        yield from (_Grant(resource, reason, ended) for ended in ends)


def _unpacked(bundle: _Grant, access: AccessMap) -> Iterator[_Grant]:
    """The courses of a bundle, for the bundle's own reason."""
    reason = replace(bundle.reason, kind=ReasonKind.BUNDLE, through=bundle.resource)
    for course in access.inside(bundle.resource) or ():
        yield _Grant(course, reason, bundle.ended)


# --- tags -----------------------------------------------------------------------------------------


def _tag_grants(given: Sequence[_Grant], known: Iterable[Fact]) -> Iterator[_Grant]:
    """Reasons of tags. A removal, by whomever, ends every reason older than itself."""
    removed = [fact for fact in known if isinstance(fact, TagRemoved)]
    added = [fact for fact in known if isinstance(fact, TagAdded)]
    for grant in given:
        echoes = [f.at for f in added if _is_echo(f, grant)]
        last_given = max([grant.reason.since, *echoes])
        ended = grant.ended or _removals(removed, grant.resource, last_given)
        yield _Grant(grant.resource, grant.reason, ended)
    for fact in added:
        if not any(_is_echo(fact, grant) for grant in given):
            reason = Reason(ReasonKind.BY_ITSELF, fact.id, fact.at)
            yield _Grant(fact.tag, reason, _removals(removed, fact.tag, fact.at))


def _is_echo(fact: TagAdded, grant: _Grant) -> bool:
    is_sale = grant.reason.kind is ReasonKind.PURCHASE
    return is_sale and fact.tag == grant.resource and abs(fact.at - grant.reason.since) <= TAG_ECHO


def _removals(removed: Iterable[TagRemoved], tag: Resource, since: datetime) -> Causes:
    return tuple(sorted(f.id for f in removed if f.tag == tag and f.at > since))


def _tags_gone(given: Iterable[_Grant], known: Iterable[Fact]) -> Iterator[Resource]:
    last_given = [(grant.resource, grant.reason.since) for grant in given]
    last_given += [(fact.tag, fact.at) for fact in known if isinstance(fact, TagAdded)]
    for fact in known:
        if isinstance(fact, TagRemoved) and all(
            at < fact.at for tag, at in last_given if tag == fact.tag
        ):
            yield fact.tag
