"""Follows the journals of all workers and keeps the tenants' tables, the usage and the people's channels up with them.

Rows and checkpoint move in one transaction, so that a crash at any instant loses nothing and projects nothing twice.
Servers that are away are waited for; the journals keep everything meanwhile.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import defaultdict
from pathlib import Path

import redis
from django.db import DatabaseError, InterfaceError, OperationalError, close_old_connections, transaction
from redis.exceptions import RedisError

from licensing.catalogue import Meter
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_worker, platform_scope
from trading_workers.blotter.models import Order
from trading_workers.journal.framing import Record
from trading_workers.journal.reader import JournalReader
from trading_workers.journal.records import (
    CancelRejected,
    CancelRequested,
    Execution,
    OrderAccepted,
    OrderDenied,
    UnknownRecord,
    decode,
)
from trading_workers.journal.segments import JournalError
from trading_workers.models import ProjectionCheckpoint
from trading_workers.projector.rows import Entry, ProjectionRefused, TenantRows
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.tracing import TRACING, is_traced

log = logging.getLogger("trading_workers.projector")

BATCH_RECORDS = 2_000
IDLE_SECONDS = 0.05
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
NS_PER_SECOND = 1_000_000_000
LONGEST_TRACED_DELAY_NS = 600 * NS_PER_SECOND


class AnotherProjector(Exception):
    """The checkpoint moved under our hands: somebody else projects this worker's journal."""


class Projector:
    """One process for all workers of this machine. `var` holds ``<worker>/journal`` folders."""

    def __init__(self, *, var: Path, redis_url: str, stop: threading.Event) -> None:
        self._var = var
        self._stop = stop
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._readers: dict[str, JournalReader] = {}
        self._checkpoints: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        """Until `stop` is set."""
        wait = FIRST_WAIT_SECONDS
        ready = False
        while not self._stop.is_set():
            try:
                progressed = self.project_all()
                if not ready:
                    ready = True
                    print("projector is ready", flush=True)
                wait = FIRST_WAIT_SECONDS
                if not progressed:
                    self._stop.wait(IDLE_SECONDS)
            except (OperationalError, InterfaceError, AnotherProjector, UnknownTenant, OSError) as error:
                log.warning("the projection waits %.1f s: %s", wait, _short(error))
                self._start_over()
                self._stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            except (JournalError, ProjectionRefused, UnknownRecord, DatabaseError) as error:
                # Nothing that a repetition can mend; it is said again and again until somebody looks.
                log.critical("the projection stands still: %s", _short(error))
                self._start_over()
                self._stop.wait(LONGEST_WAIT_SECONDS)

    def project_all(self) -> bool:
        """One batch of every worker; whether there was anything."""
        progressed = False
        for folder in sorted(self._var.glob("*/journal")):
            progressed = self.project_batch(folder.parent.name, folder) or progressed
        return progressed

    def project_batch(self, worker: str, folder: Path) -> bool:
        """Project the next records of one worker; whether there were any."""
        reader = self._readers.setdefault(worker, JournalReader(folder))
        checkpoint = self._checkpoints.get(worker)
        if checkpoint is None:
            checkpoint = self._checkpoints[worker] = _stored_checkpoint(worker)
        records = reader.read(checkpoint[1] + 1, BATCH_RECORDS)
        if not records:
            return False
        last = (records[-1].epoch, records[-1].sequence)
        began = time.time_ns()
        changed, usage = self._commit(worker, records, checkpoint, last)
        ended = time.time_ns()
        self._checkpoints[worker] = last
        for slug, count in usage.items():
            METRICS.usage(slug, Meter.ORDERS.value, count)
        METRICS.projected(worker, len(records), max(ended - records[-1].time, 0) / NS_PER_SECOND)
        self._tell(changed, began, ended)
        return True

    def _commit(
        self, worker: str, records: list[Record], checkpoint: tuple[int, int], last: tuple[int, int]
    ) -> tuple[dict[str, list[tuple[int, Order]]], dict[str, int]]:
        """Changed orders and newly metered orders, by tenant."""
        by_tenant: dict[str, list[Entry]] = defaultdict(list)
        for record in records:
            payload = decode(record.type, record.payload)
            if isinstance(payload, OrderAccepted | OrderDenied | CancelRequested | CancelRejected | Execution):
                by_tenant[payload.tenant].append(Entry(worker, record.epoch, record.sequence, record.time, payload))
        changed, usage = {}, {}
        with platform_scope(), transaction.atomic():
            _move_checkpoint(worker, checkpoint, last)
            for slug, entries in sorted(by_tenant.items()):
                with enter_for_worker(slug):
                    rows = TenantRows()
                    rows.project(entries)
                changed[slug] = rows.changed_orders()
                if rows.usage:
                    usage[slug] = len(rows.usage)
        return changed, usage

    def _tell(self, changed: dict[str, list[tuple[int, Order]]], began: int, ended: int) -> None:
        """People see changes at once; whoever misses one reads the table, which has it already.

        The rows were written from `began` to `ended`, nanoseconds UTC.
        """
        if not any(changed.values()):
            return
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for slug, orders in changed.items():
                for sequence, order in orders:
                    link = _span_of_projection(order, began, ended) if TRACING.enabled else ""
                    pipeline.publish(f"tenant:{slug}:orders", json.dumps(order_event(sequence, order, link)))
            pipeline.execute()
        except (RedisError, OSError) as error:
            log.warning("changes are in the tables but could not be announced: %s", _short(error))

    def _start_over(self) -> None:
        """Forget what was read: after a failed commit nobody here knows whether it happened."""
        self._checkpoints.clear()
        close_old_connections()


def _span_of_projection(order: Order, began: int, ended: int) -> str:
    """``projection`` of a traced order's change; its link, empty without one. A replay of old records begins no spans."""
    if not is_traced(order.trace_id) or ended - order.changed_at > LONGEST_TRACED_DELAY_NS:
        return ""
    about = {"worker": order.worker, "order_id": str(order.order_id or ""), "state": str(order.state)}
    span = TRACING.begin("projection", parent=order.trace_id, start=began, attributes=about)
    if span is None:
        return ""
    span.end(at=ended)
    return span.link


def order_event(sequence: int, order: Order, link: str = "") -> dict[str, object]:
    """What the tenant's channel says of a changed order. Prices are int64 millionths, times nanoseconds UTC.

    `link` of the span that the frames to the browsers belong to; it comes last, where ``fanout`` looks for it.
    """
    return {
        "seq": sequence,
        "worker": order.worker,
        "order_id": order.order_id,
        "client_order_id": order.client_order_id,
        "account": order.account,
        "exchange": order.exchange,
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "quantity": order.quantity,
        "price": order.price,
        "state": order.state,
        "cumulative": order.cumulative,
        "leaves": order.leaves,
        "code": order.denied_code,
        "rule": order.denied_rule,
        "figures": order.denied_figures,
        "text": order.text,
        "changed_at": order.changed_at,
        **({"trace": link} if link else {}),
    }


def _stored_checkpoint(worker: str) -> tuple[int, int]:
    with platform_scope():
        row = ProjectionCheckpoint.objects.filter(worker=worker).first()
    return (0, 0) if row is None else (row.epoch, row.sequence)


def _move_checkpoint(worker: str, before: tuple[int, int], after: tuple[int, int]) -> None:
    """In the transaction that writes the rows. Raises AnotherProjector."""
    row, _ = ProjectionCheckpoint.objects.select_for_update().get_or_create(worker=worker)
    if (row.epoch, row.sequence) != before:
        raise AnotherProjector(f"{worker} is projected up to {row.epoch}:{row.sequence}, not {before[0]}:{before[1]}")
    row.epoch, row.sequence = after
    row.save()


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:300]
