"""The fault switches of a running venue, by their command, seen from a member's socket."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from exchanges.fix.timestamps import timestamp_to_text
from tests.integration.simulator.venue_process import LoopbackMember, VenueProcess, until
from tests.unit.simulator.in_memory_lines import BUY, SELL, kinds


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    venue = VenueProcess(tmp_path / "log")
    venue.start()
    yield venue
    venue.stop()


@pytest.fixture
async def member(venue: VenueProcess) -> AsyncIterator[LoopbackMember]:
    member = LoopbackMember("TRADSYS-W1", venue)
    await until(lambda: member.logged_on, what="logon")
    yield member
    await member.leave()


async def switch(venue: VenueProcess, *arguments: str) -> str:
    done = await asyncio.to_thread(venue.switch, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def received(member: LoopbackMember) -> list[tuple[str, str]]:
    return kinds(member.application.received)


async def test_a_dropped_line_stays_down_for_its_time_and_loses_nothing(venue: VenueProcess, member: LoopbackMember) -> None:
    await switch(venue, "drop-line", "TRADSYS-W1", "--for", "2")
    await until(lambda: not member.logged_on, what="the cut")
    cut = asyncio.get_running_loop().time()
    member.initiator.send("D", member.fields("1", BUY, 10, "139.00"))
    await until(lambda: member.logged_on, what="the next logon")
    assert asyncio.get_running_loop().time() - cut > 1
    await until(lambda: received(member) == [("1", "0")], what="the report")


async def test_lost_doubled_and_missing_messages_are_healed_by_the_session(venue: VenueProcess, member: LoopbackMember) -> None:
    await switch(venue, "lost-report", "TRADSYS-W1")
    member.initiator.send("D", member.fields("1", BUY, 10, "139.00"))
    await asyncio.sleep(0.2)
    assert received(member) == []
    await switch(venue, "duplicate-report", "TRADSYS-W1")
    member.initiator.send("D", member.fields("2", BUY, 10, "139.00"))
    await until(lambda: len(received(member)) == 3, what="three reports")
    assert received(member) == [("1", "0"), ("2", "0"), ("2", "0")]
    await switch(venue, "gap", "TRADSYS-W1")
    member.initiator.send("D", member.fields("3", BUY, 10, "139.00"))
    await until(lambda: len(received(member)) == 4, what="the report behind the gap")
    # kill -9: what was withheld and doubled is in the log as it went out.
    state = venue.page("/state")
    await asyncio.to_thread(venue.kill)
    await asyncio.to_thread(venue.start)
    assert venue.page("/state")["hash"] == state["hash"]
    member.initiator.send("D", member.fields("4", BUY, 10, "139.00"))
    await until(lambda: received(member)[-1] == ("4", "0"), what="a report after the restart")
    assert len(received(member)) == 5


async def test_delay_reject_and_reset(venue: VenueProcess, member: LoopbackMember) -> None:
    await switch(venue, "delay", "TRADSYS-W1", "400")
    await switch(venue, "reject", "gateway busy", "--orders", "1")
    assert '"gateway busy"' in await switch(venue, "show")
    sent = asyncio.get_running_loop().time()
    member.initiator.send("D", member.fields("1", BUY, 10, "139.00"))
    await until(lambda: received(member) == [("1", "8")], what="the refusal")
    assert asyncio.get_running_loop().time() - sent > 0.35
    assert member.application.received[0].get_text(58) == "gateway busy"
    await switch(venue, "reject", "all of them", "--symbol", "COMI")
    await switch(venue, "reset")
    member.initiator.send("D", member.fields("2", BUY, 10, "139.00"))
    await until(lambda: received(member)[-1] == ("2", "0"), what="the report")


async def test_halts_phases_and_news_reach_a_subscriber(venue: VenueProcess, member: LoopbackMember) -> None:
    watcher = LoopbackMember("TRADSYS-MD", venue)
    await until(lambda: watcher.logged_on, what="logon")
    await switch(venue, "halt", "COMI", "--text", "news pending")
    await switch(venue, "resume", "COMI")
    await switch(venue, "phase", "PRE_OPEN")
    await switch(venue, "phase", "timetable")
    await switch(venue, "news", "Dividend", "EGP 2.00 a share", "--symbol", "COMI")
    seen = watcher.application.received
    await until(lambda: len(seen) == 5, what="five notices")
    assert [(m.msg_type, m.get(326) or m.get(340) or m.get(148)) for m in seen] == [
        ("f", b"2"),
        ("f", b"3"),
        ("h", b"4"),
        ("h", b"2"),
        ("B", b"Dividend"),
    ]
    await watcher.leave()


async def test_replacements_and_mass_cancels_over_sockets_survive_a_kill(venue: VenueProcess, member: LoopbackMember) -> None:
    member.initiator.send("D", member.fields("1", BUY, 10, "138.00"))
    member.initiator.send("G", member.replace_fields("2", "1", BUY, 30, "138.50"))
    member.initiator.send("D", member.fields("3", SELL, 5, "140.00"))
    await until(lambda: received(member) == [("1", "0"), ("2", "5"), ("3", "0")], what="three reports")
    state = venue.page("/state")
    await asyncio.to_thread(venue.kill)
    await asyncio.to_thread(venue.start)
    assert venue.page("/state")["hash"] == state["hash"]
    await until(lambda: member.logged_on, what="logon")
    moment = timestamp_to_text(member.initiator.session.clock.now())
    member.initiator.send("q", [(11, b"m"), (530, b"7"), (60, moment)])
    await until(lambda: len(member.application.received) == 6, what="the mass cancel")
    report = member.application.received[3]
    assert (report.msg_type, report.get(531), report.get(533)) == ("r", b"7", b"2")
    assert received(member)[3:] == [("2", "4"), ("3", "4")]
    first = venue.page("/orders")[0]
    assert (first["client_order_id"], first["first_client_order_id"]) == ("2", "1")


async def test_a_refused_switch_says_why_and_no_token_no_switch(venue: VenueProcess, tmp_path: Path) -> None:
    refused = await asyncio.to_thread(venue.switch, "gap", "NOBODY")
    assert refused.returncode == 1
    assert "UNKNOWN_SESSION" in refused.stderr
    request = urllib.request.Request(f"http://127.0.0.1:{venue.admin_port}/halt", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as answer:
        await asyncio.to_thread(urllib.request.urlopen, request, timeout=5)
    assert answer.value.code == 401
    assert venue.page("/session")["halts"] == []
    assert (venue.folder / "admin-token").stat().st_mode & 0o777 == 0o600
