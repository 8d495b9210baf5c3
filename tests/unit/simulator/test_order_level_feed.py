"""Market data order by order tells of an iceberg only what its slice shows."""

from __future__ import annotations

from exchanges.api import OrderType, TimeInForce
from exchanges.fix.message import Field
from exchanges.simulator.matching import BUY, SELL, MatchingEngine, Order
from exchanges.simulator.order_level_feed import OrderLevelFeed

PRICE = 100_000_000


def order(engine: MatchingEngine, side: int, quantity: int, display: int = 0) -> Order:
    number = engine.next_order_id()
    terms = (OrderType.LIMIT, TimeInForce.DAY, PRICE, quantity, 1)
    return Order(number, "M", f"c{number}", "A", "FAB", side, *terms, display_quantity=display)


def sizes(fields: list[Field]) -> list[bytes]:
    return [value for tag, value in fields if tag == 271]


def test_the_hidden_part_of_an_iceberg_is_not_told() -> None:
    engine, feed = MatchingEngine(("FAB",)), OrderLevelFeed()
    engine.enter(order(engine, SELL, 100, display=10), 1)
    engine.enter(order(engine, SELL, 7), 1)
    aggregated: list[Field] = [(268, b"0")]
    assert sizes(feed.snapshot(b"1", engine.books["FAB"], aggregated)) == [b"10", b"7"]
    engine.enter(order(engine, BUY, 12), 2)
    assert sizes(feed.snapshot(b"1", engine.books["FAB"], aggregated)) == [b"5", b"10"], "the next slice is behind the other order"
