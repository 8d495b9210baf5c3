"""The venue over sessions in memory: order entry, its log, and starting again from any point of it."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import pytest

from exchanges.simulator import records
from exchanges.simulator.event_log import EventLog, LogDamaged, LogInUse, RecordType
from exchanges.simulator.venue import Venue
from tests.unit.simulator.in_memory_lines import BUY, DAY_NS, SELL, HandClock, MemberLine, kinds, open_venue, reports_of


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def test_an_order_is_accepted_filled_and_reported_to_both_sides(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    buyer, seller = MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-W2", clock)
    buyer.join(venue)
    seller.join(venue)
    buyer.order("1", BUY, 100, "139.00")
    seller.order("7", SELL, 40, "138.50")
    buyer.exchange()
    assert kinds(buyer.received) == [("1", "0"), ("1", "F")]
    assert kinds(seller.received) == [("7", "0"), ("7", "F")]
    fill = buyer.received[1]
    assert [fill.get(tag) for tag in (31, 32, 14, 151, 39)] == [b"139.00", b"40", b"40", b"60", b"1"]
    assert seller.received[1].get(39) == b"2"


async def test_what_the_rules_forbid_is_rejected_with_the_reason(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    line.order("1", BUY, 100, "300.00")
    line.order("2", BUY, 100, "139.005")
    line.order("3", BUY, 0, "139.00")
    line.order("4", BUY, 100, "139.00", symbol="NOSUCH")
    texts = [message.get_text(58) or "" for message in line.received]
    assert kinds(line.received) == [(number, "8") for number in "1234"]
    assert ["outside the day's limits" in texts[0], "tick" in texts[1], "not positive" in texts[2], "not listed" in texts[3]] == [
        True
    ] * 4
    assert [message.get(103) for message in line.received] == [b"99", b"99", b"13", b"1"]


async def test_a_client_order_id_used_before_never_makes_a_second_order(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", BUY, 100, "139.00")
    line.order("1", BUY, 100, "139.00")
    line.send("D", [*line.order_fields("1", BUY, 100, "139.00"), (97, b"Y")])
    assert kinds(line.received) == [("1", "0"), ("1", "8"), ("1", "8")]
    assert [message.get(103) for message in line.received[1:]] == [b"6", b"6"]
    assert len(venue.desk.orders) == 1
    assert venue.desk.engine.books["COMI"].level(1, 139_000_000) == (100, 1)


async def test_cancels_are_answered_by_state(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    line.order("1", BUY, 100, "139.00")
    line.cancel("2", "1", BUY)
    line.cancel("3", "1", BUY)
    line.cancel("4", "99", BUY)
    line.cancel("2", "1", BUY)
    assert kinds(line.received)[1:] == [("2", "4"), ("3", "9/0"), ("4", "9/1"), ("2", "9/6")]
    assert line.received[1].get(41) == b"1"


async def test_immediate_and_market_orders_leave_nothing_behind(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", SELL, 50, "139.00")
    line.order("2", BUY, 80, "139.00", time_in_force=b"4")
    line.order("3", BUY, 80, "139.00", time_in_force=b"3")
    line.order("4", BUY, 10, "", ord_type=b"1")
    assert kinds(line.received) == [
        ("1", "0"), ("2", "0"), ("2", "C"), ("3", "0"), ("1", "F"), ("3", "F"), ("3", "C"), ("4", "0"), ("4", "C"),
    ]  # fmt: skip
    assert venue.desk.engine.open_orders == {}


async def test_a_message_that_lacks_a_field_is_rejected_and_the_line_lives(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    line.send("D", [(11, b"1"), (55, b"COMI"), (54, BUY), (60, b"20261118-13:46:40.000"), (40, b"2"), (44, b"139.00"), (38, b"1")])
    line.order("2", BUY, 1, "139.00")
    refusal, report = line.received
    assert (refusal.msg_type, refusal.get(380), refusal.get(372)) == ("j", b"5", b"D")
    assert kinds([report]) == [("2", "0")]


async def test_status_requests_tell_the_state(tmp_path: Path, clock: HandClock) -> None:
    line = MemberLine("TRADSYS-W1", clock)
    line.join(open_venue(tmp_path, clock))
    line.order("1", BUY, 100, "139.00")
    for client_order_id in (b"1", b"5"):
        line.send("H", [(11, client_order_id), (55, b"COMI"), (54, BUY)])
    assert [(message.get(150), message.get(39)) for message in line.received[1:]] == [(b"I", b"0"), (b"I", b"8")]


async def test_orders_of_an_outside_member_end_with_its_line(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    outside, worker = MemberLine("MEMBER-1", clock, reset_on_logon=True), MemberLine("TRADSYS-W1", clock)
    outside.join(venue)
    worker.join(venue)
    outside.order("1", BUY, 100, "139.00")
    worker.order("1", BUY, 30, "138.00")
    venue.sessions["MEMBER-1"].disconnected()
    assert [order.member for order in venue.desk.engine.open_orders.values()] == ["TRADSYS-W1"]


async def test_the_day_ends_with_expiries_and_the_next_one_starts_empty(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", BUY, 100, "139.00")
    line.order("2", SELL, 60, "139.00")
    first_day = venue.day
    clock.time += DAY_NS
    venue.follow_clock()
    line.exchange()
    assert kinds(line.received)[-1] == ("1", "C")
    assert (venue.day - first_day).days == 1
    assert venue.desk.orders == []
    assert venue.desk.engine.books["COMI"].last_price == 139_000_000
    line.order("1", BUY, 100, "139.00")
    exec_ids = [message.get(17) for message in line.received]
    assert kinds(line.received)[-1] == ("1", "0")
    assert len(set(exec_ids)) == len(exec_ids)
    # A member that was away over midnight still gets the frames of the day before.
    venue.close()
    again = open_venue(tmp_path, clock)
    frames = dict(again.sessions["TRADSYS-W1"].store.outgoing(1, 100))
    assert len([frame for frame in frames.values() if b"\x0135=8\x01" in frame]) == len(line.received)
    assert len(again.desk.engine.open_orders) == 1


async def test_two_venues_do_not_share_a_log(tmp_path: Path, clock: HandClock) -> None:
    open_venue(tmp_path, clock)
    with pytest.raises(LogInUse):
        EventLog(tmp_path)


def busy_morning(venue: Venue, clock: HandClock) -> None:
    """Orders, fills, cancels, a reject, a reset and a lost line of three members."""
    lines = [MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-W2", clock), MemberLine("MEMBER-1", clock, reset_on_logon=True)]
    for line in lines:
        line.join(venue)
    for number in range(1, 9):
        clock.time += 1_000_000
        lines[0].order(f"{number}", BUY, 10 * number, f"138.{number}0")
        lines[number % 2 + 1].order(f"{number}", SELL, 7 * number, f"138.{9 - number}0")
        lines[0].cancel(f"c{number}", f"{max(1, number - 2)}", BUY)
    lines[1].order("bad", SELL, 1, "300.00")
    lines[2].join(venue)
    lines[2].order("late", BUY, 5, "138.00")
    venue.sessions["MEMBER-1"].disconnected()
    for line in lines[:2]:
        line.exchange()


async def test_a_venue_cut_off_after_any_record_or_inside_one_owes_and_sends_the_same_reports(
    tmp_path: Path, clock: HandClock
) -> None:
    whole = tmp_path / "whole"
    venue = open_venue(whole, clock)
    busy_morning(venue, clock)
    final_hash = venue.desk.engine.state_hash()
    segment = venue.log.segment
    log_records = list(venue.log.records(segment))
    venue.close()
    expected = reports_of(whole)
    data = (whole / f"{segment:016d}.events").read_bytes()
    for index, record in enumerate(log_records[1:], start=1):
        start = log_records[index - 1].offset + (len(log_records[index - 1].payload) + 7 & ~7)
        for cut in (start, start + 20, record.offset + 5):
            folder = tmp_path / f"cut-{index}-{cut}"
            folder.mkdir()
            (folder / f"{segment:016d}.events").write_bytes(data[:cut])
            again = open_venue(folder, clock)
            again.close()
            found = reports_of(folder)
            for member, reports in found.items():
                if member != "MEMBER-1":  # its line is lost by the cut itself, at another time than in the whole log
                    assert reports == expected[member][: len(reports)], f"cut at {cut}"
            shutil.rmtree(folder)
    again = open_venue(whole, clock)
    assert again.desk.engine.state_hash() == final_hash
    assert reports_of_open(again) == expected


def reports_of_open(venue: Venue) -> dict[str, list[bytes]]:
    venue.close()
    return reports_of(venue.log.folder)


async def test_a_peer_that_missed_reports_gets_each_exactly_once(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    buyer, seller = MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-W2", clock)
    buyer.join(venue)
    seller.join(venue)
    buyer.order("1", BUY, 100, "139.00")
    buyer.session.disconnected()
    for number in range(5):
        seller.order(f"s{number}", SELL, 10, "139.00")
    venue.close()
    again = open_venue(tmp_path, clock)
    buyer.join(again)
    assert kinds(buyer.received) == [("1", "0")] + [("1", "F")] * 5
    exec_ids = [message.get(17) for message in buyer.received]
    assert len(set(exec_ids)) == 6


async def test_a_message_that_was_logged_but_not_answered_is_not_taken_twice(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    line.order("1", BUY, 100, "139.00")
    records_now = list(venue.log.records(venue.log.segment))
    inbound = next(record for record in records_now if record.type is RecordType.INBOUND)
    path = venue.log.path(venue.log.segment)
    venue.close()
    path.write_bytes(path.read_bytes()[: inbound.offset + (len(inbound.payload) + 7 & ~7)])
    again = open_venue(tmp_path, clock)
    assert again.sessions["TRADSYS-W1"].store.next_target == inbound_number(inbound.payload) + 1
    assert len(again.desk.orders) == 1
    other = MemberLine("TRADSYS-W1", clock)
    other.session.store.set_next_target(1)
    assert len(list(again.sessions["TRADSYS-W1"].store.outgoing(1, 99))) == 2  # the Logon and the report that was owed


def inbound_number(payload: bytes) -> int:
    return records.inbound(payload).number


async def test_a_log_of_another_exchange_or_with_damage_inside_is_refused(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    busy_morning(venue, clock)
    path = venue.log.path(venue.log.segment)
    venue.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(LogDamaged, match="whole records follow"):
        open_venue(tmp_path, clock)


async def test_a_log_that_cannot_be_written_ends_the_venue(tmp_path: Path, clock: HandClock) -> None:
    failures: list[BaseException] = []
    venue = open_venue(tmp_path, clock, failures)
    line = MemberLine("TRADSYS-W1", clock)
    line.join(venue)
    path = venue.log.path(venue.log.segment)
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Room for half a record: the disk is full in the middle of a write.
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 60, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            line.order("1", BUY, 100, "139.00")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failures
    assert venue.desk.orders == []
    assert path.stat().st_size == size
    with pytest.raises(OSError, match="about to end"):
        line.order("2", BUY, 100, "139.00")
