"""The worker's FIX lines: a pool per exchange (``EGX-1``, ``EGX-2``), each line with its own message store in the journal, breaker
and gauges.

A line that is logged on may take orders; what venues report goes through the order path into the journal and to the open streams.
A message belongs to its line for good: while that is down it waits in the journal, and the venue gets it after the next logon.
Nothing that was given to a line is sent over another one: nobody knows whether the venue has it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from exchanges.fix.application import Application
from exchanges.fix.clock import Clock
from exchanges.fix.connection import Initiator
from exchanges.fix.message import Message, Parser
from exchanges.fix.session import Session
from exchanges.fix.store import Frame, StoreError
from exchanges.fix_venue.dialect import CL_ORD_ID, NEW_ORDER_SINGLE, ORIG_CL_ORD_ID
from trading_workers.journal.records import AnyPayload, CancelRejected, Execution, FixReceived, decode, encode
from trading_workers.journal.segments import JournalError
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.journal_store import JournalStore
from trading_workers.order_worker.line_breaker import LineBreaker
from trading_workers.order_worker.line_plan import LinePlan, exchange_of
from trading_workers.order_worker.line_pool import LinePool
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
from tradsys.mesh.resilience.breakers import INSTANCE, Breakers
from tradsys.mesh.service import SERVING, Health, HealthStatus
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("trading_workers.lines")

CHECK_SECONDS = 0.05
"""Between two looks for orders that the venue has not answered, and for lines that are silent."""
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


class OrderLines(Application):
    """All lines of one worker. `on_report` gets each report with the sequence of its journal record."""

    def __init__(
        self,
        *,
        plans: Sequence[LinePlan],
        path: OrderPath,
        journal: WorkerJournal,
        clock: Clock,
        on_report: Callable[[OrderReport, int], None],
        breakers: Breakers,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The breaker of a line is ``exchange:EGX/EGX-1``. `steady` gives nanoseconds of a clock that never steps."""
        self._path = path
        self._journal = journal
        self._clock = clock
        self._on_report = on_report
        self._steady = steady
        self._inbound: list[_Inbound] = []
        self._names: dict[Session, str] = {}
        self._readers: dict[str, ReportReader] = {}
        self.stores: dict[str, JournalStore] = {}
        self.initiators: dict[str, Initiator] = {}
        self.breakers: dict[str, LineBreaker] = {}
        self._stopping = False
        self.counts: Counter[str] = Counter()
        """Reports that changed nothing, by why."""
        self.pools: dict[str, LinePool] = {}
        """By exchange."""
        for exchange in dict.fromkeys(plan.exchange for plan in plans):
            self.pools[exchange] = LinePool([plan.name for plan in plans if plan.exchange == exchange], self._set_up)
        for plan in plans:
            self._open(plan, breakers)

    def _open(self, plan: LinePlan, breakers: Breakers) -> None:
        name, client = plan.name, self._path.clients[plan.exchange]
        hosts = tuple((host.host, host.port) for host in plan.hosts)
        self._readers[name] = ReportReader(name, client.dialect.reports)
        self.breakers[name] = guard = self._guard(plan, breakers)
        self.stores[name] = store = JournalStore(name, self._journal.append_durably, self._journal.read_from)
        failed = partial(self._attempt_failed, name)
        initiator = Initiator(
            client.orders.config(plan.sender_comp_id, hosts),
            self,
            store,
            self._clock,
            may_connect=guard.may_connect,
            on_attempt_failed=failed,
        )
        self.initiators[name] = initiator
        self._names[initiator.session] = name
        METRICS.exchange_connections(plan.exchange, name).set(0)

    def _guard(self, plan: LinePlan, breakers: Breakers) -> LineBreaker:
        name = f"exchange:{plan.exchange}{INSTANCE}{plan.name}"
        settings = breakers.settings(name)
        slow_call_ms = NO_LIMIT_MS if settings is None else settings.slow_call_ms
        set_up = partial(self.pools[plan.exchange].ready, plan.name)
        return LineBreaker(breakers.of(name), slow_call_ms=slow_call_ms, steady=self._steady, set_up=set_up)

    def _set_up(self, line: str, up: bool) -> None:
        self._path.set_line(line, up=up)
        exchange = exchange_of(line)
        pool = self.pools[exchange]
        METRICS.pool_usage(f"exchange:{exchange}", len(pool.up), len(pool.up) + len(pool.down))
        log.log(logging.INFO if up else logging.WARNING, "%s takes %s orders", line, "new" if up else "no new")

    def health(self) -> Health:
        """Not serving: an exchange has no line that takes orders. Serving with a reason: it has, and fewer than it should."""
        cut_off = [exchange for exchange, pool in self.pools.items() if not pool.up]
        down = [line for pool in self.pools.values() for line in pool.down]
        if cut_off:
            return Health(HealthStatus.NOT_SERVING, f"no line to {', '.join(cut_off)} takes orders; down: {', '.join(down)}")
        return Health(HealthStatus.SERVING, f"down: {', '.join(down)}; orders go over the other lines") if down else SERVING

    async def run(self) -> None:
        """Keep every line connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for initiator in self.initiators.values():
                tasks.create_task(initiator.run())
            tasks.create_task(self._look_after_lines())

    async def _look_after_lines(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            for breaker in self.breakers.values():
                breaker.check()
            now = self._steady()
            for pool in self.pools.values():
                asked, dead = pool.look(now)
                for line in asked:
                    self._ask(line)
                for line in dead:
                    log.warning("%s is given up: other lines of its pool answer and it does not", line)
                    METRICS.exchange_error(exchange_of(line), "line_silent")
                    self.initiators[line].give_up("silent, while other lines of the pool are not")

    def _ask(self, line: str) -> None:
        try:
            self.initiators[line].session.test_request()
        except StoreError as error:
            # As with every message that cannot be stored: it costs this line, and the journal's own guard decides on the rest.
            self.initiators[line].give_up(f"its TestRequest cannot be stored: {error}")

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
        now = self._steady()
        for line, frames, orders in prepared:
            if self.initiators[line].transmit(frames):
                self.pools[exchange_of(line)].sent(line, now)
            self.breakers[line].sent(orders)
            self._path.state.lines.sent(line, orders, now)

    # Application

    def on_logon(self, session: Session) -> None:
        line = self._names[session]
        self.pools[exchange_of(line)].connected(line, self._steady())
        self.breakers[line].logged_on()
        METRICS.exchange_connections(exchange_of(line), line).set(1)

    def on_logout(self, session: Session) -> None:
        line = self._names[session]
        self.breakers[line].logged_out(wanted=self._stopping)
        self.pools[exchange_of(line)].connected(line, self._steady())
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
        line = self._names[session]
        self.pools[exchange_of(line)].heard(line, self._steady())
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
        line, answered = inbound[0].line, [report.order_id for report in prepared.reports]
        self.breakers[line].answered(answered)
        self._path.state.lines.answered(line, answered, self._steady())
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
