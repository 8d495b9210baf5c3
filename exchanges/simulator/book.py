"""Orders at a venue and the book of one instrument: levels of one price, queues of one level. Pure, whole numbers only.

Prices are int64 millionths of the currency unit ("micros"), quantities int64 shares, times int64 nanoseconds UTC.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from enum import Enum
from typing import Final

from exchanges.api import OrderType, TimeInForce

BUY: Final = 1
SELL: Final = -1


class OrderState(Enum):
    """FIX OrdStatus (39) as a venue knows it."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    REJECTED = "8"
    EXPIRED = "C"


# A member of an Enum is slow to look up in its class.
_NEW: Final = OrderState.NEW


class Order:
    """One order at the venue; ``side`` is BUY (1) or SELL (-1), ``price`` micros (0 for a market order).

    ``display_quantity`` is the size of an iceberg's slices, 0 when all of the order is shown. Of the ``leaves`` of a
    resting order ``hidden`` shares are not shown yet.
    """

    __slots__ = (
        "account",
        "changed_at",
        "client_order_id",
        "cumulative",
        "display_quantity",
        "entered_at",
        "hidden",
        "leaves",
        "member",
        "notional",
        "order_id",
        "price",
        "quantity",
        "side",
        "state",
        "symbol",
        "text",
        "time_in_force",
        "type",
    )

    def __init__(
        self,
        order_id: int,
        member: str,
        client_order_id: str,
        account: str,
        symbol: str,
        side: int,
        type: OrderType,
        time_in_force: TimeInForce,
        price: int,
        quantity: int,
        now: int,
        display_quantity: int = 0,
    ) -> None:
        self.order_id = order_id
        self.member = member
        self.client_order_id = client_order_id
        self.account = account
        self.symbol = symbol
        self.side = side
        self.type = type
        self.time_in_force = time_in_force
        self.price = price
        self.quantity = quantity
        self.leaves = quantity
        self.cumulative = 0
        self.notional = 0
        self.state = _NEW
        self.text = ""
        self.entered_at = now
        self.changed_at = now
        self.display_quantity = display_quantity
        self.hidden = 0


class Level:
    """The queue of one price, by order id from the first to the last.

    ``quantity`` is shown, ``hidden`` is what the icebergs in the queue still hold back.
    """

    __slots__ = ("hidden", "quantity", "queue")

    def __init__(self) -> None:
        self.queue: OrderedDict[int, Order] = OrderedDict()
        self.quantity = 0
        self.hidden = 0

    def front(self) -> Order:
        """The first order in the queue; the level holds one."""
        return next(iter(self.queue.values()))

    def shrink(self, order: Order, leaves: int) -> None:
        """Leave ``leaves`` (not more than now) to an order of the queue, in its place: the hidden shares go first."""
        hidden = max(order.hidden - (order.leaves - leaves), 0)
        self.quantity += (leaves - hidden) - (order.leaves - order.hidden)
        self.hidden += hidden - order.hidden
        order.leaves = leaves
        order.hidden = hidden

    def took(self, order: Order, quantity: int) -> bool:
        """The front ``order`` has traded ``quantity`` shares of what it shows; tells whether that was all it had."""
        self.quantity -= quantity
        hidden = order.hidden
        if order.leaves > hidden:
            return False
        if not hidden:
            del self.queue[order.order_id]
            return True
        slice_ = min(order.display_quantity, hidden)
        order.hidden = hidden - slice_
        self.hidden -= slice_
        self.quantity += slice_
        self.queue.move_to_end(order.order_id)
        return False


class Side:
    """Levels of one side by key; keys ascend, so the best one is last: bids use the price, offers its negative."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def rest(self, key: int, order: Order) -> None:
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = Level()
            insort(self.keys, key)
        level.queue[order.order_id] = order
        level.quantity += order.leaves
        if order.display_quantity:
            order.hidden = max(order.leaves - order.display_quantity, 0)
            level.quantity -= order.hidden
            level.hidden += order.hidden

    def withdraw(self, key: int, order: Order) -> None:
        """Take out a resting order whose ``leaves`` still stand."""
        level = self.levels[key]
        queue = level.queue
        if len(queue) == 1:
            self._drop(key)
            order.hidden = 0
            return
        del queue[order.order_id]
        level.quantity -= order.leaves
        if order.hidden:
            level.quantity += order.hidden
            level.hidden -= order.hidden
            order.hidden = 0

    def drop_if_empty(self, key: int) -> None:
        if not self.levels[key].queue:
            self._drop(key)

    def _drop(self, key: int) -> None:
        del self.levels[key]
        keys = self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]

    def available(self, limit_key: int, wanted: int) -> bool:
        """Whether the levels at ``limit_key`` or better hold ``wanted`` shares."""
        for key in reversed(self.keys):
            if key < limit_key:
                return False
            level = self.levels[key]
            wanted -= level.quantity + level.hidden
            if wanted <= 0:
                return True
        return False


class Book:
    """The order book of one instrument."""

    __slots__ = ("asks", "bids", "last_price", "last_quantity", "symbol", "touched", "trades", "volume")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids = Side()
        self.asks = Side()
        self.last_price = 0
        self.last_quantity = 0
        self.volume = 0
        # What market data has still to tell: keys by side, and trades as (price, quantity, time).
        self.touched: set[tuple[int, int]] = set()
        self.trades: list[tuple[int, int, int]] = []

    def levels(self, side: int, depth: int = 0) -> list[tuple[int, int, int]]:
        """Levels of ``side`` from the best: (price micros, shares shown, number of orders); depth 0 means all."""
        half = self.bids if side == BUY else self.asks
        keys = half.keys[-depth:] if depth else half.keys
        return [(abs(key), half.levels[key].quantity, len(half.levels[key].queue)) for key in reversed(keys)]

    def level(self, side: int, price: int) -> tuple[int, int]:
        """(shares shown, number of orders) resting at ``price`` (micros); (0, 0) when none."""
        level = (self.bids.levels if side == BUY else self.asks.levels).get(price * side)
        return (0, 0) if level is None else (level.quantity, len(level.queue))

    def totals(self, side: int) -> list[tuple[int, int]]:
        """(price micros, shares, hidden ones included) of ``side`` from the best: for an auction, never for market data."""
        half = self.bids if side == BUY else self.asks
        return [(abs(key), half.levels[key].quantity + half.levels[key].hidden) for key in reversed(half.keys)]

    def resting(self, side: int) -> Iterator[Order]:
        """Resting orders of ``side`` in priority order."""
        half = self.bids if side == BUY else self.asks
        for key in reversed(half.keys):
            yield from half.levels[key].queue.values()
