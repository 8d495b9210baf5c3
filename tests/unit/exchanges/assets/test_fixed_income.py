"""Prices and yields against textbook formulas that are computed here, independently of the kernel and of QuantLib."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, localcontext

import pytest

from exchanges.assets.accrual import (
    DayCount,
    FixedIncomeError,
    FixedIncomeProblem,
    FixedIncomeTerms,
    accrued_interest,
    coupon,
    periods,
    to_decimal,
)
from exchanges.assets.fixed_income import (
    cash_flows,
    from_clean_price,
    from_yield,
    last_day_of_payments,
)
from exchanges.assets.measures import FlowKind, next_payment
from exchanges.assets.payment_convention import PaymentConvention

ISSUE, MATURITY = date(2024, 6, 15), date(2034, 6, 15)
ON_A_COUPON = date(2026, 12, 15)


def terms(
    rate: str = "8",
    pays: int = 2,
    day_count: DayCount = DayCount.ACT_ACT_ICMA,
    issue: date = ISSUE,
    maturity: date = MATURITY,
) -> FixedIncomeTerms:
    return FixedIncomeTerms(
        rate_percent=Decimal(rate), payments_per_year=pays, day_count=day_count, issue_date=issue, maturity_date=maturity
    )


def textbook_price(rate: str, pays: int, yield_percent: str, count: int, first_part: Decimal = Decimal(1)) -> Decimal:
    """Dirty price of ``count`` coupons to come, the first after ``first_part`` of a period: a sum of discounted payments."""
    with localcontext() as context:
        context.prec = 50
        growth = 1 + Decimal(yield_percent) / 100 / pays
        payment = Decimal(rate) / pays
        price = sum((payment / growth ** (first_part + k) for k in range(count)), start=Decimal(0))
        return price + 100 / growth ** (first_part + count - 1)


@pytest.mark.parametrize(("rate", "pays"), [("8", 2), ("5.25", 1), ("11.5", 4), ("3", 12)])
@pytest.mark.parametrize("day_count", [DayCount.ACT_ACT_ICMA, DayCount.THIRTY_360])
def test_at_a_yield_equal_to_the_coupon_a_bond_is_worth_its_face_on_a_coupon_date(
    rate: str, pays: int, day_count: DayCount
) -> None:
    bond = terms(rate, pays, day_count, maturity=date(2034, 6, 15))
    settlement = date(2027, 6, 15)
    assert from_yield(bond, settlement, Decimal(rate)).clean_price == 100_000_000
    assert from_clean_price(bond, settlement, 100_000_000).yield_percent == Decimal(rate)


@pytest.mark.parametrize("yield_percent", ["3.5", "8", "9.75", "24"])
def test_a_price_on_a_coupon_date_is_the_sum_of_discounted_payments(yield_percent: str) -> None:
    expected = textbook_price("8", 2, yield_percent, 15)
    found = from_yield(terms(), ON_A_COUPON, Decimal(yield_percent))
    assert found.accrued == 0
    assert found.clean_price == found.dirty_price == round(expected * 1_000_000)
    solved = from_clean_price(terms(), ON_A_COUPON, found.clean_price).yield_percent
    assert abs(solved - Decimal(yield_percent)) < Decimal("0.0000005")


def test_between_coupon_dates_the_first_period_counts_by_its_days() -> None:
    settlement = date(2027, 3, 1)
    # 76 of the 182 days from 15 December to 15 June have passed.
    left = Decimal(106) / 182
    expected = textbook_price("8", 2, "9.25", 15, left)
    found = from_yield(terms(), settlement, Decimal("9.25"))
    assert found.accrued == (Decimal(4) * 76 / 182).quantize(Decimal("1e-10"))
    assert found.dirty_price == pytest.approx(int(expected * 1_000_000), abs=1)
    assert found.dirty_price - found.clean_price == round(found.accrued * 1_000_000)


def test_durations_and_convexity_are_those_of_the_textbook() -> None:
    """An annual bond of three years at 10 %: durations and convexity from their sums over the payments."""
    bond = terms("8", 1, DayCount.ACT_ACT_ICMA, date(2026, 1, 10), date(2029, 1, 10))
    found = from_yield(bond, date(2026, 1, 10), Decimal(10))
    with localcontext() as context:
        context.prec = 40
        growth = Decimal("1.1")
        payments = {1: Decimal(8), 2: Decimal(8), 3: Decimal(108)}
        price = sum(amount / growth**year for year, amount in payments.items())
        macaulay = sum(year * amount / growth**year for year, amount in payments.items()) / price
        convexity = sum(year * (year + 1) * amount / growth ** (year + 2) for year, amount in payments.items()) / price
    assert found.clean_price == round(price * 1_000_000)
    assert found.macaulay_duration == round(macaulay, 6)
    assert found.modified_duration == round(macaulay / growth, 6)
    assert found.convexity == round(convexity, 6)


def test_a_zero_coupon_bond_grows_by_its_yield_alone() -> None:
    zero = terms("0", 0, DayCount.ACT_365F, date(2025, 3, 1), date(2030, 2, 28))
    settlement = date(2027, 3, 1)
    years = Decimal((date(2030, 2, 28) - settlement).days) / 365
    found = from_yield(zero, settlement, Decimal(7))
    assert found.clean_price == found.dirty_price == round(100 / Decimal("1.07") ** years * 1_000_000)
    assert found.macaulay_duration == round(years, 6)
    assert [(flow.kind, flow.amount) for flow in cash_flows(zero, PaymentConvention.UNADJUSTED, gregorian(zero))] == [
        (FlowKind.REDEMPTION, 100)
    ]


@pytest.mark.parametrize(
    ("day_count", "expected"),
    [
        # 15 December 2026 to 31 January 2027: 47 days, 46 by thirties; the half year has 182 days.
        (DayCount.ACT_ACT_ICMA, Decimal(8) * 47 / 364),
        (DayCount.ACT_360, Decimal(8) * 47 / 360),
        (DayCount.ACT_365F, Decimal(8) * 47 / 365),
        (DayCount.THIRTY_360, Decimal(8) * 46 / 360),
    ],
)
def test_each_day_count_accrues_by_its_own_rule(day_count: DayCount, expected: Decimal) -> None:
    found = accrued_interest(terms(day_count=day_count), date(2027, 1, 31))
    assert to_decimal(found, 10) == expected.quantize(Decimal("1e-10"))


@pytest.mark.parametrize(
    ("settlement", "days"),
    [(date(2026, 8, 31), 30), (date(2026, 8, 30), 30), (date(2026, 8, 29), 29), (date(2026, 10, 31), 90), (date(2026, 7, 31), 0)],
)
def test_by_thirties_the_last_of_a_long_month_counts_as_the_thirtieth(settlement: date, days: int) -> None:
    bond = terms(day_count=DayCount.THIRTY_360, issue=date(2026, 1, 30), maturity=date(2028, 7, 30))
    assert accrued_interest(bond, settlement) * 360 == 8 * days
    early = terms(day_count=DayCount.THIRTY_360, issue=date(2026, 1, 29), maturity=date(2028, 7, 29))
    # From the 29th the 31st counts as itself.
    assert accrued_interest(early, date(2026, 8, 31)) * 360 == 8 * 32


def test_periods_run_backwards_from_maturity_and_a_short_first_one_pays_its_part() -> None:
    bond = terms(issue=date(2024, 9, 1))
    own = periods(bond)
    assert (own[0].start, own[0].end, own[0].reference_start) == (date(2024, 9, 1), date(2024, 12, 15), date(2024, 6, 15))
    assert len(own) == 20
    assert to_decimal(coupon(bond, own[0]), 10) == (Decimal(4) * 105 / 183).quantize(Decimal("1e-10"))
    assert {coupon(bond, each) for each in own[1:]} == {4}


def test_a_bond_that_matures_on_the_last_day_of_a_month_pays_on_last_days() -> None:
    bond = terms("6", 4, issue=date(2027, 2, 28), maturity=date(2028, 2, 29))
    assert [each.end for each in periods(bond)] == [
        date(2027, 5, 31),
        date(2027, 8, 31),
        date(2027, 11, 30),
        date(2028, 2, 29),
    ]


@pytest.mark.parametrize("settlement", [date(2024, 6, 14), MATURITY, date(2040, 1, 1)])
def test_nothing_is_computed_outside_the_life_of_a_bond(settlement: date) -> None:
    for compute in (
        lambda: from_clean_price(terms(), settlement, 100_000_000),
        lambda: from_yield(terms(), settlement, Decimal(8)),
    ):
        with pytest.raises(FixedIncomeError) as refused:
            compute()
        assert refused.value.problem is FixedIncomeProblem.SETTLEMENT_OUTSIDE_LIFE


def test_prices_and_yields_without_a_meaning_are_refused() -> None:
    for price in (0, -1, 2**63):
        with pytest.raises(FixedIncomeError) as refused:
            from_clean_price(terms(), ON_A_COUPON, price)
        assert refused.value.problem is FixedIncomeProblem.PRICE_NOT_POSITIVE
    for wanted in ("1000.1", "-50.1"):
        with pytest.raises(FixedIncomeError) as refused:
            from_yield(terms(), ON_A_COUPON, Decimal(wanted))
        assert refused.value.problem is FixedIncomeProblem.YIELD_OUT_OF_RANGE
    with pytest.raises(FixedIncomeError) as refused:
        from_clean_price(terms(), ON_A_COUPON, 2**62)
    assert refused.value.problem is FixedIncomeProblem.NO_YIELD


def test_terms_that_contradict_themselves_are_refused() -> None:
    for wrong in (
        {"rate": "8", "pays": 0},
        {"rate": "0", "pays": 2},
        {"rate": "-1", "pays": 2},
        {"rate": "8", "pays": 3},
        {"maturity": ISSUE},
    ):
        with pytest.raises(FixedIncomeError) as refused:
            terms(**wrong)  # type: ignore[arg-type]
        assert refused.value.problem is FixedIncomeProblem.TERMS_INVALID


def gregorian(bond: FixedIncomeTerms):  # type: ignore[no-untyped-def]
    from exchanges.assets.business_days import BusinessDays

    assert last_day_of_payments(bond) > bond.maturity_date
    return BusinessDays(exchange="NONE", weekend=frozenset(), closed=frozenset(), opened=frozenset(), known_to=None)


def test_the_next_payment_is_the_first_one_due_after_a_day() -> None:
    flows = cash_flows(terms(), PaymentConvention.UNADJUSTED, gregorian(terms()))
    found = next_payment(flows, ON_A_COUPON)
    assert found is not None and found.due_date == date(2027, 6, 15)
    assert next_payment(flows, MATURITY) is None
