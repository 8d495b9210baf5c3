"""Subscriptions to the books of one market-data line: what a reader has not yet taken is told as it is now, never as it was."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

from exchanges.exchange_service import BookLevel, MarketData, OrderBook, Trade
from exchanges.market_data.book import TradeTick
from exchanges.market_data.book_side import Level
from exchanges.market_data.status import Notice
from exchanges.market_data.subscriber import Instrument

DEPTH: Final = 10
"""Levels of a side in a ``MarketData``."""
MOST_TRADES: Final = 100
"""Trades of an instrument kept for a reader that is slow; the oldest are left out first, and counted."""


class _Reader:
    """One subscription: what has changed for it since it last looked."""

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = frozenset(symbols)
        self.changed: dict[str, None] = {}
        self.trades: dict[str, list[TradeTick]] = {}
        self.missed: dict[str, int] = {}
        self.wake = asyncio.Event()


class MarketDataWatch:
    """The listener of a ``MarketDataSubscriber``, and the subscriptions of one service."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._readers: set[_Reader] = set()

    def changed(self, instrument: Instrument, trades: Sequence[TradeTick]) -> None:
        symbol = instrument.book.symbol
        for reader in self._readers:
            if symbol not in reader.symbols:
                continue
            reader.changed[symbol] = None
            if trades:
                kept = reader.trades.setdefault(symbol, [])
                kept.extend(trades)
                if len(kept) > MOST_TRADES:
                    reader.missed[symbol] = reader.missed.get(symbol, 0) + len(kept) - MOST_TRADES
                    del kept[:-MOST_TRADES]

    def noticed(self, notice: Notice, instruments: Sequence[Instrument]) -> None:
        """A notice changes no book, and books are what is followed here."""

    def read_complete(self) -> None:
        for reader in self._readers:
            if reader.changed:
                reader.wake.set()

    async def follow(self, instruments: Sequence[Instrument]) -> AsyncIterator[MarketData]:
        """Each book at once where it has arrived, then after every change."""
        by_symbol = {each.book.symbol: each for each in instruments}
        reader = _Reader(by_symbol)
        reader.changed.update((symbol, None) for symbol, each in by_symbol.items() if each.book.sequence is not None)
        if reader.changed:
            reader.wake.set()
        self._readers.add(reader)
        try:
            while True:
                await reader.wake.wait()
                while reader.changed:
                    symbol = next(iter(reader.changed))
                    del reader.changed[symbol]
                    yield self._told(by_symbol[symbol], reader)
                reader.wake.clear()
        finally:
            self._readers.discard(reader)

    def _told(self, instrument: Instrument, reader: _Reader) -> MarketData:
        book = instrument.book
        return MarketData(
            book=order_book(instrument, DEPTH, self._now()),
            trades=tuple(Trade(each.price, each.quantity, each.time) for each in reader.trades.pop(book.symbol, ())),
            trades_missed=reader.missed.pop(book.symbol, 0),
            last_price=book.last_price,
            volume=book.volume,
        )


def order_book(instrument: Instrument, depth: int, now: int) -> OrderBook:
    bids, asks = instrument.book.levels(depth)
    return OrderBook(
        exchange=instrument.exchange,
        symbol=instrument.book.symbol,
        bids=_levels(bids),
        asks=_levels(asks),
        stale=instrument.book.sequence is None,
        time=now,
    )


def _levels(levels: Iterable[Level]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(*each) for each in levels)
