"""Price, yield, duration and convexity of fixed-rate bonds and sukuk, by QuantLib.

Everything is per 100 of face. Prices are micros of that, yields and rates percent of a year as ``Decimal``.
What accrues and what is paid is exact (``exchanges.assets.accrual``) and rounded once; QuantLib solves
for yields and discounts in binary fractions, and each of its figures is rounded half to even before it leaves
this module: prices to one micro, yields to ``YIELD_PLACES`` decimals, durations to ``PLACES``.

Yields are compounded as often as the bond pays (yearly where it pays only at maturity) on unadjusted dates:
street convention. The only module that loads QuantLib.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import QuantLib as ql

from exchanges.assets.accrual import (
    MONTHS_IN_A_YEAR,
    DayCount,
    FixedIncomeError,
    FixedIncomeProblem,
    FixedIncomeTerms,
    accrued_interest,
    coupon,
    periods,
    require_within_life,
    to_decimal,
)
from exchanges.assets.business_days import BusinessDays
from exchanges.assets.measures import FACE, CashFlow, FlowKind, Measures
from exchanges.assets.payment_convention import PaymentConvention
from exchanges.prices import MAX_PRICE, MICROS

PLACES = 6
"""Decimals of durations and convexity."""
YIELD_PLACES = 8
"""Decimals of a yield in percent: with fewer, the price would not come back from it to the micro."""
AMOUNT_PLACES = 10
"""Decimals of accrued and paid amounts per 100 of face."""
HIGHEST_YIELD = Decimal(1000)
LOWEST_YIELD = Decimal(-50)


_CONVENTIONS = {
    PaymentConvention.UNADJUSTED: ql.Unadjusted,
    PaymentConvention.FOLLOWING: ql.Following,
    PaymentConvention.MODIFIED_FOLLOWING: ql.ModifiedFollowing,
    PaymentConvention.PRECEDING: ql.Preceding,
}
_WEEKDAYS = {1: ql.Monday, 2: ql.Tuesday, 3: ql.Wednesday, 4: ql.Thursday, 5: ql.Friday, 6: ql.Saturday, 7: ql.Sunday}
_FREQUENCIES = {0: ql.Annual, 1: ql.Annual, 2: ql.Semiannual, 4: ql.Quarterly, 12: ql.Monthly}
LONGEST_CLOSURE_DAYS = 31
"""How far beyond maturity the calendar must reach for the last payment to find an open day."""


def cash_flows(terms: FixedIncomeTerms, convention: PaymentConvention, days: BusinessDays) -> tuple[CashFlow, ...]:
    """Return all payments from issue to maturity. ``days`` must reach ``LONGEST_CLOSURE_DAYS`` beyond maturity."""
    bespoke = quantlib_calendar(days)

    def paid_on(due: date) -> date:
        return _from_ql(bespoke.adjust(_to_ql(due), _CONVENTIONS[convention]))

    flows = [
        CashFlow(
            kind=FlowKind.COUPON,
            accrual_start=each.start,
            due_date=each.end,
            payment_date=paid_on(each.end),
            amount=to_decimal(coupon(terms, each), AMOUNT_PLACES),
        )
        for each in periods(terms)
    ]
    redemption = CashFlow(
        kind=FlowKind.REDEMPTION,
        accrual_start=None,
        due_date=terms.maturity_date,
        payment_date=paid_on(terms.maturity_date),
        amount=to_decimal(Fraction(FACE), AMOUNT_PLACES),
    )
    return (*flows, redemption)


def from_clean_price(terms: FixedIncomeTerms, settlement: date, clean_price: int) -> Measures:
    """Return the measures at a clean price (micros). Raises ``FixedIncomeError``."""
    require_within_life(terms, settlement)
    if not 0 < clean_price <= MAX_PRICE:
        raise FixedIncomeError(FixedIncomeProblem.PRICE_NOT_POSITIVE, "a clean price is positive")
    bond, day_counter, frequency = _bond(terms)
    try:
        found = ql.BondFunctions.bondYield(
            bond,
            ql.BondPrice(clean_price / MICROS, ql.BondPrice.Clean),
            day_counter,
            ql.Compounded,
            frequency,
            _to_ql(settlement),
            1e-12,
            500,
            0.05,
        )
    except RuntimeError as error:
        raise FixedIncomeError(FixedIncomeProblem.NO_YIELD, "no yield gives this price") from error
    yield_percent = _rounded(found * 100, YIELD_PLACES, FixedIncomeProblem.NO_YIELD)
    return _measures(terms, settlement, bond, day_counter, frequency, clean_price, found, yield_percent)


def from_yield(terms: FixedIncomeTerms, settlement: date, yield_percent: Decimal) -> Measures:
    """Return the measures at a yield (percent a year). Raises ``FixedIncomeError``."""
    require_within_life(terms, settlement)
    if not LOWEST_YIELD <= yield_percent <= HIGHEST_YIELD:
        raise FixedIncomeError(
            FixedIncomeProblem.YIELD_OUT_OF_RANGE, f"a yield lies between {LOWEST_YIELD} and {HIGHEST_YIELD} percent"
        )
    bond, day_counter, frequency = _bond(terms)
    rate = float(yield_percent) / 100
    clean = ql.BondFunctions.cleanPrice(bond, rate, day_counter, ql.Compounded, frequency, _to_ql(settlement))
    clean_price = int(_rounded(clean * MICROS, 0, FixedIncomeProblem.YIELD_OUT_OF_RANGE))
    if not 0 < clean_price <= MAX_PRICE:
        raise FixedIncomeError(FixedIncomeProblem.YIELD_OUT_OF_RANGE, "no positive price has this yield")
    return _measures(terms, settlement, bond, day_counter, frequency, clean_price, rate, yield_percent)


def quantlib_calendar(days: BusinessDays) -> ql.Calendar:
    """Return the exchange's business days as QuantLib has them: weekend, closures, and weeks of earlier times."""
    bespoke = ql.BespokeCalendar(days.exchange)
    for weekday in days.weekend:
        bespoke.addWeekend(_WEEKDAYS[weekday])
    for day in days.closed:
        bespoke.addHoliday(_to_ql(day))
    for day in days.opened:
        bespoke.removeHoliday(_to_ql(day))
    return bespoke


def quantlib_accrued(terms: FixedIncomeTerms, settlement: date) -> Decimal:
    """Return what QuantLib finds accrued, to ``AMOUNT_PLACES`` less two: the cross-check of the exact figure."""
    bond, _day_counter, _frequency = _bond(terms)
    found = ql.BondFunctions.accruedAmount(bond, _to_ql(settlement))
    return _rounded(found, AMOUNT_PLACES - 2, FixedIncomeProblem.TERMS_INVALID)


def last_day_of_payments(terms: FixedIncomeTerms) -> date:
    """Return the day to which the calendar of ``cash_flows`` must reach."""
    return terms.maturity_date + timedelta(days=LONGEST_CLOSURE_DAYS)


def _measures(
    terms: FixedIncomeTerms,
    settlement: date,
    bond: ql.Bond,
    day_counter: ql.DayCounter,
    frequency: int,
    clean_price: int,
    rate: float,
    yield_percent: Decimal,
) -> Measures:
    accrued = accrued_interest(terms, settlement)
    on = _to_ql(settlement)
    interest = ql.InterestRate(rate, day_counter, ql.Compounded, frequency)
    problem = FixedIncomeProblem.NO_YIELD
    return Measures(
        clean_price=clean_price,
        accrued=to_decimal(accrued, AMOUNT_PLACES),
        dirty_price=round(clean_price + accrued * MICROS),
        yield_percent=yield_percent,
        macaulay_duration=_rounded(ql.BondFunctions.duration(bond, interest, ql.Duration.Macaulay, on), PLACES, problem),
        modified_duration=_rounded(ql.BondFunctions.duration(bond, interest, ql.Duration.Modified, on), PLACES, problem),
        convexity=_rounded(ql.BondFunctions.convexity(bond, interest, on), PLACES, problem),
    )


def _bond(terms: FixedIncomeTerms) -> tuple[ql.Bond, ql.DayCounter, int]:
    """The bond as QuantLib has it, on unadjusted dates, with the day count and compounding of its yield."""
    frequency = _FREQUENCIES[terms.payments_per_year]
    if not terms.payments_per_year:
        # Actual/Actual ICMA has no reference period without coupons; yields of such bonds are quoted on Actual/365.
        counter = ql.Actual365Fixed() if terms.day_count is DayCount.ACT_ACT_ICMA else _day_counter(terms.day_count, None)
        zero = ql.ZeroCouponBond(
            0, ql.NullCalendar(), FACE, _to_ql(terms.maturity_date), ql.Unadjusted, FACE, _to_ql(terms.issue_date)
        )
        return zero, counter, frequency
    schedule = _schedule(terms)
    counter = _day_counter(terms.day_count, schedule)
    rate = float(terms.rate_percent) / 100
    bond = ql.FixedRateBond(0, FACE, schedule, [rate], counter, ql.Unadjusted, FACE, _to_ql(terms.issue_date), ql.NullCalendar())
    return bond, counter, frequency


def _schedule(terms: FixedIncomeTerms) -> ql.Schedule:
    """The periods of ``accrual.periods``: QuantLib is told them, so that both count the same days."""
    own = periods(terms)
    dates = [_to_ql(own[0].start), *(_to_ql(each.end) for each in own)]
    regular = [each.start == each.reference_start for each in own]
    tenor = ql.Period(MONTHS_IN_A_YEAR // terms.payments_per_year, ql.Months)
    last = terms.maturity_date
    month_end = (last + timedelta(days=1)).month != last.month
    return ql.Schedule(
        dates, ql.NullCalendar(), ql.Unadjusted, ql.Unadjusted, tenor, ql.DateGeneration.Backward, month_end, regular
    )


def _day_counter(day_count: DayCount, schedule: ql.Schedule | None) -> ql.DayCounter:
    match day_count:
        case DayCount.ACT_ACT_ICMA:
            # With a schedule of one short period QuantLib takes a reference period around both its ends; without a schedule
            # it takes the coupon's own.
            single = schedule is None or len(schedule) == 2
            return ql.ActualActual(ql.ActualActual.ISMA) if single else ql.ActualActual(ql.ActualActual.ISMA, schedule)
        case DayCount.ACT_360:
            return ql.Actual360()
        case DayCount.ACT_365F:
            return ql.Actual365Fixed()
        case DayCount.THIRTY_360:
            return ql.Thirty360(ql.Thirty360.BondBasis)


def _rounded(found: float, places: int, problem: FixedIncomeProblem) -> Decimal:
    exact = Decimal(found)
    if not exact.is_finite():
        raise FixedIncomeError(problem, "no finite figure comes of these terms")
    return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_EVEN)


def _to_ql(day: date) -> ql.Date:
    return ql.Date(day.day, day.month, day.year)


def _from_ql(day: ql.Date) -> date:
    return date(day.year(), day.month(), day.dayOfMonth())
