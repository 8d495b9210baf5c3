"""The venue as a FIX application: logs what members send, lets the order desk act on it, sends the reports.

Order of things for each read of a socket: the messages go into the log in one write; the desk applies them; the reports get
their numbers and go into the log in one write; then they go to the sockets. A venue that dies anywhere in between finishes the
work when it starts again, from the log alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.clock import Clock
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import Frame
from exchanges.simulator import records
from exchanges.simulator.event_log import Entry, EventLog, RecordType
from exchanges.simulator.feed import MarketDataFeed
from exchanges.simulator.order_desk import OrderDesk
from exchanges.simulator.order_entry import CancelRequest, NewOrder, Request, decode_request
from exchanges.simulator.recovery import SEGMENTS_KEPT, birth_mark, new_desk, recover
from exchanges.simulator.reports import Report
from exchanges.simulator.rules import ACCEPTED, Refusal, TradingRules
from exchanges.simulator.session_store import LoggedStore, RecentFrames

log = logging.getLogger("exchanges.simulator")


@dataclass(frozen=True, slots=True)
class Member:
    """A counterparty that may log on. ``cancel_on_disconnect``: its orders end when its line does."""

    comp_id: str
    cancel_on_disconnect: bool = False


ORDER_MEMBERS = (
    *(Member(f"TRADSYS-W{number}{line}") for number in range(1, 10) for line in ("", "-2", "-3", "-4")),
    *(Member(f"MEMBER-{number}", cancel_on_disconnect=True) for number in range(1, 4)),
)
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
        self._members = {member.comp_id: member for member in members}
        self._market_data_member = market_data_member
        self._stores: dict[str, LoggedStore] = {}
        self._waiting: list[_Waiting] = []
        self._failed = False
        self.desk: OrderDesk
        self._day: records.DayStarted
        self._day_end = 0
        for comp_id in [*self._members, market_data_member]:
            self._add_session(comp_id)
        self.feed = MarketDataFeed(lambda: self.desk.engine)
        self._recover()

    # ---- FIX application

    def on_logon(self, session: Session) -> None:
        log.info("%s: %s is on line", self.exchange, session.config.target_comp_id)

    def on_reject(self, session: Session, message: Message) -> None:
        log.warning("%s: %s rejects a message of ours: %r", self.exchange, session.config.target_comp_id, message)

    def on_logout(self, session: Session) -> None:
        comp_id = session.config.target_comp_id
        if comp_id == self._market_data_member:
            self.feed.forget(session)
            return
        self.commit()
        if self._members[comp_id].cancel_on_disconnect:
            self._line_lost(comp_id)

    def on_application_message(self, session: Session, message: Message) -> None:
        comp_id = session.config.target_comp_id
        if comp_id == self._market_data_member:
            if message.msg_type != "V":
                raise UnsupportedMessageType
            self.feed.request(session, message)
            return
        request = decode_request(message)
        if request is None:
            raise UnsupportedMessageType
        now = self.clock.now()
        if now >= self._day_end:
            self.end_day(now)
        if isinstance(request, NewOrder):
            refusal = self.rules.order_refusal(request, now)
        elif isinstance(request, CancelRequest):
            refusal = self.rules.cancel_refusal(now)
        else:
            refusal = ACCEPTED
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
        books = self.desk.engine.books
        for symbol in {one.request.symbol for one in waiting}:
            if symbol in books:
                self.feed.changed(symbol)

    def check_day(self) -> None:
        """Call now and then: begins the new trading day when it has come."""
        now = self.clock.now()
        if now >= self._day_end:
            self.end_day(now)

    def end_day(self, now: int) -> None:
        """Expire what rests and begin the next trading day with a segment of its own."""
        self.commit()
        self._apply(Entry(RecordType.DAY_ENDED, now, records.encode(records.DayEnded(self._day.day))), self.desk.day_ended)
        self._begin_day(now)
        self.feed.day_started()

    def close(self) -> None:
        """The process ends in order; lines must be down."""
        self.feed.close()
        self.log.close()

    @property
    def day(self) -> date:
        """The trading day at the exchange."""
        return date.fromisoformat(self._day.day)

    # ---- inner parts

    def _line_lost(self, comp_id: str) -> None:
        if not any(order.member == comp_id for order in self.desk.engine.open_orders.values()):
            return
        symbols = {order.symbol for order in self.desk.engine.open_orders.values() if order.member == comp_id}
        payload = records.encode(records.LineEvent(comp_id))
        self._apply(Entry(RecordType.LINE_LOST, self.clock.now(), payload), lambda now: self.desk.line_lost(comp_id, now))
        for symbol in symbols:
            self.feed.changed(symbol)

    def _apply(self, entry: Entry, act: Callable[[int], list[Report]]) -> None:
        self._append([entry])
        self._deliver(act(entry.time))

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

    def _deliver(self, reports: Iterable[Report]) -> None:
        """Number, log and send reports; those of one member keep their order."""
        by_member: dict[str, list[Report]] = {}
        for report in reports:
            by_member.setdefault(report.member, []).append(report)
        now = self.clock.now()
        batches: list[tuple[Session, LoggedStore, list[Frame], list[Entry]]] = []
        for member, own in by_member.items():
            session, store = self.sessions[member], self._stores[member]
            frames = session.prepare([(report.msg_type, report.write()) for report in own])
            batches.append((session, store, frames, store.entries(frames, RecordType.REPORT, now)))
        if not batches:
            return
        offsets = self._append([entry for *_, entries in batches for entry in entries])
        place = 0
        for _, store, frames, entries in batches:
            store.kept(frames, entries, offsets[place : place + len(entries)])
            place += len(entries)
        for session, _, frames, _ in batches:
            session.transmit(frames)

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
            return
        self.desk, self._day = recovered.desk, recovered.day
        self._day_end = self.rules.day_end(self.day)
        for book in self.desk.engine.books.values():
            book.touched.clear()
            book.trades.clear()
        owed = [report for reports in recovered.owed.values() for report in reports]
        if owed:
            log.info("%s: %d reports that were still owed are sent now", self.exchange, len(owed))
        self._deliver(owed)
        if recovered.day_ended:
            self._begin_day(now)
        elif now >= self._day_end:
            self.end_day(now)
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
            ),
            now,
        )
        for segment in self.log.segments()[:-SEGMENTS_KEPT]:
            self.log.remove(segment)

    def _start_segment(self, carried: records.DayStarted, now: int) -> None:
        day = self.rules.day_of(now)
        self.rules.phase(now)  # loads the rules of the day
        self._day = records.DayStarted(
            carried.exchange,
            carried.birth,
            day.isoformat(),
            carried.order_number,
            carried.execution_number,
            carried.trade_number,
            carried.last_prices,
            carried.sessions,
        )
        self._day_end = self.rules.day_end(day)
        self.log.start_segment(now, records.encode(self._day))
        self.desk = new_desk(self._day, tuple(self.rules.reference.instruments))
        log.info("%s: trading day %s, %d instruments", self.exchange, day, len(self.desk.engine.books))
