"""Rules of the matching engine, one by one."""

from __future__ import annotations

import pytest

from exchanges.api import OrderType, TimeInForce
from exchanges.simulator.matching import BUY, SELL, Execution, ExecutionKind, MatchingEngine, Order, OrderState

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
DAY, IOC, FOK = TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


class Bench:
    def __init__(self) -> None:
        self.engine = MatchingEngine(("COMI",))

    def enter(
        self, side: int, quantity: int, price: int, kind: OrderType = LIMIT, time_in_force: TimeInForce = DAY
    ) -> tuple[Order, list[Execution]]:
        number = self.engine.next_order_id()
        order = Order(number, "M", str(number), "A", "COMI", side, kind, time_in_force, price, quantity, number)
        return order, self.engine.enter(order, number)

    def trades(self, executions: list[Execution]) -> list[tuple[int, int, int]]:
        return [(one.order.order_id, one.quantity, one.price) for one in executions if one.kind is ExecutionKind.TRADE]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_better_price_goes_first_then_the_earlier_order(bench: Bench) -> None:
    bench.enter(SELL, 10, 102)
    bench.enter(SELL, 10, 101)
    bench.enter(SELL, 10, 101)
    _, executions = bench.enter(BUY, 25, 102)
    assert bench.trades(executions)[::2] == [(2, 10, 101), (3, 10, 101), (1, 5, 102)]


def test_a_trade_happens_at_the_resting_price(bench: Bench) -> None:
    bench.enter(BUY, 10, 105)
    order, _ = bench.enter(SELL, 10, 100)
    assert (order.notional, order.state) == (1050, OrderState.FILLED)


def test_fill_or_kill_takes_all_or_nothing(bench: Bench) -> None:
    bench.enter(SELL, 10, 100)
    bench.enter(SELL, 10, 101)
    killed, _ = bench.enter(BUY, 21, 101, LIMIT, FOK)
    assert (killed.state, killed.cumulative) == (OrderState.EXPIRED, 0)
    filled, _ = bench.enter(BUY, 20, 101, LIMIT, FOK)
    assert filled.state is OrderState.FILLED


def test_a_market_order_sweeps_levels_and_the_rest_expires(bench: Bench) -> None:
    bench.enter(BUY, 10, 100)
    bench.enter(BUY, 10, 1)
    order, executions = bench.enter(SELL, 30, 0, MARKET)
    assert bench.trades(executions)[::2] == [(1, 10, 100), (2, 10, 1)]
    assert (order.state, order.cumulative, order.leaves) == (OrderState.EXPIRED, 20, 0)


def test_a_partly_filled_order_keeps_its_place(bench: Bench) -> None:
    first, _ = bench.enter(SELL, 10, 100)
    second, _ = bench.enter(SELL, 10, 100)
    bench.enter(BUY, 4, 100)
    bench.enter(BUY, 7, 100)
    assert (first.leaves, second.leaves) == (0, 9)


def test_a_cancelled_order_is_gone_from_its_level_at_once(bench: Bench) -> None:
    book = bench.engine.books["COMI"]
    orders = [bench.enter(BUY, 1, 100)[0] for _ in range(100)]
    for order in orders[:99]:
        assert bench.engine.cancel(order.order_id, 1) is not None
    assert book.levels(BUY) == [(100, 1, 1)]
    assert bench.engine.cancel(orders[0].order_id, 1) is None
    _, executions = bench.enter(SELL, 1, 100)
    assert bench.trades(executions)[0] == (100, 1, 100)


def test_depth_of_a_book_is_told_from_the_best_level(bench: Bench) -> None:
    for price in (100, 98, 99):
        bench.enter(BUY, 5, price)
        bench.enter(SELL, 5, price + 10)
    book = bench.engine.books["COMI"]
    assert [price for price, *_ in book.levels(BUY, 2)] == [100, 99]
    assert [price for price, *_ in book.levels(SELL, 2)] == [108, 109]
