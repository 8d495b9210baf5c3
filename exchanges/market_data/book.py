"""An instrument's book as a venue's market data describes it: L1 and L2, and L3 where the feed gives each order.

Pure; prices in micros, quantities in shares. Entry types (269): 0 bid, 1 offer, 2 trade, B volume of the day, Q the price at which
an auction would uncross now (FIX 5.0; FIX 4.4 has no type for it); others are not for us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from exchanges.fix.message import CHECK_SUM, FieldFormat, FieldMissing, Layout, Message, field_int
from exchanges.market_data.book_side import BID, OFFER, BookOrder, BookSide, Level
from exchanges.market_data.defects import FeedBroken, FeedDefect
from exchanges.prices import PriceError, text_to_price

_BID: Final = b"0"
_OFFER: Final = b"1"
_TRADE: Final = b"2"
_VOLUME: Final = b"B"
_INDICATIVE: Final = b"Q"
_NEW, _CHANGE, _DELETE = b"0", b"1", b"2"
_ENTRY_TAGS: Final = (279, 269, 270, 271, 346, 278)

EntryPlaces = tuple[int, int, int, int, int, int]
"""Of an entry: where in the message's values its 279, 269, 270, 271, 346 and order id stand; -1 for one that it has not.

The id is MDEntryID (278), or OrderID (37) where there is none: FIX 4.4 has no 278 in a W.
"""

_prices: dict[bytes, int] = {}
"""Texts of prices read before: the same few thousand come again and again, and reading one costs as much as all the rest."""
_MOST_PRICES: Final = 16_384


@dataclass(frozen=True, slots=True)
class TradeTick:
    """One trade of the feed; ``time`` is when it was received, ns UTC."""

    price: int
    quantity: int
    time: int


class InstrumentBook:
    """Both sides, last trade, volume of the day and an auction's indication, with the feed's RptSeq (83) of the last message.

    With `by_order` each bid and offer is one order with an id, from which the levels are made; without it each is a level.
    `may_cross` is set while orders collect without matching; `band` are the day's limits, inclusive, where they are known.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "band",
        "by_order",
        "indicative_price",
        "indicative_quantity",
        "last_price",
        "last_quantity",
        "may_cross",
        "refused",
        "sequence",
        "symbol",
        "volume",
    )

    def __init__(self, symbol: str, *, by_order: bool = False, band: tuple[int, int] | None = None) -> None:
        self.symbol = symbol
        self.by_order = by_order
        self.band = band
        self.may_cross = False
        self._bids = BookSide(BID)
        self._asks = BookSide(OFFER)
        self.last_price = 0
        self.last_quantity = 0
        self.volume = 0
        self.indicative_price = 0
        """0: the venue names none."""
        self.indicative_quantity = 0
        self.sequence: int | None = None
        """None: no snapshot yet, or the last one is no longer good."""
        self.refused: list[tuple[FeedDefect, TradeTick]] = []
        """What the last messages told that was not believed; whoever reads it empties it."""

    @property
    def bids(self) -> dict[int, tuple[int, int]]:
        """Price → (shares, number of orders)."""
        return self._bids.levels

    @property
    def asks(self) -> dict[int, tuple[int, int]]:
        return self._asks.levels

    def apply_snapshot(self, message: Message, now: int = 0) -> None:
        """Replace everything by a W. Raises FieldError or FeedBroken; the book is then without a sequence."""
        self.sequence = None
        shape, values = _shape(message), message.values
        sequence = field_int(83, values[shape.sequence_at])
        self._bids.clear()
        self._asks.clear()
        self.last_quantity = 0
        self.indicative_price = self.indicative_quantity = 0
        for _, kind_at, price_at, size_at, orders_at, id_at in shape.entries:
            kind = values[kind_at] if kind_at >= 0 else b""
            if kind in (_BID, _OFFER):
                side = self._bids if kind == _BID else self._asks
                price, quantity = _price(values, price_at), _size(values, size_at)
                if not self.by_order:
                    side.put(price, (quantity, _optional(346, values, orders_at)))
                elif not side.add_order(_order_id(values, id_at), price, quantity):
                    raise FeedBroken(FeedDefect.REPEATED_ORDER, f"{self.symbol}: the order {values[id_at]!r} is there twice")
            elif kind == _TRADE:
                tick = TradeTick(_price(values, price_at), _optional(271, values, size_at), now)
                if self._believed(tick, FeedDefect.TRADE_OUTSIDE_BAND):
                    self.last_price, self.last_quantity = tick.price, tick.quantity
            elif kind == _VOLUME:
                self.volume = _optional(271, values, size_at)
            elif kind == _INDICATIVE:
                self._indicate(TradeTick(_price(values, price_at), _optional(271, values, size_at), now))
        self._require_uncrossed()
        self.sequence = sequence

    def apply_increment(self, message: Message, now: int) -> list[TradeTick]:
        """Apply an X and return its trades; one that was applied before changes nothing.

        Raises FeedBroken for a hole in the numbers, a level or order that cannot be, or a crossed book; FieldError for a bad field.
        """
        if self.sequence is None:
            return []
        shape, values = _shape(message), message.values
        number = field_int(83, values[shape.sequence_at])
        if number <= self.sequence:
            return []
        if number != self.sequence + 1:
            expected = self.sequence + 1
            self.sequence = None
            raise FeedBroken(FeedDefect.GAP, f"{self.symbol}: number {number} came, {expected} was expected")
        # Until everything has been applied the book is half old, half new.
        self.sequence = None
        trades: list[TradeTick] = []
        for entry in shape.entries:
            kind = values[entry[1]] if entry[1] >= 0 else b""
            if kind in (_BID, _OFFER):
                side = self._bids if kind == _BID else self._asks
                if self.by_order:
                    self._apply_order(side, values, entry)
                else:
                    self._apply_level(side, values, entry)
            elif kind == _TRADE:
                tick = TradeTick(_price(values, entry[2]), _optional(271, values, entry[3]), now)
                if self._believed(tick, FeedDefect.TRADE_OUTSIDE_BAND):
                    self.last_price, self.last_quantity = tick.price, tick.quantity
                    trades.append(tick)
            elif kind == _VOLUME:
                self.volume = _optional(271, values, entry[3])
            elif kind == _INDICATIVE:
                if entry[0] >= 0 and values[entry[0]] == _DELETE:
                    self.indicative_price = self.indicative_quantity = 0
                else:
                    self._indicate(TradeTick(_price(values, entry[2]), _optional(271, values, entry[3]), now))
        self._require_uncrossed()
        self.sequence = number
        return trades

    def levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """L2: the best ``depth`` bids and offers, best first; L1 is depth 1."""
        return self._bids.best(depth), self._asks.best(depth)

    def orders(self, depth: int) -> tuple[list[BookOrder], list[BookOrder]]:
        """L3: the orders of the best ``depth`` levels in priority order; empty where the feed gives levels only."""
        return self._bids.best_orders(depth), self._asks.best_orders(depth)

    def forget_indication(self) -> None:
        """The auction is over."""
        self.indicative_price = self.indicative_quantity = 0

    def _apply_level(self, side: BookSide, values: Sequence[bytes], entry: EntryPlaces) -> None:
        action_at, _, price_at, size_at, orders_at, _ = entry
        action = values[action_at] if action_at >= 0 else b""
        price = _price(values, price_at)
        if action == _DELETE:
            if not side.remove(price):
                raise FeedBroken(FeedDefect.UNKNOWN_LEVEL, f"{self.symbol}: a level is deleted that is not there")
        elif action == _CHANGE and price in side.levels:
            side.levels[price] = (_size(values, size_at), _optional(346, values, orders_at))
        elif action == _NEW:
            side.put(price, (_size(values, size_at), _optional(346, values, orders_at)))
        elif action == _CHANGE:
            raise FeedBroken(FeedDefect.UNKNOWN_LEVEL, f"{self.symbol}: a level is changed that is not there")
        else:
            raise _unknown_action(action)

    def _apply_order(self, side: BookSide, values: Sequence[bytes], entry: EntryPlaces) -> None:
        action_at, _, price_at, size_at, _, id_at = entry
        action = values[action_at] if action_at >= 0 else b""
        order_id = _order_id(values, id_at)
        if action == _NEW:
            if not side.add_order(order_id, _price(values, price_at), _size(values, size_at)):
                raise FeedBroken(FeedDefect.REPEATED_ORDER, f"{self.symbol}: the order {order_id!r} is there already")
        elif action == _CHANGE:
            price = _price(values, price_at) if price_at >= 0 else None
            if not side.change_order(order_id, price, _size(values, size_at)):
                raise FeedBroken(FeedDefect.UNKNOWN_ORDER, f"{self.symbol}: the order {order_id!r} is changed and is not there")
        elif action == _DELETE:
            if not side.delete_order(order_id):
                raise FeedBroken(FeedDefect.UNKNOWN_ORDER, f"{self.symbol}: the order {order_id!r} is deleted and is not there")
        else:
            raise _unknown_action(action)

    def _indicate(self, tick: TradeTick) -> None:
        if self._believed(tick, FeedDefect.INDICATIVE_OUTSIDE_BAND):
            self.indicative_price, self.indicative_quantity = tick.price, tick.quantity

    def _believed(self, tick: TradeTick, defect: FeedDefect) -> bool:
        if self.band is None or self.band[0] <= tick.price <= self.band[1]:
            return True
        self.refused.append((defect, tick))
        return False

    def _require_uncrossed(self) -> None:
        # A bid's key is its price, an offer's its negative: crossed is when the two best do not keep apart.
        bids, asks = self._bids.keys, self._asks.keys
        if bids and asks and bids[-1] + asks[-1] >= 0 and not self.may_cross:
            raise FeedBroken(FeedDefect.CROSSED, f"{self.symbol}: the book is crossed")


class _Shape:
    """What is worked out once for all messages of the same tags: where RptSeq, the count and the entries stand."""

    __slots__ = ("count_at", "count_text", "entries", "sequence_at")

    def __init__(self, layout: Layout) -> None:
        self.sequence_at = layout.first_places.get(83, -1)
        self.count_at = layout.first_places.get(268, -1)
        self.entries = _entry_places(layout, self.count_at)
        self.count_text = b"%d" % len(self.entries)


def _shape(message: Message) -> _Shape:
    """Raises FieldFormat when the entries are not as many as announced, FieldMissing without a RptSeq."""
    layout = message.layout
    shape: _Shape | None = layout.entry_places
    if shape is None:
        shape = layout.entry_places = _Shape(layout)
    if shape.sequence_at < 0:
        raise FieldMissing(83)
    if shape.count_at >= 0:
        text = message.values[shape.count_at]
        if text != shape.count_text and field_int(268, text) != len(shape.entries):
            raise FieldFormat(268, text)
    return shape


def _entry_places(layout: Layout, count_at: int) -> tuple[EntryPlaces, ...]:
    """An entry starts where the first tag after the count comes again."""
    tags = layout.tags
    if count_at < 0 or count_at + 1 >= len(tags):
        return ()
    delimiter = tags[count_at + 1]
    entries: list[dict[int, int]] = []
    for place in range(count_at + 1, len(tags)):
        tag = tags[place]
        if tag == CHECK_SUM:
            break
        if tag == delimiter:
            entries.append({})
        elif tag in entries[-1]:
            break
        entries[-1][tag] = place
    action, kind, price, size, orders, order_id = _ENTRY_TAGS
    return tuple(
        (
            entry.get(action, -1),
            entry.get(kind, -1),
            entry.get(price, -1),
            entry.get(size, -1),
            entry.get(orders, -1),
            entry.get(order_id, entry.get(37, -1)),
        )
        for entry in entries
    )


def _price(values: Sequence[bytes], place: int) -> int:
    if place < 0:
        raise FieldMissing(270)
    text = values[place]
    price = _prices.get(text)
    return price if price is not None else _read_price(text)


def _read_price(text: bytes) -> int:
    try:
        price = text_to_price(text.decode("ascii"))
    except (PriceError, UnicodeDecodeError):
        raise FieldFormat(270, text) from None
    if price <= 0:
        raise FieldFormat(270, text)
    if len(_prices) >= _MOST_PRICES:
        _prices.clear()
    _prices[text] = price
    return price


def _size(values: Sequence[bytes], place: int) -> int:
    if place < 0:
        raise FieldMissing(271)
    text = values[place]
    # What nearly all sizes are costs no call; `field_int` says what is wrong with the others.
    quantity = int(text) if text.isdigit() and len(text) <= 18 else field_int(271, text)
    if quantity <= 0:
        raise FieldFormat(271, text)
    return quantity


def _optional(tag: int, values: Sequence[bytes], place: int) -> int:
    if place < 0:
        return 0
    text = values[place]
    if text.isdigit() and len(text) <= 18:
        return int(text)
    raise FieldFormat(tag, text)


def _order_id(values: Sequence[bytes], place: int) -> bytes:
    if place < 0:
        raise FieldMissing(278)
    return values[place]


def _unknown_action(action: bytes) -> FieldFormat | FieldMissing:
    return FieldFormat(279, action) if action else FieldMissing(279)
