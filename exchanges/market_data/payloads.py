"""What people get to see of an instrument, as JSON. Pure: prices are decimal text with the micros beside them."""

from __future__ import annotations

from typing import Final

import msgspec

from exchanges.market_data.book import InstrumentBook, Level, TradeTick
from exchanges.market_data.candles import Candle
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


_candle_decoder = msgspec.json.Decoder(CandleRow)


def quote_payload(book: InstrumentBook, *, exchange: str, previous: int | None, seq: int, now: int) -> bytes:
    """Top of the book, last trade and the change since ``previous`` (the day's reference price, micros)."""
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


def candle_payload(candle: Candle) -> bytes:
    """One candle; ``time`` in seconds as charts want it."""
    open_, high, low, close = (price_to_text(price) for price in (candle.open, candle.high, candle.low, candle.close))
    return _encode(CandleRow(candle.time, open_, high, low, close, candle.volume))


def candle_from_payload(text: bytes) -> Candle:
    """The candle of a payload. Raises ValueError for anything else."""
    row = _candle_decoder.decode(text)
    open_, high, low, close = (text_to_price(price) for price in (row.open, row.high, row.low, row.close))
    return Candle(row.time, open_, high, low, close, row.volume)


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
