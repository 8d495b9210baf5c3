"""The admin port's switches over real sockets, against a venue with members in memory; and what each fault does to a line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from exchanges.simulator import records
from exchanges.simulator.admin import AdminServer
from exchanges.simulator.event_log import RecordType
from exchanges.simulator.switches import AdminTokenError, Switches, admin_token
from exchanges.simulator.venue import Venue
from tests.unit.simulator.in_memory_lines import BUY, DAY_NS, MORNING, SELL, HandClock, MemberLine, kinds, open_venue, own_hours

TOKEN = "t" * 40


class Admin:
    """A client of the admin port of one venue."""

    def __init__(self, venue: Venue, clock: HandClock, port: int) -> None:
        self.venue = venue
        self.clock = clock
        self.port = port

    async def ask(self, method: str, path: str, body: Any = None, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        payload = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: venue\r\nContent-Length: {len(payload)}\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        writer.write(head.encode() + b"\r\n" + payload)
        answer = await reader.read()
        writer.close()
        status, _, document = answer.partition(b"\r\n\r\n")
        return int(status.split(b" ")[1]), json.loads(document)

    async def switch(self, path: str, **body: Any) -> dict[str, Any]:
        status, answer = await self.ask("POST", path, body)
        assert status == 200, answer
        return answer

    def audit(self) -> list[tuple[str, str]]:
        found = []
        for record in self.venue.log.records(self.venue.log.segment):
            if record.type is RecordType.SWITCHED:
                switched = records.switched(record.payload)
                found.append((switched.switch, switched.body))
        return found


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def admin(tmp_path: Path, clock: HandClock) -> AsyncIterator[Admin]:
    venue = open_venue(tmp_path, clock)
    server = AdminServer(venue, "127.0.0.1", 0, Switches(venue, TOKEN))
    await server.start()
    yield Admin(venue, clock, server.port)
    await server.stop()
    venue.close()


def line_of(admin: Admin, name: str = "TRADSYS-W1") -> MemberLine:
    line = MemberLine(name, admin.clock)
    line.join(admin.venue)
    return line


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/faults/explode", {}, "UNKNOWN_SWITCH"),
        ("/", {}, "UNKNOWN_SWITCH"),
        ("/faults/gap", b"no json", "BAD_BODY"),
        ("/faults/gap", b"", "BAD_BODY"),
        ("/faults/gap", {}, "BAD_BODY"),
        ("/faults/gap", {"session": "TRADSYS-W1", "more": 1}, "BAD_BODY"),
        ("/faults/gap", {"session": "NOBODY"}, "UNKNOWN_SESSION"),
        ("/faults/gap", {"session": "TRADSYS-W2"}, "NOT_ON_LINE"),
        ("/faults/drop-line", {"session": "TRADSYS-W2"}, "NOT_ON_LINE"),
        ("/faults/drop-line", {"session": "TRADSYS-W1", "for_seconds": -1}, "BAD_BODY"),
        ("/faults/delay", {"session": "TRADSYS-W1", "milliseconds": "soon"}, "BAD_BODY"),
        ("/faults/delay", {"session": "TRADSYS-W1", "milliseconds": 1.5}, "BAD_BODY"),
        ("/faults/reject", {"text": "no\u0001"}, "BAD_BODY"),
        ("/faults/reject", {"text": "no", "orders": 0}, "BAD_BODY"),
        ("/faults/reject", {"text": "no", "symbol": "NOSUCH"}, "UNKNOWN_SYMBOL"),
        ("/faults/lost-report", {"session": "TRADSYS-W1", "reports": 0}, "BAD_BODY"),
        ("/faults/lost-report", {"session": "TRADSYS-MD"}, "UNKNOWN_SESSION"),
        ("/halt", {"symbol": "NOSUCH"}, "UNKNOWN_SYMBOL"),
        ("/halt", {"kind": "auction"}, "BAD_BODY"),
        ("/halt", {"symbol": "COMI", "kind": "earthquake"}, "BAD_BODY"),
        ("/resume", {"symbol": "COMI"}, "NOT_HALTED"),
        ("/index", {"value": "9", "previous_close": "10"}, "NO_MARKET_HALT"),
        ("/phase", {"phase": "LUNCH"}, "BAD_BODY"),
        ("/news", {"headline": "x", "lines": []}, "BAD_BODY"),
    ],
)
async def test_a_switch_that_cannot_be_taken_says_why_and_nothing_has_changed(
    admin: Admin, path: str, body: Any, code: str
) -> None:
    line_of(admin)
    before = (admin.venue.desk.state_hash(), admin.venue.faults.document(0), admin.venue.log.next_sequence)
    status, answer = await admin.ask("POST", path, body)
    assert (status, answer["code"]) == (400, code)
    assert answer["error"]
    assert (admin.venue.desk.state_hash(), admin.venue.faults.document(0), admin.venue.log.next_sequence) == before


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], "ü"])
async def test_without_the_token_nothing_is_switched(admin: Admin, token: str) -> None:
    sequence = admin.venue.log.next_sequence
    for method, path in (("POST", "/halt"), ("POST", "/nothing"), ("DELETE", "/faults")):
        status, answer = await admin.ask(method, path, {}, token.encode("utf-8").decode("latin-1"))
        assert (status, answer["code"]) == (401, "TOKEN_REFUSED")
    assert admin.venue.desk.session.holds == {}
    assert admin.venue.log.next_sequence == sequence


async def test_a_port_that_is_not_on_the_loopback_switches_nothing(tmp_path: Path, clock: HandClock) -> None:
    venue = open_venue(tmp_path, clock)
    server = AdminServer(venue, "127.0.0.1", 0, None)
    await server.start()
    status, answer = await Admin(venue, clock, server.port).ask("POST", "/halt", {})
    await server.stop()
    assert (status, answer["code"]) == (403, "SWITCHES_OFF")


async def test_too_long_a_body_is_not_read(admin: Admin) -> None:
    status, _ = await admin.ask("POST", "/halt", b" " * 20_000)
    assert status == 413


async def test_orders_are_refused_by_a_switch_and_the_refusal_is_in_the_log(admin: Admin, tmp_path: Path) -> None:
    line, other = line_of(admin), line_of(admin, "TRADSYS-W2")
    shown = await admin.switch("/faults/reject", text="gateway busy", orders=2)
    assert shown["rejections"] == [{"text": "gateway busy", "session": "", "symbol": "", "orders_left": 2}]
    await admin.switch("/faults/reject", text="not this one", symbol="TMGH", session="TRADSYS-W2")
    for number in ("1", "2", "3"):
        line.order(number, BUY, 10, "138.00")
    other.order("1", BUY, 10, "78.00", symbol="TMGH")
    line.order("4", BUY, 10, "78.00", symbol="TMGH")
    assert kinds(line.received) == [("1", "8"), ("2", "8"), ("3", "0"), ("4", "0")]
    assert line.received[0].get_text(58) == "gateway busy"
    assert other.received[0].get_text(58) == "not this one"
    state = admin.venue.desk.state_hash()
    admin.venue.close()
    again = open_venue(tmp_path, admin.clock)
    assert again.desk.state_hash() == state
    assert again.faults.document(0)["rejections"] == []
    again.close()


async def test_a_lost_report_comes_when_the_next_message_shows_the_gap(admin: Admin) -> None:
    line = line_of(admin)
    await admin.switch("/faults/lost-report", session="TRADSYS-W1")
    line.order("1", BUY, 10, "138.00")
    assert line.received == []
    line.order("2", BUY, 10, "138.00")
    assert kinds(line.received) == [("1", "0"), ("2", "0")]
    assert line.received[0].get(43) == b"Y"


async def test_a_report_is_sent_twice_with_one_exec_id(admin: Admin, tmp_path: Path) -> None:
    line = line_of(admin)
    await admin.switch("/faults/duplicate-report", session="TRADSYS-W1")
    line.order("1", BUY, 10, "138.00")
    line.order("2", BUY, 10, "138.00")
    assert kinds(line.received) == [("1", "0"), ("1", "0"), ("2", "0")]
    assert line.received[0].get(17) == line.received[1].get(17)
    assert line.received[0].get(34) != line.received[1].get(34)
    state = admin.venue.desk.state_hash()
    admin.venue.close()
    again = open_venue(tmp_path, admin.clock)
    assert again.desk.state_hash() == state
    again.close()


async def test_a_gap_makes_the_peer_ask_and_is_filled(admin: Admin) -> None:
    line = line_of(admin)
    line.order("1", BUY, 10, "138.00")
    expected = line.session.store.next_target
    await admin.switch("/faults/gap", session="TRADSYS-W1")
    line.exchange()
    assert line.session.store.next_target == expected
    line.order("2", BUY, 10, "138.00")
    assert kinds(line.received) == [("1", "0"), ("2", "0")]
    assert line.session.store.next_target == expected + 2
    assert line.session.logged_on


async def test_delayed_reports_come_late_and_in_order(admin: Admin) -> None:
    line, other = line_of(admin), line_of(admin, "TRADSYS-W2")
    assert (await admin.switch("/faults/delay", session="TRADSYS-W1", milliseconds=150))["delay_milliseconds"] == {
        "TRADSYS-W1": 150
    }
    line.order("1", BUY, 10, "138.00")
    await admin.switch("/faults/delay", session="TRADSYS-W1", milliseconds=0)
    line.order("2", BUY, 10, "138.00")
    other.order("1", BUY, 10, "138.00")
    assert (line.received, kinds(other.received)) == ([], [("1", "0")])
    await asyncio.sleep(0.25)
    line.exchange()
    assert kinds(line.received) == [("1", "0"), ("2", "0")]
    assert all(message.get(43) is None for message in line.received)


async def test_a_line_is_dropped_and_refused_for_a_time(admin: Admin) -> None:
    line = line_of(admin)
    line.order("1", BUY, 10, "138.00")
    answer = await admin.switch("/faults/drop-line", session="TRADSYS-W1", for_seconds=5)
    assert answer["logons_refused_for_milliseconds"] == {"TRADSYS-W1": 5000}
    assert not admin.venue.sessions["TRADSYS-W1"].is_connected
    assert admin.venue.faults.refuses_logon("TRADSYS-W1", admin.clock.time)
    admin.clock.time += 5_000_000_000
    assert not admin.venue.faults.refuses_logon("TRADSYS-W1", admin.clock.time)
    assert (await admin.ask("GET", "/faults", token=""))[1]["logons_refused_for_milliseconds"] == {}


async def test_what_is_switched_is_kept_in_the_log_and_reset_ends_it(admin: Admin) -> None:
    line_of(admin)
    await admin.switch("/faults/delay", session="TRADSYS-W1", milliseconds=1000)
    await admin.switch("/faults/reject", text="no")
    assert admin.audit() == [
        ("/faults/delay", '{"session": "TRADSYS-W1", "milliseconds": 1000}'),
        ("/faults/reject", '{"text": "no"}'),
    ]
    status, answer = await admin.ask("DELETE", "/faults")
    assert status == 200
    assert not any(answer.values())
    assert admin.audit()[-1] == ("reset /faults", "{}")


async def test_a_halt_by_hand_holds_until_it_is_resumed(admin: Admin, tmp_path: Path) -> None:
    line, watcher = line_of(admin), MemberLine("TRADSYS-MD", admin.clock, reset_on_logon=True)
    watcher.join(admin.venue)
    await admin.switch("/halt", symbol="COMI", text="news pending")
    watcher.exchange()
    assert [(m.msg_type, m.get(326), m.get_text(58)) for m in watcher.received] == [("f", b"2", "news pending")]
    line.order("1", BUY, 10, "138.00")
    line.order("2", BUY, 10, "78.00", symbol="TMGH")
    assert [(m.get(150), m.get_text(58)) for m in line.received] == [(b"8", "COMI is halted: news pending"), (b"0", None)]
    state = admin.venue.desk.state_hash()
    admin.venue.close()
    admin.venue = open_venue(tmp_path, admin.clock)
    assert admin.venue.desk.state_hash() == state
    assert admin.venue.desk.session.hold("COMI") is not None


async def test_a_halt_auction_by_hand_collects_and_uncrosses(admin: Admin) -> None:
    line, other = line_of(admin), line_of(admin, "TRADSYS-W2")
    await admin.switch("/halt", symbol="COMI", kind="auction", for_seconds=60)
    line.order("1", BUY, 10, "139.50")
    other.order("1", SELL, 10, "139.50")
    assert admin.venue.desk.trades == []
    session = (await admin.ask("GET", "/session", token=""))[1]
    assert session["listed_index"] == 1_000_000_000
    assert [(halt["symbol"], halt["kind"]) for halt in session["halts"]] == [("COMI", "auction")]
    admin.clock.time += 60_000_000_000
    admin.venue.follow_clock()
    (trade,) = admin.venue.desk.trades
    assert (trade.price, trade.auction) == (139_500_000, True)
    assert (await admin.ask("GET", "/session", token=""))[1]["listed_index"] > 1_000_000_000
    await admin.switch("/halt", symbol="COMI", kind="auction")
    await admin.switch("/resume", symbol="COMI")
    assert admin.venue.desk.session.holds == {}


async def test_the_phase_is_set_by_hand_and_goes_back_to_the_timetable(admin: Admin) -> None:
    line, watcher = line_of(admin), MemberLine("TRADSYS-MD", admin.clock, reset_on_logon=True)
    watcher.join(admin.venue)
    await admin.switch("/phase", phase="PRE_OPEN")
    line.order("1", BUY, 10, "139.50")
    line.order("2", SELL, 10, "139.50")
    assert admin.venue.desk.trades == []
    await admin.switch("/phase", phase=None)
    assert len(admin.venue.desk.trades) == 1
    await admin.switch("/phase", phase="CLOSED")
    line.order("3", BUY, 10, "139.50")
    assert line.received[-1].get_text(58) == "the session is closed"
    assert (await admin.ask("GET", "/health", token=""))[1]["phase"] == "CLOSED"
    watcher.exchange()
    assert [(m.get(336), m.get(340)) for m in watcher.received] == [
        (b"PRE_OPEN", b"4"),
        (b"CONTINUOUS", b"2"),
        (b"CLOSED", b"3"),
    ]


async def test_the_index_halts_the_market_where_a_dated_row_says_so(tmp_path: Path) -> None:
    clock = HandClock(MORNING - 2 * 3_600_000_000_000)
    venue = open_venue(tmp_path, clock, load=own_hours("EGX"))
    server = AdminServer(venue, "127.0.0.1", 0, Switches(venue, TOKEN))
    await server.start()
    admin = Admin(venue, clock, server.port)
    await admin.switch("/index", value="9001.00", previous_close="10000")
    assert venue.desk.session.holds == {}
    await admin.switch("/index", value="9000.00", previous_close="10000")
    assert venue.desk.session.holds[""].until == clock.time + 30 * 60_000_000_000
    assert (await admin.ask("POST", "/index", {"value": "1", "previous_close": "2"}))[1]["code"] == "BAD_BODY"
    clock.time += 30 * 60_000_000_000
    venue.follow_clock()
    await admin.switch("/index", value="7999.5", previous_close="10000")
    assert venue.desk.session.holds[""].until is None
    state = venue.desk.state_hash()
    await server.stop()
    venue.close()
    again = open_venue(tmp_path, clock, load=own_hours("EGX"))
    assert again.desk.state_hash() == state
    again.close()


async def test_a_halt_by_a_rule_is_ended_by_hand_with_its_uncross(tmp_path: Path) -> None:
    clock = HandClock(MORNING - 2 * 3_600_000_000_000)
    venue = open_venue(tmp_path, clock, exchange="ADX", load=own_hours("ADX"))
    server = AdminServer(venue, "127.0.0.1", 0, Switches(venue, TOKEN))
    await server.start()
    admin = Admin(venue, clock, server.port)
    line = MemberLine("TRADSYS-W1", clock, exchange="ADX")
    line.join(venue)
    for number, (side, price) in enumerate(((BUY, "13.60"), (SELL, "13.60"), (BUY, "13.80"), (SELL, "13.70"))):
        line.order(f"{number}", side, 100, price, symbol="ADCB")
    assert [trade.price for trade in venue.desk.trades] == [13_600_000]
    await admin.switch("/resume", symbol="ADCB")
    assert [trade.price for trade in venue.desk.trades] == [13_600_000, 13_700_000]
    assert venue.desk.session.holds == {}
    # The level is used up for the day, also after the venue has started again.
    state = venue.desk.state_hash()
    await server.stop()
    venue.close()
    venue = open_venue(tmp_path, clock, exchange="ADX", load=own_hours("ADX"))
    assert venue.desk.state_hash() == state
    venue.close()


async def test_a_halt_and_a_phase_by_hand_end_with_the_day_and_subscribers_hear_it(tmp_path: Path) -> None:
    clock = HandClock(MORNING + 2 * DAY_NS)  # a Friday: no session at EGX
    venue = open_venue(tmp_path, clock, load=own_hours("EGX"))
    server = AdminServer(venue, "127.0.0.1", 0, Switches(venue, TOKEN))
    await server.start()
    admin = Admin(venue, clock, server.port)
    watcher = MemberLine("TRADSYS-MD", clock, reset_on_logon=True)
    watcher.join(venue)
    await admin.switch("/phase", phase="CONTINUOUS")
    await admin.switch("/halt", symbol="COMI")
    watcher.exchange()
    clock.time += DAY_NS
    venue.follow_clock()
    watcher.exchange()
    await server.stop()
    venue.close()
    assert [(m.msg_type, m.get(340) or m.get(326)) for m in watcher.received] == [
        ("h", b"2"),
        ("f", b"2"),
        ("h", b"3"),
        ("f", b"3"),
    ]


async def test_news_reaches_the_subscribers(admin: Admin) -> None:
    watcher = MemberLine("TRADSYS-MD", admin.clock, reset_on_logon=True)
    watcher.join(admin.venue)
    await admin.switch("/news", headline="Dividend", lines=["EGP 2.00 a share", "سهم"], symbol="COMI")
    watcher.exchange()
    (news,) = watcher.received
    assert (news.msg_type, news.get_text(148), news.get(55)) == ("B", "Dividend", b"COMI")
    assert [entry[58].decode() for entry in news.group(33)] == ["EGP 2.00 a share", "سهم"]


async def test_status_is_told_on_request(admin: Admin) -> None:
    watcher = MemberLine("TRADSYS-MD", admin.clock, reset_on_logon=True)
    watcher.join(admin.venue)
    watcher.send("g", [(335, b"r1"), (263, b"0")])
    watcher.send("e", [(324, b"r2"), (55, b"COMI"), (263, b"0")])
    watcher.send("e", [(324, b"r3"), (55, b"NOSUCH"), (263, b"0")])
    session, security, unknown = watcher.received
    assert [session.get(tag) for tag in (335, 336, 340)] == [b"r1", b"CONTINUOUS", b"2"]
    assert [security.get(tag) for tag in (324, 55, 326)] == [b"r2", b"COMI", b"17"]
    assert (unknown.msg_type, unknown.get(380)) == ("j", b"2")


def test_a_token_file_is_made_for_its_owner_only_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "admin-token"
    token = admin_token(path)
    assert admin_token(path) == token
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short\n")
    with pytest.raises(AdminTokenError, match="at least 32"):
        admin_token(path)
