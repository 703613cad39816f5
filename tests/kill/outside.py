"""The world outside, each part in a process of its own: gateway, store, and desk with mail.

Started as `python -m tests.kill.outside KIND CLOCK BEGUN FACTOR SEED`.

Stateful, over loopback, and moody: answers are slow, lost, or errors after the deed, at a seeded
rate until they are told to be calm. Webhooks are sent until they are acknowledged, and now and then
once more. What was acknowledged is remembered: it is what must never be lost.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime
from pathlib import Path

from aiosmtpd.controller import Controller

from tests.kill.clock import SharedClock
from tests.kill.moody_desk import MoodyDesk
from tests.kill.moody_stripe import MoodyStripe
from tests.kill.moody_systeme_io import MoodySystemeIo
from tests.kill.peers import obey
from tests.kill.places import free_port


def main(kind: str, clock_file: str, begun: str, factor: str, seed: str) -> None:
    """Run one part of the world until the input ends."""
    clock = SharedClock(Path(clock_file), float(begun), int(factor))
    chance = random.Random(f"{seed} {kind}")
    if kind == "stripe":
        stripe = MoodyStripe(clock, chance)
        with stripe:
            obey(stripe.orders(), {"url": stripe.url})
    elif kind == "systeme_io":
        systeme = MoodySystemeIo(clock, chance)
        with systeme.running():
            things = {"course": systeme.course, "opened_by_tag": systeme.opened_by_tag}
            tags = {"tag": systeme.tag, "member": systeme.member}
            obey(systeme.orders(), {"url": systeme.url, **things, **tags})
    else:
        desk = MoodyDesk(chance)
        desk.account.now = datetime.fromtimestamp(float(begun), UTC).replace(microsecond=0)
        mail = Controller(desk.post, hostname="127.0.0.1", port=free_port())
        mail.start()
        with desk:
            obey(desk.orders(), {"url": desk.base_url, "mail": f"127.0.0.1:{mail.port}"})
        mail.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
