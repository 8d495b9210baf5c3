"""Coupon periods and what has accrued, exactly: dates in, fractions out. Pure, without floats.

Periods run backwards from maturity, so that only the first may be short. They are not moved to business
days; only payments are (street convention).
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from fractions import Fraction

MONTHS_IN_A_YEAR = 12


class DayCount(StrEnum):
    """How the part of a year between two days is counted (ISDA and ICMA names)."""

    ACT_ACT_ICMA = "ACT/ACT-ICMA"
    ACT_360 = "ACT/360"
    ACT_365F = "ACT/365F"
    THIRTY_360 = "30/360"
    """Bond basis: the 31st counts as the 30th, at the end only when the start is the 30th too."""


class FixedIncomeProblem(StrEnum):
    """Why nothing is computed."""

    TERMS_INVALID = "TERMS_INVALID"
    SETTLEMENT_OUTSIDE_LIFE = "SETTLEMENT_OUTSIDE_LIFE"
    PRICE_NOT_POSITIVE = "PRICE_NOT_POSITIVE"
    YIELD_OUT_OF_RANGE = "YIELD_OUT_OF_RANGE"
    NO_YIELD = "NO_YIELD"


class FixedIncomeError(ValueError):
    """``problem`` is for programs, the message for people."""

    def __init__(self, problem: FixedIncomeProblem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIncomeTerms:
    """A bond or sukuk that pays a fixed rate, or nothing before maturity. Raises ``FixedIncomeError``."""

    rate_percent: Decimal
    """Yearly coupon or profit rate in percent of the face; 0 for one without payments before maturity."""
    payments_per_year: int
    """1, 2, 4 or 12; 0: one payment, at maturity."""
    day_count: DayCount
    issue_date: date
    maturity_date: date

    def __post_init__(self) -> None:
        if self.maturity_date <= self.issue_date:
            raise FixedIncomeError(FixedIncomeProblem.TERMS_INVALID, "maturity comes after issue")
        if self.payments_per_year not in (0, 1, 2, 4, 12):
            raise FixedIncomeError(FixedIncomeProblem.TERMS_INVALID, "payments a year are 0, 1, 2, 4 or 12")
        if self.rate_percent < 0 or (self.rate_percent == 0) is not (self.payments_per_year == 0):
            raise FixedIncomeError(FixedIncomeProblem.TERMS_INVALID, "a rate comes with its payments, and none without")


@dataclass(frozen=True, slots=True)
class Period:
    """A coupon period. The reference period is the whole one that a short first period is a part of."""

    start: date
    end: date
    reference_start: date


def periods(terms: FixedIncomeTerms) -> tuple[Period, ...]:
    """Return the coupon periods from issue to maturity, in order; none for one without coupons."""
    if not terms.payments_per_year:
        return ()
    step = MONTHS_IN_A_YEAR // terms.payments_per_year
    found: list[Period] = []
    count, end = 0, terms.maturity_date
    while end > terms.issue_date:
        count += 1
        reference_start = _months_before(terms.maturity_date, count * step)
        found.append(Period(max(reference_start, terms.issue_date), end, reference_start))
        end = reference_start
    return tuple(reversed(found))


def year_fraction(terms: FixedIncomeTerms, period: Period, until: date) -> Fraction:
    """Return the part of a year from the period's start to ``until``, which lies in the period."""
    days = (until - period.start).days
    match terms.day_count:
        case DayCount.ACT_ACT_ICMA:
            return Fraction(days, (period.end - period.reference_start).days * terms.payments_per_year)
        case DayCount.ACT_360:
            return Fraction(days, 360)
        case DayCount.ACT_365F:
            return Fraction(days, 365)
        case DayCount.THIRTY_360:
            return Fraction(_thirty_360_days(period.start, until), 360)


def coupon(terms: FixedIncomeTerms, period: Period) -> Fraction:
    """Return what a period pays per 100 of face."""
    return Fraction(terms.rate_percent) * year_fraction(terms, period, period.end)


def accrued_interest(terms: FixedIncomeTerms, settlement: date) -> Fraction:
    """Return what has accrued on ``settlement`` per 100 of face: 0 on a coupon date. Raises ``FixedIncomeError``."""
    require_within_life(terms, settlement)
    for period in periods(terms):
        if period.start <= settlement < period.end:
            return Fraction(terms.rate_percent) * year_fraction(terms, period, settlement)
    return Fraction(0)


def require_within_life(terms: FixedIncomeTerms, settlement: date) -> None:
    """Raise ``FixedIncomeError`` unless the day lies from issue to the day before maturity."""
    if not terms.issue_date <= settlement < terms.maturity_date:
        raise FixedIncomeError(
            FixedIncomeProblem.SETTLEMENT_OUTSIDE_LIFE,
            f"{settlement} is not between {terms.issue_date} and the day before {terms.maturity_date}",
        )


def to_decimal(exact: Fraction, places: int) -> Decimal:
    """Return a fraction rounded once, half to even."""
    context = Context(prec=60, rounding=ROUND_HALF_EVEN)
    scaled = round(exact * 10**places)  # Python rounds a Fraction half to even, exactly
    return context.scaleb(Decimal(scaled), -places)


def _months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or its last one; the last day of a month goes with last days."""
    month = day.year * 12 + day.month - 1 - months
    year, month = month // 12, month % 12 + 1
    last = calendar.monthrange(year, month)[1]
    month_end = day.day == calendar.monthrange(day.year, day.month)[1]
    return date(year, month, last if month_end else min(day.day, last))


def _thirty_360_days(start: date, end: date) -> int:
    first = min(start.day, 30)
    second = 30 if end.day == 31 and first == 30 else end.day
    return (end.year - start.year) * 360 + (end.month - start.month) * 30 + second - first
