"""Market data order by order, for those who ask with AggregatedBook (266) = N: each bid and offer of a W or X is one order.

MDEntryID (278) of an X is the venue's order number, which a W gives as OrderID (37): FIX 4.4 has no 278 there. What an instrument's
aggregated messages hold besides bids and offers (trades, volume, whatever else) goes into these as it is, and each instrument has
numbers (83) of its own here, as an order may come and another go without any level changing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from exchanges.fix.message import Field
from exchanges.fix.session import Session
from exchanges.prices import price_to_text
from exchanges.simulator.matching import BUY, SELL, Book, Order

_BID, _OFFER = b"0", b"1"
_NEW, _CHANGE, _DELETE = b"0", b"1", b"2"


class _Told:
    """What the subscribers of one instrument have been told."""

    __slots__ = ("orders", "sequence")

    def __init__(self) -> None:
        self.orders: dict[tuple[int, int], dict[int, int]] = {}
        """(side, price) → order number → shares."""
        self.sequence = 0


class OrderLevelFeed:
    """Subscriptions to single orders, and what has been told of them."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._subscribers: dict[str, dict[Session, bytes]] = {}

    def subscribe(self, symbol: str, session: Session, request_id: bytes) -> None:
        self._subscribers.setdefault(symbol, {})[session] = request_id

    def unsubscribe(self, symbol: str, session: Session) -> None:
        self._subscribers.get(symbol, {}).pop(session, None)

    def forget(self, session: Session) -> None:
        for subscribers in self._subscribers.values():
            subscribers.pop(session, None)

    def touched(self, book: Book | None) -> list[tuple[int, int]]:
        """Levels whose orders have to be told of: to be asked before the aggregated feed forgets them."""
        return [] if book is None or not self._subscribers.get(book.symbol) else sorted(book.touched)

    def publish(self, book: Book | None, touched: Sequence[tuple[int, int]], aggregated: Sequence[Field]) -> None:
        """Send one X with what changed in the orders of `touched`, and what `aggregated` (entries of an X) holds beside levels."""
        subscribers = {} if book is None else self._subscribers.get(book.symbol, {})
        if book is None or not subscribers:
            return
        told = self._told_of(book.symbol)
        entries = [each for side in (BUY, SELL) for each in self._changes(book, told, side, touched)]
        entries += _without_levels(aggregated, 279)
        if not entries:
            return
        told.sequence += 1
        fields = list(chain.from_iterable(entries))
        for session, request_id in list(subscribers.items()):
            head: list[Field] = [(262, request_id), (83, b"%d" % told.sequence), (268, b"%d" % len(entries))]
            session.send_many([("X", head + fields)])

    def day_started(self, symbol: str, book: Book, aggregated: Sequence[Field]) -> None:
        """The book is another now: everybody gets a snapshot."""
        self._told_of(symbol).sequence += 1
        for session, request_id in list(self._subscribers.get(symbol, {}).items()):
            session.send_many([("W", self.snapshot(request_id, book, aggregated))])

    def snapshot(self, request_id: bytes, book: Book, aggregated: Sequence[Field]) -> list[Field]:
        """Fields of a W; `aggregated` are those of the W that holds levels."""
        told = self._told_of(book.symbol)
        told.orders.clear()
        entries: list[list[Field]] = []
        for side, kind in ((BUY, _BID), (SELL, _OFFER)):
            for order in book.resting(side):
                told.orders.setdefault((side, order.price), {})[order.order_id] = _shown(order)
                price = price_to_text(order.price).encode()
                entries.append([(269, kind), (270, price), (271, b"%d" % _shown(order)), (37, b"%d" % order.order_id)])
        start = next(place for place, (tag, _) in enumerate(aggregated) if tag == 268)
        entries += _without_levels(aggregated[start + 1 :], 269)
        head: list[Field] = [(262, request_id), (55, book.symbol.encode()), (83, b"%d" % told.sequence)]
        return [*head, (268, b"%d" % len(entries)), *chain.from_iterable(entries)]

    def _told_of(self, symbol: str) -> _Told:
        told = self._told.get(symbol)
        if told is None:
            told = self._told[symbol] = _Told()
        return told

    @staticmethod
    def _changes(book: Book, told: _Told, side: int, touched: Sequence[tuple[int, int]]) -> Iterable[list[Field]]:
        prices = [price for touched_side, price in touched if touched_side == side]
        if not prices:
            return
        now: dict[int, dict[int, int]] = {price: {} for price in prices}
        worst = min(price * side for price in prices)
        for order in book.resting(side):
            if order.price * side < worst:
                break
            if order.price in now:
                now[order.price][order.order_id] = _shown(order)
        kind, symbol = _BID if side == BUY else _OFFER, book.symbol.encode()
        for price, after in now.items():
            before = told.orders.pop((side, price), {})
            if after:
                told.orders[side, price] = after
            text = price_to_text(price).encode()
            for order_id in before.keys() - after.keys():
                yield [(279, _DELETE), (269, kind), (278, b"%d" % order_id), (55, symbol), (270, text)]
            for order_id, quantity in after.items():
                if before.get(order_id) != quantity:
                    action = _CHANGE if order_id in before else _NEW
                    head: list[Field] = [(279, action), (269, kind), (278, b"%d" % order_id), (55, symbol)]
                    yield [*head, (270, text), (271, b"%d" % quantity)]


def _shown(order: Order) -> int:
    """Shares of a resting order that people may see."""
    return order.leaves - order.hidden


def _without_levels(fields: Sequence[Field], first_tag: int) -> list[list[Field]]:
    """Entries of a group that are neither bids nor offers; each entry starts with `first_tag`."""
    entries: list[list[Field]] = []
    for each in fields:
        if each[0] == first_tag:
            entries.append([])
        entries[-1].append(each)
    return [entry for entry in entries if dict(entry).get(269) not in (_BID, _OFFER)]
