"""The order path takes on each exchange what that exchange's own dated rows take, phase by phase, without the demonstration."""

from __future__ import annotations

from datetime import date

import pytest

from exchanges.api import Phase
from exchanges.order_types import order_types_on
from exchanges.reference import load_rule_file
from exchanges.registry import registry
from tests.order_path_setup import MemoryJournal, exchange, new_path, order, platform
from trading_workers.orders import OrderType, TimeInForce
from trading_workers.snapshot.documents import PhaseOrders

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
DAY, IOC, FOK = TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL
CALLS = ("PRE_OPEN", "OPENING_AUCTION", "CLOSING_AUCTION", "TRADE_AT_LAST")
TAKEN = {
    "EGX": {("CONTINUOUS", LIMIT, DAY), ("CONTINUOUS", MARKET, DAY), *((phase, LIMIT, DAY) for phase in CALLS)},
    "ADX": {
        *(("CONTINUOUS", LIMIT, time) for time in (DAY, IOC, FOK)),
        ("CONTINUOUS", MARKET, DAY),
        *((phase, LIMIT, DAY) for phase in CALLS),
    },
}


def compiled(code: str) -> tuple[PhaseOrders, ...]:
    rules = load_rule_file(registry().get(code).rules_path).rules
    return tuple(
        PhaseOrders(phase.value, tuple((kind.value, time.value) for kind, time in rule.enters))
        for phase, rule in order_types_on(rules, date(2026, 11, 25)).items()
    )


@pytest.mark.parametrize("code", ["EGX", "ADX"])
@pytest.mark.parametrize("phase", [each.value for each in Phase])
def test_a_combination_is_taken_where_a_row_says_so_and_nowhere_else(code: str, phase: str) -> None:
    other = "ADX" if code == "EGX" else "EGX"
    document = platform(exchanges=(exchange(code, phase=phase, order_types=compiled(code)), exchange(other)))
    symbol = {"EGX": "COMI", "ADX": "FAB"}[code]
    journal = MemoryJournal(new_path(document))
    for kind in (LIMIT, MARKET):
        for time in (DAY, IOC, FOK):
            price = {"price": 0} if kind is MARKET else {}
            placed = order(f"{kind.value}-{time.value}", exchange=code, symbol=symbol, type=kind, time_in_force=time, **price)
            (outcome,) = journal.place(placed).answers
            refusal = outcome.refusal
            if (phase, kind, time) in TAKEN[code]:
                assert refusal is None, (phase, kind, time)
            else:
                assert refusal is not None
                assert refusal.reason.name == ("SESSION_CLOSED" if phase == "CLOSED" else "ORDER_TYPE_NOT_ALLOWED")


def test_a_document_without_order_types_and_one_with_names_of_tomorrow_take_nothing_by_them() -> None:
    tomorrow = (PhaseOrders("CONTINUOUS", (("STOP", "DAY"), ("LIMIT", "GOOD_TILL_CANCEL"), ("LIMIT", "DAY"))),)
    for types, refused in (((), True), (tomorrow, False)):
        document = platform(exchanges=(exchange(order_types=types), exchange("ADX")))
        (outcome,) = MemoryJournal(new_path(document)).place(order()).answers
        assert (outcome.refusal is not None) is refused
