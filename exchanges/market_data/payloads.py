"""What people get to see of an instrument, as JSON. Pure: prices are decimal text with the micros beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from exchanges.market_data.book import InstrumentBook, TradeTick
from exchanges.market_data.book_side import Level
from exchanges.market_data.candles import Candle
from exchanges.market_data.status import HaltReason, InstrumentStatus, Notice, NoticeKind
from exchanges.prices import price_to_text, text_to_price

DEPTH: Final = 10

_encode = msgspec.json.Encoder().encode


class CandleRow(msgspec.Struct, frozen=True):
    time: int
    open: str
    high: str
    low: str
    close: str
    volume: int
    day: str = ""
    """The exchange's own date; empty in candles of before it was kept."""


class NoticeRow(msgspec.Struct, frozen=True):
    """A notice as people get it; ``time`` in ns UTC, ``symbols`` empty for the whole market."""

    id: str
    exchange: str
    kind: str
    symbols: tuple[str, ...]
    headline: str
    text: str
    reason: str
    time: int


_notices_decoder = msgspec.json.Decoder(list[NoticeRow])
_candle_decoder = msgspec.json.Decoder(CandleRow)


def quote_payload(
    book: InstrumentBook, *, exchange: str, previous: int | None, seq: int, now: int, status: InstrumentStatus | None = None
) -> bytes:
    """Top of the book, last trade, the change since ``previous`` (the day's reference price, micros), and whether it trades."""
    status = status or InstrumentStatus()
    bids, asks = book.levels(1)
    bid, ask = bids[0] if bids else None, asks[0] if asks else None
    last = book.last_price or None
    return _encode(
        {
            "seq": seq,
            "t": now,
            "exchange": exchange,
            "symbol": book.symbol,
            "bid": _text(bid and bid[0]),
            "bid_micros": bid and bid[0],
            "bid_qty": bid and bid[1],
            "ask": _text(ask and ask[0]),
            "ask_micros": ask and ask[0],
            "ask_qty": ask and ask[1],
            "last": _text(last),
            "last_micros": last,
            "last_qty": book.last_quantity or None,
            "prev": _text(previous),
            "prev_micros": previous,
            "change_pct": change_text(last, previous),
            "volume": book.volume,
            "state": status.state,
            "phase": status.phase,
            "reason": status.reason,
            "status_text": status.text,
            "since": status.since or None,
            "until": status.until,
            "indicative": _text(book.indicative_price or None),
            "indicative_micros": book.indicative_price or None,
            "indicative_qty": book.indicative_quantity or None,
        }
    )


def depth_payload(book: InstrumentBook, *, seq: int, now: int) -> bytes:
    """The best ten levels of both sides: [price, shares, number of orders], best first."""
    bids, asks = book.levels(DEPTH)
    return _encode({"seq": seq, "t": now, "bids": [_level(level) for level in bids], "asks": [_level(level) for level in asks]})


def trade_payload(tick: TradeTick, *, seq: int) -> bytes:
    """One trade."""
    return _encode(
        {"seq": seq, "t": tick.time, "price": price_to_text(tick.price), "price_micros": tick.price, "qty": tick.quantity}
    )


def candle_payload(candle: Candle, day: str = "") -> bytes:
    """One candle; ``time`` in seconds as charts want it, ``day`` the exchange's own date."""
    open_, high, low, close = (price_to_text(price) for price in (candle.open, candle.high, candle.low, candle.close))
    return _encode(CandleRow(candle.time, open_, high, low, close, candle.volume, day))


def candle_from_payload(text: bytes) -> Candle:
    """The candle of a payload. Raises ValueError for anything else."""
    return dated_candle(text)[0]


def dated_candle(text: bytes) -> tuple[Candle, str]:
    """The candle of a payload and its day. Raises ValueError for anything else."""
    row = _candle_decoder.decode(text)
    open_, high, low, close = (text_to_price(price) for price in (row.open, row.high, row.low, row.close))
    return Candle(row.time, open_, high, low, close, row.volume), row.day


def notices_payload(notices: Sequence[Notice]) -> bytes:
    """Notices as they are given, which is the newest first."""
    return _encode(
        [
            NoticeRow(one.notice_id, one.exchange, one.kind, one.symbols, one.headline, one.text, one.reason, one.time)
            for one in notices
        ]
    )


def notices_from_payload(text: bytes) -> list[Notice]:
    """The notices of a payload. Raises ValueError for anything else."""
    return [
        Notice(row.id, row.exchange, NoticeKind(row.kind), row.symbols, row.headline, row.text, HaltReason(row.reason), row.time)
        for row in _notices_decoder.decode(text)
    ]


def change_text(last: int | None, previous: int | None) -> str | None:
    """Change in percent with two places, half away from zero: ``-1.25``; None when one of the prices is missing."""
    if last is None or not previous:
        return None
    change = last - previous
    hundredths = (abs(change) * 20_000 + previous) // (2 * previous)
    sign = "-" if change < 0 and hundredths else ""
    return f"{sign}{hundredths // 100}.{hundredths % 100:02d}"


def _text(price: int | None) -> str | None:
    return None if price is None else price_to_text(price)


def _level(level: Level) -> tuple[str, int, int]:
    return price_to_text(level[0]), level[1], level[2]
