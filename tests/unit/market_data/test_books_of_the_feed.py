"""Books from W and X messages, candles, and what people are shown."""

from __future__ import annotations

import json

import pytest

from exchanges.fix.message import Field, Message, Parser, encode
from exchanges.market_data.book import FeedBroken, InstrumentBook, TradeTick
from exchanges.market_data.candles import Candle, CandleSeries
from exchanges.market_data.payloads import (
    candle_from_payload,
    candle_payload,
    change_text,
    depth_payload,
    quote_payload,
)

MINUTE = 60_000_000_000


def message(msg_type: bytes, fields: list[Field]) -> Message:
    return Parser().feed(encode(b"FIX.4.4", [(35, msg_type), (34, b"2"), *fields]))[0]


def snapshot(sequence: int, bids: list[tuple[str, int]], asks: list[tuple[str, int]]) -> Message:
    entries: list[Field] = []
    for kind, levels in ((b"0", bids), (b"1", asks)):
        for price, quantity in levels:
            entries += [(269, kind), (270, price.encode()), (271, b"%d" % quantity), (346, b"1")]
    entries += [(269, b"B"), (271, b"500")]
    return message(b"W", [(55, b"COMI"), (83, b"%d" % sequence), (268, b"%d" % (len(bids) + len(asks) + 1)), *entries])


def increment(sequence: int, changes: list[tuple[bytes, bytes, str, int]]) -> Message:
    entries: list[Field] = []
    for action, kind, price, quantity in changes:
        entries += [(279, action), (269, kind), (55, b"COMI"), (270, price.encode())]
        if quantity:
            entries += [(271, b"%d" % quantity)]
    return message(b"X", [(83, b"%d" % sequence), (268, b"%d" % len(changes)), *entries])


@pytest.fixture
def book() -> InstrumentBook:
    book = InstrumentBook("COMI")
    book.apply_snapshot(snapshot(7, [("138.90", 100), ("138.80", 50)], [("139.10", 70)]))
    return book


def test_increments_change_delete_and_trade(book: InstrumentBook) -> None:
    trades = book.apply_increment(
        increment(
            8, [(b"1", b"0", "138.90", 60), (b"2", b"0", "138.80", 0), (b"0", b"1", "139.00", 5), (b"0", b"2", "138.90", 40)]
        ),
        MINUTE,
    )
    assert book.levels(10) == ([(138_900_000, 60, 0)], [(139_000_000, 5, 0), (139_100_000, 70, 1)])
    assert trades == [TradeTick(138_900_000, 40, MINUTE)]
    assert (book.last_price, book.volume, book.sequence) == (138_900_000, 500, 8)


def test_an_increment_seen_before_changes_nothing(book: InstrumentBook) -> None:
    assert book.apply_increment(increment(7, [(b"2", b"0", "138.90", 0)]), 0) == []
    assert len(book.bids) == 2


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (increment(9, [(b"1", b"0", "138.90", 60)]), "8 was expected"),
        (increment(8, [(b"2", b"0", "100.00", 0)]), "deleted that is not there"),
        (increment(8, [(b"1", b"1", "150.00", 5)]), "changed that is not there"),
        (increment(8, [(b"0", b"0", "139.10", 5)]), "crossed"),
    ],
)
def test_a_book_that_cannot_be_trusted_waits_for_a_snapshot(book: InstrumentBook, broken: Message, why: str) -> None:
    with pytest.raises(FeedBroken, match=why):
        book.apply_increment(broken, 0)
    assert book.sequence is None
    assert book.apply_increment(increment(10, [(b"0", b"0", "1.00", 5)]), 0) == []
    book.apply_snapshot(snapshot(10, [("138.00", 1)], []))
    assert book.levels(5) == ([(138_000_000, 1, 1)], [])


def test_candles_collect_the_trades_of_a_minute() -> None:
    series = CandleSeries()
    for price, quantity, time in ((100, 1, 0), (120, 2, 1), (90, 3, MINUTE - 1), (95, 4, MINUTE), (94, 1, MINUTE - 5)):
        series.add(TradeTick(price, quantity, time))
    assert series.candles == [Candle(0, 100, 120, 90, 90, 6), Candle(60, 95, 95, 94, 94, 5)]


def test_candles_of_an_earlier_run_are_continued() -> None:
    series = CandleSeries()
    series.add(TradeTick(110, 5, MINUTE))
    series.adopt([Candle(0, 1, 2, 1, 2, 9), Candle(60, 100, 105, 99, 101, 4)])
    assert series.candles == [Candle(0, 1, 2, 1, 2, 9), Candle(60, 100, 110, 99, 110, 9)]


def test_a_candle_survives_its_text() -> None:
    candle = Candle(60, 1_000_001, 2_000_000, 999_999, 1_500_000, 7)
    assert candle_from_payload(candle_payload(candle)) == candle


def test_quotes_and_depth_carry_text_and_micros(book: InstrumentBook) -> None:
    book.last_price = 139_695_000
    quote = json.loads(quote_payload(book, exchange="EGX", previous=139_000_000, seq=3, now=4))
    assert (quote["bid"], quote["bid_micros"], quote["ask_qty"]) == ("138.90", 138_900_000, 70)
    assert (quote["last"], quote["prev"], quote["change_pct"]) == ("139.695", "139.00", "0.50")
    assert json.loads(depth_payload(book, seq=3, now=4))["bids"] == [["138.90", 100, 1], ["138.80", 50, 1]]


@pytest.mark.parametrize(
    ("last", "previous", "text"),
    [(100, 100, "0.00"), (99, 100, "-1.00"), (2, 3, "-33.33"), (100_004, 100_000, "0.00"), (None, 5, None), (5, None, None)],
)
def test_changes_are_rounded_half_away_from_zero(last: int | None, previous: int | None, text: str | None) -> None:
    assert change_text(last, previous) == text
