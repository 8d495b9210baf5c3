"""A venue in memory with real sessions on both ends; only the sockets and the clock are the test's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from exchanges.fix.application import Application
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Field, Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.fix.timestamps import timestamp_to_text
from exchanges.reference import VenueReference, load_venue_reference
from exchanges.simulator import records
from exchanges.simulator.event_log import EventLog, RecordType
from exchanges.simulator.rules import TradingRules, without_demo_session
from exchanges.simulator.venue import Venue

MORNING = 1_795_000_000_000_000_000
"""2026-11-18 11:06:40 UTC."""
DAY_NS = 86_400_000_000_000

BUY, SELL = b"1", b"2"


class HandClock:
    """A clock that the test moves."""

    def __init__(self, now: int = MORNING) -> None:
        self.time = now

    def now(self) -> int:
        return self.time


class ListWire:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


class MemberApplication(Application):
    def __init__(self) -> None:
        self.received: list[Message] = []
        self.rejects: list[Message] = []

    def on_logon(self, session: Session) -> None:
        pass

    def on_logout(self, session: Session) -> None:
        pass

    def on_reject(self, session: Session, message: Message) -> None:
        self.rejects.append(message)

    def on_application_message(self, session: Session, message: Message) -> None:
        self.received.append(message)

    def on_read_complete(self, session: Session) -> None:
        pass


class MemberLine:
    """A member's end; `join` connects it to a venue's session, `exchange` carries bytes both ways until nothing moves."""

    def __init__(self, comp_id: str, clock: HandClock, *, reset_on_logon: bool = False, exchange: str = "EGX") -> None:
        self.comp_id = comp_id
        self.application = MemberApplication()
        self.clock = clock
        config = SessionConfig(
            sender_comp_id=comp_id,
            target_comp_id=exchange,
            hosts=(("memory", 1),),
            dictionary=FIX44,
            reset_on_logon=reset_on_logon,
        )
        self.session = Session(config, self.application, MemoryStore(), clock)
        self.peer: Session | None = None
        self._out, self._in = ListWire(), ListWire()

    @property
    def received(self) -> list[Message]:
        return self.application.received

    def join(self, venue: Venue) -> None:
        if self.session.logged_on:
            self.session.disconnected()
        if venue.sessions[self.comp_id].is_connected:
            venue.sessions[self.comp_id].disconnected()
        self._out, self._in = ListWire(), ListWire()
        self.peer = venue.sessions[self.comp_id]
        self.peer.connected(self._in)
        self.session.connected(self._out)
        self.exchange()

    def exchange(self) -> None:
        assert self.peer is not None
        while self._out.written or self._in.written:
            for data in self._taken(self._out):
                self.peer.receive(data)
            for data in self._taken(self._in):
                self.session.receive(data)
            while self.peer.resend_pending or self.session.resend_pending:
                self.peer.continue_resend()
                self.session.continue_resend()

    def send(self, msg_type: str, fields: list[Field]) -> None:
        self.session.send(msg_type, fields)
        self.exchange()

    def order(
        self,
        client_order_id: str,
        side: bytes,
        quantity: int,
        price: str,
        *,
        symbol: str = "COMI",
        time_in_force: bytes = b"0",
        ord_type: bytes = b"2",
    ) -> None:
        self.send("D", self.order_fields(client_order_id, side, quantity, price, symbol, time_in_force, ord_type))

    def order_fields(
        self,
        client_order_id: str,
        side: bytes,
        quantity: int,
        price: str,
        symbol: str = "COMI",
        time_in_force: bytes = b"0",
        ord_type: bytes = b"2",
    ) -> list[Field]:
        fields: list[Field] = [(11, client_order_id.encode()), (1, b"COR-001"), (21, b"1"), (55, symbol.encode()), (54, side)]
        fields += [(60, timestamp_to_text(self.clock.now())), (38, b"%d" % quantity), (40, ord_type)]
        if ord_type == b"2":
            fields.append((44, price.encode()))
        return [*fields, (59, time_in_force)]

    def cancel(self, client_order_id: str, original: str, side: bytes, symbol: str = "COMI") -> None:
        fields: list[Field] = [(41, original.encode()), (11, client_order_id.encode()), (1, b"COR-001"), (55, symbol.encode())]
        self.send("F", [*fields, (54, side), (60, timestamp_to_text(self.clock.now())), (38, b"1")])

    def replace(
        self,
        client_order_id: str,
        original: str,
        side: bytes,
        quantity: int,
        price: str,
        *,
        symbol: str = "COMI",
        time_in_force: bytes = b"0",
    ) -> None:
        self.send("G", self.replace_fields(client_order_id, original, side, quantity, price, symbol, time_in_force))

    def replace_fields(
        self,
        client_order_id: str,
        original: str,
        side: bytes,
        quantity: int,
        price: str,
        symbol: str = "COMI",
        time_in_force: bytes = b"0",
    ) -> list[Field]:
        return [(41, original.encode()), *self.order_fields(client_order_id, side, quantity, price, symbol, time_in_force)]

    @staticmethod
    def _taken(wire: ListWire) -> list[bytes]:
        taken, wire.written = wire.written, []
        return taken


def reference(day: date) -> VenueReference:
    return load_venue_reference("EGX", day=day)


def own_hours(exchange: str) -> Callable[[date], VenueReference]:
    """The exchange's own hours: the demonstration's reference prices, without its session that never closes."""
    return lambda day: without_demo_session(load_venue_reference(exchange, day=day))


def open_venue(
    folder: Path,
    clock: HandClock,
    failures: list[BaseException] | None = None,
    *,
    exchange: str = "EGX",
    load: Callable[[date], VenueReference] | None = None,
) -> Venue:
    """A venue on the log in `folder`; needs a running event loop once market data is touched."""
    told = failures if failures is not None else []
    rules = TradingRules(load or (lambda day: load_venue_reference(exchange, day=day)), clock.now())
    return Venue(exchange, EventLog(folder), rules, clock, on_failure=told.append)


def kinds(messages: list[Message]) -> list[tuple[str, str]]:
    """(ClOrdID, ExecType) of execution reports, ("9", reason) of cancel rejects."""
    found = []
    for message in messages:
        if message.msg_type == "8":
            found.append((message.required_text(11), message.required_text(150)))
        elif message.msg_type == "9":
            found.append((message.required_text(11), "9/" + message.required_text(102)))
    return found


def reports_of(folder: Path) -> dict[str, list[bytes]]:
    """Bodies of the reports in the log by member, without number and sending time."""
    found: dict[str, list[bytes]] = {}
    log = EventLog(folder)
    for segment in log.segments():
        for record in log.records(segment):
            if record.type is RecordType.REPORT:
                frame = records.outbound(record.payload)
                found.setdefault(frame.member, []).append(frame.frame[frame.frame.index(b"\x0156=") : -7])
    log.close()
    return found
