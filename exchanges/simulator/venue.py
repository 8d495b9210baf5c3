"""The venue as a FIX application: logs what members send, lets the order desk act on it, sends the reports.

Order of things for each read of a socket: the messages go into the log in one write; the desk applies them; the reports get
their numbers and go into the log in one write; then they go to the sockets. What the clock and the admin port bring (phases,
halts) goes the same way. A venue that dies anywhere in between finishes the work when it starts again, from the log alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from exchanges.api import Phase
from exchanges.fix.application import Application, BusinessReject, UnsupportedMessageType
from exchanges.fix.clock import Clock
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import Frame
from exchanges.simulator import records
from exchanges.simulator.event_log import Entry, EventLog, RecordType
from exchanges.simulator.fault_switches import FaultSwitches
from exchanges.simulator.feed import MarketDataFeed
from exchanges.simulator.market_status import Status, news, security_status, session_status
from exchanges.simulator.order_desk import OrderDesk
from exchanges.simulator.order_entry import (
    CancelRequest,
    MassCancelRequest,
    NewOrder,
    ReplaceRequest,
    Request,
    decode_request,
)
from exchanges.simulator.recovery import SEGMENTS_KEPT, birth_mark, new_desk, recover
from exchanges.simulator.reports import Report
from exchanges.simulator.rules import ACCEPTED, Refusal, TradingRules
from exchanges.simulator.session_course import SessionCourse
from exchanges.simulator.session_state import MARKET
from exchanges.simulator.session_store import LoggedStore, RecentFrames

log = logging.getLogger("exchanges.simulator")


@dataclass(frozen=True, slots=True)
class Member:
    """A counterparty that may log on. ``cancel_on_disconnect``: its orders end when its line does."""

    comp_id: str
    cancel_on_disconnect: bool = False


@dataclass(frozen=True, slots=True)
class DropCopyMember:
    """A counterparty that gets copies of the execution reports of the members ``of``, or of all when none is named.

    Copies begin with its first logon, and never end: what it misses it asks for again.
    """

    comp_id: str
    of: tuple[str, ...] = ()


ORDER_MEMBERS = (
    *(Member(f"TRADSYS-W{number}{line}") for number in range(1, 10) for line in ("", "-2", "-3", "-4")),
    *(Member(f"MEMBER-{number}", cancel_on_disconnect=True) for number in range(1, 4)),
)
DROP_COPY_MEMBERS = (DropCopyMember("TRADSYS-DC"),)
MARKET_DATA_MEMBER = "TRADSYS-MD"


@dataclass(slots=True)
class _Waiting:
    """A message between its arrival and the end of the read that brought it."""

    store: LoggedStore
    request: Request
    refusal: Refusal
    entry: Entry


class Venue(Application):
    """One exchange: sessions of its members around one order desk. Everything runs on one event loop."""

    def __init__(
        self,
        exchange: str,
        event_log: EventLog,
        rules: TradingRules,
        clock: Clock,
        *,
        members: Sequence[Member] = ORDER_MEMBERS,
        drop_copies: Sequence[DropCopyMember] = DROP_COPY_MEMBERS,
        market_data_member: str = MARKET_DATA_MEMBER,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Recover from the log, or begin it. ``on_failure`` is told when the log cannot be written: the process must end then.

        Raises LogDamaged or OSError when the log cannot be used.
        """
        self.exchange = exchange
        self.log = event_log
        self.rules = rules
        self.clock = clock
        self.sessions: dict[str, Session] = {}
        self._on_failure = on_failure
        self.faults = FaultSwitches()
        self._members = {member.comp_id: member for member in members}
        self._drop_copies = {member.comp_id: member for member in drop_copies}
        self._market_data_member = market_data_member
        self._stores: dict[str, LoggedStore] = {}
        self._waiting: list[_Waiting] = []
        self._failed = False
        self.desk: OrderDesk
        self.course: SessionCourse
        self._day: records.DayStarted
        self._day_end = 0
        self._next_due = 0
        """When the clock brings something the next time, ns UTC."""
        for comp_id in [*self._members, *self._drop_copies, market_data_member]:
            self._add_session(comp_id)
        self.feed = MarketDataFeed(lambda: self.desk.engine, self._indicative)
        self._recover()

    # ---- FIX application

    def on_logon(self, session: Session) -> None:
        comp_id = session.config.target_comp_id
        log.info("%s: %s is on line", self.exchange, comp_id)
        copying = self._drop_copies.get(comp_id)
        if copying is not None and self.desk.drop_copies.sessions.get(comp_id) != frozenset(copying.of):
            self.commit()
            begun = records.DropCopyBegun(comp_id, list(copying.of))
            self._append([Entry(RecordType.DROP_COPY_BEGUN, self.clock.now(), records.encode(begun))])
            self.desk.drop_copies.begin(comp_id, copying.of)

    def on_reject(self, session: Session, message: Message) -> None:
        log.warning("%s: %s rejects a message of ours: %r", self.exchange, session.config.target_comp_id, message)

    def on_logout(self, session: Session) -> None:
        comp_id = session.config.target_comp_id
        if comp_id == self._market_data_member:
            self.feed.forget(session)
            return
        self.commit()
        member = self._members.get(comp_id)
        if member is not None and member.cancel_on_disconnect:
            self._line_lost(comp_id)

    def on_application_message(self, session: Session, message: Message) -> None:
        comp_id = session.config.target_comp_id
        if message.msg_type == "j":
            # Answered by another one it would come back for ever.
            log.warning("%s: %s does not take a message of ours: %r", self.exchange, comp_id, message)
            return
        if comp_id == self._market_data_member:
            self._market_data_request(session, message)
            return
        request = decode_request(message)
        if request is None or comp_id not in self._members:
            raise UnsupportedMessageType
        now = self.clock.now()
        if now >= self._next_due:
            self.follow_clock()
        refusal = self._refusal(comp_id, request)
        store = self._stores[comp_id]
        number = message.required_int(34)
        inbound = records.Inbound(comp_id, store.generation, number, message.raw, *refusal)
        store.wait_for(number)
        self._waiting.append(_Waiting(store, request, refusal, Entry(RecordType.INBOUND, now, records.encode(inbound))))

    def on_read_complete(self, session: Session) -> None:
        self.commit()

    # ---- events

    def commit(self) -> None:
        """Log and apply what has come in. Raises OSError when the log cannot be written; nothing has happened then."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        self._append([one.entry for one in waiting])
        reports: list[Report] = []
        for one in waiting:
            one.store.logged()
            reports += self.desk.handle(one.store.member, one.request, one.refusal, one.entry.time)
        self._deliver(reports)
        self._tell_market_data()

    def follow_clock(self) -> None:
        """Call a few times a second: enters phases, ends halts and begins the new trading day when their time has come."""
        now = self.clock.now()
        if now < self._next_due:
            return
        self.commit()
        while now >= self._next_due:
            if now >= self._day_end:
                self.end_day(now)
                continue
            due = self.course.due(now)
            assert due is not None
            if isinstance(due, records.PhaseEntered):
                self.enter_phase(due, now)
            else:
                self.end_halts(due, now)

    def enter_phase(self, entered: records.PhaseEntered, now: int) -> None:
        """Log and do a step of the session."""
        held = set(self.desk.session.holds)
        entry = Entry(RecordType.PHASE_ENTERED, now, records.encode(entered))
        self._apply(entry, lambda now: self.desk.enter_phase(entered, now))
        log.info("%s: phase %s (%s), %d books uncrossed", self.exchange, entered.phase, entered.text, len(entered.uncross))
        self.feed.phase_changed()
        self._tell([session_status(self.desk.session, entered.text)])
        self._tell_resumed(held, now)

    def end_halts(self, ended: records.HaltsEnded, now: int) -> None:
        """Log and do the end of halts."""
        held = set(self.desk.session.holds)
        self._apply(Entry(RecordType.HALTS_ENDED, now, records.encode(ended)), lambda now: self.desk.end_halts(ended, now))
        self._tell_resumed(held, now)

    def start_halt(self, started: records.HaltStarted, now: int) -> None:
        """Log and do a halt by hand."""
        self._apply(Entry(RecordType.HALT_STARTED, now, records.encode(started)), lambda _: self.desk.session.halt(started))

    def note_index(self, index: records.IndexValue, now: int) -> None:
        """Log and take note of the market's index. Raises ValueError, with nothing done, for a previous close not above 0."""
        if index.previous_close <= 0:
            raise ValueError("the previous close of an index is positive")
        self._apply(Entry(RecordType.INDEX_VALUE, now, records.encode(index)), lambda now: self.desk.session.on_index(index, now))

    def note_switch(self, switched: records.Switched) -> None:
        """Keep in the log what was asked of the admin port."""
        self.commit()
        self._append([Entry(RecordType.SWITCHED, self.clock.now(), records.encode(switched))])
        log.warning("%s: %s %s, asked from %s", self.exchange, switched.switch, switched.body, switched.peer)

    def tell_news(self, headline: str, lines: list[str], symbol: str) -> None:
        """Send a notice to the subscribers of market data that are on line."""
        self._tell([news(headline, lines, symbol, self.clock.now())])

    def end_day(self, now: int) -> None:
        """Expire what rests and begin the next trading day with a segment of its own."""
        self.commit()
        self._apply(Entry(RecordType.DAY_ENDED, now, records.encode(records.DayEnded(self._day.day))), self.desk.day_ended)
        phase, held = self.desk.session.phase, set(self.desk.session.holds)
        self._begin_day(now)
        self.follow_clock()
        self.feed.day_started()
        session = self.desk.session
        if not session.planned_at and session.phase is not phase:
            self._tell([session_status(session, "a new trading day")])
        self._tell_resumed(held, now)

    def close(self) -> None:
        """The process ends in order; lines must be down."""
        self.faults.close()
        self.feed.close()
        self.log.close()

    @property
    def reported_to(self) -> list[str]:
        """The sessions that get reports: members and drop copies."""
        return list(self._stores)

    @property
    def day(self) -> date:
        """The trading day at the exchange."""
        return date.fromisoformat(self._day.day)

    # ---- inner parts

    def _refusal(self, comp_id: str, request: Request) -> Refusal:
        rules, phase = self.rules, self.desk.session.phase
        if isinstance(request, NewOrder):
            if self.faults.rejections:
                refusal = self.faults.order_refusal(comp_id, request)
                if refusal is not ACCEPTED:
                    return refusal
            return rules.order_refusal(request, phase)
        if isinstance(request, CancelRequest | MassCancelRequest):
            return rules.cancel_refusal(phase)
        if isinstance(request, ReplaceRequest):
            return rules.replace_refusal(request, phase)
        return ACCEPTED

    def _market_data_request(self, session: Session, message: Message) -> None:
        state = self.desk.session
        if message.msg_type == "V":
            self.feed.request(session, message)
        elif message.msg_type == "g":
            session.send_many([session_status(state, "", message.required(335))])
        elif message.msg_type == "e":
            symbol = message.required_text(55)
            if symbol not in self.desk.engine.books:
                raise BusinessReject(2, f"{symbol} is not listed", message.required(324))
            session.send_many([security_status(state, symbol, self.clock.now(), request_id=message.required(324))])
        else:
            raise UnsupportedMessageType

    def _indicative(self, symbol: str) -> tuple[int, int] | None:
        if not self.desk.session.collects(symbol):
            return None
        found = self.course.indicative(symbol, self.clock.now())
        return None if found is None else (found.price, found.volume)

    def _line_lost(self, comp_id: str) -> None:
        if not any(order.member == comp_id for order in self.desk.engine.open_orders.values()):
            return
        payload = records.encode(records.LineEvent(comp_id))
        self._apply(Entry(RecordType.LINE_LOST, self.clock.now(), payload), lambda now: self.desk.line_lost(comp_id, now))

    def _apply(self, entry: Entry, act: Callable[[int], list[Report] | None]) -> None:
        self._append([entry])
        self._deliver(act(entry.time) or [])
        self._tell_market_data()

    def _tell_market_data(self) -> None:
        """What has changed in the books, and the halts that began with it."""
        desk = self.desk
        for symbol in desk.changed:
            self.feed.changed(symbol)
        desk.changed.clear()
        session, now = desk.session, self.clock.now()
        for halt in session.started:
            log.warning("%s: %s halted: %s", self.exchange, halt.symbol or "the market", halt.label)
            if halt.symbol == MARKET:
                self._tell([session_status(session, halt.label)])
            else:
                self._tell([security_status(session, halt.symbol, now)])
                self.feed.changed(halt.symbol)
        session.started.clear()
        self._next_due = min(self._day_end, self.course.next_at())

    def _tell_resumed(self, held: set[str], now: int) -> None:
        session = self.desk.session
        for symbol in sorted(held - session.holds.keys()):
            log.warning("%s: %s trades again", self.exchange, symbol or "the market")
            if symbol == MARKET:
                self._tell([session_status(session, "")])
            else:
                self._tell([security_status(session, symbol, now, resumed=True)])
                self.feed.changed(symbol)

    def _tell(self, messages: list[Status]) -> None:
        session = self.sessions[self._market_data_member]
        if session.logged_on:
            session.send_many(messages)

    def _append(self, entries: Sequence[Entry]) -> list[int]:
        if self._failed:
            raise OSError("the log could not be written; the venue is about to end")
        try:
            return self.log.append(entries)
        except OSError as error:
            # Memory may be ahead of the log from here on; only a new start from the log makes them one again.
            self._failed = True
            self._on_failure(error)
            raise

    def _deliver(self, reports: list[Report], *, copied: bool = False) -> None:
        """Number, log and send reports with their drop copies; those of one member keep their order."""
        by_member: dict[str, list[Report]] = {}
        for report in reports if copied else self.desk.drop_copies.expand(reports):
            by_member.setdefault(report.member, []).append(report)
        now = self.clock.now()
        batches: list[tuple[Session, LoggedStore, list[Frame], list[Entry], list[Report]]] = []
        for member, own in by_member.items():
            session, store = self.sessions[member], self._stores[member]
            frames = session.prepare([(report.msg_type, report.write()) for report in own])
            batches.append((session, store, frames, store.entries(frames, RecordType.REPORT, now), own))
        if not batches:
            return
        offsets = self._append([entry for *_, entries, _ in batches for entry in entries])
        place = 0
        for _, store, frames, entries, _ in batches:
            store.kept(frames, entries, offsets[place : place + len(entries)])
            place += len(entries)
        for session, store, frames, _, own in batches:
            self.faults.transmit(store.member, session, frames, own)

    def _store_of(self, comp_id: str) -> LoggedStore:
        if comp_id not in self._stores:
            # A member of an earlier configuration: its reports still follow from the log.
            self._members[comp_id] = Member(comp_id)
            self._add_session(comp_id)
        return self._stores[comp_id]

    def _add_session(self, comp_id: str) -> None:
        market_data = comp_id == self._market_data_member
        config = SessionConfig(
            sender_comp_id=self.exchange,
            target_comp_id=comp_id,
            role="acceptor",
            reset_on_logon=market_data,
            dictionary=FIX44,
        )
        if market_data:
            self.sessions[comp_id] = Session(config, self, RecentFrames(), self.clock)
            return
        store = self._stores[comp_id] = LoggedStore(self.log, comp_id, self.clock.now)
        self.sessions[comp_id] = Session(config, self, store, self.clock)

    def _recover(self) -> None:
        now = self.clock.now()
        symbols = tuple(self.rules.reference.instruments)
        recovered = recover(self.log, exchange=self.exchange, symbols=symbols, store_of=self._store_of)
        if recovered is None:
            self._start_segment(records.DayStarted(self.exchange, birth_mark(now), "", 0, 0, 0, {}, {}), now)
            self.follow_clock()
            return
        self.desk, self._day = recovered.desk, recovered.day
        for book in self.desk.engine.books.values():
            book.touched.clear()
            book.trades.clear()
        self.desk.changed.clear()
        self.desk.session.started.clear()
        self._follow_plan()
        owed = [report for reports in recovered.owed.values() for report in reports]
        if owed:
            log.info("%s: %d reports that were still owed are sent now", self.exchange, len(owed))
        # What is owed has its copies among it already.
        self._deliver(owed, copied=True)
        if recovered.day_ended:
            self._begin_day(now)
        self.follow_clock()
        for member in self._members.values():
            if member.cancel_on_disconnect:
                self._line_lost(member.comp_id)

    def _begin_day(self, now: int) -> None:
        engine = self.desk.engine
        self._start_segment(
            records.DayStarted(
                self.exchange,
                self._day.birth,
                "",
                engine.order_number,
                engine.execution_number,
                engine.trade_number,
                {symbol: book.last_price for symbol, book in engine.books.items() if book.last_price},
                {comp_id: store.numbers for comp_id, store in self._stores.items()},
                drop_copies=self.desk.drop_copies.documents,
            ),
            now,
        )
        for segment in self.log.segments()[:-SEGMENTS_KEPT]:
            self.log.remove(segment)

    def _start_segment(self, carried: records.DayStarted, now: int) -> None:
        """Begin a day with what the days before have left in `carried`."""
        day = self.rules.day_of(now)
        self.rules.use(day)
        self._day = msgspec.structs.replace(carried, day=day.isoformat(), phase=Phase.CLOSED.value, halts=self.rules.halt_terms())
        self.log.start_segment(now, records.encode(self._day))
        self.desk = new_desk(self._day, tuple(self.rules.reference.instruments))
        self._follow_plan()
        log.info("%s: trading day %s, %d instruments", self.exchange, day, len(self.desk.engine.books))

    def _follow_plan(self) -> None:
        """The timetable of the present day, for the desk as it is now."""
        if self.rules.day != self.day:
            self.rules.use(self.day)
        self._day_end = self.rules.day_end(self.day)
        self.course = SessionCourse(self.rules, self.desk, self._day.birth, self._day_end)
        self._next_due = min(self._day_end, self.course.next_at())
