"""Puts one order worker together and runs it: journal, order path, lines, configuration, gRPC."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import signal
import time
from pathlib import Path

from exchanges.fix.clock import SystemClock
from exchanges.plugin_settings import read_settings
from exchanges.registry import registry
from trading_workers.journal.records import RecordType, decode
from trading_workers.journal.recovery import read_all, recover
from trading_workers.journal.segments import JournalError
from trading_workers.journal.writer import JournalWriter, SyncPolicy
from trading_workers.mesh_process import MeshProcess
from trading_workers.order_path import OrderPath
from trading_workers.order_worker import wire
from trading_workers.order_worker.event_queues import OpenStreams
from trading_workers.order_worker.group_commit import GroupCommit
from trading_workers.order_worker.line_plan import planned_lines
from trading_workers.order_worker.missed_reports import MissedReports
from trading_workers.order_worker.order_lines import OrderLines
from trading_workers.order_worker.order_service import OrderService
from trading_workers.order_worker.risk_service import RiskService
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import OrderReport
from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.documents import PlatformDocument
from trading_workers.snapshot.loader import SnapshotLoader
from trading_workers.snapshot.signing import AnyDocument
from tradsys.configuration import Address, Configuration
from tradsys.mesh.resilience.breakers import Breakers
from tradsys.mesh.service import SERVING, Health, HealthStatus
from tradsys.mesh.tokens import load_verification_key

log = logging.getLogger("trading_workers.worker")

STREAM_END_SECONDS = 2.0
LOGOUT_SECONDS = 1.5
_LINE_RECORDS = frozenset(
    {RecordType.FIX_SENT, RecordType.FIX_RECEIVED, RecordType.FIX_RESET, RecordType.EXECUTION, RecordType.CANCEL_REJECTED}
)
_NAME = re.compile(r"[a-z0-9-]*?([1-9][0-9]{0,3})")


class CannotStart(Exception):
    """The worker cannot start; the text says what is missing and where."""


def worker_number(name: str) -> int:
    """The number at the end of a worker's name. Raises CannotStart."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise CannotStart(f"{name!r} is not a worker's name: lower-case letters, digits and hyphens with a number at the end")
    return int(match[1])


class Worker:
    """One worker of this machine. `run` returns the exit status after SIGTERM or SIGINT, or after a failure of the journal."""

    def __init__(self, name: str, configuration: Configuration, *, policy: SyncPolicy) -> None:
        self._name = name
        address = configuration.order_workers.get(name)
        if address is None:
            known = ", ".join(configuration.order_workers) or "none"
            raise CannotStart(f"TRADSYS_ORDER_WORKERS has no address for {name} (it has: {known})")
        self._address: Address = address
        self._clock = SystemClock()
        self._streams = OpenStreams()
        number = worker_number(name)
        self._mesh = MeshProcess(name, configuration, now=self._clock.now)
        folder = configuration.var / name
        self._breakers = Breakers(self._mesh.mesh.circuit_breaker)
        clients = registry().clients(configuration.venues, read_settings(configuration.exchange_settings_file))
        self._path = OrderPath(name, number, clients, time.perf_counter_ns)
        venues = {exchange: address for exchange, address in configuration.venues.items() if exchange in clients}
        lines_per_exchange = self._mesh.mesh.connection_pool.lines_per_exchange
        self._journal, lines_of = self._open_journal(folder / "journal", policy)
        self._lines = OrderLines(
            plans=planned_lines(f"TRADSYS-W{number}", venues, lines_per_exchange, configuration.lines),
            path=self._path,
            journal=self._journal,
            clock=self._clock,
            on_report=self._report,
            breakers=self._breakers,
        )
        self._recover(lines_of)
        self._loader = SnapshotLoader(
            worker=name,
            key=load_verification_key(configuration.snapshot_verification_key),
            copies=DiskCopies(folder / "snapshots"),
            redis_url=configuration.redis_url,
            database_url=configuration.database_url,
            apply=self._configure,
            now=self._clock.now,
        )
        self._commit = GroupCommit(self._path, self._journal, self._lines, self._clock.now)
        self._service = OrderService(
            path=self._path,
            commit=self._commit,
            streams=self._streams,
            missed=MissedReports(self._journal, self._path.state.store.find),
            now=self._clock.now,
        )

    def _open_journal(self, directory: Path, policy: SyncPolicy) -> tuple[WorkerJournal, Path]:
        recovery = recover(directory)
        if recovery.torn is not None:
            log.warning(
                "the journal ended in an unfinished batch: %d bytes are cut, a copy is %s",
                recovery.torn.discarded,
                recovery.torn.copy,
            )
        return WorkerJournal(JournalWriter(directory, recovery, policy=policy), self._clock.now), directory

    def _recover(self, directory: Path) -> None:
        """Rebuild orders, reservations and lines from the journal, then begin a new epoch in it."""
        begun = self._clock.now()
        count = 0
        for record in read_all(directory):
            self._path.replay(record)
            if record.type in _LINE_RECORDS:
                payload = decode(record.type, record.payload)
                store = self._lines.stores.get(getattr(payload, "line", ""))
                if store is not None:
                    store.recovered(record.sequence, payload)
            count += 1
        self._refuse_lines_left_out()
        self._journal.append_encoded([self._path.start_epoch()], self._clock.now())
        elapsed = (self._clock.now() - begun) // 1_000_000
        log.info("%d journal records read back in %d ms, state %s", count, elapsed, self._path.state_hash())

    def _refuse_lines_left_out(self) -> None:
        """Raises CannotStart when orders are open on a line that is not opened: nobody would hear of their fills."""
        left_out = {order.line for order in self._path.state.store.open_orders()} - self._lines.stores.keys()
        if left_out:
            raise CannotStart(
                f"orders are open on {', '.join(sorted(left_out))}, which this configuration does not open: start with these lines "
                "(TRADSYS_VENUES, connection_pool.lines_per_exchange) until the orders have ended"
            )

    def _configure(self, document: AnyDocument) -> None:
        if isinstance(document, PlatformDocument):
            self._path.configure_platform(document)
        else:
            self._path.configure_tenant(document)
        self._mesh.configure(document)

    def _report(self, report: OrderReport, sequence: int) -> None:
        if self._streams.wanted(report.tenant):
            self._streams.deliver(report.tenant, wire.to_report(report, sequence))

    async def run(self) -> int:
        loaded = self._loader.load_from_disk()
        await self._loader.load_from_servers()
        if not self._loader.revisions:
            log.warning("no configuration yet: every order is refused until one arrives")
        log.info("%d documents from the disk, revisions %s", loaded, self._loader.revisions)
        host = self._mesh.host(
            [self._service, RiskService(self._path, self._clock.now)],
            resources={"journal": self._journal_health, "lines": self._lines.health},
            revisions=lambda: self._loader.revisions,
            lag_ms=lambda: self._loader.lag_ms,
            breakers=self._breakers.states,
            lines=self._line_states,
        )
        # What was loaded at the start lives as long as the process: the collector need not walk it again and again.
        gc.collect()
        gc.freeze()
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        commit = asyncio.create_task(self._commit.run(), name="group commit")
        tasks = [
            asyncio.create_task(self._loader.run(), name="configuration"),
            asyncio.create_task(self._lines.run(), name="lines"),
        ]
        await self._mesh.start()
        print(f"{self._name}: gRPC on {self._address}, lines {', '.join(self._lines.initiators)}", flush=True)
        stop = asyncio.create_task(stopping.wait(), name="stop")
        ended, _ = await asyncio.wait({stop, commit, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        failure = next((task.exception() for task in ended if task is not stop), None)
        await host.drain()
        if failure is None and not commit.done():
            await self._drain()
        await self._mesh.stop(STREAM_END_SECONDS if failure is None else 0)
        await self._log_out()
        for task in (stop, commit, *tasks):
            task.cancel()
        await asyncio.gather(stop, commit, *tasks, return_exceptions=True)
        if failure is not None:
            log.critical("%s stops, its memory may be ahead of its journal: %s", self._name, failure)
            return 1
        self._journal.close()
        print(f"{self._name}: stopped", flush=True)
        return 0

    def _journal_health(self) -> Health:
        failure = self._journal.failure
        return SERVING if failure is None else Health(HealthStatus.NOT_SERVING, failure)

    def _line_states(self) -> dict[str, str]:
        return {name: "up" if self._path.state.lines.is_up(name) else "down" for name in self._lines.initiators}

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(STREAM_END_SECONDS):
                await self._commit.drained()
        except TimeoutError:
            log.warning("instructions are still undecided at the stop; their senders get no answer")

    async def _log_out(self) -> None:
        try:
            async with asyncio.timeout(LOGOUT_SECONDS):
                await self._lines.stop()
        except (TimeoutError, JournalError) as error:
            log.warning("the lines were not logged out in order: %s", type(error).__name__)
