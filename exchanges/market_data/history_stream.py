"""What the market-data worker leaves in Redis for the history: one entry per finished candle and per notice. Pure.

The entries of one run of a publisher are numbered from 1 without a hole, so that a reader knows when the stream, which is
bounded, was cut before it had read all. A new run, and a hole, tell it to read the lists of candles (``md:candles:…``) and
notices instead.
"""

from __future__ import annotations

from typing import Final

import msgspec

from exchanges.market_data.candles import Candle
from exchanges.market_data.status import Notice

STREAM: Final = "md:history"
FIELD: Final = "e"
MOST_ENTRIES: Final = 50_000
"""Of the stream; about a day of a hundred instruments with a trade in each minute of a session."""


class CandleEntry(msgspec.Struct, frozen=True, tag="candle", tag_field="kind"):
    """A finished minute. Prices in micros, `time` in seconds UTC, `day` the exchange's own date."""

    run: int
    number: int
    exchange: str
    symbol: str
    day: str
    time: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class NoticeEntry(msgspec.Struct, frozen=True, tag="notice", tag_field="kind"):
    run: int
    number: int
    notice_id: str
    exchange: str
    notice_kind: str
    symbols: tuple[str, ...]
    headline: str
    text: str
    reason: str
    time: int


Entry = CandleEntry | NoticeEntry

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


def decode(text: bytes) -> Entry:
    """Raises msgspec.DecodeError or msgspec.ValidationError for anything that is no entry."""
    return _decoder.decode(text)


class HistoryNumbers:
    """Gives the entries of a publisher their numbers. `run` is ns UTC of its beginning."""

    def __init__(self, run: int) -> None:
        self.start(run)
        self._sent: dict[str, int] = {}
        """By instrument key: the minute of the newest candle that was sent or is in the lists from before."""

    def start(self, run: int) -> None:
        """Begin a new run: what was sent may be lost, and the readers will look at the lists."""
        self._run = run
        self._number = 0

    def finished(self, key: str, candles: list[Candle], now: int) -> list[Candle]:
        """The candles of an instrument that are over at `now` (ns UTC) and were not sent, oldest first; they count as sent."""
        sent, newest = self._sent.get(key, -1), len(candles)
        seconds = now // 1_000_000_000
        while newest and candles[newest - 1].time + 60 > seconds:
            newest -= 1
        first = newest
        while first and candles[first - 1].time > sent:
            first -= 1
        if first < newest:
            self._sent[key] = candles[newest - 1].time
        return candles[first:newest]

    def candle(self, exchange: str, symbol: str, day: str, candle: Candle) -> bytes:
        self._number += 1
        return _encode(
            CandleEntry(
                self._run,
                self._number,
                exchange,
                symbol,
                day,
                candle.time,
                candle.open,
                candle.high,
                candle.low,
                candle.close,
                candle.volume,
            )
        )

    def notice(self, notice: Notice) -> bytes:
        self._number += 1
        return _encode(
            NoticeEntry(
                self._run,
                self._number,
                notice.notice_id,
                notice.exchange,
                notice.kind,
                notice.symbols,
                notice.headline,
                notice.text,
                notice.reason,
                notice.time,
            )
        )
