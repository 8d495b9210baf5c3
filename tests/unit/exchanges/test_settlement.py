"""Settlement dates by the exchanges' own rows: weekends, closures, and a demonstration session that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.reference import load_demo_market, load_rule_file
from exchanges.registry import registry
from exchanges.settlement import (
    NoSettlementDate,
    first_unsettled_day,
    is_trading_day,
    settlement_date,
)

EGX, ADX = (tuple(load_rule_file(registry().get(code).rules_path).rules) for code in ("EGX", "ADX"))
DEMO = tuple(rule for code, rule in load_demo_market().rules if code == "EGX")


@pytest.mark.parametrize(
    ("rules", "trade_day", "settles"),
    [
        (EGX, date(2026, 11, 25), date(2026, 11, 29)),  # Wednesday; Friday and Saturday are no trading days
        (EGX, date(2026, 11, 22), date(2026, 11, 24)),
        (ADX, date(2026, 11, 25), date(2026, 11, 27)),  # Friday is one
        (ADX, date(2026, 11, 26), date(2026, 11, 30)),
        (ADX, date(2024, 6, 14), date(2024, 6, 20)),  # over Eid al-Adha
    ],
)
def test_a_trade_settles_two_trading_days_later(rules: tuple[DatedRule, ...], trade_day: date, settles: date) -> None:
    assert settlement_date(rules, trade_day) == settles


def test_a_demonstration_session_does_not_open_the_depository() -> None:
    friday = date(2026, 11, 27)
    assert settlement_date(EGX + DEMO, date(2026, 11, 25)) == date(2026, 11, 29)
    assert not is_trading_day(EGX + DEMO, friday)
    assert settlement_date(EGX + DEMO, friday) == date(2026, 11, 30)


@pytest.mark.parametrize("rules", [EGX, ADX, EGX + DEMO])
def test_the_first_unsettled_day_is_where_trades_begin_to_be_due(rules: tuple[DatedRule, ...]) -> None:
    for number in range(60):
        today = date(2026, 10, 1) + timedelta(days=number)
        first = first_unsettled_day(rules, today)
        assert settlement_date(rules, first) >= today > settlement_date(rules, first - timedelta(days=1))


def test_without_a_cycle_or_a_calendar_nothing_is_guessed() -> None:
    without_cycle = [each for each in EGX if each.kind is not RuleKind.SETTLEMENT]
    without_week = [each for each in EGX if each.kind is not RuleKind.WEEKDAYS]
    odd = [replace(each, value={"cycle": "soon"}) if each.kind is RuleKind.SETTLEMENT else each for each in EGX]
    for rules, problem in ((without_cycle, "no settlement cycle"), (without_week, "within 60 days"), (odd, "not T\\+")):
        with pytest.raises(NoSettlementDate, match=problem):
            settlement_date(rules, date(2026, 11, 25))
