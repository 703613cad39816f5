"""The twelve practice tickets and what lies behind each: invented people, invented purchases.

Builds values relative to `shop.now` and keeps nothing. Their order, and the settings that go with
them, are in `practice_cases.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from plugin.domain.access_map import AccessMap
from plugin.domain.days import periods_later
from plugin.domain.facts import Bought
from plugin.domain.ledger import gives_of
from plugin.domain.money import Money
from plugin.domain.orders import (
    Order,
    RefundRoute,
    Resource,
    ResourceKind,
    Subscription,
    SubscriptionStatus,
    Term,
    UsageKnown,
)
from plugin.platforms.practice_shop import Mood, Shop
from plugin.ports import Ticket


@dataclass(frozen=True, slots=True)
class Case:
    """One ticket and what lies behind it. `shows` is what there is to learn, in a few words.

    `own_tags` are tags that the customer came by without a sale. `mood` is how the gateway meets
    the first refund of each of the case's payments.
    """

    slug: str
    shows: str
    ticket: Ticket
    asked_at: datetime
    orders: tuple[Order, ...] = ()
    own_tags: tuple[Resource, ...] = ()
    mood: Mood = Mood.PLAIN

    def holds(self, access: AccessMap) -> tuple[tuple[str, Resource], ...]:
        """All that the case's customers hold, as (address, resource): bundles and tags opened."""
        held: dict[tuple[str, Resource], None] = {}
        for order in self.orders:
            for line in order.lines:
                bought = Bought(
                    order.customer,
                    line.ref,
                    line.product,
                    line.title,
                    line.paid,
                    order.bought_at,
                    line.gives,
                )
                for resource in (*(gives_of(bought, access) or ()), *self.own_tags):
                    opened = (*(access.inside(resource) or ()), *access.opened_by(resource))
                    held.update(dict.fromkeys((order.email, r) for r in (resource, *opened)))
        return tuple(held)


def _case(slug: str, shows: str, shop: Shop, ticket: Ticket, *orders: Order) -> Case:
    return Case(slug, shows, ticket, shop.now, orders)


def _simple(shop: Shop) -> Case:
    name, email = "Ana Horvat", "ana.horvat@mail.example"
    ticket = shop.ticket(
        1001,
        name,
        (email,),
        "Refund for order 20418",
        "Hello, I bought the portrait lighting course three weeks ago (order 20418). It is "
        "good, but I started a new job and will not have the time for it. Could I have my money"
        " back, please?",
    )
    course = shop.course("portrait", "Portrait Lighting, full course")
    order = shop.one_course(
        "20418",
        name,
        email,
        21,
        course,
        29700,
        "Visa …4242",
        tags=(shop.tag("portrait-student"),),
        share=12,
    )
    return _case("simple", "A course within 30 days", shop, ticket, order)


def _bought_twice(shop: Shop) -> Case:
    name, email = "Petra Lindqvist", "petra@lindqvist.example"
    ticket = shop.ticket(
        1002,
        name,
        (email,),
        "Charged twice?",
        "Hi, I see Colour Mixing Basics twice on my card. The page hung and I must have pressed"
        " again. Please refund order 20457 and leave me the course, I am half-way through.",
    )
    first = shop.one_course(
        "20451", name, email, 5, shop.colour_mixing, 4900, "Mastercard …1881", share=48
    )
    second = shop.one_course(
        "20457", name, email, 5, shop.colour_mixing, 4900, "Mastercard …1881", share=48
    )
    return _case("bought_twice", "Bought twice: access stays", shop, ticket, first, second)


def _tag_only(shop: Shop) -> Case:
    name, email = "Daniel Okafor", "d.okafor@post.example"
    ticket = shop.ticket(
        1003,
        name,
        (email,),
        "Studio Critique is not for me",
        "Good morning. I signed up for Studio Critique nine days ago, order 20440. The "
        "dates clash with my shifts, so I would like to cancel and get a refund.",
    )
    paid = Money(12000, "EUR")
    line = shop.line(
        "20440",
        "Studio Critique, one season",
        "plan-critique",
        paid,
        ResourceKind.COURSE,
        (shop.tag("critique-2026"),),
        usage=UsageKnown(share=0),
    )
    order = shop.order(
        "20440", name, email, 9, (line,), (shop.payment("20440", "Visa …7710", paid, fee=205),)
    )
    case = _case("tag_only", "Access opened by a tag only", shop, ticket, order)
    return replace(case, own_tags=(shop.tag("newsletter"),))


def _three_of_twelve(shop: Shop) -> Case:
    """Three of twelve months have begun on day 80, in any year.

    111.75 over payments of 138.00 and 30.00 splits into exactly 91.79 and 19.96.
    """
    name, email = "Mirela Kovač", "mirela.kovac@mail.example"
    ticket = shop.ticket(
        1004,
        name,
        (email,),
        "Leaving the Watercolour Year",
        "Hi, I took the Watercolour Year in order 20312 with a friend, but she stopped and I do"
        " not paint on my own. Can I leave now and get back what I have not used?",
    )
    begun = shop.now - timedelta(days=80)
    renews_on = periods_later(begun.date(), 12, "month")
    renews_at = datetime.combine(renews_on, time(8), UTC)
    price, guide = Money(14900, "EUR"), Money(1900, "EUR")
    year = shop.line(
        "20312",
        "Watercolour Year",
        "plan-watercolour-year",
        price,
        ResourceKind.MEMBERSHIP,
        (shop.course("watercolour-year", "Watercolour Year"), shop.tag("wy-member")),
        term=Term(begun, 12),
        subscription="sub-20312",
        usage=UsageKnown(share=20),
    )
    paper = shop.line(
        "20312",
        "Paper guide, download",
        "plan-paper-guide",
        guide,
        ResourceKind.DOWNLOAD,
        (shop.download("paper-guide", "Paper guide"),),
        place=2,
        usage=UsageKnown(downloaded=False),
    )
    visa = shop.payment("20312", "Visa …4242", Money(13800, "EUR"), fee=252)
    gift = shop.payment("20312", "gift card …K7QD", Money(3000, "EUR"), place=2)
    renewing = Subscription(
        shop.installation, "sub-20312", SubscriptionStatus.ACTIVE, renews_at, price, renews_at
    )
    order = shop.order("20312", name, email, 80, (year, paper), (visa, gift), renewing)
    older = shop.one_course(
        "19877", name, email, 266, shop.colour_mixing, 4900, "Visa …4242", share=100
    )
    case = _case("three_of_twelve", "3 of 12 months used", shop, ticket, order, older)
    return replace(case, own_tags=(shop.tag("newsletter"),))


def _bundle(shop: Shop) -> Case:
    name, email = "Ingrid Solberg", "ingrid.solberg@mail.example"
    ticket = shop.ticket(
        1005,
        name,
        (email,),
        "The bundle is too much for me",
        "Hello! I bought the Illustrator's Shelf (order 20433) because I liked Ink & Line so "
        "much. Three courses at once are more than I can manage. May I give the bundle back?",
    )
    paid = Money(19900, "EUR")
    line = shop.line(
        "20433",
        "Illustrator's Shelf",
        "plan-shelf",
        paid,
        ResourceKind.BUNDLE,
        (shop.bundle,),
        usage=UsageKnown(share=5),
    )
    shelf = shop.order(
        "20433", name, email, 12, (line,), (shop.payment("20433", "Visa …0341", paid, fee=323),)
    )
    alone = shop.one_course(
        "20102", name, email, 200, shop.ink_and_line, 7900, "Visa …0341", share=100
    )
    return _case("bundle", "A bundle, one part bought alone", shop, ticket, shelf, alone)


def _yen(shop: Shop) -> Case:
    name, email = "Haruka Sato", "haruka.sato@mail.example"
    ticket = shop.ticket(
        1006,
        name,
        (email,),
        "Ink brush pack does not open",
        "Hello, I paid 3,800 yen for the ink brush pack, order 20461. My program says the file "
        "format is not supported. If there is no other version I would like a refund. Thank "
        "you.",
    )
    paid = Money(3800, "JPY")
    line = shop.line(
        "20461",
        "Ink brush pack, vol. 2",
        "plan-ink-brushes-2",
        paid,
        ResourceKind.DOWNLOAD,
        (shop.download("ink-brushes-2", "Ink brush pack, vol. 2"),),
    )
    order = shop.order(
        "20461", name, email, 4, (line,), (shop.payment("20461", "JCB …0505", paid, fee=137),)
    )
    return _case("yen", "Yen, use unknown", shop, ticket, order)


def _open_dispute(shop: Shop) -> Case:
    name, email = "Tomasz Zieliński", "tomasz.z@poczta.example"
    ticket = shop.ticket(
        1007,
        name,
        (email,),
        "I want my 149 EUR back",
        "I wrote last week and heard nothing, so I asked my bank to take the money back. If you"
        " refund order 20429 now, I can tell them it is settled.",
    )
    course = shop.course("botanical", "Botanical Drawing")
    order = shop.one_course(
        "20429", name, email, 14, course, 14900, "Visa …9034", share=3, disputed=True
    )
    return _case("open_dispute", "The bank is deciding already", shop, ticket, order)


def _gateway_silent(shop: Shop) -> Case:
    name, email = "Claire Fontaine", "claire.fontaine@courrier.example"
    ticket = shop.ticket(
        1008,
        name,
        (email,),
        "Refund, order 20436",
        "Bonjour, the lettering course (order 20436) is more advanced than I thought. I watched"
        " the first lesson only. Would you refund it?",
    )
    course = shop.course("lettering", "Lettering for Posters")
    order = shop.one_course("20436", name, email, 11, course, 8900, "Visa …6127", share=8)
    case = _case("gateway_silent", "The gateway pays and goes quiet", shop, ticket, order)
    return replace(case, mood=Mood.SILENT)


def _too_late(shop: Shop) -> Case:
    name, email = "Luca Moretti", "luca.moretti@posta.example"
    ticket = shop.ticket(
        1009,
        name,
        (email,),
        "Old course",
        "Hi, while tidying up I found a course from early in the year, order 19903. I never got"
        " round to it. Is a refund still possible?",
    )
    order = shop.one_course("19903", name, email, 266, shop.colour_mixing, 4900, "Visa …2290")
    return _case("too_late", "Not eligible: day 266 of 30", shop, ticket, order)


def _by_hand(shop: Shop) -> Case:
    name, email = "Sofia Marques", "sofia.marques@correio.example"
    ticket = shop.ticket(
        1010,
        name,
        (email,),
        "Mentoring place, order 20444",
        "Dear team, I transferred 240 EUR for the Mentoring Circle (order 20444), but I have to"
        " move abroad next month. Could you send it back to my account?",
    )
    paid = Money(24000, "EUR")
    line = shop.line(
        "20444",
        "Mentoring Circle",
        "plan-mentoring",
        paid,
        ResourceKind.COURSE,
        None,
        usage=UsageKnown(share=0),
    )
    payment = shop.payment("20444", "bank transfer", paid, route=RefundRoute.BY_HAND)
    order = shop.order("20444", name, email, 8, (line,), (payment,))
    return _case("by_hand", "Paid by transfer: refunded by hand", shop, ticket, order)


def _nothing_found(shop: Shop) -> Case:
    ticket = shop.ticket(
        1011,
        "Anna K.",
        ("anna.k@mail.example",),
        "Refund please",
        "Hello, I would like a refund for the drawing course I bought from you in spring. I "
        "think I paid with PayPal. Thanks, Anna",
    )
    return _case("nothing_found", "No purchase under this address", shop, ticket)


def _weak_match(shop: Shop) -> Case:
    """Nobody bought from the address that writes, and two customers have the writer's name.

    The address in the text finds one order and proves nothing: the agent takes it as true by giving
    the card's digits, which the text names too.
    """
    name = "Jonas Weber"
    one, other = "j.weber@post.example", "jonas.weber@mail.example"
    ticket = shop.ticket(
        1012,
        name,
        ("jonas.weber@atwork.example",),
        "Refund for my course",
        "Good afternoon, I am writing from work. I bought a course as j.weber@post.example this "
        "month and would like to return it, it is not what I expected. I do not have the order "
        "number here; I paid with the card ending in 3318. Kind regards, Jonas Weber",
    )
    orders = (
        shop.one_course("20449", name, one, 7, shop.gouache, 8900, "Visa …3318", share=10),
        shop.one_course("20425", name, other, 16, shop.paper_cuts, 6900, "Visa …5502", share=15),
    )
    return _case("weak_match", "Another address: one more proof", shop, ticket, *orders)


CASE_MAKERS: tuple[Callable[[Shop], Case], ...] = (
    _simple,
    _bought_twice,
    _tag_only,
    _three_of_twelve,
    _bundle,
    _yen,
    _open_dispute,
    _gateway_silent,
    _too_late,
    _by_hand,
    _nothing_found,
    _weak_match,
)
"""In the order in which they are offered: the first is what first run opens."""
