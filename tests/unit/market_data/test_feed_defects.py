"""Whatever is wrong with a feed has a name, is counted under it, and takes nothing down."""

from __future__ import annotations

import pytest

from exchanges.fix.message import Message
from exchanges.market_data.defects import FeedDefect
from tests.unit.market_data.feed_messages import Line, change, full, message
from tradsys.mesh.telemetry.metrics import METRICS

GOOD = full(7, [(269, 0), (270, "138.90"), (271, 100)], [(269, 1), (270, "139.10"), (271, 70)])
ORDERS = full(7, [(269, 0), (270, "138.90"), (271, 100), (37, "A")], [(269, 1), (270, "139.10"), (271, 70), (37, "B")])


def count(defect: FeedDefect) -> int:
    return METRICS._feed_defects.child("EGX", defect).value


LEVELS: list[tuple[FeedDefect, Message]] = [
    (FeedDefect.GAP, change(9, [(279, 1), (269, 0), (270, "138.90"), (271, 60)])),
    (FeedDefect.CROSSED, change(8, [(279, 0), (269, 0), (270, "139.10"), (271, 5)])),
    (FeedDefect.UNKNOWN_LEVEL, change(8, [(279, 2), (269, 0), (270, "100.00")])),
    (FeedDefect.UNKNOWN_LEVEL, change(8, [(279, 1), (269, 1), (270, "150.00"), (271, 5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (270, "1e5"), (271, 5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (270, "138.00"), (271, -5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (270, "-138.00"), (271, 5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (270, "138.00")])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (271, 5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 5), (269, 0), (270, "138.00"), (271, 5)])),
    (FeedDefect.BAD_FIELD, message("X", (83, 8), (268, 2), (279, 0), (269, 0), (55, "COMI"), (270, "138.00"), (271, 5))),
]
BY_ORDER: list[tuple[FeedDefect, Message]] = [
    (FeedDefect.UNKNOWN_ORDER, change(8, [(279, 2), (269, 0), (278, "Z")])),
    (FeedDefect.UNKNOWN_ORDER, change(8, [(279, 1), (269, 1), (278, "A"), (271, 5)])),
    (FeedDefect.REPEATED_ORDER, change(8, [(279, 0), (269, 0), (278, "A"), (270, "138.00"), (271, 5)])),
    (FeedDefect.BAD_FIELD, change(8, [(279, 0), (269, 0), (270, "138.00"), (271, 5)])),
    (FeedDefect.CROSSED, change(8, [(279, 0), (269, 0), (278, "C"), (270, "139.10"), (271, 5)])),
]


@pytest.mark.parametrize(("by_order", "defect", "broken"), [(False, *one) for one in LEVELS] + [(True, *one) for one in BY_ORDER])
def test_each_defect_is_named_and_counted_and_the_line_goes_on(
    by_order: bool, defect: FeedDefect, broken: Message, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(by_order=by_order)
    line.hear(ORDERS if by_order else GOOD)
    before = {each: count(each) for each in FeedDefect}  # tradsys_feed_defects_total
    line.hear(broken)
    assert {each: count(each) - before[each] for each in FeedDefect if count(each) != before[each]} == {defect: 1}
    assert f"EGX: {defect}: " in caplog.text
    assert line.comi.book.sequence is None
    [request] = [frame for frame in line.asked() if b"\x0135=V\x01" in frame]
    assert b"\x0155=COMI\x01" in request
    assert (b"\x01266=N\x01" if by_order else b"\x01266=Y\x01") in request
    line.hear(ORDERS if by_order else GOOD)
    assert line.comi.book.bids == {138_900_000: (100, 1 if by_order else 0)}


def test_a_broken_snapshot_is_asked_for_again_after_a_while_and_not_at_once() -> None:
    line = Line()
    line.hear(full(7, [(269, 0), (270, "140.00"), (271, 1)], [(269, 1), (270, "139.10"), (271, 70)]))
    assert (line.asked(), line.comi.asked_at) == ([], line.clock.time)


@pytest.mark.parametrize(
    ("told", "defect"),
    [
        (change(8, [(279, 0), (269, 0), (270, "1.00"), (271, 5)], symbol="NONE"), FeedDefect.UNKNOWN_INSTRUMENT),
        (message("X", (83, 8), (268, 0)), FeedDefect.BAD_FIELD),
        (message("f", (55, "NONE"), (326, 2)), FeedDefect.UNKNOWN_INSTRUMENT),
        (message("f", (55, "COMI"), (326, 6)), FeedDefect.UNKNOWN_STATUS),
        (message("f", (55, "COMI"), (326, "x")), FeedDefect.BAD_FIELD),
        (message("f", (55, "COMI"), (326, 2), (327, "Z")), FeedDefect.BAD_FIELD),
        (message("f", (326, 2)), FeedDefect.BAD_FIELD),
        (message("h", (336, "LUNCH"), (340, 2)), FeedDefect.BAD_FIELD),
        (message("h", (336, "CONTINUOUS")), FeedDefect.BAD_FIELD),
        (message("h", (336, "CONTINUOUS"), (340, 2), (342, "noon")), FeedDefect.BAD_FIELD),
        (message("B", (33, 1), (58, "no headline")), FeedDefect.BAD_FIELD),
        (message("Y", (262, 1), (58, "not listed")), FeedDefect.SUBSCRIPTION_REFUSED),
        (message("j", (372, "V"), (380, 5), (58, "no")), FeedDefect.SUBSCRIPTION_REFUSED),
    ],
)
def test_a_message_about_nothing_known_changes_nothing(told: Message, defect: FeedDefect) -> None:
    line = Line()
    line.hear(GOOD)
    before = count(defect)
    line.hear(told)
    assert count(defect) == before + 1
    assert (line.comi.book.sequence, line.comi.book.bids) == (7, {138_900_000: (100, 0)})
    assert (line.asked(), list(line.subscriber.notices), line.comi.told) == ([], [], None)


def test_a_venue_that_gives_no_statuses_is_no_defect() -> None:
    line = Line()
    before = {each: count(each) for each in FeedDefect}
    line.hear(message("j", (372, "e"), (380, 3)), message("j", (372, "g"), (380, 3)))
    assert before == {each: count(each) for each in FeedDefect}


def test_a_trade_outside_the_day_s_limits_is_named_and_is_in_no_ticker_and_no_candle(caplog: pytest.LogCaptureFixture) -> None:
    line = Line()
    line.hear(GOOD)
    before = count(FeedDefect.TRADE_OUTSIDE_BAND)
    line.hear(
        change(
            8,
            [(279, 0), (269, 2), (270, "170.00"), (271, 9)],
            [(279, 0), (269, 2), (270, "139.00"), (271, 4)],
            [(279, 1), (269, "B"), (271, 13)],
        )
    )
    assert count(FeedDefect.TRADE_OUTSIDE_BAND) == before + 1
    assert "TRADE_OUTSIDE_BAND: COMI: 9 at 170.00, the day's limits are 110.00 to 166.00" in caplog.text
    assert (line.comi.book.last_price, line.comi.book.volume, line.comi.book.sequence) == (139_000_000, 13, 8)
    assert [(each.high, each.volume) for each in line.comi.candles.candles] == [(139_000_000, 4)]
    line.hear(full(9, [(269, 2), (270, "109.99"), (271, 1)]))
    assert (line.comi.book.last_price, count(FeedDefect.TRADE_OUTSIDE_BAND)) == (139_000_000, before + 2)


@pytest.mark.parametrize("price", ["110.00", "166.00"])
def test_a_trade_at_a_limit_is_believed(price: str) -> None:
    line = Line()
    line.hear(GOOD, change(8, [(279, 0), (269, 2), (270, price), (271, 1)]))
    assert [each.volume for each in line.comi.candles.candles] == [1]


def test_an_indicative_price_outside_the_limits_is_named_and_not_shown() -> None:
    line = Line()
    before = count(FeedDefect.INDICATIVE_OUTSIDE_BAND)
    line.hear(GOOD, change(8, [(279, 0), (269, "Q"), (270, "10.00"), (271, 5)]))
    assert (line.comi.book.indicative_price, count(FeedDefect.INDICATIVE_OUTSIDE_BAND)) == (0, before + 1)
