"""Body fields of the two messages that go to a venue, in the order of the FIX 4.4 specification."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exchanges.prices import price_to_text
from trading_workers.order_store import Order
from trading_workers.orders import FixField, OrderType, Side, TimeInForce

NEW_ORDER_SINGLE: Final = "D"
ORDER_CANCEL_REQUEST: Final = "F"

_HANDLED_AUTOMATICALLY: Final = (21, b"1")
_SIDE: Final = {Side.BUY: (54, b"1"), Side.SELL: (54, b"2")}
_TYPE: Final = {OrderType.MARKET: (40, b"1"), OrderType.LIMIT: (40, b"2")}
_TIME_IN_FORCE: Final = {
    TimeInForce.DAY: (59, b"0"),
    TimeInForce.IMMEDIATE_OR_CANCEL: (59, b"3"),
    TimeInForce.FILL_OR_KILL: (59, b"4"),
}


@lru_cache(maxsize=65_536)
def _price(micros: int) -> tuple[int, bytes]:
    return 44, price_to_text(micros).encode()


def new_order_single(order: Order, mic: str, transact_time: bytes) -> list[FixField]:
    """``transact_time`` is a UTCTimestamp. A market order has no price (44)."""
    fields = [
        (11, b"%d" % order.order_id),
        (1, order.account.encode()),
        _HANDLED_AUTOMATICALLY,
        (55, order.symbol.encode()),
        (207, mic.encode()),
        _SIDE[order.side],
        (60, transact_time),
        (38, b"%d" % order.quantity),
        _TYPE[order.type],
    ]
    if order.type is OrderType.LIMIT:
        fields.append(_price(order.price))
    fields.append(_TIME_IN_FORCE[order.time_in_force])
    return fields


def order_cancel_request(order: Order, cancel_id: int, transact_time: bytes) -> list[FixField]:
    return [
        (41, b"%d" % order.order_id),
        (11, b"%d" % cancel_id),
        (1, order.account.encode()),
        (55, order.symbol.encode()),
        _SIDE[order.side],
        (60, transact_time),
        (38, b"%d" % order.quantity),
    ]
