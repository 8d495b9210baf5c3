"""Net asset value of fund units, what a price is above or below it, and when it is too old. Pure, without floats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from fractions import Fraction

from exchanges.assets.accrual import to_decimal
from exchanges.prices import BASIS_POINTS, MAX_PRICE, MICROS

BASIS_POINT_PLACES = 2
"""Decimals of a premium in basis points."""


class FundError(ValueError):
    """A figure that cannot be computed with; the message says which and why."""


class DealingFrequency(StrEnum):
    """How often a fund publishes its value and takes subscriptions and redemptions."""

    DAILY = "daily"
    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


STALE_AFTER_DAYS: Mapping[DealingFrequency, int] = {
    DealingFrequency.DAILY: 4,
    DealingFrequency.WEEKLY: 11,
    DealingFrequency.FORTNIGHTLY: 18,
    DealingFrequency.MONTHLY: 38,
    DealingFrequency.QUARTERLY: 100,
}
"""Calendar days after which a value is marked as old: one period and a long weekend. The platform's own mark, no market rule."""


def nav_per_unit(net_assets: Decimal, units: int) -> int:
    """Return the value of one unit in micros, half to even. Raises ``FundError``."""
    if units <= 0 or not net_assets.is_finite() or net_assets <= 0:
        raise FundError("a value per unit needs positive net assets and a positive number of units")
    nav = round(Fraction(net_assets) * MICROS / units)
    if not 0 < nav <= MAX_PRICE:
        raise FundError("the value per unit is outside the range of a price")
    return nav


def premium_bp(price: int, value: int) -> Decimal:
    """Return what ``price`` is above ``value`` (both micros) in basis points; below it, a negative number.

    Rounded half to even to ``BASIS_POINT_PLACES``. Raises ``FundError``.
    """
    if price <= 0 or value <= 0:
        raise FundError("a premium needs a positive price and a positive value")
    return to_decimal(Fraction((price - value) * BASIS_POINTS, value), BASIS_POINT_PLACES)


def is_stale(valued_on: date, today: date, frequency: DealingFrequency) -> bool:
    """Tell whether a value is older than its fund's dealing lets it be. Raises ``FundError`` for one of the future."""
    if valued_on > today:
        raise FundError(f"a value of {valued_on} is not known on {today}")
    return (today - valued_on).days > STALE_AFTER_DAYS[frequency]


def percent(part: Decimal, whole: Decimal, places: int) -> Decimal:
    """Return ``part`` in percent of ``whole``, half to even. Raises ``FundError``."""
    if whole <= 0:
        raise FundError("a percentage needs a positive whole")
    return to_decimal(Fraction(part) * 100 / Fraction(whole), places).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)
