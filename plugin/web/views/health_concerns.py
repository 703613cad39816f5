"""What needs a look, the most urgent first, each as a sentence with where to go next.

A concern is something that a person can end. What Makegood ends by itself, such as an unknown
refund that it looks up, is a figure on the page and no concern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plugin.domain.ids import InstallationId
from plugin.services.health import ConnectionHealth, Credential, Health, Standing
from plugin.web.views.health_telling import Tell


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing. `href` is where a person goes; empty where there is nowhere to go."""

    words: str
    tone: str
    icon: str
    href: str = ""
    go: str = ""


def concerns(health: Health, tell: Tell) -> tuple[Concern, ...]:
    """All of them."""
    called = names(health)
    of_connections = [
        concern for one in health.connections for concern in _of(one, called[one.id], tell)
    ]
    # Stable: within one tone the order of the connections stays.
    urgent_first = sorted(of_connections, key=lambda one: one.tone != "bad")
    return (*_of_the_house(health, tell), *urgent_first, *_of_lists(health, tell))


def _of_the_house(health: Health, tell: Tell) -> Iterator[Concern]:
    for hold in health.holds:
        said = tell.say("held", since=tell.at(hold.since), read_from=tell.at(hold.read_from))
        yield Concern(said, "warn", "hand")
    if not health.workers and health.connections:
        yield Concern(tell.say("workers.none"), "bad", "warn")


def _of(one: ConnectionHealth, name: str, tell: Tell) -> Iterator[Concern]:
    place = f"/install/at/{one.id}#connect"
    look, test = tell.say("go.connection"), tell.say("go.test")
    match one.standing:
        case Standing.KEY_REFUSED:
            said = tell.say("key_refused", name=name, waits=_waits(one, tell))
            yield Concern(said, "bad", "key", place, tell.say("go.key"))
        case Standing.NEEDS_ATTENTION:
            said = tell.say("needs_attention", name=name, waits=_waits(one, tell))
            yield Concern(said, "warn", "warn", place, test)
        case Standing.RESTING if one.rest is not None:
            again, tries = tell.at(one.rest.next_try), one.rest.failures
            said = tell.say("resting", name=name, again=again, tries=tries, waits=_waits(one, tell))
            yield Concern(said, "warn", "clock", place, test)
        case Standing.NOT_ANSWERING if one.sweep is not None:
            tries = one.sweep.failures
            said = tell.say("not_answering", name=name, tries=tries, waits=_waits(one, tell))
            yield Concern(said, "warn", "cloud", place, test)
        case Standing.SILENT if one.heard_at is not None:
            age = tell.age(one.heard_at)
            said = tell.say("silent", name=name, age=age, waits=_waits(one, tell))
            yield Concern(said, "warn", "cloud", place, test)
        case _:
            pass
    if Credential.UNSIGNED in one.credentials:
        yield Concern(tell.say("unsigned", name=name), "bad", "key", place, test)
    if Credential.NEW_KEY_WAITS in one.credentials:
        yield Concern(tell.say("new_key_waits", name=name), "warn", "key", place, look)


def _of_lists(health: Health, tell: Tell) -> Iterator[Concern]:
    lists = (
        ("refunds", health.for_a_person, "hand"),
        ("effects", health.open_effects, "look"),
        ("deliveries", health.not_applied, "warn"),
        ("drifts", health.open_drifts, "half"),
    )
    for key, count, icon in lists:
        if count.number:
            go = tell.counted("go.list", count)
            yield Concern(tell.counted(key, count), "warn", icon, f"#{key}", go)


def names(health: Health) -> Mapping[InstallationId, str]:
    """What each connection is called: its platform, and its account where there are several."""
    times = Counter(one.title for one in health.connections)
    return {
        one.id: f"{one.title} ({one.label})" if times[one.title] > 1 else one.title
        for one in health.connections
    }


def _waits(one: ConnectionHealth, tell: Tell) -> str:
    """What cannot go on without it."""
    refunds, closings = one.refunds_waiting, one.closings_waiting
    if not refunds.number and not closings.number:
        return tell.say("waits.nothing")
    if not refunds.number:
        return tell.say("waits.closings", closings=tell.counted("closings.do", closings))
    if not closings.number:
        return tell.counted("waits.refunds", refunds)
    return tell.say(
        "waits.both",
        refunds=tell.counted("some_refunds", refunds),
        closings=tell.counted("closings", closings),
    )


def top_sentence(health: Health, needed: tuple[Concern, ...], tell: Tell) -> str:
    """The sentence that says all: that it is well, the one thing, or how many things."""
    if not health.connections and not needed:
        return tell.say("top.nothing")
    if not needed:
        return tell.say("top.well")
    if len(needed) == 1:
        return tell.say("top.one", what=needed[0].words)
    return tell.say("top.many", n=len(needed))
