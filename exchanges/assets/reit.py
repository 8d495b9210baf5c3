"""Distributions of real estate funds, and their yield at a price. Pure, without floats."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from exchanges.assets.funds import FundError, percent
from exchanges.prices import MICROS

YIELD_PLACES = 4
"""Decimals of a distribution yield in percent."""


@dataclass(frozen=True, slots=True)
class PaidDistribution:
    """What a unit was paid, in the unit's currency. Who holds it before ``ex_date`` gets it."""

    ex_date: date
    amount: Decimal


def trailing_distributions(distributions: Iterable[PaidDistribution], today: date) -> Decimal:
    """Return the sum of the distributions of the year that ends with ``today``: after the same day a year ago.

    Announced ones whose ex-date is still to come do not count.
    """
    since = year_before(today)
    return sum((each.amount for each in distributions if since < each.ex_date <= today), start=Decimal(0))


def distribution_yield(distributions: Iterable[PaidDistribution], price: int, today: date) -> Decimal:
    """Return the trailing distributions in percent of ``price`` (micros), half to even. Raises ``FundError``."""
    if price <= 0:
        raise FundError("a yield needs a positive price")
    return percent(trailing_distributions(distributions, today), Decimal(price) / MICROS, YIELD_PLACES)


def year_before(day: date) -> date:
    """The same day of the year before; of 29 February, the 28th."""
    return day.replace(year=day.year - 1, day=28 if (day.month, day.day) == (2, 29) else day.day)
