"""Rating by hand-computed cases."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from licensing.catalogue import Meter, Period
from licensing.rating import (
    Allowance,
    LineKind,
    PriceTerms,
    UsageFact,
    beyond,
    fold,
    outstanding,
    rate,
    round_money,
)

DAY_1, DAY_2 = date(2026, 11, 1), date(2026, 11, 2)
PROFESSIONAL = PriceTerms(
    plan="professional",
    version=1,
    currency="USD",
    monthly_base=Decimal(299),
    allowances=(
        Allowance(meter=Meter.ORDERS, period=Period.DAY, included=Decimal(1000), overage_price=Decimal("0.10")),
        Allowance(meter=Meter.API_CALLS, period=Period.MONTH, included=Decimal(100_000), overage_price=Decimal("0.001")),
        Allowance(meter=Meter.ACTIVE_USERS, period=Period.MONTH, included=Decimal(25), overage_price=Decimal(25)),
    ),
)


def test_a_month_without_usage_costs_the_base() -> None:
    rated = rate(PROFESSIONAL, {})
    assert rated.total == Decimal("299.00")
    assert [line.amount for line in rated.lines] == [Decimal("299.00"), Decimal("0.00"), Decimal("0.00"), Decimal("0.00")]


def test_daily_orders_do_not_borrow_from_a_quiet_day() -> None:
    rated = rate(PROFESSIONAL, {Meter.ORDERS: {DAY_1: Decimal(1500), DAY_2: Decimal(10)}})
    line = next(each for each in rated.lines if each.meter is Meter.ORDERS)
    assert (line.used, line.billable, line.amount) == (Decimal(1510), Decimal(500), Decimal("50.00"))
    assert rated.total == Decimal("349.00")


def test_monthly_calls_share_one_allowance_over_all_days() -> None:
    usage = {Meter.API_CALLS: {DAY_1: Decimal(60_000), DAY_2: Decimal(45_005)}}
    line = next(each for each in rate(PROFESSIONAL, usage).lines if each.meter is Meter.API_CALLS)
    assert (line.billable, line.amount) == (Decimal(5005), Decimal("5.01"))


def test_usage_of_a_capped_or_unlisted_meter_has_no_line() -> None:
    capped = PriceTerms(
        plan="basic",
        version=1,
        currency="USD",
        monthly_base=Decimal(99),
        allowances=(Allowance(meter=Meter.ORDERS, period=Period.DAY, included=Decimal(100), overage_price=None),),
    )
    rated = rate(capped, {Meter.ORDERS: {DAY_1: Decimal(100)}, Meter.API_CALLS: {DAY_1: Decimal(9)}})
    assert [line.kind for line in rated.lines] == [LineKind.BASE]
    assert rated.total == Decimal("99.00")


@pytest.mark.parametrize(
    ("used", "included", "period", "expected"),
    [
        ("100", "100", Period.DAY, "0"),
        ("100.000000001", "100", Period.DAY, "0.000000001"),
        ("-5", "0", Period.MONTH, "0"),
        ("5", None, Period.MONTH, "0"),
    ],
)
def test_beyond_begins_just_after_the_last_included_unit(used: str, included: str | None, period: Period, expected: str) -> None:
    quota = None if included is None else Decimal(included)
    assert beyond({DAY_1: Decimal(used)}, period=period, included=quota) == Decimal(expected)


@pytest.mark.parametrize(
    ("amount", "currency", "rounded"),
    [
        ("0.005", "USD", "0.01"),
        ("0.004999999", "USD", "0.00"),
        ("-0.005", "EGP", "-0.01"),
        ("2.5", "JPY", "3"),
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_money_is_rounded_half_up_in_the_minor_unit(amount: str, currency: str, rounded: str) -> None:
    assert str(round_money(Decimal(amount), currency)) == rounded


def test_a_currency_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="XXX"):
        round_money(Decimal(1), "XXX")


def test_one_key_with_two_bodies_is_no_total() -> None:
    fact = UsageFact(key=("worker", "1"), meter=Meter.ORDERS, day=DAY_1, quantity=Decimal(1))
    other = UsageFact(key=("worker", "1"), meter=Meter.ORDERS, day=DAY_1, quantity=Decimal(2))
    with pytest.raises(ValueError, match="two different facts"):
        fold([fact, other])


def test_a_line_that_vanished_is_given_back() -> None:
    billed = {(LineKind.BASE, None): Decimal("299.00"), (LineKind.OVERAGE, Meter.ORDERS): Decimal("50.00")}
    due = outstanding(rate(PROFESSIONAL, {}), billed)
    assert due == {(LineKind.OVERAGE, Meter.ORDERS): Decimal("-50.00")}
