"""Whole trading days by the exchanges' own dated rows, from before the open until after the close; the test moves the clock."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from exchanges.api import Phase
from exchanges.fix.message import Message
from exchanges.simulator import records
from exchanges.simulator.event_log import EventLog, RecordType
from exchanges.simulator.venue import Venue
from tests.unit.simulator.in_memory_lines import BUY, SELL, HandClock, MemberLine, kinds, open_venue, own_hours, reports_of


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


class Day:
    """A venue with two members and a subscriber of its market data."""

    def __init__(self, folder: Path, exchange: str, day: str, symbol: str, start: str) -> None:
        self.folder = folder
        self.exchange = exchange
        self.day = day
        self.symbol = symbol
        self.clock = HandClock(at(f"{day}T{start}"))
        self.venue = self.open()
        self.buyer, self.seller = (MemberLine(name, self.clock, exchange=exchange) for name in ("TRADSYS-W1", "TRADSYS-W2"))
        self.watcher = MemberLine("TRADSYS-MD", self.clock, exchange=exchange, reset_on_logon=True)
        for line in (self.buyer, self.seller, self.watcher):
            line.join(self.venue)
        self.watcher.send(
            "V", [(262, b"1"), (263, b"1"), (264, b"0"), (267, b"1"), (269, b"0"), (146, b"1"), (55, symbol.encode())]
        )
        self.numbers = 0

    def open(self) -> Venue:
        return open_venue(self.folder, self.clock, exchange=self.exchange, load=own_hours(self.exchange))

    def at(self, time: str) -> None:
        """The clock is at `time` UTC, and the venue has seen it."""
        self.clock.time = at(f"{self.day}T{time}")
        self.venue.follow_clock()
        for line in (self.buyer, self.seller, self.watcher):
            line.exchange()

    def order(self, side: bytes, quantity: int, price: str, **more: bytes) -> Message:
        """Enter an order; the first answer to it."""
        self.numbers += 1
        line = self.buyer if side == BUY else self.seller
        before = len(line.received)
        line.order(f"{self.numbers}", side, quantity, price, symbol=self.symbol, **more)
        for other in (self.buyer, self.seller):
            other.exchange()
        return line.received[before]

    async def market_data(self) -> list[Message]:
        """What the subscriber has got since the last call."""
        await asyncio.sleep(0.04)
        self.watcher.exchange()
        seen, self.watcher.application.received = self.watcher.received, []
        return seen

    @property
    def phase(self) -> Phase:
        return self.venue.desk.session.phase

    @property
    def prices(self) -> list[int]:
        return [trade.price // 10_000 for trade in self.venue.desk.trades]


def statuses(messages: list[Message]) -> list[tuple[str, ...]]:
    """(h, phase, 340) and (f, symbol, 326) in order."""
    found: list[tuple[str, ...]] = []
    for message in messages:
        if message.msg_type == "h":
            found.append(("h", message.required_text(336), message.required_text(340)))
        elif message.msg_type == "f":
            found.append(("f", message.required_text(55), message.required_text(326)))
    return found


def auction_prices(messages: list[Message]) -> list[tuple[bytes, bytes | None, bytes | None]]:
    """(action, price, shares) of the indicative prices in order."""
    found = []
    for message in messages:
        if message.msg_type == "X":
            found += [(e[279], e.get(270), e.get(271)) for e in message.group(268) if e.get(269) == b"Q"]
    return found


async def test_a_ramadan_day_at_egx_from_before_the_open_until_after_the_close(tmp_path: Path) -> None:
    day = Day(tmp_path, "EGX", "2027-02-09", "COMI", "07:00:00")
    assert day.phase is Phase.CLOSED
    refused = day.order(BUY, 10, "139.00")
    assert (refused.get(150), refused.get(103), refused.get_text(58)) == (b"8", b"2", "the session is closed")

    day.at("07:30:00")
    assert day.phase is Phase.PRE_OPEN
    assert statuses(await day.market_data()) == [("h", "PRE_OPEN", "4")]
    day.order(BUY, 300, "140.00")
    day.order(SELL, 100, "138.00")
    day.order(SELL, 150, "139.50")
    late = day.order(BUY, 10, "139.00", time_in_force=b"3")
    assert (late.get(103), late.get_text(58)) == (b"11", "LIMIT IMMEDIATE_OR_CANCEL is not taken in phase PRE_OPEN")
    assert day.prices == []
    assert auction_prices(await day.market_data()) == [(b"0", b"140.00", b"250")]
    day.buyer.cancel("c1", "2", BUY)
    assert kinds(day.buyer.received)[-1] == ("c1", "4")
    assert auction_prices(await day.market_data()) == [(b"2", None, None)]
    day.order(BUY, 200, "139.80")
    assert auction_prices(await day.market_data()) == [(b"0", b"139.50", b"200")]

    day.at("08:00:00")
    assert day.phase is Phase.CONTINUOUS
    assert day.prices == [13950, 13950]
    seen = await day.market_data()
    assert statuses(seen) == [("h", "CONTINUOUS", "2")]
    assert auction_prices(seen) == [(b"2", None, None)]

    # The moving average leaves the previous close by 10 %: ten minutes of suspension.
    day.order(BUY, 50, "139.50")
    day.at("08:40:00")
    day.order(SELL, 1000, "153.00")
    resting = day.order(SELL, 10, "160.00")
    assert day.order(BUY, 1000, "153.00").get(150) == b"0"
    assert day.venue.desk.session.hold("COMI") is not None
    assert statuses(await day.market_data()) == [("f", "COMI", "2")]
    halted = day.order(BUY, 10, "150.00")
    assert (halted.get(150), halted.get(103), halted.get_text(58)) == (b"8", b"2", "COMI is halted: EGX single-stock halt")
    day.seller.cancel("c2", resting.required_text(11), SELL, symbol="COMI")
    assert kinds(day.seller.received)[-1] == ("c2", "4")
    day.at("08:49:59")
    assert day.order(BUY, 10, "150.00").get(150) == b"8"
    day.at("08:50:00")
    assert statuses(await day.market_data()) == [("f", "COMI", "3")]
    assert day.order(BUY, 10, "150.00").get(150) == b"0"

    # The index that the exchange watches falls by 10 %, then by 20 %.
    day.at("09:00:00")
    day.venue.note_index(records.IndexValue(9_000_000, 10_000_000), day.clock.time)
    assert statuses(await day.market_data()) == [("h", "CONTINUOUS", "1")]
    assert day.order(BUY, 10, "150.00").get_text(58) == "the market is halted: EGX market-wide halt"
    day.at("09:30:00")
    assert statuses(await day.market_data()) == [("h", "CONTINUOUS", "2")]

    day.at("11:15:00")
    assert day.phase is Phase.CLOSING_AUCTION
    day.order(SELL, 500, "150.00")
    day.order(BUY, 490, "150.50")
    traded = len(day.prices)
    day.at("11:22:59")
    assert day.phase is Phase.CLOSING_AUCTION
    day.at("11:25:00")
    uncrossed = [
        record.time
        for record in day.venue.log.records(day.venue.log.segment)
        if record.type is RecordType.PHASE_ENTERED and records.phase_entered(record.payload).uncross
    ]
    assert len(uncrossed) == 2
    assert set(day.prices[traded:]) == {15000}
    assert day.phase is Phase.TRADE_AT_LAST
    assert [status[1] for status in statuses(await day.market_data())] == ["CLOSING_AUCTION", "CLOSED", "TRADE_AT_LAST"]

    # One price only, whatever the limit says.
    day.order(SELL, 30, "149.00")
    assert day.prices[-1] == 15000
    day.order(BUY, 40, "155.00")
    assert set(day.prices[traded:]) == {15000}

    day.at("11:30:00")
    assert day.phase is Phase.CLOSED
    assert day.venue.desk.engine.open_orders == {}
    assert day.buyer.received[-1].get(150) == b"C"
    assert statuses(await day.market_data()) == [("h", "CLOSED", "3")]
    state = day.venue.desk.state_hash()
    day.venue.close()
    assert day.open().desk.state_hash() == state


async def test_a_closing_call_at_egx_ends_at_a_time_that_only_the_venue_knows(tmp_path: Path) -> None:
    ends = set()
    for number in range(4):
        day = Day(tmp_path / f"{number}", "EGX", "2027-02-09", "COMI", f"07:00:{number:02d}")
        (end,) = [event.at for event in day.venue.course.events if event.phase is Phase.CLOSING_AUCTION][1:]
        assert at("2027-02-09T11:23:00") <= end <= at("2027-02-09T11:25:00")
        ends.add(end)
    assert len(ends) == 4


async def test_a_normal_day_at_egx_has_no_opening_call_as_its_hours_are_not_verified(tmp_path: Path) -> None:
    day = Day(tmp_path, "EGX", "2026-11-18", "COMI", "07:59:59")
    assert day.phase is Phase.CLOSED
    day.at("08:00:00")
    assert day.phase is Phase.CONTINUOUS
    day.at("12:15:00")
    assert day.phase is Phase.CLOSING_AUCTION


async def test_a_day_at_adx_with_a_halt_auction_at_five_percent(tmp_path: Path) -> None:
    day = Day(tmp_path, "ADX", "2026-11-18", "ADCB", "05:00:00")
    reference = day.venue.rules.reference.instruments["ADCB"].reference_price // 10_000

    def price(hundredths: int) -> str:
        even = hundredths - hundredths % 2
        return f"{even // 100}.{even % 100:02d}"

    day.at("05:30:00")
    assert day.phase is Phase.PRE_OPEN
    day.order(BUY, 500, price(reference + 4))
    day.order(SELL, 500, price(reference - 4))
    day.at("06:00:00")
    assert day.phase is Phase.CONTINUOUS
    # Equal volume from bid to offer: the price nearest to the reference.
    assert day.prices == [reference]

    fallen = reference - reference * 5 // 100 - 4
    day.order(BUY, 100, price(fallen))
    day.order(SELL, 100, price(fallen))
    held = day.venue.desk.session.hold("ADCB")
    assert held is not None
    assert held.until == day.clock.time + 5 * 60_000_000_000
    trades = len(day.prices)
    day.order(BUY, 300, price(fallen + 20))
    day.order(SELL, 200, price(fallen + 10))
    market = day.order(BUY, 10, "", ord_type=b"1")
    assert market.get(103) == b"11"
    assert "halt auction" in (market.get_text(58) or "")
    assert len(day.prices) == trades
    seen = await day.market_data()
    assert statuses(seen)[-1] == ("f", "ADCB", "2")
    told = next(message for message in seen if message.msg_type == "f")
    assert [told.get_text(tag) for tag in (336, 625, 327, 58)] == [
        "CONTINUOUS",
        "AUCTION",
        "M",
        "halt auction: ADX single-stock circuit breaker, until 20261118-06:05:00.000 UTC",
    ]
    assert auction_prices(seen)[-1][1:] == (price(fallen + 20).encode(), b"200")
    day.at("06:05:00")
    assert day.prices[trades:] == [int(price(fallen + 20).replace(".", ""))]
    assert statuses(await day.market_data()) == [("f", "ADCB", "3")]
    # Each level once a day.
    day.order(BUY, 10, price(fallen))
    day.order(SELL, 110, price(fallen))
    assert day.venue.desk.session.hold("ADCB") is None

    day.at("10:45:00")
    assert day.phase is Phase.CLOSING_AUCTION
    day.order(BUY, 70, price(reference))
    day.order(SELL, 70, price(reference))
    day.at("10:55:00")
    assert (day.phase, day.prices[-1]) == (Phase.TRADE_AT_LAST, int(price(reference).replace(".", "")))
    assert day.venue.desk.session.closing_prices["ADCB"] == int(price(reference).replace(".", "")) * 10_000
    day.at("11:00:00")
    assert day.phase is Phase.CLOSED


async def test_a_venue_that_was_down_does_what_it_missed_in_order(tmp_path: Path) -> None:
    day = Day(tmp_path, "EGX", "2027-02-09", "COMI", "07:30:00")
    day.order(BUY, 100, "140.00")
    day.order(SELL, 60, "138.00")
    day.venue.close()
    day.clock.time = at("2027-02-09T11:40:00")
    day.venue = day.open()
    # The opening uncross came first, the close last: what was left expired.
    assert len(day.prices) == 1
    assert day.phase is Phase.CLOSED
    assert day.venue.desk.engine.open_orders == {}
    day.buyer.join(day.venue)
    assert kinds(day.buyer.received)[-2:] == [("1", "F"), ("1", "C")]


@pytest.mark.parametrize("exchange", ["EGX", "ADX"])
async def test_the_demonstration_session_is_continuous_all_day_and_never_halts(tmp_path: Path, exchange: str) -> None:
    clock = HandClock(at("2026-11-18T00:00:00"))
    venue = open_venue(tmp_path, clock, exchange=exchange)
    first = venue.day
    for _ in range(60):
        assert venue.desk.session.phase is Phase.CONTINUOUS
        clock.time += 3_600_000_000_000
        venue.follow_clock()
    assert (venue.day - first).days == 2
    kinds_logged = [record.type for record in venue.log.records(venue.log.segment)]
    assert kinds_logged == [RecordType.DAY_STARTED, RecordType.PHASE_ENTERED]


async def test_a_session_day_cut_off_after_any_record_or_inside_one_owes_the_same_reports(tmp_path: Path) -> None:
    day = Day(tmp_path / "whole", "EGX", "2027-02-09", "COMI", "07:30:00")
    copies = MemberLine("TRADSYS-DC", day.clock)
    copies.join(day.venue)
    day.order(BUY, 300, "140.00")
    day.order(SELL, 100, "138.00")
    day.order(SELL, 150, "139.50")
    day.at("08:00:00")
    day.buyer.replace("r1", "1", BUY, 280, "139.00")
    day.order(SELL, 1000, "153.00")
    day.at("08:40:00")
    day.order(BUY, 1000, "153.00")
    day.at("08:50:00")
    day.at("11:15:00")
    day.order(SELL, 500, "150.00")
    day.order(BUY, 490, "150.50")
    day.at("11:25:00")
    day.order(BUY, 5, "155.00")
    day.at("11:30:00")
    segment, log_records = day.venue.log.segment, list(day.venue.log.records(day.venue.log.segment))
    state = day.venue.desk.state_hash()
    day.venue.close()
    expected = reports_of(tmp_path / "whole")
    assert set(expected) == {"TRADSYS-W1", "TRADSYS-W2", "TRADSYS-DC"}
    data = (tmp_path / "whole" / f"{segment:016d}.events").read_bytes()
    for index, record in enumerate(log_records[1:], start=1):
        start = log_records[index - 1].offset + (len(log_records[index - 1].payload) + 7 & ~7)
        for cut in (start, start + 20, record.offset + 5):
            folder = tmp_path / f"cut-{cut}"
            folder.mkdir()
            (folder / f"{segment:016d}.events").write_bytes(data[:cut])
            clock = HandClock(log_records[index - 1].time)
            again = open_venue(folder, clock, load=own_hours("EGX"))
            hash_again = again.desk.state_hash()
            again.close()
            for member, reports in reports_of(folder).items():
                assert reports == expected[member][: len(reports)], f"cut at {cut}"
            twice = open_venue(folder, clock, load=own_hours("EGX"))
            assert twice.desk.state_hash() == hash_again
            twice.close()
            shutil.rmtree(folder)
    day.venue = day.open()
    assert day.venue.desk.state_hash() == state
    day.venue.close()
    assert reports_of(tmp_path / "whole") == expected


async def test_a_log_that_knew_of_no_phases_still_recovers(tmp_path: Path) -> None:
    clock = HandClock()
    log = EventLog(tmp_path)
    # As a venue without phases wrote it: the first record ends with the sessions.
    fields = ["EGX", "old", "2026-11-18", 7, 8, 9, {"COMI": 139_000_000}, {}]
    log.start_segment(clock.now(), msgspec.msgpack.encode(fields))
    log.close()
    venue = open_venue(tmp_path, clock)
    assert (venue.desk.session.phase, venue.desk.engine.order_number) == (Phase.CONTINUOUS, 7)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", BUY, 10, "138.00")
    assert kinds(line.received) == [("1", "0")]
    venue.close()


async def test_an_order_that_comes_before_the_timer_finds_the_phase_of_its_own_time(tmp_path: Path) -> None:
    day = Day(tmp_path, "ADX", "2026-11-18", "ADCB", "05:30:00")
    day.order(BUY, 10, "14.40")
    day.clock.time = at("2026-11-18T06:00:00")
    assert day.order(SELL, 10, "14.40", time_in_force=b"3").get(150) == b"0"
    assert day.prices == [1440]
    day.clock.time = at("2026-11-18T11:00:00")
    assert day.order(BUY, 10, "14.40").get_text(58) == "the session is closed"


async def test_a_market_halt_for_the_rest_of_the_session_lasts_over_the_gap_before_trade_at_last(tmp_path: Path) -> None:
    day = Day(tmp_path, "EGX", "2027-02-09", "COMI", "08:00:00")
    day.venue.note_index(records.IndexValue(7_900_000, 10_000_000), day.clock.time)
    for time in ("09:00:00", "11:16:00", "11:24:59", "11:26:00"):
        day.at(time)
        assert day.order(BUY, 10, "139.00").get(150) == b"8"
    assert day.order(BUY, 10, "139.00").get_text(58) == "the market is halted: EGX market-wide halt"
    day.at("11:30:00")
    assert day.venue.desk.session.holds == {}
