"""The messages about the worker's own orders that go to a venue, in the words of the venue's dialect."""

from __future__ import annotations

from exchanges.fix_venue.dialect import NEW_ORDER_SINGLE, ORDER_CANCEL_REQUEST
from exchanges.fix_venue.order_messages import OrderMessages
from trading_workers.order_store import Order
from trading_workers.orders import FixField


def new_order_single(messages: OrderMessages, order: Order, transact_time: bytes) -> list[FixField]:
    """``transact_time`` is a UTCTimestamp. A market order has no price."""
    return messages.fields(
        NEW_ORDER_SINGLE, b"%d" % order.order_id, order.account, order.symbol, order.side, order.type, order.time_in_force,
        order.quantity, order.price, transact_time,
    )  # fmt: skip


def order_cancel_request(messages: OrderMessages, order: Order, cancel_id: int, transact_time: bytes) -> list[FixField]:
    return messages.fields(
        ORDER_CANCEL_REQUEST, b"%d" % cancel_id, order.account, order.symbol, order.side, order.type, order.time_in_force,
        order.quantity, order.price, transact_time, b"%d" % order.order_id,
    )  # fmt: skip
