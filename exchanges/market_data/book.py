"""An instrument's aggregated book as a venue's market data describes it. Pure; prices in micros, quantities in shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exchanges.fix.message import FieldFormat, FieldMissing, Message, field_int
from exchanges.prices import PriceError, text_to_price

_BID: Final = b"0"
_OFFER: Final = b"1"
_TRADE: Final = b"2"
_VOLUME: Final = b"B"
_NEW, _CHANGE, _DELETE = b"0", b"1", b"2"

Level = tuple[int, int, int]
"""(price micros, shares, number of orders)."""


class FeedBroken(Exception):
    """The book can no longer be trusted; the text says why. Only a new snapshot helps."""


@dataclass(frozen=True, slots=True)
class TradeTick:
    """One trade of the feed; ``time`` is when it was received, ns UTC."""

    price: int
    quantity: int
    time: int


class InstrumentBook:
    """Levels of both sides, last trade and volume of the day, with the feed's RptSeq (83) of the last message applied."""

    __slots__ = ("asks", "bids", "last_price", "last_quantity", "sequence", "symbol", "volume")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.bids: dict[int, tuple[int, int]] = {}
        self.asks: dict[int, tuple[int, int]] = {}
        self.last_price = 0
        self.last_quantity = 0
        self.volume = 0
        self.sequence: int | None = None
        """None: no snapshot yet, or the last one is no longer good."""

    def apply_snapshot(self, message: Message) -> None:
        """Replace everything by a W. Raises FieldError or FeedBroken; the book is then without a sequence."""
        self.sequence = None
        sequence = message.required_int(83)
        self.bids.clear()
        self.asks.clear()
        self.last_quantity = 0
        for entry in message.group(268):
            kind = entry.get(269)
            if kind == _BID:
                self.bids[_price(entry)] = _size(entry)
            elif kind == _OFFER:
                self.asks[_price(entry)] = _size(entry)
            elif kind == _TRADE:
                self.last_price = _price(entry)
                self.last_quantity = _optional(entry, 271)
            elif kind == _VOLUME:
                self.volume = _optional(entry, 271)
        self._require_uncrossed()
        self.sequence = sequence

    def apply_increment(self, message: Message, now: int) -> list[TradeTick]:
        """Apply an X and return its trades; one that was applied before changes nothing.

        Raises FeedBroken for a hole in the numbers, a level that cannot be, or a crossed book; FieldError for a bad field.
        """
        if self.sequence is None:
            return []
        number = message.required_int(83)
        if number <= self.sequence:
            return []
        if number != self.sequence + 1:
            expected = self.sequence + 1
            self.sequence = None
            raise FeedBroken(f"{self.symbol}: number {number} came, {expected} was expected")
        # Until everything has been applied the book is half old, half new.
        self.sequence = None
        trades: list[TradeTick] = []
        for entry in message.group(268):
            kind = entry.get(269)
            if kind in (_BID, _OFFER):
                self._apply_level(self.bids if kind == _BID else self.asks, entry)
            elif kind == _TRADE:
                tick = TradeTick(_price(entry), _optional(entry, 271), now)
                self.last_price, self.last_quantity = tick.price, tick.quantity
                trades.append(tick)
            elif kind == _VOLUME:
                self.volume = _optional(entry, 271)
        self._require_uncrossed()
        self.sequence = number
        return trades

    def levels(self, depth: int) -> tuple[list[Level], list[Level]]:
        """The best ``depth`` bids and offers, best first."""
        bids = [(price, *self.bids[price]) for price in sorted(self.bids, reverse=True)[:depth]]
        asks = [(price, *self.asks[price]) for price in sorted(self.asks)[:depth]]
        return bids, asks

    def _apply_level(self, side: dict[int, tuple[int, int]], entry: dict[int, bytes]) -> None:
        action, price = entry.get(279), _price(entry)
        if action == _DELETE:
            if side.pop(price, None) is None:
                raise FeedBroken(f"{self.symbol}: a level is deleted that is not there")
        elif action == _NEW or (action == _CHANGE and price in side):
            side[price] = _size(entry)
        else:
            raise FeedBroken(f"{self.symbol}: a level is changed that is not there")

    def _require_uncrossed(self) -> None:
        if self.bids and self.asks and max(self.bids) >= min(self.asks):
            raise FeedBroken(f"{self.symbol}: the book is crossed")


def _price(entry: dict[int, bytes]) -> int:
    value = entry.get(270)
    if value is None:
        raise FieldMissing(270)
    try:
        return text_to_price(value.decode("ascii"))
    except (PriceError, UnicodeDecodeError):
        raise FieldFormat(270, value) from None


def _size(entry: dict[int, bytes]) -> tuple[int, int]:
    quantity = entry.get(271)
    if quantity is None:
        raise FieldMissing(271)
    return field_int(271, quantity), _optional(entry, 346)


def _optional(entry: dict[int, bytes], tag: int) -> int:
    value = entry.get(tag)
    return 0 if value is None else field_int(tag, value)
