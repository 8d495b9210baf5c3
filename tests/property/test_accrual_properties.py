"""Accrued amounts against exact decimal arithmetic and against QuantLib; prices and yields against each other."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal, localcontext

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.assets.accrual import DayCount, FixedIncomeTerms, accrued_interest, coupon, periods, to_decimal
from exchanges.assets.fixed_income import from_clean_price, from_yield, quantlib_accrued

ISSUES = st.dates(date(2000, 1, 1), date(2035, 12, 31))


@st.composite
def bonds(draw: st.DrawFn) -> FixedIncomeTerms:
    issue = draw(ISSUES)
    return FixedIncomeTerms(
        rate_percent=Decimal(draw(st.integers(1, 30_000_000))) / 1_000_000,
        payments_per_year=draw(st.sampled_from((1, 2, 4, 12))),
        day_count=draw(st.sampled_from(DayCount)),
        issue_date=issue,
        maturity_date=issue + timedelta(days=draw(st.integers(40, 30 * 365))),
    )


@st.composite
def settled_bonds(draw: st.DrawFn) -> tuple[FixedIncomeTerms, date]:
    bond = draw(bonds())
    return bond, bond.issue_date + timedelta(days=draw(st.integers(0, (bond.maturity_date - bond.issue_date).days - 1)))


def decimal_accrued(bond: FixedIncomeTerms, settlement: date) -> Decimal:
    """The market's formulas once more, in decimals of fifty digits."""
    with localcontext() as context:
        context.prec = 50
        period = next(each for each in periods(bond) if each.start <= settlement < each.end)
        days = Decimal((settlement - period.start).days)
        if bond.day_count is DayCount.ACT_ACT_ICMA:
            whole = Decimal((period.end - period.reference_start).days)
            return bond.rate_percent / bond.payments_per_year * days / whole
        if bond.day_count is DayCount.ACT_360:
            return bond.rate_percent * days / 360
        if bond.day_count is DayCount.ACT_365F:
            return bond.rate_percent * days / 365
        first, last = period.start, settlement
        first_day = 30 if first.day == 31 else first.day
        last_day = 30 if last.day == 31 and first_day == 30 else last.day
        by_thirties = 360 * (last.year - first.year) + 30 * (last.month - first.month) + last_day - first_day
        return bond.rate_percent * by_thirties / 360


@settings(max_examples=300, deadline=None)
@given(settled_bonds())
def test_what_accrues_is_exact_and_quantlib_finds_the_same(case: tuple[FixedIncomeTerms, date]) -> None:
    bond, settlement = case
    exact = accrued_interest(bond, settlement)
    assert to_decimal(exact, 10) == decimal_accrued(bond, settlement).quantize(Decimal("1e-10"))
    assert abs(to_decimal(exact, 8) - quantlib_accrued(bond, settlement)) <= Decimal("1e-8")


@settings(max_examples=200, deadline=None)
@given(bonds())
def test_periods_cover_the_life_without_gaps_and_whole_ones_pay_the_same(bond: FixedIncomeTerms) -> None:
    own = periods(bond)
    assert (own[0].start, own[-1].end) == (bond.issue_date, bond.maturity_date)
    assert [each.end for each in own[:-1]] == [each.start for each in own[1:]]
    assert all(each.start == each.reference_start for each in own[1:])
    if bond.day_count is DayCount.ACT_ACT_ICMA:
        assert {coupon(bond, each) * bond.payments_per_year for each in own[1:]} <= {bond.rate_percent}


@settings(max_examples=150, deadline=None)
@given(settled_bonds(), st.integers(0, 30_000))
def test_a_price_and_its_yield_give_each_other(case: tuple[FixedIncomeTerms, date], yield_bp: int) -> None:
    bond, settlement = case
    wanted = Decimal(yield_bp) / 1000
    measures = from_yield(bond, settlement, wanted)
    again = from_clean_price(bond, settlement, measures.clean_price)
    # A micro of price is more than a hundred-millionth of yield where little time is left.
    assert abs(from_yield(bond, settlement, again.yield_percent).clean_price - measures.clean_price) <= 1
    assert measures.dirty_price == round(measures.clean_price + accrued_interest(bond, settlement) * 1_000_000)


@settings(max_examples=100, deadline=None)
@given(settled_bonds(), st.integers(1, 25_000))
def test_a_higher_yield_never_means_a_higher_price(case: tuple[FixedIncomeTerms, date], yield_bp: int) -> None:
    bond, settlement = case
    low = from_yield(bond, settlement, Decimal(yield_bp) / 1000)
    high = from_yield(bond, settlement, Decimal(yield_bp + 100) / 1000)
    assert high.clean_price <= low.clean_price
    assert low.modified_duration <= low.macaulay_duration
