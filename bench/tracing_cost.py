"""What tracing costs the order path: while it is off, and per traced order while it is on. No benchmark of its own: ``measure``.

While it is off, a batch and an order of it pass the same questions as ever ("is it on, is this traced?"). They are timed in a loop
of their own and set against the checks, the record and the commit of one order, batch by batch in the same run, since they are
smaller than the noise of any comparison of whole runs; that comparison is made as well, alternating, as a check.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bench.bench_order_checks import CALLER, orders, platform, tenant
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.order_spans import spans_of_batch
from trading_workers.orders import Answer, Caller
from tradsys.mesh.telemetry.span_file import SpanFile
from tradsys.mesh.telemetry.tracing import TRACING, is_traced

ROUNDS = 40
BATCHES = 20
LINK = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def measure() -> dict[str, object]:
    """Percent of a single order's time in the order path (texts with two decimals), microseconds per traced batch."""
    TRACING.close()
    path, first = _new_path(), 0
    bare_times, hooked_times = [], []
    numbers = iter(range(0, 10**9, 100))

    def decide(caller: Caller) -> tuple[int, list[Answer]]:
        """One order, as a unary call brings it; the batch with the fewest orders has the largest share of questions."""
        nonlocal first
        batch = orders(next(numbers))[:1]
        began = time.perf_counter_ns()
        prepared = path.handle_batch(caller, batch, time.time_ns())
        path.commit(prepared, first + 1)
        first += len(prepared.records)
        return time.perf_counter_ns() - began, prepared.answers

    def hooked() -> int:
        began = time.perf_counter_ns()
        checked = time.time_ns() if TRACING.enabled and is_traced(CALLER.trace_id) else 0
        if checked:
            raise AssertionError("tracing is on")
        return time.perf_counter_ns() - began

    for _ in range(ROUNDS):
        bare = sum(decide(CALLER)[0] for _ in range(BATCHES))
        with_questions = sum(decide(CALLER)[0] + hooked() for _ in range(BATCHES))
        bare_times.append(bare / BATCHES)
        hooked_times.append(with_questions / BATCHES)
    order_ns = statistics.median(bare_times)
    questions_ns = min(_questions() for _ in range(5))
    on_us = _traced_batch_us(decide)
    return {
        "tracing_off_percent": f"{100 * questions_ns / order_ns:.2f}",
        "tracing_off_ns_per_order": f"{questions_ns:.0f}",
        "tracing_off_alternating_percent": f"{100 * (statistics.median(hooked_times) / order_ns - 1):.2f}",
        "tracing_on_us_per_batch": f"{on_us:.1f}",
        "order_us": f"{order_ns / 1000:.2f}",
    }


def _questions(count: int = 20_000) -> float:
    """Nanoseconds of every question that one untraced order is asked between its arrival and its first report."""
    trace_id, caller, link, empty = CALLER.trace_id, CALLER, "", 0
    began = time.perf_counter_ns()
    for _ in range(count):
        # group_commit: the batch; order_booking: the accepted order; group_commit: its measuring; order_spans: its report
        checked = time.time_ns() if TRACING.enabled and is_traced(caller.trace_id) else 0
        if "-" in trace_id:
            empty += 1
        if checked:
            empty += 1
        if TRACING.enabled and link:
            empty += 1
    elapsed = time.perf_counter_ns() - began
    began = time.perf_counter_ns()
    for _ in range(count):
        pass
    return (elapsed - (time.perf_counter_ns() - began)) / count


def _traced_batch_us(decide: Callable[[Caller], tuple[int, list[Answer]]]) -> float:
    """Microseconds that the three spans of a traced batch take, after its answers are out."""
    caller = msgspec.structs.replace(CALLER, trace_id=LINK)
    with tempfile.TemporaryDirectory() as folder:
        TRACING.use_exporter("bench", SpanFile(Path(folder) / "bench.jsonl", megabytes=16), namespace="bench")
        times = []
        for _ in range(300):
            _, answers = decide(caller)
            began = time.perf_counter_ns()
            spans_of_batch(LINK, answers, began=1, checked=2, durable=3, sent=4)
            times.append(time.perf_counter_ns() - began)
        TRACING.close()
    return statistics.median(times) / 1000


def _new_path() -> OrderPath:
    now = time.time_ns()
    path = OrderPath("bench", 1)
    path.configure_platform(platform(now))
    path.configure_tenant(tenant(now))
    path.set_line("EGX", up=True)
    return path
