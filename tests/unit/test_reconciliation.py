"""The four ledgers of a run agree, or the difference is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from trading_workers.reconciliation import (
    DenialFact,
    FillFact,
    Ledger,
    OrderFact,
    check_fills_against_orders,
    compare,
    compare_holdings,
    expected_holdings,
)

BUY = OrderFact(1, "COR-BUY", "EGX", "COMI", "BUY", 100, 139_000_000, "FILLED", 100)
SELL = OrderFact(2, "COR-SELL", "EGX", "COMI", "SELL", 150, 139_000_000, "PARTIALLY_FILLED", 100)


def ledger(reader: str) -> Ledger:
    made = Ledger(reader)
    for order in (BUY, SELL):
        made.add_order(order)
        made.add_fill(FillFact("E1", order.order_id, 100, 139_000_000))
    made.add_denial(DenialFact("COR-POOR", "x", "INSUFFICIENT_BUYING_POWER"))
    return made


def four() -> list[Ledger]:
    ledgers = [ledger(name) for name in ("client", "journal", "venue", "database")]
    ledgers[2].denials = None
    return ledgers


def test_equal_ledgers_have_no_difference() -> None:
    assert compare(four()) == []
    assert all(check_fills_against_orders(each) == [] for each in four())


REMOVALS: list[Callable[[Ledger], object]] = [
    lambda each: each.orders.pop(2),
    lambda each: each.fills.pop(("E1", 1)),
    lambda each: each.denials.pop(("COR-POOR", "x")) if each.denials else each.orders.pop(1),
]


@pytest.mark.parametrize("reader", range(4))
@pytest.mark.parametrize("remove", REMOVALS)
def test_one_row_missing_from_any_reader_is_a_difference(reader: int, remove: Callable[[Ledger], object]) -> None:
    ledgers = four()
    remove(ledgers[reader])
    assert compare(ledgers) != []


@pytest.mark.parametrize("reader", range(4))
def test_one_changed_figure_in_any_reader_is_a_difference(reader: int) -> None:
    ledgers = four()
    ledgers[reader].orders[1] = replace(BUY, cumulative=99)
    (difference, *_) = compare(ledgers)
    assert "order 1" in str(difference)
    assert check_fills_against_orders(ledgers[reader]) != []


def test_a_row_that_stands_twice_is_a_difference() -> None:
    ledgers = four()
    ledgers[3].add_fill(FillFact("E1", 1, 100, 139_000_000))
    assert [str(each) for each in compare(ledgers)] == ["fill E1 of order 1: database says once, database says twice"]


def test_cash_and_shares_follow_the_fills() -> None:
    cash, shares = expected_holdings(
        ledger("journal"),
        {("COR-BUY", "EGP"): 20_000_000_000, ("COR-SELL", "EGP"): 0},
        {("COR-SELL", "EGX:COMI"): 1_000},
        {"EGX:COMI": "EGP"},
    )
    assert cash == {("COR-BUY", "EGP"): 6_100_000_000, ("COR-SELL", "EGP"): 13_900_000_000}
    assert shares == {("COR-SELL", "EGX:COMI"): 900, ("COR-BUY", "EGX:COMI"): 100}
    wrong = dict(cash)
    wrong[("COR-BUY", "EGP")] += 1
    assert len(compare_holdings("cash", cash, wrong, ("fills", "database"))) == 1
    assert compare_holdings("cash", cash, dict(cash), ("fills", "database")) == []
