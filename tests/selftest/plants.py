"""The twelve bugs, as changes of the product's own code, and who must find each.

Each is what a hurried engineer could have written. Where a second guard stands behind the first,
the plant takes both away: it is the harness that is on trial, not the guards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tests.selftest.ground import Change
from tests.selftest.judges import Harness, Judge, Suite

_SEED: Final = ("--seed", "20261122")
_ROWS: Final = "plugin/storage/rows.py"
_DATABASE: Final = "plugin/storage/database.py"


def _history(seed: int) -> Harness:
    words = ("--n", "1", "--seed", str(seed), "--no-shrink")
    return Harness("histories", words, ("differences", "order_differences", "money_over"))


_KILL: Final = Harness(
    "kill",
    ("--n", "40", "--cold", "0", "--occurrences", "0", "--calls", "0", *_SEED),
    ("double",),
)
_RACE: Final = Harness("race", ("--n", "4", *_SEED), ("double", "over"))
_OVERTAKE: Final = Harness("overtake", ("--n", "4", *_SEED), ("double_entry", "double_notice"))
_FUZZ: Final = Harness(
    "fuzz", ("--n", "8000", "--workers", "1", *_SEED), ("answers_5xx", "outgoing")
)
_TENANTS: Final = Harness(
    "tenants", ("--n", "1500", "--workers", "1", *_SEED), ("leaks", "differs", "foreign_writes")
)
_POWERCUT: Final = Harness(
    "powercut", ("--n", "1", "--seed", "1", "--starts", "none"), ("acknowledged_lost",)
)
_MONEY: Final = Suite("tests/domain/test_money.py")
_SIGN_IN: Final = Suite("tests/platforms/zendesk/test_sign_in.py")


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug: what it is, what it changes, and who must find it."""

    what: str
    judge: Judge
    changes: tuple[Change, ...]


PLANTS: Final[Mapping[str, Plant]] = MappingProxyType(
    {
        "call_then_record": Plant(
            "a worker that calls first and records after: no row, so no key that lasts",
            _KILL,
            (
                Change(
                    "plugin/services/send_refund.py",
                    "            claimed = self._claim(uow, refund, gateway)\n"
                    "            uow.commit()\n",
                    "            claimed = self._claim(uow, refund, gateway)\n"
                    "            if claimed is None or claimed.state is refund.state:\n"
                    "                uow.commit()\n",
                ),
                Change(
                    "plugin/services/send_refund.py",
                    "        move = self._ask(gateway, claimed)\n"
                    "        with self.storage.begin(tenant) as uow:\n",
                    "        once = __import__('secrets').randbelow(10**9)\n"
                    "        move = self._ask(gateway, replace(claimed, attempt=1 + once))\n"
                    "        with self.storage.begin(tenant) as uow:\n"
                    "            if claimed.state is not refund.state:\n"
                    "                self._claim(uow, refund, gateway)\n",
                ),
            ),
        ),
        "fresh_key": Plant(
            "a fresh key on every retry",
            _history(5),
            (
                Change(
                    "plugin/domain/refunds.py",
                    '        return f"mg-{self.id}-a{self.attempt}"\n',
                    "        once = __import__('secrets').token_hex(4)\n"
                    '        return f"mg-{self.id}-a{self.attempt}-{once}"\n',
                ),
            ),
        ),
        "silence": Plant(
            "silence taken for failure",
            _history(5),
            (
                Change(
                    "plugin/domain/refunds.py",
                    "            return Move(_S.UNKNOWN, now + timedelta(seconds=rules.looks[0]), "
                    "None, code)\n",
                    "            return Move(_S.REFUSED, None, None, code)\n",
                ),
            ),
        ),
        "echo": Plant(
            "the event booked beside our own refund",
            _OVERTAKE,
            (
                Change(
                    "plugin/services/apply_payment_news.py",
                    "    ours = _our_refund(candidates, event)\n",
                    "    ours = None\n    candidates = []\n",
                ),
            ),
        ),
        "text_digest": Plant(
            "`compare_digest` on texts, which raises at the first letter that is not ASCII",
            _FUZZ,
            (
                Change(
                    "plugin/web/auth.py",
                    "hmac.compare_digest(admin.form_token.encode(), given.encode())",
                    "hmac.compare_digest(admin.form_token, given)",
                ),
            ),
        ),
        "open_host": Plant(
            "a host's pattern that is not anchored at its end",
            _FUZZ,
            (
                Change(
                    "plugin/platforms/url_templates.py",
                    "        if not (DNS_LABEL.fullmatch(value) or HOST_NAME.fullmatch(value)):\n",
                    "        if not (DNS_LABEL.match(value) or HOST_NAME.match(value)):\n",
                ),
                Change(
                    "plugin/platforms/manifest.py",
                    "self.form is FieldForm.DNS_LABEL and not DNS_LABEL.fullmatch(value)",
                    "self.form is FieldForm.DNS_LABEL and not DNS_LABEL.match(value)",
                ),
                Change(
                    "plugin/platforms/http_client.py",
                    "            if place in self.places:\n",
                    "            host = place.partition(':')[0]\n"
                    "            if any(allowed.startswith(host) for allowed in self.places):\n",
                ),
            ),
        ),
        "no_tenant": Plant(
            "a look-up without the tenant",
            _TENANTS,
            (
                Change(
                    _ROWS,
                    '    return table.c.tenant_id == bindparam("tenant")\n',
                    '    own = table.c.tenant_id == bindparam("tenant")\n'
                    "    if table.name in ('mg_orders', 'mg_plans', 'mg_refunds'):\n"
                    "        return own | (table.c.tenant_id == table.c.tenant_id)\n"
                    "    return own\n",
                ),
                Change(
                    _ROWS,
                    "        return table.c.tenant_id == self._tenant\n",
                    "        if table.name in ('mg_orders', 'mg_plans', 'mg_refunds'):\n"
                    "            return table.c.tenant_id == table.c.tenant_id\n"
                    "        return table.c.tenant_id == self._tenant\n",
                ),
            ),
        ),
        "token_without_end": Plant(
            "a desk's token that needs no `exp`",
            _SIGN_IN,
            (
                Change(
                    "plugin/helpdesks/zendesk/sign_in.py",
                    '_CLAIMS: Final = ("exp", "iat", "aud", "iss", "sub")\n',
                    '_CLAIMS: Final = ("iat", "aud", "iss", "sub")\n',
                ),
                Change(
                    "plugin/helpdesks/zendesk/sign_in.py",
                    '    begins, ends = _seconds(claims, "iat"), _seconds(claims, "exp")\n',
                    "    claims = {'exp': int(now.timestamp()) + 1, **claims}\n"
                    '    begins, ends = _seconds(claims, "iat"), _seconds(claims, "exp")\n',
                ),
            ),
        ),
        "float_cents": Plant(
            "an amount that passes through a float",
            _MONEY,
            (
                Change(
                    "plugin/domain/money.py",
                    '    amount = Money(int(whole + fraction.ljust(places, "0")), currency)\n',
                    "    amount = Money(int(float(typed) * 10**places), currency)\n",
                ),
            ),
        ),
        "order_total": Plant(
            "the order's total in place of captured minus refunded minus in flight",
            _RACE,
            (
                Change(
                    "plugin/domain/refunds.py",
                    "    left = payment.captured - refunded - flying - payment.disputed\n",
                    "    left = payment.captured\n",
                ),
                Change(
                    "plugin/services/plan_refund.py",
                    "allowed_lines(judge(uow, less_ours(uow, order, ours, facts), now))",
                    "allowed_lines(judge(uow, order, now))",
                ),
            ),
        ),
        "access_flag": Plant(
            "access as a flag: whatever ends one reason ends it",
            _history(1),
            (
                Change(
                    "plugin/domain/ledger.py",
                    "        return bool(self.living)\n",
                    "        return not self.ended\n",
                ),
            ),
        ),
        "synchronous_normal": Plant(
            "`synchronous=NORMAL`",
            _POWERCUT,
            (
                Change(
                    "plugin/storage/database.py",
                    '"synchronous": "FULL"}',
                    '"synchronous": "NORMAL"}',
                ),
                Change(
                    "plugin/storage/database.py",
                    '"synchronous": (2, 3)}',
                    '"synchronous": (1, 2, 3)}',
                ),
            ),
        ),
    }
)
