"""What tracing costs the order path: while it is off, and per traced order while it is on. No benchmark of its own: ``measure``.

While it is off, a batch and an order of it pass the same questions as ever ("is it on, is this traced?"). They are timed in a loop
of their own and set against the checks, the record and the commit of one order, batch by batch in the same run, since they are
smaller than the noise of any comparison of whole runs; that comparison is made as well, alternating, as a check. All times are the
processor's own, so that other programs of the machine count for little.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.bench_order_checks import BATCH, CALLER, orders, platform, tenant
from exchanges.registry import registry
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.order_spans import spans_of_batch
from trading_workers.orders import Answer, Caller, NewOrder
from tradsys.mesh.telemetry.span_file import SpanFile
from tradsys.mesh.telemetry.tracing import TRACING, is_traced

ROUNDS = 20
LINK = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def measure() -> dict[str, object]:
    """Percent of a single order's time in the order path (texts with two decimals), microseconds per traced batch."""
    TRACING.close()
    path, first, number = _new_path(), 1, 0

    def decide(batch: list[NewOrder], caller: Caller) -> list[Answer]:
        """One order, as a unary call brings it; the batch with the fewest orders has the largest share of questions."""
        nonlocal first
        prepared = path.handle_batch(caller, batch, time.time_ns())
        path.commit(prepared, first)
        first += len(prepared.records)
        return prepared.answers

    def batches() -> list[list[NewOrder]]:
        nonlocal number
        number += BATCH
        return [[order] for order in orders(number)]

    bare_times, asking_times = [], []
    for _ in range(ROUNDS):
        made = batches()
        began = time.thread_time_ns()
        for batch in made:
            decide(batch, CALLER)
        bare_times.append((time.thread_time_ns() - began) / BATCH)
        made = batches()
        began = time.thread_time_ns()
        for batch in made:
            checked = time.time_ns() if TRACING.enabled and is_traced(CALLER.trace_id) else 0
            decide(batch, CALLER)
            if checked:
                raise AssertionError("tracing is on")
        asking_times.append((time.thread_time_ns() - began) / BATCH)
    order_ns = statistics.median(bare_times)
    questions_ns = min(_questions() for _ in range(10)) - min(_empty_loop() for _ in range(10))
    on_us = _traced_batch_us(lambda caller: decide(batches()[0], caller))
    return {
        "tracing_off_percent": f"{100 * questions_ns / order_ns:.2f}",
        "tracing_off_ns_per_order": f"{questions_ns:.0f}",
        "tracing_off_alternating_percent": f"{100 * (statistics.median(asking_times) / order_ns - 1):.2f}",
        "tracing_on_us_per_batch": f"{on_us:.1f}",
        "order_us": f"{order_ns / 1000:.2f}",
    }


def _questions(count: int = 20_000) -> float:
    """Nanoseconds of every question that one untraced order is asked between its arrival and its first report."""
    trace_id, caller, link, found = CALLER.trace_id, CALLER, "", 0
    began = time.thread_time_ns()
    for _ in range(count):
        # group_commit: the batch; order_booking: the accepted order; group_commit: its measuring; order_spans: its report
        checked = time.time_ns() if TRACING.enabled and is_traced(caller.trace_id) else 0
        if "-" in trace_id:
            found += 1
        if checked:
            found += 1
        if TRACING.enabled and link:
            found += 1
    elapsed = time.thread_time_ns() - began
    assert not found, "tracing is on"
    return elapsed / count


def _empty_loop(count: int = 20_000) -> float:
    began = time.thread_time_ns()
    for _ in range(count):
        pass
    return (time.thread_time_ns() - began) / count


def _traced_batch_us(decide: Callable[[Caller], list[Answer]]) -> float:
    """Microseconds that the three spans of a traced batch take, after its answers are out."""
    caller = msgspec.structs.replace(CALLER, trace_id=LINK)
    with tempfile.TemporaryDirectory() as folder:
        TRACING.use_exporter("bench", SpanFile(Path(folder) / "bench.jsonl", megabytes=16), namespace="bench")
        times = []
        for _ in range(300):
            answers = decide(caller)
            began = time.thread_time_ns()
            spans_of_batch(LINK, answers, began=1, checked=2, durable=3, sent=4)
            times.append(time.thread_time_ns() - began)
        TRACING.close()
    return statistics.median(times) / 1000


def _new_path() -> OrderPath:
    now = time.time_ns()
    path = OrderPath("bench", 1, registry().clients(("EGX",)))
    path.configure_platform(platform(now))
    path.configure_tenant(tenant(now))
    path.set_line("EGX", up=True)
    return path
