"""One-minute candles from trades. Pure; prices in micros, time in whole seconds UTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from exchanges.market_data.book import TradeTick

MINUTE_NS: Final = 60_000_000_000
KEPT: Final = 500
"""Candles kept per instrument."""


@dataclass(slots=True)
class Candle:
    """A minute with at least one trade; ``time`` is its first second."""

    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class CandleSeries:
    """The latest candles of an instrument, oldest first."""

    def __init__(self) -> None:
        self.candles: list[Candle] = []

    def add(self, tick: TradeTick) -> Candle:
        """Count a trade in; returns its candle. A trade that is late by a minute counts in the newest candle."""
        minute = tick.time // MINUTE_NS * 60
        newest = self.candles[-1] if self.candles else None
        if newest is None or minute > newest.time:
            newest = Candle(minute, tick.price, tick.price, tick.price, tick.price, 0)
            self.candles.append(newest)
            del self.candles[:-KEPT]
        newest.high = max(newest.high, tick.price)
        newest.low = min(newest.low, tick.price)
        newest.close = tick.price
        newest.volume += tick.quantity
        return newest

    def adopt(self, earlier: list[Candle]) -> None:
        """Put candles of an earlier life before those of this one; the minute that both know is joined."""
        if not earlier:
            return
        if self.candles and self.candles[0].time == earlier[-1].time:
            mine, theirs = self.candles[0], earlier[-1]
            mine.open = theirs.open
            mine.high, mine.low = max(mine.high, theirs.high), min(mine.low, theirs.low)
            mine.volume += theirs.volume
            earlier = earlier[:-1]
        first = self.candles[0].time if self.candles else None
        older = [candle for candle in earlier if first is None or candle.time < first]
        self.candles = (older + self.candles)[-KEPT:]
