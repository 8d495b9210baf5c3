"""Funds, real estate funds, rights and receipts: worked examples, and what has no meaning."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import exchanges.assets
from exchanges.assets.funds import DealingFrequency, FundError, is_stale, nav_per_unit, premium_bp
from exchanges.assets.receipts import CurrencyRate, ReceiptError, ReceiptRatio, parity_price
from exchanges.assets.reit import PaidDistribution, distribution_yield, trailing_distributions
from exchanges.assets.rights import RightError, RightTerms, intrinsic_value, theoretical_ex_rights_price, value_from_cum_price
from licensing.float_ban import findings_below

TODAY = date(2026, 11, 25)


def test_no_float_is_in_the_kernels_but_where_quantlib_is_told_and_asked() -> None:
    found = findings_below(Path(exchanges.assets.__file__).parent)
    assert {finding.path.name for finding in found} == {"fixed_income.py"}


def test_a_value_per_unit_is_exact_and_rounded_once() -> None:
    assert nav_per_unit(Decimal("1000000.01"), 3) == 333_333_336_667


def test_a_premium_is_in_basis_points_of_the_value_and_a_discount_is_negative() -> None:
    assert premium_bp(12_400_000, 12_000_000) == Decimal("333.33")
    assert premium_bp(11_400_000, 12_000_000) == Decimal("-500.00")
    assert premium_bp(12_000_000, 12_000_000) == 0
    for price, value in ((0, 1), (1, 0), (-1, 1)):
        with pytest.raises(FundError):
            premium_bp(price, value)


@pytest.mark.parametrize(
    ("frequency", "fresh", "old"),
    [
        (DealingFrequency.DAILY, date(2026, 11, 21), date(2026, 11, 20)),
        (DealingFrequency.WEEKLY, date(2026, 11, 14), date(2026, 11, 13)),
        (DealingFrequency.QUARTERLY, date(2026, 8, 17), date(2026, 8, 16)),
    ],
)
def test_a_value_is_old_when_the_funds_dealing_should_have_given_another(
    frequency: DealingFrequency, fresh: date, old: date
) -> None:
    assert not is_stale(fresh, TODAY, frequency)
    assert is_stale(old, TODAY, frequency)
    with pytest.raises(FundError, match="not known"):
        is_stale(date(2026, 11, 26), TODAY, frequency)


def test_a_distribution_yield_takes_the_year_that_ends_today() -> None:
    paid = [
        PaidDistribution(date(2025, 11, 25), Decimal(9)),
        PaidDistribution(date(2025, 11, 26), Decimal("0.25")),
        PaidDistribution(TODAY, Decimal("0.35")),
        PaidDistribution(date(2026, 11, 26), Decimal(7)),
    ]
    assert trailing_distributions(paid, TODAY) == Decimal("0.60")
    assert distribution_yield(paid, 12_000_000, TODAY) == Decimal("5.0000")
    assert distribution_yield([], 12_000_000, TODAY) == 0
    assert trailing_distributions([PaidDistribution(date(2027, 3, 1), Decimal(1))], date(2028, 2, 29)) == 1
    with pytest.raises(FundError):
        distribution_yield(paid, 0, TODAY)


def test_a_share_after_a_right_issue_costs_the_average_of_old_and_new() -> None:
    """One new share for four held at 6.00, the share at 11.00 before: (4 x 11 + 6) / 5 = 10."""
    terms = RightTerms(new=1, held=4, subscription_price=6_000_000)
    assert theoretical_ex_rights_price(terms, 11_000_000) == 10_000_000
    assert value_from_cum_price(terms, 11_000_000) == intrinsic_value(terms, 10_000_000) == 1_000_000
    assert intrinsic_value(terms, 5_000_000) == value_from_cum_price(terms, 5_000_000) == 0


def test_rights_without_a_meaning_are_refused() -> None:
    for wrong in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(RightError):
            RightTerms(*wrong)
    for compute in (theoretical_ex_rights_price, value_from_cum_price, intrinsic_value):
        with pytest.raises(RightError):
            compute(RightTerms(1, 1, 1), 0)


def test_a_receipt_is_worth_its_shares_at_the_rate_that_the_caller_vouches_for() -> None:
    rate = CurrencyRate(Decimal("12.9345"), "the caller's bank, 2026-11-25")
    assert parity_price(3_500_000, ReceiptRatio(receipts=10, shares=3), rate) == 13_581_225


@pytest.mark.parametrize(("rate", "source"), [("0", "x"), ("-1", "x"), ("NaN", "x"), ("1", " ")])
def test_a_rate_that_is_none_or_that_nobody_vouches_for_is_refused(rate: str, source: str) -> None:
    with pytest.raises(ReceiptError):
        CurrencyRate(Decimal(rate), source)
