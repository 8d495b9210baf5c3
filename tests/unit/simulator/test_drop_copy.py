"""Drop copies: who gets them, since when, and that none is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchanges.simulator.event_log import EventLog
from exchanges.simulator.rules import TradingRules
from exchanges.simulator.venue import DropCopyMember, Venue
from tests.unit.simulator.in_memory_lines import BUY, DAY_NS, SELL, HandClock, MemberLine, kinds, open_venue, reference


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def with_copies_of_one(folder: Path, clock: HandClock) -> Venue:
    return Venue(
        "EGX",
        EventLog(folder),
        TradingRules(reference, clock.now()),
        clock,
        drop_copies=(DropCopyMember("TRADSYS-DC", of=("TRADSYS-W1",)),),
        on_failure=lambda error: None,
    )


async def test_a_drop_copy_session_gets_each_execution_report_of_all_members(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    buyer, seller, copies = (MemberLine(name, clock) for name in ("TRADSYS-W1", "TRADSYS-W2", "TRADSYS-DC"))
    for line in (buyer, seller, copies):
        line.join(venue)
    buyer.order("1", BUY, 100, "139.00")
    buyer.cancel("2", "9", BUY)
    seller.order("1", SELL, 40, "139.00")
    for line in (buyer, copies):
        line.exchange()
    assert kinds(copies.received) == [("1", "0"), ("1", "0"), ("1", "F"), ("1", "F")]
    assert [copy.get(448) for copy in copies.received] == [b"TRADSYS-W1", b"TRADSYS-W2", b"TRADSYS-W1", b"TRADSYS-W2"]
    original = next(report for report in buyer.received if report.get(150) == b"F")
    copy = copies.received[2]
    assert [copy.get(tag) for tag in (17, 37, 11, 31, 32, 452, 797)] == [
        *(original.get(tag) for tag in (17, 37, 11, 31, 32)),
        b"1",
        b"Y",
    ]
    assert original.get(797) is None


async def test_copies_begin_with_the_first_logon_and_go_on_while_the_line_is_down(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    line, copies = MemberLine("TRADSYS-W1", clock), MemberLine("TRADSYS-DC", clock)
    line.join(venue)
    line.order("1", BUY, 10, "138.00")
    assert venue.sessions["TRADSYS-DC"].store.next_sender == 1
    copies.join(venue)
    copies.session.disconnected()
    line.order("2", BUY, 10, "138.00")
    venue.close()
    venue = open_venue(tmp_path, clock)
    line.join(venue)
    line.order("3", BUY, 10, "138.00")
    clock.time += DAY_NS
    venue.follow_clock()
    line.exchange()
    line.order("4", BUY, 10, "138.00")
    copies.join(venue)
    assert kinds(copies.received) == [("2", "0"), ("3", "0"), ("1", "C"), ("2", "C"), ("3", "C"), ("4", "0")]


async def test_a_drop_copy_session_of_one_member_hears_of_no_other(tmp_path: Path, clock: HandClock) -> None:
    venue = with_copies_of_one(tmp_path, clock)
    line, other, copies = (MemberLine(name, clock) for name in ("TRADSYS-W1", "TRADSYS-W2", "TRADSYS-DC"))
    for each in (line, other, copies):
        each.join(venue)
    other.order("1", BUY, 10, "138.00")
    line.order("1", BUY, 10, "138.00")
    copies.exchange()
    assert [copy.get(448) for copy in copies.received] == [b"TRADSYS-W1"]


async def test_a_drop_copy_session_enters_no_orders(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    copies = MemberLine("TRADSYS-DC", clock)
    copies.join(venue)
    copies.order("1", BUY, 10, "138.00")
    assert [(message.msg_type, message.get(380)) for message in copies.received] == [("j", b"3")]
    assert venue.desk.orders == []


async def test_a_business_reject_of_a_member_is_not_answered(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    for name in ("TRADSYS-W1", "TRADSYS-DC"):
        line = MemberLine(name, clock)
        line.join(venue)
        line.send("j", [(372, b"8"), (380, b"3"), (58, b"what is that")])
        assert line.received == []
        assert line.session.logged_on
