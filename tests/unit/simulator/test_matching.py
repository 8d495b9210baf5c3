"""Rules of the matching engine, one by one."""

from __future__ import annotations

import pytest

from exchanges.api import OrderType, TimeInForce
from exchanges.prices import TickBand
from exchanges.simulator.matching import BUY, SELL, Execution, ExecutionKind, MatchingEngine, Order, OrderState

LIMIT, MARKET = OrderType.LIMIT, OrderType.MARKET
DAY, IOC, FOK = TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


class Bench:
    def __init__(self) -> None:
        self.engine = MatchingEngine(("COMI",))

    def enter(
        self,
        side: int,
        quantity: int,
        price: int,
        kind: OrderType = LIMIT,
        time_in_force: TimeInForce = DAY,
        *,
        display: int = 0,
        matches: bool = True,
        only_price: int = 0,
    ) -> tuple[Order, list[Execution]]:
        number = self.engine.next_order_id()
        order = Order(number, "M", str(number), "A", "COMI", side, kind, time_in_force, price, quantity, number, display)
        return order, self.engine.enter(order, number, matches=matches, only_price=only_price)

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


def test_an_iceberg_shows_one_slice_and_its_next_one_queues_behind_the_others(bench: Bench) -> None:
    iceberg, _ = bench.enter(SELL, 25, 100, display=10)
    plain, _ = bench.enter(SELL, 10, 100)
    book = bench.engine.books["COMI"]
    assert book.levels(SELL) == [(100, 20, 2)]
    assert book.totals(SELL) == [(100, 35)]
    _, executions = bench.enter(BUY, 15, 100)
    assert bench.trades(executions)[::2] == [(iceberg.order_id, 10, 100), (plain.order_id, 5, 100)]
    assert [order.order_id for order in book.resting(SELL)] == [plain.order_id, iceberg.order_id]
    assert book.levels(SELL) == [(100, 15, 2)]
    _, executions = bench.enter(BUY, 20, 100)
    assert bench.trades(executions)[::2] == [(plain.order_id, 5, 100), (iceberg.order_id, 10, 100), (iceberg.order_id, 5, 100)]
    assert book.levels(SELL) == []
    assert iceberg.state is OrderState.FILLED


def test_an_iceberg_that_comes_in_trades_with_all_it_has_and_fill_or_kill_counts_what_is_hidden(bench: Bench) -> None:
    bench.enter(SELL, 30, 100, display=5)
    order, _ = bench.enter(BUY, 12, 100, display=1)
    assert order.state is OrderState.FILLED
    filled, _ = bench.enter(BUY, 18, 100, LIMIT, FOK)
    assert filled.state is OrderState.FILLED


def test_a_smaller_quantity_keeps_an_order_s_place_and_anything_else_loses_it(bench: Bench) -> None:
    engine, book = bench.engine, bench.engine.books["COMI"]
    for _ in range(3):
        bench.enter(BUY, 10, 100)

    def queue() -> list[int]:
        return [order.order_id for order in book.resting(BUY)]

    executions = engine.replace(1, 8, 100, 9)
    assert executions is not None
    assert [(one.kind, one.state, one.leaves) for one in executions] == [(ExecutionKind.REPLACED, OrderState.NEW, 8)]
    assert (queue(), book.levels(BUY)) == ([1, 2, 3], [(100, 28, 3)])
    assert engine.replace(1, 9, 100, 9) is not None
    assert queue() == [2, 3, 1]
    assert engine.replace(2, 10, 101, 9) is not None
    assert engine.replace(2, 10, 100, 9) is not None
    assert queue() == [3, 1, 2]
    assert engine.replace(99, 1, 100, 9) is None


def test_a_replace_to_a_price_that_crosses_trades_after_it_is_reported(bench: Bench) -> None:
    bench.enter(SELL, 5, 102)
    order, _ = bench.enter(BUY, 10, 100)
    executions = bench.engine.replace(order.order_id, 12, 103, 9)
    assert executions is not None
    assert [(one.kind, one.order.order_id, one.price, one.leaves) for one in executions] == [
        (ExecutionKind.REPLACED, 2, 0, 12),
        (ExecutionKind.TRADE, 1, 102, 0),
        (ExecutionKind.TRADE, 2, 102, 7),
    ]
    assert bench.engine.books["COMI"].levels(BUY) == [(103, 7, 1)]


def test_a_replace_to_what_has_traded_fills_the_order_and_one_below_it_changes_nothing(bench: Bench) -> None:
    order, _ = bench.enter(BUY, 10, 100)
    bench.enter(SELL, 4, 100)
    before = bench.engine.state_hash()
    with pytest.raises(ValueError, match="from 4 up, not 3"):
        bench.engine.replace(order.order_id, 3, 100, 9)
    assert bench.engine.state_hash() == before
    executions = bench.engine.replace(order.order_id, 4, 100, 9)
    assert executions is not None
    assert [(one.kind, one.state, one.cumulative, one.leaves) for one in executions] == [
        (ExecutionKind.REPLACED, OrderState.FILLED, 4, 0)
    ]
    assert bench.engine.open_orders == {}
    assert bench.engine.replace(order.order_id, 5, 100, 9) is None


def test_a_replaced_iceberg_gives_up_its_hidden_shares_first(bench: Bench) -> None:
    order, _ = bench.enter(BUY, 30, 100, display=10)
    book = bench.engine.books["COMI"]
    for quantity, shown, total in ((12, 10, 12), (7, 7, 7)):
        assert bench.engine.replace(order.order_id, quantity, 100, 9) is not None
        assert (book.levels(BUY), book.totals(BUY)) == ([(100, shown, 1)], [(100, total)])


def test_many_orders_are_cancelled_in_the_order_given_and_unknown_ones_passed_over(bench: Bench) -> None:
    for price in (100, 101, 102):
        bench.enter(BUY, 10, price)
    executions = bench.engine.cancel_many([3, 77, 1, 3], 9)
    assert [(one.order.order_id, one.kind) for one in executions] == [(3, ExecutionKind.CANCELED), (1, ExecutionKind.CANCELED)]
    assert bench.engine.books["COMI"].levels(BUY) == [(101, 10, 1)]


def test_a_call_lets_the_book_cross_and_its_uncross_trades_at_one_price(bench: Bench) -> None:
    ticks = (TickBand(0, 1),)
    bench.enter(BUY, 10, 105, matches=False)
    bench.enter(BUY, 10, 103, matches=False)
    bench.enter(SELL, 15, 101, matches=False)
    expired, _ = bench.enter(SELL, 5, 0, MARKET, matches=False)
    assert expired.state is OrderState.EXPIRED
    book = bench.engine.books["COMI"]
    assert (book.levels(BUY)[0][0], book.levels(SELL)[0][0], book.volume) == (105, 101, 0)
    # 15 shares at 101 to 103, buyers of 5 left over: the highest.
    assert bench.engine.uncross("COMI", 100, 9, low=104, high=110, ticks=ticks) == []
    executions = bench.engine.uncross("COMI", 100, 9, low=90, high=110, ticks=ticks)
    assert bench.trades(executions) == [(1, 10, 103), (3, 10, 103), (2, 5, 103), (3, 5, 103)]
    assert (book.last_price, book.volume, book.levels(BUY), book.levels(SELL)) == (103, 15, [(103, 5, 1)], [])
    assert bench.engine.uncross("COMI", 100, 9, low=90, high=110, ticks=ticks) == []


def test_at_last_only_the_closing_price_trades(bench: Bench) -> None:
    bench.enter(SELL, 10, 104)
    bench.enter(SELL, 10, 106)
    below, _ = bench.enter(BUY, 10, 104, only_price=105)
    assert below.cumulative == 0
    order, executions = bench.enter(BUY, 15, 107, only_price=105)
    assert bench.trades(executions) == [(1, 10, 105), (order.order_id, 10, 105)]
    assert order.leaves == 5
    killed, _ = bench.enter(BUY, 1, 107, LIMIT, FOK, only_price=105)
    assert killed.state is OrderState.EXPIRED


def test_the_state_hash_tells_what_an_iceberg_shows(bench: Bench) -> None:
    other = Bench()
    bench.enter(BUY, 30, 100, display=10)
    other.enter(BUY, 30, 100, display=15)
    assert bench.engine.state_hash() != other.engine.state_hash()
