"""Payment days on the exchanges' own calendars: two weekends, closures, and a week that changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import QuantLib as ql

import exchanges.reference
from exchanges.api import Trust
from exchanges.assets.accrual import DayCount, FixedIncomeTerms
from exchanges.assets.business_days import business_days, is_business_day
from exchanges.assets.fixed_income import cash_flows, last_day_of_payments, quantlib_calendar
from exchanges.assets.payment_convention import PaymentConvention
from exchanges.dated_rules import DatedRule, RuleError, RuleKind
from exchanges.reference import load_demo_market, load_rule_file

FILES = Path(exchanges.reference.__file__).parent


def rules_of(exchange: str) -> tuple[DatedRule, ...]:
    return load_rule_file(FILES / exchange.lower() / "rules.json").rules


@pytest.mark.parametrize("exchange", ["EGX", "ADX"])
def test_quantlib_and_the_dated_rows_agree_on_every_day(exchange: str) -> None:
    rules, first, last = rules_of(exchange), date(2021, 6, 1), date(2027, 6, 30)
    days = business_days(exchange, rules, first, last)
    calendar = quantlib_calendar(days)
    for offset in range((last - first).days + 1):
        day = first + timedelta(days=offset)
        by_rules = is_business_day(rules, day)
        assert days.is_open(day) is by_rules, day
        assert calendar.isBusinessDay(ql.Date(day.day, day.month, day.year)) is by_rules, day


def test_the_weekends_are_those_of_cairo_and_of_abu_dhabi() -> None:
    friday, sunday = date(2026, 12, 4), date(2026, 12, 6)
    assert [is_business_day(rules_of(each), friday) for each in ("EGX", "ADX")] == [False, True]
    assert [is_business_day(rules_of(each), sunday) for each in ("EGX", "ADX")] == [True, False]


def test_a_session_that_is_always_open_for_demonstration_pays_on_real_days_only() -> None:
    demo = tuple(rule for code, rule in load_demo_market().rules if code == "EGX")
    assert any(rule.trust is Trust.DEMO and rule.kind is RuleKind.SESSION for rule in demo)
    assert not is_business_day((*rules_of("EGX"), *demo), date(2026, 12, 4))


def test_a_calendar_without_a_trading_week_is_refused() -> None:
    with pytest.raises(RuleError, match="no trading week"):
        business_days("EGX", (), date(2026, 1, 1), date(2026, 2, 1))


@pytest.mark.parametrize(
    ("convention", "paid"),
    [
        # 31 July 2026 is a Friday: closed in Cairo until Sunday, which is in August.
        (PaymentConvention.UNADJUSTED, date(2026, 7, 31)),
        (PaymentConvention.FOLLOWING, date(2026, 8, 2)),
        (PaymentConvention.MODIFIED_FOLLOWING, date(2026, 7, 30)),
        (PaymentConvention.PRECEDING, date(2026, 7, 30)),
    ],
)
def test_a_payment_on_a_closed_day_moves_by_its_convention_and_its_amount_stays(convention: PaymentConvention, paid: date) -> None:
    terms = FixedIncomeTerms(
        rate_percent=Decimal("12"),
        payments_per_year=2,
        day_count=DayCount.ACT_ACT_ICMA,
        issue_date=date(2026, 1, 31),
        maturity_date=date(2027, 1, 31),
    )
    # Only the week: what closures the file has is not this test's matter.
    rules = [rule for rule in rules_of("EGX") if rule.kind is RuleKind.WEEKDAYS]
    days = business_days("EGX", rules, terms.issue_date, last_day_of_payments(terms))
    flow = cash_flows(terms, convention, days)[0]
    assert (flow.due_date, flow.payment_date, flow.amount) == (date(2026, 7, 31), paid, 6)


def test_a_closure_moves_a_payment_too() -> None:
    week = next(rule for rule in rules_of("ADX") if rule.kind is RuleKind.WEEKDAYS and rule.valid_to is None)
    closure = replace(week, kind=RuleKind.CLOSURE, scope="", valid_from=date(2026, 7, 1), valid_to=date(2026, 7, 2), value={})
    terms = FixedIncomeTerms(
        rate_percent=Decimal("5"),
        payments_per_year=1,
        day_count=DayCount.ACT_365F,
        issue_date=date(2025, 7, 1),
        maturity_date=date(2026, 7, 1),
    )
    days = business_days("ADX", [week, closure], terms.issue_date, last_day_of_payments(terms))
    assert cash_flows(terms, PaymentConvention.FOLLOWING, days)[0].payment_date == date(2026, 7, 3)
    assert days.known_to == date(2026, 7, 2)
