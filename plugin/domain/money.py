"""Money as integer minor units and an ISO 4217 code. Never floats, never mixed currencies.

The sum of the parts of a split is always the whole. Text and wire forms are strict: what is not
plain digits is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from plugin.domain.errors import InvalidInput

MAX_MINOR = 10**15
"""More than any order: a larger number is a mistake or an attack."""

_EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(
        [
            "BIF",
            "CLP",
            "DJF",
            "GNF",
            "ISK",
            "JPY",
            "KMF",
            "KRW",
            "PYG",
            "RWF",
            "UGX",
            "UYI",
            "VND",
            "VUV",
            "XAF",
            "XOF",
            "XPF",
        ],
        0,
    ),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"[0-9]{1,13}(?:\.[0-9]{1,4})?")


class InvalidAmount(InvalidInput):
    """An amount that cannot be, or two that do not go together: what told of them is wrong."""


def exponent(currency: str) -> int:
    """How many decimals `currency` has by ISO 4217: 2 for EUR, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency. `minor` may be negative only as the result of a subtraction."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if isinstance(self.minor, bool) or not isinstance(self.minor, int):
            raise InvalidAmount("amount", "give whole minor units")
        if not _CURRENCY.fullmatch(self.currency):
            raise InvalidAmount("currency", "give a three-letter ISO 4217 code in capitals")
        if abs(self.minor) > MAX_MINOR:
            raise InvalidAmount("amount", "this is larger than any order can be")

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __bool__(self) -> bool:
        return self.minor != 0

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise InvalidAmount("currency", f"{self.currency} and {other.currency} do not mix")
        return other.minor

    def decimal(self) -> str:
        """`49.00`, `3800`, `1.234`: digits for documents; screens use the agent's locale."""
        places = exponent(self.currency)
        sign = "-" if self.minor < 0 else ""
        digits = str(abs(self.minor)).rjust(places + 1, "0")
        return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"

    def clamp(self, most: Money) -> Money:
        """This amount, at the least zero and at the most `most`."""
        return Money(max(0, min(self.minor, self._same(most))), self.currency)

    def share(self, part: int, whole: int) -> Money:
        """`part / whole` of this amount, rounded half up once.

        `0 <= part <= whole`, `whole > 0`.
        """
        if whole <= 0 or not 0 <= part <= whole:
            raise InvalidInput("share", "a part lies between nothing and the whole")
        return Money((2 * self.minor * part + whole) // (2 * whole), self.currency)

    def split(self, weights: Sequence[int]) -> tuple[Money, ...]:
        """Parts in proportion to `weights`, by largest remainder; earlier parts win ties."""
        whole = sum(weights)
        if self.minor < 0 or whole <= 0 or min(weights) < 0:
            raise InvalidInput("split", "an amount splits over positive weights only")
        floors = [self.minor * weight // whole for weight in weights]
        by_remainder = sorted(
            range(len(weights)), key=lambda i: (-(self.minor * weights[i] % whole), i)
        )
        for i in by_remainder[: self.minor - sum(floors)]:
            floors[i] += 1
        return tuple(Money(minor, self.currency) for minor in floors)


def zero(currency: str) -> Money:
    """Nothing, in `currency`."""
    return Money(0, currency)


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of `amounts`, all in `currency`; zero when there are none."""
    return sum(amounts, start=zero(currency))


def parse_amount(text: str, currency: str) -> Money:
    """What a person typed, as positive money.

    Plain digits with a point: no sign, exponent or grouping.
    """
    places = exponent(currency)
    typed = text.strip()
    if not typed.isascii() or not _AMOUNT.fullmatch(typed):
        raise InvalidInput("amount", "type digits like 49 or 49.00")
    whole, _, fraction = typed.partition(".")
    if len(fraction) > places:
        raise InvalidInput("amount", f"{currency} has {places} decimals")
    amount = Money(int(whole + fraction.ljust(places, "0")), currency)
    if not amount:
        raise InvalidInput("amount", "type an amount above zero")
    return amount


def _power(places: int) -> int:
    return int("1" + "0" * places)


@dataclass(frozen=True, slots=True)
class WireFormat:
    """How one platform writes amounts as integers, where it differs from ISO 4217.

    `exponents` comes from the platform's manifest; `refused` lists currencies whose form is
    unknown.
    """

    exponents: Mapping[str, int] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def read(self, wire: int, currency: str) -> Money:
        """Money from the platform's integer.

        Raises InvalidInput where the form is unknown or inexact.
        """
        code = currency.upper()
        if code in self.refused:
            raise InvalidInput("currency", f"how this platform writes {code} is unknown")
        shift = self.exponents.get(code, exponent(code)) - exponent(code)
        if shift <= 0:
            return Money(wire * _power(-shift), code)
        minor, rest = divmod(wire, _power(shift))
        if rest:
            raise InvalidInput("amount", f"{code} has no such fraction")
        return Money(minor, code)

    def write(self, money: Money) -> int:
        """The platform's integer for `money`.

        Raises InvalidInput where the form is unknown or inexact.
        """
        code = money.currency
        if code in self.refused:
            raise InvalidInput("currency", f"how this platform writes {code} is unknown")
        shift = self.exponents.get(code, exponent(code)) - exponent(code)
        if shift >= 0:
            return money.minor * _power(shift)
        wire, rest = divmod(money.minor, _power(-shift))
        if rest:
            raise InvalidInput("amount", f"this platform cannot write so small a part of {code}")
        return wire
