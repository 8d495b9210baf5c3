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
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple

from exchanges.api import OrderType, TimeInForce
from exchanges.prices import TickRow
from exchanges.simulator.auction import equilibrium
from exchanges.simulator.book import BUY, SELL, Book, Order, OrderState, Side

__all__ = ["BUY", "SELL", "Book", "Execution", "ExecutionKind", "MatchingEngine", "Order", "OrderState"]

# Any key is above it, so a market order crosses every level of the other side.
_NO_LIMIT: Final = -(1 << 63)


class ExecutionKind(Enum):
    """FIX ExecType (150)."""

    NEW = "0"
    CANCELED = "4"
    REPLACED = "5"
    REJECTED = "8"
    EXPIRED = "C"
    TRADE = "F"


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


# Members of an Enum are slow to look up in their class, and each order needs several.
_LIMIT: Final = OrderType.LIMIT
_DAY: Final = TimeInForce.DAY
_FILL_OR_KILL: Final = TimeInForce.FILL_OR_KILL
_NEW: Final = ExecutionKind.NEW
_CANCELED: Final = ExecutionKind.CANCELED
_TRADE: Final = ExecutionKind.TRADE
_STATE_CANCELED: Final = OrderState.CANCELED
_PARTIALLY_FILLED: Final = OrderState.PARTIALLY_FILLED
_FILLED: Final = OrderState.FILLED


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
        executions = [self._execution(_NEW, order, now)]
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
            half.withdraw(key, order)
            order.price = price
            order.leaves = leaves
        order.quantity = quantity
        order.changed_at = now
        if not leaves:
            del self.open_orders[order_id]
            order.state = _FILLED
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
                if level.took(order, quantity):
                    del self.open_orders[order.order_id]
                    half.drop_if_empty(key)
        return executions

    def cancel(self, order_id: int, now: int) -> Execution | None:
        """Take a resting order out of its book; None when no such order rests."""
        return self._remove(order_id, _STATE_CANCELED, _CANCELED, now)

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
        opposite: Side,
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
            while order.leaves and level.queue:
                resting = level.front()
                quantity = min(resting.leaves - resting.hidden, order.leaves)
                self._trade(book, resting, order, quantity, only_price or price, now, executions)
                if level.took(resting, quantity):
                    del self.open_orders[resting.order_id]
            book.touched.add((opposite_side, price))
            opposite.drop_if_empty(key)

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
            order.state = _PARTIALLY_FILLED if order.leaves else _FILLED
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
                    _TRADE,
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
