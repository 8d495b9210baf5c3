"""Which orders a phase takes, by each exchange's own dated rows; what no row names is refused."""

from dataclasses import replace
from datetime import date

import pytest

from exchanges.api import PHASE_RULES, OrderType, Phase, TimeInForce
from exchanges.dated_rules import RuleError, RuleKind
from exchanges.order_types import order_types_on, taken_by
from exchanges.reference import load_rule_file, load_venue_reference
from exchanges.registry import registry

DAY = date(2026, 11, 25)
EGX, ADX = (load_rule_file(registry().get(code).rules_path).rules for code in ("EGX", "ADX"))
LIMIT_DAY = (OrderType.LIMIT, TimeInForce.DAY)
MARKET_DAY = (OrderType.MARKET, TimeInForce.DAY)
IOC = (OrderType.LIMIT, TimeInForce.IMMEDIATE_OR_CANCEL)
FOK = (OrderType.LIMIT, TimeInForce.FILL_OR_KILL)
CALLS = (Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION, Phase.TRADE_AT_LAST)


def test_egx_takes_limit_orders_for_the_day_and_market_orders_only_in_continuous_trading() -> None:
    taken = order_types_on(EGX, DAY)
    assert taken[Phase.CONTINUOUS].enters == {LIMIT_DAY, MARKET_DAY}
    assert {phase: taken[phase].enters for phase in CALLS} == dict.fromkeys(CALLS, frozenset({LIMIT_DAY}))


def test_adx_takes_orders_that_fill_at_once_and_no_market_order_in_an_auction() -> None:
    taken = order_types_on(ADX, DAY)
    assert taken[Phase.CONTINUOUS].enters == {LIMIT_DAY, IOC, FOK, MARKET_DAY}
    assert {phase: taken[phase].enters for phase in CALLS} == dict.fromkeys(CALLS, frozenset({LIMIT_DAY}))


def test_a_closed_session_takes_nothing_and_no_row_can_say_otherwise() -> None:
    assert order_types_on(EGX, DAY)[Phase.CLOSED].enters == frozenset()
    row = next(row for row in EGX if row.kind is RuleKind.ORDER_TYPES and row.active)
    entry = {"types": ["LIMIT"], "times_in_force": ["DAY"], "phases": ["CLOSED"]}
    with pytest.raises(RuleError, match="EGX limit orders: a closed session takes no orders"):
        taken_by(replace(row, value={"takes": [entry]}))


def test_without_a_row_that_holds_no_order_is_taken_in_any_phase() -> None:
    for rules in ((), [row for row in EGX if row.kind is not RuleKind.ORDER_TYPES], [replace(row, active=False) for row in EGX]):
        assert all(rule.enters == frozenset() for rule in order_types_on(rules, DAY).values())
    ended = [replace(row, valid_to=date(2026, 11, 24)) if row.kind is RuleKind.ORDER_TYPES else row for row in EGX]
    assert order_types_on(ended, DAY)[Phase.CONTINUOUS].enters == frozenset()
    assert order_types_on(ended, date(2026, 11, 24))[Phase.CONTINUOUS].enters == {LIMIT_DAY, MARKET_DAY}


def test_a_row_changes_what_is_entered_and_not_what_a_phase_is() -> None:
    taken = order_types_on((), DAY)
    assert {phase: (rule.cancels, rule.matches) for phase, rule in taken.items()} == {
        phase: (rule.cancels, rule.matches) for phase, rule in PHASE_RULES.items()
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"types": ["STOP"], "times_in_force": ["DAY"], "phases": ["CONTINUOUS"]},
        {"types": ["LIMIT"], "times_in_force": ["GTC"], "phases": ["CONTINUOUS"]},
        {"types": ["LIMIT"], "times_in_force": ["DAY"], "phases": ["LUNCH"]},
        {"types": ["LIMIT"], "phases": ["CONTINUOUS"]},
        "LIMIT",
    ],
)
def test_a_malformed_row_is_refused_by_its_name(entry: object) -> None:
    row = next(row for row in EGX if row.kind is RuleKind.ORDER_TYPES)
    with pytest.raises(RuleError, match="EGX limit orders: "):
        taken_by(replace(row, value={"takes": [entry]}))


@pytest.mark.parametrize("exchange", ["EGX", "ADX"])
def test_only_the_labelled_demonstration_widens_what_a_venue_takes(exchange: str) -> None:
    every = frozenset((kind, time) for kind in OrderType for time in TimeInForce)
    assert load_venue_reference(exchange, day=DAY).phase_rules[Phase.CONTINUOUS].enters == every
    real = load_venue_reference(exchange, day=DAY, demo=False).phase_rules
    assert real[Phase.CONTINUOUS].enters < every
    assert load_venue_reference(exchange, day=DAY).phase_rules[Phase.CLOSING_AUCTION] == real[Phase.CLOSING_AUCTION]
