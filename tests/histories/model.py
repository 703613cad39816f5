"""The naive model: what the world looks like after a history, whoever heard of it when.

Plain dicts, no code of the product, time in whole minutes. It also says which happening may follow:
a history in which nothing surprising is asked of the product (two refunds at once, say) has one
right end. What it says of access is what an honest shopkeeper would say:

- a line that was sold opens what it gives until its money is back, the bank took it, or the
  subscription that renews it is over;
- a tag is there from what gave it last until somebody takes it off, and opens what it opens;
- a gift stays.
"""

from __future__ import annotations

from typing import Any

Step = dict[str, Any]
Json = dict[str, Any]

BUNDLES = {"bundle b1": ["course c1", "course c2"]}
OPENED_BY_TAG = {"tag t1": ["course c3"]}
REFUND_DAYS = 25  # the policy says 30 days; nobody asks on the last ones
DAY = 24 * 60
ENDS = {  # how a gateway's mood ends one refund of ours
    "plain": "succeeded",
    "silent_after": "succeeded",
    "silent_before": "succeeded",
    "busy": "succeeded",
    "no": "refused",
    "undone": "withdrawn",
}


class World:
    """What is so, after each happening."""

    def __init__(self) -> None:
        self.now = 0
        self.orders: dict[str, Json] = {}
        self.subscriptions: dict[str, list[Json]] = {}  # news of each, oldest first
        self.tags: list[Json] = []  # changes by hand, oldest first
        self.gifts: list[Json] = []
        self.refunds: dict[str, Json] = {}  # made outside
        self.disputes: dict[str, Json] = {}
        self.asks: dict[str, Json] = {}  # refunds of ours
        self.notices: dict[str, Json] = {}

    # --- may it happen? ---------------------------------------------------------------------------

    def may(self, step: Step) -> bool:  # noqa: C901, PLR0911, PLR0912 - one case per happening
        """Whether this can happen next, with one right end."""
        order = self.orders.get(step.get("order", ""))
        if "order" in step and step["do"] != "sale" and order is None:
            return False
        at = self.now + step["wait"]
        if order is not None and order["heard_late"]:
            return False  # until we hear that money came back, what we do next depends on it
        match step["do"]:
            case "sale":
                apart = all(at - o["at"] > 60 for o in self.orders.values())
                # A charge whose sale we do not know yet is booked as an order of its own.
                in_time = step["kind"] != "joined" or step["heard"]["sale"][:1] == [0]
                return step["order"] not in self.orders and apart and in_time
            case "refund_outside":
                assert order is not None
                left = self._left(order, step["payment"])
                free = not self._in_flight(order) and order["kind"] != "hand"
                return free and not order["disputed"] and 0 < step["minor"] <= left
            case "cancel_sale":
                assert order is not None
                untouched = not order["back"] and not order["disputed"] and not order["sub"]
                return untouched and len(order["payments"]) == 1 and not self._in_flight(order)
            case "refund_fails":
                return self.refunds.get(step["refund"], {}).get("state") == "succeeded"
            case "dispute":
                known = self.disputes.get(step["dispute"])
                if step["state"] == "open":
                    assert order is not None
                    free = known is None and not order["disputed"] and order["kind"] != "hand"
                    return free and not order["back"] and not self._in_flight(order)
                return known is not None and known["state"] == "open"
            case "subscription":
                return step["sub"] in self.subscriptions
            case "cancel_subscription":
                assert order is not None
                return bool(order["sub"]) and not order["cancelled_by_us"]
            case "ask":
                return order is not None and self._may_ask(step, order, at)
            case "bank_settles" | "done_by_hand":
                waits = "pending" if step["do"] == "bank_settles" else "manual"
                return self.asks.get(step["ask"], {}).get("state") == waits
            case "bank_takes_back":
                ask = self.asks.get(step["ask"])
                return ask is not None and self._may_take_back(ask, at)
            case _:
                return True

    def _may_ask(self, step: Step, order: Json, at: int) -> bool:
        young = at - order["at"] < REFUND_DAYS * DAY
        if not young or self._in_flight(order) or step["ask"] in self.asks:
            return False
        if order["disputed"] or order["cancelled"]:
            return False
        left = sum(self._left(order, name) for name in range(len(order["payments"])))
        match step["what"]:
            case "all":
                return not order["back"] and (step["mood"] == "plain" or order["kind"] != "hand")
            case "line":
                return (
                    len(order["lines"]) == 2
                    and len(order["payments"]) == 1
                    and not order["back"]
                    and order["kind"] != "hand"
                )
            case _:  # a part of one payment for one line
                alone = len(order["payments"]) == len(order["lines"]) == 1
                return alone and order["kind"] != "hand" and step["minor"] * 2 <= left

    def _may_take_back(self, ask: Json, at: int) -> bool:
        """Only what we know to be through: what failed before we heard of it was never through.

        And only of one payment: of a plan with two, the ledger knows no part by itself.
        """
        alone = len(ask["order"]["payments"]) == 1 and not ask["by_hand"]
        return alone and ask["state"] == "succeeded" and at > ask["known_at"]

    def _left(self, order: Json, payment: int) -> int:
        back = sum(b["minor"] for b in order["back"].values() if b["payment"] == payment)
        return int(order["payments"][payment] - back)

    def _in_flight(self, order: Json) -> bool:
        return any(
            a["order"] is order and a["state"] in ("pending", "manual") for a in self.asks.values()
        )

    # --- it happens -------------------------------------------------------------------------------

    def do(self, step: Step) -> None:
        """Let it happen."""
        self.now += step["wait"]
        getattr(self, f"_{step['do']}")(step)

    def _sale(self, step: Step) -> None:
        self.orders[step["order"]] = {
            **{key: step[key] for key in ("who", "kind", "payments", "sub")},
            "name": step["order"],
            "at": self.now,
            "lines": [dict(line) for line in step["lines"]],
            "back": {},  # refund -> its payment and amount, while the money is back
            "ended": {},  # refund -> the lines that it ended, while the money is back
            "disputed": False,
            "lost": False,
            "cancelled": False,
            "cancelled_by_us": False,
            "until": [],  # news of its own end, oldest first
            "heard_late": False,  # that money did not arrive after all, and we know it later
        }
        if step["sub"]:
            self.subscriptions.setdefault(step["sub"], [])

    def _tag(self, step: Step) -> None:
        self.tags.append({**step, "at": self.now})

    def _gift(self, step: Step) -> None:
        self.gifts.append(step)

    def _refund_outside(self, step: Step) -> None:
        order = self.orders[step["order"]]
        self.refunds[step["refund"]] = {"order": order, "state": "succeeded", "step": step["id"]}
        order["back"][step["refund"]] = {"payment": step["payment"], "minor": step["minor"]}
        self._tell(step, mails=1, notes=1)

    def _cancel_sale(self, step: Step) -> None:
        order = self.orders[step["order"]]
        order["cancelled"] = True
        order["back"][step["refund"]] = {"payment": 0, "minor": order["payments"][0]}
        order["ended"][step["refund"]] = list(range(len(order["lines"])))
        self._tell(step, mails=1, notes=1)

    def _refund_fails(self, step: Step) -> None:
        self.refunds[step["refund"]]["state"] = "failed"
        order = self.refunds[step["refund"]]["order"]
        order["back"].pop(step["refund"])
        order["heard_late"] = step["heard"]["bank"][:1] != [0]

    def _dispute(self, step: Step) -> None:
        if step["state"] == "open":
            order = self.orders[step["order"]]
            order["disputed"] = True
            self.disputes[step["dispute"]] = {"order": order, "state": "open"}
            return
        dispute = self.disputes[step["dispute"]]
        dispute["state"] = step["state"]
        dispute["order"]["lost"] = step["state"] == "lost"

    def _subscription(self, step: Step) -> None:
        until = None if step["until"] is None else self.now + step["until"]
        self.subscriptions[step["sub"]].append({"at": self.now, "until": until})

    def _cancel_subscription(self, step: Step) -> None:
        order = self.orders[step["order"]]
        order["until"].append({"at": self.now, "until": self.now + step["until"], "step": step})
        self._tell(step, mails=1, notes=1)

    def _ask(self, step: Step) -> None:
        order = self.orders[step["order"]]
        by_hand = order["kind"] == "hand"
        mood = step["mood"]
        state = "manual" if by_hand else ENDS.get(mood, "pending")
        self.asks[step["ask"]] = {
            "order": order,
            "state": state,
            "by_hand": by_hand,
            "step": step,
            "known_at": self.now,
        }
        if state == "succeeded":
            self._money_back(step)
        elif state == "refused":
            self._tell(step, mails=1, notes=1)

    def _money_back(self, step: Step) -> None:
        """A refund of ours is through."""
        order, name = self.orders[step["order"]], step["ask"]
        lines = range(len(order["lines"]))
        if step["what"] == "all":
            for number, minor in enumerate(order["payments"]):
                order["back"][f"{name}/{number}"] = {"payment": number, "minor": minor}
            order["ended"][name] = list(lines)
        elif step["what"] == "line":
            minor = order["lines"][step["line"]]["pays"]
            order["back"][name] = {"payment": 0, "minor": minor}
            order["ended"][name] = [step["line"]]
        else:
            order["back"][name] = {"payment": 0, "minor": step["minor"]}
        if order["sub"] and step["what"] != "part":
            order["cancelled_by_us"] = True
        self._tell(step, notes=1, replies=1)

    def _bank_settles(self, step: Step) -> None:
        ask = self.asks[step["ask"]]
        ask["state"] = "succeeded" if step["state"] == "succeeded" else "refused"
        ask["known_at"] = self.now + 60  # a pending refund is asked for every hour
        if ask["state"] == "succeeded":
            self._money_back(ask["step"])
        else:
            self._tell(ask["step"], mails=1, notes=1)

    def _done_by_hand(self, step: Step) -> None:
        ask = self.asks[step["ask"]]
        ask["state"] = "succeeded"
        ask["order"]["cancelled"] = True
        self._money_back(ask["step"])

    def _bank_takes_back(self, step: Step) -> None:
        """The bank could not pay a refund of ours out."""
        ask = self.asks[step["ask"]]
        ask["state"] = "failed_later"
        ask["order"]["heard_late"] = step["heard"]["echo"][:1] != [0]
        order, name = ask["order"], step["ask"]
        order["back"].pop(f"{name}/0" if ask["step"]["what"] == "all" else name)
        order["ended"].pop(name, None)
        self._tell(ask["step"], mails=1, notes=1, replies=1)

    def _tell(self, step: Step, mails: int = 0, notes: int = 0, replies: int = 0) -> None:
        """Somebody is told because of this happening."""
        told = self.notices.setdefault(step["id"], {"mails": 0, "notes": 0, "replies": 0})
        told["mails"] += mails
        told["notes"] += notes
        told["replies"] += replies

    # --- the end ----------------------------------------------------------------------------------

    def end(self) -> Json:
        """What must be so when all has been heard and every paid period is over."""
        people = sorted({order["who"] for order in self.orders.values()})
        people = sorted({*people, *(t["who"] for t in self.tags), *(g["who"] for g in self.gifts)})
        owed = {str(who): sorted(self._owed(who)) for who in people}
        return {
            "owed": owed,
            "held": owed,  # what is owed is what the shop holds
            "back": {
                f"{name}/{number}": captured - self._left(order, number)
                for name, order in sorted(self.orders.items())
                for number, captured in enumerate(order["payments"])
            },
            "refunds": {name: ask["state"] for name, ask in sorted(self.asks.items())},
            "notices": dict(sorted(self.notices.items())),
        }

    def _owed(self, who: int) -> set[str]:
        things: set[str] = {gift["course"] for gift in self.gifts if gift["who"] == who}
        tags: dict[str, list[int]] = {}  # tag -> when it was given
        for order in self.orders.values():
            for number, line in enumerate(order["lines"]):
                if order["who"] == who and self._lives(order, number):
                    for thing in line["gives"]:
                        if thing.startswith("tag"):
                            tags.setdefault(thing, []).append(order["at"])
                        else:
                            things |= set(BUNDLES.get(thing, [thing]))
        for change in self.tags:
            if change["who"] == who and change["added"]:
                tags.setdefault(change["tag"], []).append(change["at"])
        for tag, given in tags.items():
            removed = [
                c["at"] for c in self.tags if c["who"] == who and c["tag"] == tag and not c["added"]
            ]
            if max(given) >= max(removed, default=-1):
                things |= {tag, *OPENED_BY_TAG.get(tag, [])}
        return things

    def _lives(self, order: Json, number: int) -> bool:
        all_back = sum(b["minor"] for b in order["back"].values()) >= sum(order["payments"])
        if all_back or order["lost"] or any(number in ended for ended in order["ended"].values()):
            return False
        # The latest news of how long it is paid for counts, whoever told it.
        news = list(order["until"])
        of_subscription = self.subscriptions.get(order["sub"] or "", [])
        # Who paid again after an announced end has resumed.
        news += [n for n in of_subscription if n["until"] is None or n["until"] >= order["at"]]
        return not news or max(news, key=lambda told: told["at"])["until"] is None

    def may_stay_untold(self) -> list[str]:
        """Happenings whose notice need not go out when we hear of something newer first."""
        told = [r["step"] for r in self.refunds.values() if r["state"] == "failed"]
        for order in self.orders.values():
            news = [*order["until"], *self.subscriptions.get(order["sub"] or "", [])]
            last = max((n["at"] for n in news), default=0)
            told += [n["step"]["id"] for n in order["until"] if n["at"] < last]
        return told
