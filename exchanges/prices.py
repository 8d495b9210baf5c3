"""Prices as int64 millionths of the currency unit ("micros"), their text, ticks and daily limits.

Pure and free of floats. Rounding is always towards the inside of a limit, so that a price accepted
here is never outside what the exchange states.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

MICROS = 1_000_000
"""Micros in one currency unit."""

MAX_PRICE = 2**63 - 1

BASIS_POINTS = 10_000
"""Basis points in a whole."""

_DECIMAL = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
"""The FIX 4.4 float: ASCII digits with an optional sign and point, no exponent."""


class PriceError(ValueError):
    """A text is not a price, or a price or tick table breaks a rule named in the message."""


class TickRow(Protocol):
    """``tick`` applies from ``from_price`` (inclusive) up to the next row's; both in micros."""

    @property
    def from_price(self) -> int: ...

    @property
    def tick(self) -> int: ...


@dataclass(frozen=True, slots=True)
class TickBand:
    """A row of a tick table; see ``TickRow``."""

    from_price: int
    tick: int


@dataclass(frozen=True, slots=True)
class PriceLimit:
    """A daily price limit around the reference price, in basis points of it (2000 = 20 %)."""

    up_bp: int
    down_bp: int


def price_to_text(micros: int) -> str:
    """Return ``micros`` as an exact decimal with at least two places: 139000000 → ``139.00``."""
    sign = "-" if micros < 0 else ""
    whole, fraction = divmod(abs(micros), MICROS)
    digits = f"{fraction:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}{whole}.{digits}"


def text_to_price(text: str) -> int:
    """Return the micros of a decimal text: ``139.5`` → 139500000.

    Raises ``PriceError`` for anything but a plain decimal, for more than six significant decimal
    places (never rounded), and outside int64.
    """
    if len(text) > 40 or _DECIMAL.fullmatch(text) is None:
        raise PriceError(f"not a decimal number: {text[:40]!r}")
    whole, _, fraction = text.lstrip("-").partition(".")
    fraction = fraction.rstrip("0")
    if len(fraction) > 6:
        raise PriceError(f"more than six decimal places: {text!r}")
    micros = int(whole or "0") * MICROS + int(fraction.ljust(6, "0"))
    if micros > MAX_PRICE:
        raise PriceError(f"outside the range of a price: {text!r}")
    return -micros if text.startswith("-") else micros


def validate_ticks(ticks: Sequence[TickRow]) -> None:
    """Raise ``PriceError`` unless the table starts at 0, rises, and each border is on both its ticks.

    A border that is off a tick would make "the next price up" ambiguous there.
    """
    if not ticks or ticks[0].from_price != 0:
        raise PriceError("a tick table starts at price 0")
    previous: TickRow | None = None
    for row in ticks:
        if row.tick <= 0:
            raise PriceError(f"a tick is positive, not {row.tick}")
        if previous is not None:
            if row.from_price <= previous.from_price:
                raise PriceError("the rows of a tick table rise by price")
            if row.from_price % previous.tick or row.from_price % row.tick:
                raise PriceError(f"the border {price_to_text(row.from_price)} is off the ticks beside it")
        previous = row


def tick_for(price: int, ticks: Sequence[TickRow]) -> int:
    """Return the tick, in micros, that applies at ``price`` (negative prices use the first row)."""
    tick = ticks[0].tick
    for row in ticks:
        if price < row.from_price:
            break
        tick = row.tick
    return tick


def is_on_tick(price: int, ticks: Sequence[TickRow]) -> bool:
    """Tell whether ``price`` is a whole multiple of the tick that applies to it."""
    return price % tick_for(price, ticks) == 0


def round_down_to_tick(price: int, ticks: Sequence[TickRow]) -> int:
    """Return the highest price on tick that is not above ``price``."""
    return price - price % tick_for(price, ticks)


def round_up_to_tick(price: int, ticks: Sequence[TickRow]) -> int:
    """Return the lowest price on tick that is not below ``price``."""
    return price + -price % tick_for(price, ticks)


def band_limits(reference: int, limit: PriceLimit, ticks: Sequence[TickRow]) -> tuple[int, int]:
    """Return the lowest and highest price on tick within ``limit`` of ``reference``, both inclusive.

    The low limit is never below one tick: a price of zero is no price.
    Raises ``PriceError`` when the reference is not positive or a limit is out of range.
    """
    if reference <= 0:
        raise PriceError(f"a reference price is positive, not {price_to_text(reference)}")
    if limit.up_bp < 0 or not 0 <= limit.down_bp <= BASIS_POINTS:
        raise PriceError(f"price limits out of range: +{limit.up_bp} / -{limit.down_bp} basis points")
    high = reference + reference * limit.up_bp // BASIS_POINTS
    low = reference - reference * limit.down_bp // BASIS_POINTS
    return (
        max(round_up_to_tick(low, ticks), ticks[0].tick),
        round_down_to_tick(high, ticks),
    )
