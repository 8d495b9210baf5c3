"""Market data of the venue: W snapshots and X increments (FIX 4.4) of aggregated books, per instrument with RptSeq (83).

Changes are collected for a few tens of milliseconds and sent as one X per instrument. A subscriber that misses a number asks
again with a new MarketDataRequest and gets a W.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from exchanges.fix.application import BusinessReject
from exchanges.fix.message import Field, FieldFormat, Message
from exchanges.fix.session import Session
from exchanges.prices import price_to_text
from exchanges.simulator.matching import BUY, SELL, Book, MatchingEngine
from exchanges.simulator.order_level_feed import OrderLevelFeed

log = logging.getLogger("exchanges.simulator")

COLLECT_SECONDS: Final = 0.03

_SNAPSHOT, _SUBSCRIBE, _UNSUBSCRIBE = b"0", b"1", b"2"
_UNKNOWN_SYMBOL: Final = b"0"
_BID, _OFFER, _TRADE, _VOLUME, _AUCTION = b"0", b"1", b"2", b"B", b"Q"
_NEW, _CHANGE, _DELETE = b"0", b"1", b"2"


class _Published:
    """What the subscribers of one instrument have been told."""

    __slots__ = ("auction", "levels", "sequence")

    def __init__(self) -> None:
        self.auction: tuple[int, int] | None = None
        """What an uncross would do: (price, shares)."""
        self.levels: dict[tuple[int, int], tuple[int, int]] = {}
        """(side, price) → (shares, number of orders)."""
        self.sequence = 0


class MarketDataFeed:
    """Subscriptions and what has been published; ``engine`` gives the engine of the present day, ``indicative`` what an uncross
    of a symbol would do now: (price, shares), None outside of calls and when nothing crosses.
    """

    def __init__(self, engine: Callable[[], MatchingEngine], indicative: Callable[[str], tuple[int, int] | None]) -> None:
        self._engine = engine
        self._indicative = indicative
        self._published: dict[str, _Published] = {}
        self._subscribers: dict[str, dict[Session, bytes]] = {}
        """By symbol: the sessions with the MDReqID (262) of their latest request."""
        self._by_order = OrderLevelFeed()
        self._waiting: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None

    def request(self, session: Session, message: Message) -> None:
        """Serve a MarketDataRequest (V). Raises BusinessReject or FieldError for one that makes no sense."""
        request_id, kind = message.required(262), message.required(263)
        symbols = [entry[55].decode("utf-8", "replace") for entry in message.group(146) if 55 in entry]
        if kind not in (_SNAPSHOT, _SUBSCRIBE, _UNSUBSCRIBE):
            raise FieldFormat(263, kind)
        if not symbols:
            raise BusinessReject(5, "a market data request names its instruments", request_id)
        by_order = message.get(266) == b"N"
        books = self._engine().books
        answers: list[tuple[str, list[Field]]] = []
        for symbol in symbols:
            if symbol not in books:
                text = f"{symbol} is not listed"
                answers.append(("Y", [(262, request_id), (281, _UNKNOWN_SYMBOL), (58, text.encode())]))
                continue
            if kind == _UNSUBSCRIBE:
                self._subscribers.get(symbol, {}).pop(session, None)
                self._by_order.unsubscribe(symbol, session)
                continue
            self._publish(symbol)
            if by_order:
                if kind == _SUBSCRIBE:
                    self._subscribers.get(symbol, {}).pop(session, None)
                    self._by_order.subscribe(symbol, session, request_id)
                answers.append(("W", self._by_order.snapshot(request_id, books[symbol], self._snapshot(request_id, books[symbol]))))
                continue
            if kind == _SUBSCRIBE:
                self._by_order.unsubscribe(symbol, session)
                self._subscribers.setdefault(symbol, {})[session] = request_id
            answers.append(("W", self._snapshot(request_id, books[symbol])))
        if answers:
            session.send_many(answers)

    def forget(self, session: Session) -> None:
        """The session is gone; it subscribes again when it is back."""
        for subscribers in self._subscribers.values():
            subscribers.pop(session, None)
        self._by_order.forget(session)

    def changed(self, symbol: str) -> None:
        """Something has happened in the book of ``symbol``."""
        self._waiting.add(symbol)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COLLECT_SECONDS, self._publish_waiting)

    def phase_changed(self) -> None:
        """A call has begun or ended: indicative prices come or go."""
        for symbol in self._published:
            self.changed(symbol)

    def day_started(self) -> None:
        """The books are others now: everybody gets snapshots."""
        books = self._engine().books
        for symbol, subscribers in self._subscribers.items():
            self._published_of(symbol).sequence += 1
            for session, request_id in list(subscribers.items()):
                session.send_many([("W", self._snapshot(request_id, books[symbol]))])
        for symbol, book in books.items():
            self._by_order.day_started(symbol, book, self._snapshot(b"0", book))

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _publish_waiting(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, set()
        for symbol in waiting:
            self._publish(symbol)

    def _published_of(self, symbol: str) -> _Published:
        published = self._published.get(symbol)
        if published is None:
            published = self._published[symbol] = _Published()
        return published

    def _publish(self, symbol: str) -> None:
        """Send one X with everything that changed since the last."""
        book = self._engine().books.get(symbol)
        published = self._published_of(symbol)
        touched = self._by_order.touched(book)
        entries = [] if book is None else self._changes(book, published)
        self._by_order.publish(book, touched, entries)
        if book is None or not entries:
            return
        published.sequence += 1
        count = sum(1 for tag, _ in entries if tag == 279)
        for session, request_id in list(self._subscribers.get(symbol, {}).items()):
            head: list[Field] = [(262, request_id), (83, b"%d" % published.sequence), (268, b"%d" % count)]
            session.send_many([("X", head + entries)])

    def _changes(self, book: Book, published: _Published) -> list[Field]:
        symbol = book.symbol.encode()
        entries: list[Field] = []
        for side, price in sorted(book.touched):
            known, current = published.levels.get((side, price)), book.level(side, price)
            if current == (known or (0, 0)):
                continue
            kind = _BID if side == BUY else _OFFER
            text = price_to_text(price).encode()
            if not current[1]:
                del published.levels[side, price]
                entries += [(279, _DELETE), (269, kind), (55, symbol), (270, text)]
                continue
            published.levels[side, price] = current
            action = _CHANGE if known else _NEW
            entries += [(279, action), (269, kind), (55, symbol), (270, text)]
            entries += [(271, b"%d" % current[0]), (346, b"%d" % current[1])]
        for price, quantity, _ in book.trades:
            text = price_to_text(price).encode()
            entries += [(279, _NEW), (269, _TRADE), (55, symbol), (270, text), (271, b"%d" % quantity)]
        if book.trades:
            entries += [(279, _CHANGE), (269, _VOLUME), (55, symbol), (271, b"%d" % book.volume)]
        book.touched.clear()
        book.trades.clear()
        return entries + self._auction_change(book.symbol, published)

    def _auction_change(self, symbol: str, published: _Published) -> list[Field]:
        current, known = self._indicative(symbol), published.auction
        if current == known:
            return []
        published.auction = current
        if current is None:
            return [(279, _DELETE), (269, _AUCTION), (55, symbol.encode())]
        return [
            (279, _CHANGE if known else _NEW),
            (269, _AUCTION),
            (55, symbol.encode()),
            (270, price_to_text(current[0]).encode()),
            (271, b"%d" % current[1]),
        ]

    def _snapshot(self, request_id: bytes, book: Book) -> list[Field]:
        published = self._published_of(book.symbol)
        entries: list[Field] = []
        count = 1
        published.levels.clear()
        for side, kind in ((BUY, _BID), (SELL, _OFFER)):
            for price, quantity, orders in book.levels(side):
                published.levels[side, price] = (quantity, orders)
                count += 1
                entries += [(269, kind), (270, price_to_text(price).encode()), (271, b"%d" % quantity), (346, b"%d" % orders)]
        if book.last_price:
            count += 1
            entries += [(269, _TRADE), (270, price_to_text(book.last_price).encode())]
            if book.last_quantity:
                entries.append((271, b"%d" % book.last_quantity))
        entries += [(269, _VOLUME), (271, b"%d" % book.volume)]
        published.auction = self._indicative(book.symbol)
        if published.auction is not None:
            count += 1
            price, quantity = published.auction
            entries += [(269, _AUCTION), (270, price_to_text(price).encode()), (271, b"%d" % quantity)]
        head: list[Field] = [(262, request_id), (55, book.symbol.encode()), (83, b"%d" % published.sequence)]
        return [*head, (268, b"%d" % count), *entries]
