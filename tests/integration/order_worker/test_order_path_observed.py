"""Orders through the group commit and a real FIX line: each step moves its figures, and a traced order leaves its spans."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from bench.bench_order_checks import platform, tenant
from exchanges.fix.application import Application
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.registry import registry
from exchanges.routing.balancers import LinePool
from tests.mesh_documents import mesh_config
from trading_workers.journal.recovery import recover
from trading_workers.journal.writer import JournalWriter
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.event_queues import OpenStreams
from trading_workers.order_worker.group_commit import GroupCommit
from trading_workers.order_worker.line_plan import LinePlan, planned_lines
from trading_workers.order_worker.missed_reports import MissedReports
from trading_workers.order_worker.order_lines import OrderLines
from trading_workers.order_worker.order_stream import BATCH_SPAN, END_OF_STREAM, OrderStreamCall
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import Answer, Caller, NewOrder, OrderReport, OrderState, OrderType, Side, TimeInForce
from trading_workers.snapshot.documents import Verdict
from tradsys.configuration import Address
from tradsys.mesh.resilience.breakers import Breakers
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.span_file import SpanFile, read_spans
from tradsys.mesh.telemetry.tracing import TRACING
from tradsys.v1 import orders_pb2 as pb

TRACE = "0af7651916cd43dd8448eb211c80319c"
LINK = f"{TRACE}-b7ad6b7169203331"
MICROS = 1_000_000
SHARIA, PLAIN = "ACC-001", "ACC-000"
UNKNOWN_FILL = 13
"""An order for so many shares makes the venue report a fill of an order that nobody sent."""


class Venue(Application):
    """Says New to every order."""

    def on_application_message(self, session: Session, message: Message) -> None:
        number = message.required_int(11)
        self._report(session, message, number)
        if message.required_int(38) == UNKNOWN_FILL:
            self._report(session, message, number + 1_000_000)

    @staticmethod
    def _report(session: Session, message: Message, number: int) -> None:
        name, quantity = b"%d" % number, message.required(38)
        identity = [(37, b"V-" + name), (11, name), (17, b"E-" + name), (150, b"0"), (39, b"0")]
        asked = [(tag, message.required(tag)) for tag in (55, 54, 38)]
        session.send("8", [*identity, *asked, (151, quantity), (14, b"0"), (6, b"0")])


class Desk:
    """A worker's inside without its doors."""

    def __init__(self, folder: Path, port: int, breakers: Breakers | None = None, *, plans: list[LinePlan] | None = None) -> None:
        clock, now = SystemClock(), time.time_ns()
        self.path = OrderPath("worker-1", 1, registry().clients(("EGX",)), time.perf_counter_ns)
        document = platform(now)
        self.path.configure_platform(
            msgspec.structs.replace(document, routes=tuple(msgspec.structs.replace(each, line="EGX-1") for each in document.routes))
        )
        found = tenant(now)
        verdicts = {"BOARD": {**found.verdicts["BOARD"], "EGX:SYM01": Verdict("non_compliant", "V-2")}}
        self.path.configure_tenant(msgspec.structs.replace(found, verdicts=verdicts))
        journal = WorkerJournal(JournalWriter(folder / "journal", recover(folder / "journal")), clock.now)
        self.reports: list[OrderReport] = []
        self.lines = OrderLines(
            plans=plans or planned_lines("TRADSYS-W1", {"EGX": Address("127.0.0.1", port)}, 1, {}),
            path=self.path,
            journal=journal,
            clock=clock,
            on_report=lambda report, sequence: self.reports.append(report),
            breakers=breakers or Breakers(mesh_config().circuit_breaker),
        )
        self.commit = GroupCommit(self.path, journal, self.lines, clock.now)
        self.missed = MissedReports(journal, self.path.state.store.find)
        self._journal = journal
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._journal.append_encoded([self.path.start_epoch()], time.time_ns())
        self._tasks = [asyncio.create_task(self.commit.run()), asyncio.create_task(self.lines.run())]
        await until(lambda: self.path.state.lines.is_up("EGX-1"))

    def close_journal(self) -> None:
        """Nothing can be written any more."""
        self._journal.close()

    @property
    def runs(self) -> bool:
        return not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        await self.lines.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._journal.close()

    async def place(self, *orders: NewOrder, trace: str = "", tenant: str = "nile") -> list[Answer]:
        answered: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        caller = Caller(tenant=tenant, user="u", role="trader", accounts=None, door="grpc-stream", trace_id=trace)
        self.commit.submit(caller, orders, answered.set_result)
        answers = await answered
        await asyncio.sleep(0)  # what is measured behind the answer
        return answers


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
async def venue() -> AsyncIterator[Acceptor]:
    config = SessionConfig(sender_comp_id="EGX", target_comp_id="TRADSYS-W1", role="acceptor")
    acceptor = Acceptor("127.0.0.1", 0, [Session(config, Venue(), MemoryStore(), SystemClock())])
    await acceptor.start()
    yield acceptor
    await acceptor.stop()


@pytest.fixture
async def desk(venue: Acceptor, tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(tmp_path, venue.port)
    await made.start()
    yield made
    await made.stop()


def order(name: str, account: str = PLAIN, **changes: object) -> NewOrder:
    entry = NewOrder(
        account=account, client_order_id=name, exchange="EGX", symbol="SYM00", side=Side.BUY, type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY, quantity=10, price=100 * MICROS,
    )  # fmt: skip
    return msgspec.structs.replace(entry, **changes)


def figure(name: str, **labels: str) -> float:
    return METRICS.registry.get_sample_value(f"tradsys_{name}", labels) or 0


async def test_orders_move_the_figures_of_the_order_path_licences_and_boards(desk: Desk) -> None:
    figures: list[tuple[str, dict[str, str], int]] = [
        ("orders_total", {"code": "ACCEPTED"}, 2),
        ("orders_total", {"code": "NOT_SHARIA_COMPLIANT"}, 1),
        ("orders_total", {"code": "PRICE_OFF_TICK"}, 1),
        ("license_validations_total", {"result": "OK"}, 4),
        ("compliance_checks_total", {"board": "BOARD", "status": "compliant"}, 1),
        ("compliance_checks_total", {"board": "BOARD", "status": "non_compliant"}, 1),
        ("compliance_violations_total", {"board": "BOARD", "code": "NOT_SHARIA_COMPLIANT"}, 1),
        ("order_commit_seconds_count", {}, 1),
        ("exchange_latency_seconds_count", {"exchange": "EGX", "operation": "new_order"}, 2),
    ]
    before = [figure(name, **labels) for name, labels, _ in figures]
    answers = await desk.place(
        order("o1"), order("o2", SHARIA), order("o3", SHARIA, symbol="SYM01"), order("o4", price=100 * MICROS + 1)
    )
    assert [answer.state for answer in answers] == [OrderState.PENDING_NEW] * 2 + [OrderState.DENIED] * 2
    await until(lambda: len(desk.reports) == 2)
    await asyncio.sleep(0.01)
    moved = [figure(name, **labels) - was for (name, labels, _), was in zip(figures, before, strict=True)]
    assert moved == [by for _, _, by in figures]


async def test_a_licence_that_refuses_is_a_violation_of_its_tenant(desk: Desk) -> None:
    found = tenant(time.time_ns())
    assert found.licence is not None
    ended = msgspec.structs.replace(found.licence, valid_until=found.licence.valid_from + 1)
    desk.path.configure_tenant(msgspec.structs.replace(found, tenant="late", revision=9, licence=ended))
    before = figure("license_violations_total", tenant="late", code="LICENSE_EXPIRED")
    await desk.place(order("o1"), order("o2"), tenant="late")
    assert figure("license_violations_total", tenant="late", code="LICENSE_EXPIRED") == before + 2


async def test_a_line_shows_whether_it_is_up_and_what_goes_wrong_on_it(desk: Desk, venue: Acceptor) -> None:
    line = {"exchange": "EGX", "line": "EGX-1"}
    downs = figure("exchange_errors_total", exchange="EGX", kind="line_down")
    odd = figure("exchange_errors_total", exchange="EGX", kind="report_not_applied")
    assert figure("exchange_connections", **line) == 1
    await desk.place(order("o1", quantity=UNKNOWN_FILL))
    await until(lambda: figure("exchange_errors_total", exchange="EGX", kind="report_not_applied") == odd + 1)
    await venue.stop()
    await until(lambda: figure("exchange_connections", **line) == 0)
    assert figure("exchange_errors_total", exchange="EGX", kind="line_down") == downs + 1
    [refused] = await desk.place(order("o2"))
    assert refused.refusal is not None


async def test_routing_decisions_show_by_rule_and_outcome_with_their_time(desk: Desk, venue: Acceptor) -> None:
    def seen() -> tuple[float, ...]:
        outcomes = (("7", "routed"), ("8", "fallback"), ("default", "routed"), ("none", "refused"))
        decided = [figure("routing_decisions_total", rule=rule, outcome=outcome) for rule, outcome in outcomes]
        return (*decided, figure("routing_decision_seconds_count"))

    document = platform(time.time_ns())
    rule = document.routes[0]
    own = msgspec.structs.replace(rule, id=7, symbol="SYM00", line="EGX")
    spare = msgspec.structs.replace(rule, id=8, priority=2, symbol="SYM02", line="EGX-2", fallback=("EGX-1",))
    pool = LinePool(name="EGX", exchange="EGX", lines=("EGX-1", "EGX-2"))
    desk.path.configure_platform(msgspec.structs.replace(document, routes=(own, spare), pools=(pool,)))
    before = seen()
    batch = order("o1"), order("o2"), order("o3", symbol="SYM02"), order("o4", symbol="SYM04"), order("o5", price=1)
    await desk.place(*batch)
    assert [now - was for now, was in zip(seen(), before, strict=True)] == [2, 1, 1, 0, 1]
    await desk.place(*batch)
    assert [now - was for now, was in zip(seen(), before, strict=True)] == [2, 1, 1, 0, 1], "a repetition is not decided again"
    await venue.stop()
    await until(lambda: not desk.path.state.lines.is_up("EGX-1"))
    await desk.place(order("o6"), order("o7"))
    assert [now - was for now, was in zip(seen(), before, strict=True)] == [2, 1, 1, 2, 2]


async def test_a_pool_with_a_line_down_is_degraded_and_one_without_any_does_not_serve(venue: Acceptor, tmp_path: Path) -> None:
    # The venue knows the first line only.
    desk = Desk(tmp_path, 0, plans=planned_lines("TRADSYS-W1", {"EGX": Address("127.0.0.1", venue.port)}, 2, {}))
    health = desk.lines.health()
    assert (health.serving, health.reason) == (False, "no line to EGX takes orders; down: EGX-1, EGX-2")
    await desk.start()
    health = desk.lines.health()
    assert (health.serving, health.reason) == (True, "down: EGX-2; orders go over the other lines")
    assert figure("connection_pool_usage", pool="exchange:EGX") == 0.5
    assert figure("exchange_connections", exchange="EGX", line="EGX-2") == 0
    await venue.stop()
    await until(lambda: not desk.lines.health().serving)
    await desk.stop()


async def test_a_line_with_several_hosts_goes_to_the_next_one(venue: Acceptor, tmp_path: Path) -> None:
    hosts = {"EGX-1": (Address("127.0.0.1", 1), Address("127.0.0.1", venue.port))}
    desk = Desk(tmp_path, 0, plans=planned_lines("TRADSYS-W1", {"EGX": Address("127.0.0.1", 1)}, 1, hosts))
    await desk.start()
    [answer] = await desk.place(order("o1"))
    assert answer.refusal is None
    await until(lambda: len(desk.reports) == 1)
    assert desk.path.state.lines.in_flight("EGX-1") == 0
    assert 0 < desk.path.state.lines.recent_latency_ns("EGX-1") < 5_000_000_000
    await desk.stop()


async def test_a_traced_order_leaves_its_spans_and_others_leave_none(desk: Desk, tmp_path: Path) -> None:
    TRACING.use_exporter("worker-1", SpanFile(tmp_path / "traces" / "worker-1.jsonl", megabytes=1), namespace="test")
    try:
        began = time.time_ns()
        [answer] = await desk.place(order("o1"), trace=LINK)
        await desk.place(order("o2"))
        await desk.place(order("o3"), trace="f" * 32)
        await until(lambda: len(desk.reports) == 3)
        await asyncio.sleep(0.01)
        TRACING.flush()
        spans = read_spans(tmp_path / "traces", TRACE)
        lines = (tmp_path / "traces" / "worker-1.jsonl").read_text().splitlines()
    finally:
        TRACING.close()
    assert [span.name for span in spans] == ["checks", "journal", "fix", "execution report"]
    assert {span.parent for span in spans} == {LINK[33:]}
    assert {span.attributes["order_id"] for span in spans} == {str(answer.order_id)}
    assert len(lines) == len(spans), "orders that are not traced have no spans"
    assert all(began <= span.start <= span.end <= time.time_ns() for span in spans)
    assert spans[0].end == spans[1].start
    assert spans[1].end == spans[2].start


async def test_the_trace_is_not_sent_to_the_venue(desk: Desk) -> None:
    await desk.place(order("o1"), trace=LINK)
    await until(lambda: len(desk.reports) == 1)
    sent = b"".join(frame for _, frame in desk.lines.stores["EGX-1"].outgoing(1, 100))
    assert b"35=D" in sent
    assert TRACE.encode() not in sent


class Stream:
    """The worker's end of a stream, as grpc.aio gives it to a servicer."""

    def __init__(self, *batches: bytes) -> None:
        self._batches = [*batches, END_OF_STREAM]
        self.written: list[bytes] = []

    async def send_initial_metadata(self, metadata: object) -> None:
        pass

    async def read(self) -> object:
        return self._batches.pop(0)

    async def write(self, event: bytes) -> None:
        self.written.append(event)


async def test_each_batch_of_a_stream_is_a_trace_of_its_own(desk: Desk, tmp_path: Path) -> None:
    def batch(*names: str) -> bytes:
        orders = [
            pb.NewOrder(
                account=PLAIN, client_order_id=name, exchange="EGX", symbol="SYM00", side=pb.BUY, type=pb.LIMIT,
                time_in_force=pb.DAY, quantity=10, price=100 * MICROS,
            )
            for name in names
        ]  # fmt: skip
        return pb.OrderBatch(instructions=[pb.OrderInstruction(place=each) for each in orders]).SerializeToString()

    folder = tmp_path / "traces"
    TRACING.use_exporter("worker-1", SpanFile(folder / "worker-1.jsonl", megabytes=1), namespace="test")
    try:
        caller = Caller(tenant="nile", user="u", role="trader", accounts=None, door="grpc-stream", trace_id=LINK)
        stream, now = Stream(batch("s1", "s2"), batch("s3")), time.time_ns
        call = OrderStreamCall(caller, now() + 10**11, commit=desk.commit, streams=OpenStreams(), missed=desk.missed, now=now)
        await call.serve(stream, reports_after=None)
        await until(lambda: len(desk.reports) == 3)
        await asyncio.sleep(0.01)
        TRACING.flush()
        lines = [msgspec.json.decode(line) for line in (folder / "worker-1.jsonl").read_text().splitlines()]
    finally:
        TRACING.close()
    batches = {line["trace"]: line["span"] for line in lines if line["name"] == BATCH_SPAN}
    assert len(batches) == 2
    assert TRACE not in batches, "the stream's own trace would never end"
    assert all(line["attributes"]["stream"] == TRACE for line in lines if line["name"] == BATCH_SPAN)
    names = {trace: sorted(line["name"] for line in lines if line["trace"] == trace) for trace in batches}
    assert sorted(names.values(), key=len) == [
        ["checks", "execution report", "fix", "journal", BATCH_SPAN],
        ["checks", "execution report", "execution report", "fix", "journal", BATCH_SPAN],
    ]
    assert all(line["parent"] == batches[line["trace"]] for line in lines if line["name"] != BATCH_SPAN)
    assert {desk.path.state.store.trace_of(report.order_id) for report in desk.reports} == {
        f"{trace}-{span}" for trace, span in batches.items()
    }
