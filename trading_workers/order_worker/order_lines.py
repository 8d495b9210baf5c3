"""The worker's FIX lines: one per venue, named ``<exchange>-1``, each with its message store in the journal.

A line that is logged on may take orders; what venues report goes through the order path into the journal and to the open streams.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from exchanges.fix.application import Application
from exchanges.fix.clock import Clock
from exchanges.fix.connection import Initiator
from exchanges.fix.message import Message, Parser
from exchanges.fix.session import Session
from exchanges.fix.store import Frame
from exchanges.fix_venue.dialect import CL_ORD_ID, NEW_ORDER_SINGLE, ORIG_CL_ORD_ID
from trading_workers.journal.records import AnyPayload, CancelRejected, Execution, FixReceived, decode, encode
from trading_workers.journal.segments import JournalError
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.journal_store import JournalStore
from trading_workers.order_worker.line_breaker import LineBreaker
from trading_workers.order_worker.order_spans import measure_reports
from trading_workers.order_worker.venue_messages import (
    MSG_SEQ_NUM,
    REF_SEQ_NUM,
    TEXT,
    ReportReader,
    rejected_message,
)
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import FixIntent, OrderReport, VenueCancelReject, VenueReport
from tradsys.configuration import Address
from tradsys.mesh.resilience.breakers import Breakers
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("trading_workers.lines")

CHECK_SECONDS = 0.05
"""Between two looks for orders that the venue has not answered."""
NO_LIMIT_MS = 10**12
"""Where breakers are off no answer is too late."""


class _Inbound(NamedTuple):
    line: str
    message: Message
    report: VenueReport | VenueCancelReject | None


class PreparedFrames(NamedTuple):
    """Messages of one line with their numbers, not yet in the journal, and the new orders among them."""

    line: str
    frames: list[Frame]
    orders: list[int]


def line_name(exchange: str) -> str:
    """The name by which routing rules know the line to an exchange."""
    return f"{exchange}-1"


def exchange_of(line: str) -> str:
    """The exchange that a line leads to."""
    return line.rpartition("-")[0]


class OrderLines(Application):
    """All lines of one worker. `on_report` gets each report with the sequence of its journal record."""

    def __init__(
        self,
        *,
        comp_id: str,
        venues: Mapping[str, Address],
        path: OrderPath,
        journal: WorkerJournal,
        clock: Clock,
        on_report: Callable[[OrderReport, int], None],
        breakers: Breakers,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The breaker of a line is ``exchange:<CODE>``. `steady` gives nanoseconds of a clock that never steps."""
        self._path = path
        self._journal = journal
        self._clock = clock
        self._on_report = on_report
        self._inbound: list[_Inbound] = []
        self._names: dict[Session, str] = {}
        self._readers: dict[str, ReportReader] = {}
        self.stores: dict[str, JournalStore] = {}
        self.initiators: dict[str, Initiator] = {}
        self.breakers: dict[str, LineBreaker] = {}
        self._stopping = False
        self.counts: Counter[str] = Counter()
        """Reports that changed nothing, by why."""
        for exchange, address in venues.items():
            name = line_name(exchange)
            client = path.clients[exchange]
            config = client.orders.config(comp_id, ((address.host, address.port),))
            self._readers[name] = ReportReader(name, client.dialect.reports)
            store = JournalStore(name, journal.append_durably, journal.read_from)
            self.breakers[name] = guard = self._guard(exchange, name, breakers, steady)
            initiator = Initiator(
                config, self, store, clock, may_connect=guard.may_connect, on_attempt_failed=partial(self._attempt_failed, name)
            )
            self.stores[name] = store
            self.initiators[name] = initiator
            self._names[initiator.session] = name

    def _guard(self, exchange: str, line: str, breakers: Breakers, steady: Callable[[], int]) -> LineBreaker:
        name = f"exchange:{exchange}"
        settings = breakers.settings(name)

        def set_up(up: bool) -> None:
            self._path.set_line(line, up=up)
            METRICS.pool_usage(name, int(up), 1)
            log.log(logging.INFO if up else logging.WARNING, "%s takes %s orders", line, "new" if up else "no new")

        slow_call_ms = NO_LIMIT_MS if settings is None else settings.slow_call_ms
        return LineBreaker(breakers.of(name), slow_call_ms=slow_call_ms, steady=steady, set_up=set_up)

    async def run(self) -> None:
        """Keep every line connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for initiator in self.initiators.values():
                tasks.create_task(initiator.run())
            tasks.create_task(self._look_for_unanswered())

    async def _look_for_unanswered(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for breaker in self.breakers.values():
                breaker.check()

    async def stop(self) -> None:
        """Log out in order."""
        self._stopping = True
        await asyncio.gather(*[initiator.stop() for initiator in self.initiators.values()])

    # Outbound

    def prepare(self, intents: Sequence[FixIntent]) -> list[PreparedFrames]:
        """Number and encode messages, by line. Raises KeyError for a line that this worker does not have, UnsendableField."""
        by_line: dict[str, list[FixIntent]] = {}
        for intent in intents:
            by_line.setdefault(intent.line, []).append(intent)
        return [
            PreparedFrames(
                line,
                self.initiators[line].prepare([(each.msg_type, each.fields) for each in found]),
                [each.order_id for each in found if each.msg_type == NEW_ORDER_SINGLE],
            )
            for line, found in by_line.items()
        ]

    def records_of(self, prepared: Sequence[PreparedFrames]) -> list[tuple[int, bytes]]:
        return [encode(record) for line, frames, _ in prepared for record in self.stores[line].records_of(frames)]

    def written(self, prepared: Sequence[PreparedFrames], first_sequence: int) -> None:
        """The records of `prepared` are in the journal from `first_sequence` on."""
        for line, frames, _ in prepared:
            self.stores[line].written(frames, first_sequence)
            first_sequence += len(frames)

    def transmit(self, prepared: Sequence[PreparedFrames]) -> None:
        """Write the messages to the sockets; a line that went down meanwhile sends them after its next logon."""
        for line, frames, orders in prepared:
            self.initiators[line].transmit(frames)
            self.breakers[line].sent(orders)

    # Application

    def on_logon(self, session: Session) -> None:
        line = self._names[session]
        self.breakers[line].logged_on()
        METRICS.exchange_connections(exchange_of(line), line).set(1)

    def on_logout(self, session: Session) -> None:
        line = self._names[session]
        self.breakers[line].logged_out(wanted=self._stopping)
        METRICS.exchange_connections(exchange_of(line), line).set(0)
        METRICS.exchange_error(exchange_of(line), "line_down")
        self._flush()

    def _attempt_failed(self, line: str) -> None:
        self.breakers[line].attempt_failed()
        METRICS.exchange_error(exchange_of(line), "not_connected")

    def on_application_message(self, session: Session, message: Message) -> None:
        line = self._names[session]
        self._inbound.append(_Inbound(line, message, self._readers[line].read(message)))

    def on_reject(self, session: Session, message: Message) -> None:
        """The venue refused one of our messages as a message; if it was an order or a cancel, that one is rejected."""
        line = self._names[session]
        refused = message.get_int(REF_SEQ_NUM)
        number = message.required_int(MSG_SEQ_NUM)
        log.error("%s rejects our message %s: %r", line, refused, message)
        METRICS.exchange_error(exchange_of(line), "message_rejected")
        if refused is None:
            return
        for _, frame in self.stores[line].outgoing(refused, refused):
            for sent in Parser().feed(frame):
                cl_ord_id = sent.get_int(CL_ORD_ID)
                if cl_ord_id is None:
                    continue
                orig = sent.get_int(ORIG_CL_ORD_ID) or cl_ord_id
                text = (message.get_text(TEXT) or "rejected")[:200]
                report = rejected_message(sent.required(35), cl_ord_id, orig, text=text, line=line, number=number)
                if report is not None:
                    self._inbound.append(_Inbound(line, message, report))

    def on_read_complete(self, session: Session) -> None:
        self._flush()

    def _flush(self) -> None:
        """Apply what was read, write it down in one batch, tell the streams.

        Raises JournalUnavailable: nothing was applied then, the line closes, and its venue is asked again after the next logon.
        """
        inbound, self._inbound = self._inbound, []
        if not inbound:
            return
        now = self._clock.now()
        prepared = self._path.handle_venue([each.report for each in inbound if each.report is not None], now)
        recorded = _recorded_numbers(prepared.records) if len(prepared.records) < len(inbound) else None
        kept = [encode(_received(each)) for each in inbound if recorded is not None and _place(each) not in recorded]
        try:
            first = self._journal.append_encoded([*prepared.records, *kept], now)
        except JournalError as error:
            self._path.rollback(prepared, str(error))
            for each in reversed(inbound):
                self.stores[each.line].set_next_target(each.message.required_int(MSG_SEQ_NUM))
            raise
        self._path.commit(prepared, first)
        self.counts["repeated"] += prepared.repeated
        for text in prepared.anomalies:
            self.counts["anomaly"] += 1
            log.error("a venue's report was not applied: %s", text)
        if prepared.anomalies:
            METRICS.exchange_error(exchange_of(inbound[0].line), "report_not_applied", len(prepared.anomalies))
        # One batch is what one line has read.
        self.breakers[inbound[0].line].answered(report.order_id for report in prepared.reports)
        for report, place in zip(prepared.reports, _report_places(prepared.records), strict=True):
            self._on_report(report, first + place)
        measure_reports(self._path.state.store, prepared.reports, read=now, written=self._clock.now())


def _place(inbound: _Inbound) -> tuple[str, int]:
    return inbound.line, inbound.message.required_int(MSG_SEQ_NUM)


def _recorded_numbers(records: Sequence[tuple[int, bytes]]) -> set[tuple[str, int]]:
    """Line and FIX number of the messages that left a record."""
    found = set()
    for record_type, raw in records:
        payload: AnyPayload = decode(record_type, raw)
        if isinstance(payload, Execution | CancelRejected):
            found.add((payload.line, payload.fix_number))
    return found


def _received(inbound: _Inbound) -> FixReceived:
    message = inbound.message
    return FixReceived(
        line=inbound.line, number=message.required_int(MSG_SEQ_NUM), msg_type=message.msg_type, message=bytes(message.raw)
    )


def _report_places(records: Sequence[tuple[int, bytes]]) -> range:
    """Every record of a venue's batch stands for one report, in order."""
    return range(len(records))
