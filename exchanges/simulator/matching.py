"""Price-time matching engine: pure, deterministic, whole numbers only.

Prices are int64 millionths of the currency unit ("micros"), quantities int64 shares, times int64 nanoseconds UTC.
The engine reads no clock and does no input or output: the same calls give the same executions and the same state
hash, which is what lets a venue rebuild itself from its log.

Rules: a better price goes first, then the earlier order; a trade happens at the resting order's price; what an
immediate-or-cancel or market order cannot fill expires; a fill-or-kill order fills whole or expires untouched.
An iceberg shows one slice at a time, and each new slice goes to the back of its price's queue. In an auction call orders
only rest, so that the book may cross; the uncross trades what crosses at one price (see ``auction``). At last, trades
happen at one given price only.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Final, NamedTuple

from exchanges.api import OrderType, TimeInForce
from exchanges.prices import TickRow
from exchanges.simulator.auction import equilibrium

BUY: Final = 1
SELL: Final = -1

# Any key is above it, so a market order crosses every level of the other side.
_NO_LIMIT: Final = -(1 << 63)
# A queue is rebuilt only when the dead entries outnumber the living ones by more than this.
_DEAD_ENTRIES_TOLERATED: Final = 32
# Members of an Enum are slow to look up in its class.
_LIMIT: Final = OrderType.LIMIT
_DAY: Final = TimeInForce.DAY
_FILL_OR_KILL: Final = TimeInForce.FILL_OR_KILL


class OrderState(Enum):
    """FIX OrdStatus (39) as a venue knows it."""

    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    CANCELED = "4"
    REJECTED = "8"
    EXPIRED = "C"


class ExecutionKind(Enum):
    """FIX ExecType (150)."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    TRADE = "F"


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
        self.state = OrderState.NEW
        self.text = ""
        self.entered_at = now
        self.changed_at = now
        self.display_quantity = display_quantity
        self.hidden = 0


class Execution(NamedTuple):
    """What happened to one order, with its figures right after it.

    ``quantity`` and ``price`` are of this trade (0 otherwise); ``notional`` is the sum of quantity × price (micros) of
    all its trades; ``contra_order_id`` and ``trade_number`` are 0 unless ``kind`` is TRADE.
    """

    number: int
    kind: ExecutionKind
    order: Order
    state: OrderState
    quantity: int
    price: int
    cumulative: int
    leaves: int
    notional: int
    contra_order_id: int
    trade_number: int
    now: int


class _Level:
    """The queue of one price: a cancelled order stays in it with no leaves until it reaches the front.

    ``quantity`` is shown, ``hidden`` is what the icebergs in the queue still hold back.
    """

    __slots__ = ("count", "hidden", "quantity", "queue")

    def __init__(self) -> None:
        self.queue: deque[Order] = deque()
        self.quantity = 0
        self.hidden = 0
        self.count = 0

    def front(self) -> Order:
        """The first order in the queue; the level holds one."""
        queue = self.queue
        while not queue[0].leaves:
            queue.popleft()
        return queue[0]

    def shrink(self, order: Order, leaves: int) -> None:
        """Leave ``leaves`` (not more than now) to an order of the queue, in its place: the hidden shares go first."""
        hidden = max(order.hidden - (order.leaves - leaves), 0)
        self.quantity += (leaves - hidden) - (order.leaves - order.hidden)
        self.hidden += hidden - order.hidden
        order.leaves = leaves
        order.hidden = hidden

    def took(self, quantity: int) -> bool:
        """The front order has traded ``quantity`` shares of what it shows; tells whether that was all it had."""
        self.quantity -= quantity
        order = self.queue[0]
        hidden = order.hidden
        if order.leaves > hidden:
            return False
        self.queue.popleft()
        if not hidden:
            self.count -= 1
            return True
        slice_ = min(order.display_quantity, hidden)
        order.hidden = hidden - slice_
        self.hidden -= slice_
        self.quantity += slice_
        self.queue.append(order)
        return False


class _Side:
    """Levels of one side by key; keys ascend, so the best one is last: bids use the price, offers its negative."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, _Level] = {}

    def rest(self, key: int, order: Order) -> None:
        level = self.levels.get(key)
        if level is None:
            level = self.levels[key] = _Level()
            insort(self.keys, key)
        level.queue.append(order)
        level.quantity += order.leaves
        level.count += 1
        if order.display_quantity:
            order.hidden = max(order.leaves - order.display_quantity, 0)
            level.quantity -= order.hidden
            level.hidden += order.hidden

    def withdraw(self, key: int, order: Order) -> None:
        """Take out a resting order whose ``leaves`` still stand; the caller sets them to 0 afterwards."""
        level = self.levels[key]
        level.quantity -= order.leaves
        level.count -= 1
        if order.hidden:
            level.quantity += order.hidden
            level.hidden -= order.hidden
            order.hidden = 0
        if not level.count:
            self._drop(key)
        elif len(level.queue) > 2 * level.count + _DEAD_ENTRIES_TOLERATED:
            order.leaves = 0
            level.queue = deque(entry for entry in level.queue if entry.leaves)

    def lift(self, key: int, order: Order) -> None:
        """Take out a resting order that stays alive, to rest elsewhere: nothing of it may stay in the queue."""
        level = self.levels[key]
        level.queue.remove(order)
        self.withdraw(key, order)

    def drop_if_empty(self, key: int) -> None:
        if not self.levels[key].count:
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
        self.bids = _Side()
        self.asks = _Side()
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
        return [(abs(key), half.levels[key].quantity, half.levels[key].count) for key in reversed(keys)]

    def level(self, side: int, price: int) -> tuple[int, int]:
        """(shares shown, number of orders) resting at ``price`` (micros); (0, 0) when none."""
        level = (self.bids.levels if side == BUY else self.asks.levels).get(price * side)
        return (0, 0) if level is None else (level.quantity, level.count)

    def totals(self, side: int) -> list[tuple[int, int]]:
        """(price micros, shares, hidden ones included) of ``side`` from the best: for an auction, never for market data."""
        half = self.bids if side == BUY else self.asks
        return [(abs(key), half.levels[key].quantity + half.levels[key].hidden) for key in reversed(half.keys)]

    def resting(self, side: int) -> Iterator[Order]:
        """Resting orders of ``side`` in priority order."""
        half = self.bids if side == BUY else self.asks
        for key in reversed(half.keys):
            for order in half.levels[key].queue:
                if order.leaves:
                    yield order


class MatchingEngine:
    """Books of all instruments of a venue with the numbering of its orders, executions and trades."""

    __slots__ = ("books", "execution_number", "open_orders", "order_number", "trade_number")

    def __init__(self, symbols: tuple[str, ...]) -> None:
        self.books = {symbol: Book(symbol) for symbol in symbols}
        self.open_orders: dict[int, Order] = {}
        self.order_number = 0
        self.execution_number = 0
        self.trade_number = 0

    def reject(self, order: Order, text: str, now: int) -> Execution:
        """Record that the venue refused ``order`` for ``text``; it never reaches a book."""
        order.state = OrderState.REJECTED
        order.leaves = 0
        order.text = text
        return self._execution(ExecutionKind.REJECTED, order, now)

    def enter(self, order: Order, now: int, *, matches: bool = True, only_price: int = 0) -> list[Execution]:
        """Enter a new order (price and quantity positive, symbol known: the caller has checked).

        Without ``matches`` (an auction call) it trades with nobody: one that can rest does, and the book may cross. With
        ``only_price`` (trade at last) it trades at that price alone, with orders whose limits allow it.
        Raises KeyError for a symbol without a book.
        """
        book = self.books[order.symbol]
        executions = [self._execution(ExecutionKind.NEW, order, now)]
        side = order.side
        key = order.price * side
        if order.type is _LIMIT:
            limit_key = -key
            immediate = order.time_in_force is not _DAY
        else:
            limit_key = _NO_LIMIT
            immediate = True
        if only_price:
            matches = matches and limit_key <= -only_price * side
            limit_key = -only_price * side
        opposite = book.asks if side == BUY else book.bids
        keys = opposite.keys
        if (
            keys
            and keys[-1] >= limit_key
            and matches
            and (order.time_in_force is not _FILL_OR_KILL or opposite.available(limit_key, order.quantity))
        ):
            self._take(book, opposite, order, limit_key, only_price, now, executions)
        if order.leaves:
            if immediate:
                order.leaves = 0
                order.state = OrderState.EXPIRED
                order.changed_at = now
                executions.append(self._execution(ExecutionKind.EXPIRED, order, now))
            else:
                (book.bids if side == BUY else book.asks).rest(key, order)
                self.open_orders[order.order_id] = order
                book.touched.add((side, order.price))
        return executions

    def replace(
        self, order_id: int, quantity: int, price: int, now: int, *, matches: bool = True, only_price: int = 0
    ) -> list[Execution] | None:
        """Give a resting order a new total ``quantity`` and ``price`` (micros); None when no such order rests.

        It keeps its place in the queue when the price stays and the quantity does not grow; otherwise it goes to the
        back of its new price's queue, after trading as a new order would. A quantity equal to what has traded fills it.
        Raises ValueError, with nothing changed, for a quantity below what has traded or that is not positive.
        """
        order = self.open_orders.get(order_id)
        if order is None:
            return None
        leaves = quantity - order.cumulative
        if leaves < 0 or quantity <= 0:
            raise ValueError(f"a replaced order has a quantity from {max(order.cumulative, 1)} up, not {quantity}")
        book = self.books[order.symbol]
        side = order.side
        half = book.bids if side == BUY else book.asks
        key = order.price * side
        book.touched.add((side, order.price))
        stays = leaves > 0 and price == order.price and quantity <= order.quantity
        if stays:
            half.levels[key].shrink(order, leaves)
        else:
            half.lift(key, order)
            order.price = price
            order.leaves = leaves
        order.quantity = quantity
        order.changed_at = now
        if not leaves:
            del self.open_orders[order_id]
            order.state = OrderState.FILLED
        executions = [self._execution(ExecutionKind.REPLACED, order, now)]
        if stays or not leaves:
            return executions
        key = price * side
        limit_key = -key
        if only_price:
            matches = matches and limit_key <= -only_price * side
            limit_key = -only_price * side
        if matches:
            self._take(book, book.asks if side == BUY else book.bids, order, limit_key, only_price, now, executions)
        if order.leaves:
            half.rest(key, order)
            book.touched.add((side, price))
        else:
            del self.open_orders[order_id]
        return executions

    def uncross(
        self, symbol: str, reference_price: int, now: int, *, low: int, high: int, ticks: Sequence[TickRow]
    ) -> list[Execution]:
        """Trade what crosses in the book of ``symbol`` at its equilibrium price, by price and time; buyer's execution first.

        No trade when nothing crosses or when that price is outside ``low`` to ``high``: the book then stays as it is.
        """
        book = self.books[symbol]
        found = equilibrium(book.totals(BUY), book.totals(SELL), reference_price, ticks, low=low, high=high)
        executions: list[Execution] = []
        if found is None:
            return executions
        bids, asks = book.bids, book.asks
        volume = found.volume
        while volume:
            bid_key, ask_key = bids.keys[-1], asks.keys[-1]
            bid_level, ask_level = bids.levels[bid_key], asks.levels[ask_key]
            bid, ask = bid_level.front(), ask_level.front()
            quantity = min(bid.leaves - bid.hidden, ask.leaves - ask.hidden, volume)
            volume -= quantity
            self._trade(book, bid, ask, quantity, found.price, now, executions)
            for half, key, level, order in ((bids, bid_key, bid_level, bid), (asks, ask_key, ask_level, ask)):
                book.touched.add((order.side, order.price))
                if level.took(quantity):
                    del self.open_orders[order.order_id]
                    half.drop_if_empty(key)
        return executions

    def cancel(self, order_id: int, now: int) -> Execution | None:
        """Take a resting order out of its book; None when no such order rests."""
        return self._remove(order_id, OrderState.CANCELED, ExecutionKind.CANCELED, now)

    def cancel_many(self, order_ids: Iterable[int], now: int) -> list[Execution]:
        """Cancel the orders of ``order_ids`` that rest, in the order given; the others are passed over."""
        found = (self.cancel(order_id, now) for order_id in order_ids)
        return [execution for execution in found if execution is not None]

    def expire(self, order_id: int, now: int) -> Execution | None:
        """End a resting order at the end of its day; None when no such order rests."""
        return self._remove(order_id, OrderState.EXPIRED, ExecutionKind.EXPIRED, now)

    def state_hash(self) -> str:
        """SHA-256 over numbering, last trades and every resting order in priority order, as hexadecimal text."""
        digest = hashlib.sha256()
        digest.update(b"%d %d %d\n" % (self.order_number, self.execution_number, self.trade_number))
        for symbol in sorted(self.books):
            book = self.books[symbol]
            if not (book.last_price or book.bids.keys or book.asks.keys):
                continue  # so that listing one more instrument leaves the hash as it was
            digest.update(b"%s %d %d %d\n" % (symbol.encode(), book.last_price, book.last_quantity, book.volume))
            for side in (BUY, SELL):
                for order in book.resting(side):
                    digest.update(
                        b"%d %d %d %d %d %d\n" % (side, order.price, order.order_id, order.leaves, order.cumulative, order.notional)
                    )
                    if order.display_quantity:
                        digest.update(b"iceberg %d %d\n" % (order.display_quantity, order.hidden))
        return digest.hexdigest()

    def open_book(self, symbol: str) -> None:
        """Make sure that ``symbol`` has a book."""
        if symbol not in self.books:
            self.books[symbol] = Book(symbol)

    def next_order_id(self) -> int:
        self.order_number += 1
        return self.order_number

    def _remove(self, order_id: int, state: OrderState, kind: ExecutionKind, now: int) -> Execution | None:
        order = self.open_orders.pop(order_id, None)
        if order is None:
            return None
        book = self.books[order.symbol]
        side = order.side
        (book.bids if side == BUY else book.asks).withdraw(order.price * side, order)
        book.touched.add((side, order.price))
        order.leaves = 0
        order.state = state
        order.changed_at = now
        return self._execution(kind, order, now)

    def _execution(self, kind: ExecutionKind, order: Order, now: int) -> Execution:
        self.execution_number += 1
        return Execution(
            self.execution_number,
            kind,
            order,
            order.state,
            0,
            0,
            order.cumulative,
            order.leaves,
            order.notional,
            0,
            0,
            now,
        )

    def _take(
        self,
        book: Book,
        opposite: _Side,
        order: Order,
        limit_key: int,
        only_price: int,
        now: int,
        executions: list[Execution],
    ) -> None:
        """Trade ``order`` with the levels at ``limit_key`` or better, at their prices or at ``only_price`` unless it is 0."""
        keys = opposite.keys
        opposite_side = -order.side
        while order.leaves and keys and keys[-1] >= limit_key:
            key = keys[-1]
            price = abs(key)
            level = opposite.levels[key]
            while order.leaves and level.count:
                resting = level.front()
                quantity = min(resting.leaves - resting.hidden, order.leaves)
                self._trade(book, resting, order, quantity, only_price or price, now, executions)
                if level.took(quantity):
                    del self.open_orders[resting.order_id]
            book.touched.add((opposite_side, price))
            if not level.count:
                keys.pop()
                del opposite.levels[key]

    def _trade(
        self, book: Book, first: Order, second: Order, quantity: int, price: int, now: int, executions: list[Execution]
    ) -> None:
        """Note one trade in both orders and in the book; the queues are the caller's."""
        value = quantity * price
        for order in (first, second):
            order.leaves -= quantity
            order.cumulative += quantity
            order.notional += value
            order.changed_at = now
            order.state = OrderState.PARTIALLY_FILLED if order.leaves else OrderState.FILLED
        book.volume += quantity
        book.last_price = price
        book.last_quantity = quantity
        book.trades.append((price, quantity, now))
        self.trade_number += 1
        number = self.execution_number
        self.execution_number = number + 2
        for one, other in ((first, second), (second, first)):
            number += 1
            executions.append(
                Execution(
                    number,
                    ExecutionKind.TRADE,
                    one,
                    one.state,
                    quantity,
                    price,
                    one.cumulative,
                    one.leaves,
                    one.notional,
                    other.order_id,
                    self.trade_number,
                    now,
                )
            )
