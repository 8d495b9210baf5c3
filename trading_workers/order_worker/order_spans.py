"""Spans of the order path, made after the work from times that were taken during it: a traced order waits for none of them."""

from __future__ import annotations

from collections.abc import Sequence

from trading_workers.order_store import OrderStore
from trading_workers.orders import Answer, OrderReport, OrderState
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.tracing import TRACING

NS_PER_SECOND = 1_000_000_000


def spans_of_batch(link: str, answers: Sequence[Answer], *, began: int, checked: int, durable: int, sent: int) -> None:
    """``checks``, ``journal`` and ``fix`` of one traced batch, below `link`. Times in nanoseconds UTC."""
    sent_orders = [answer for answer in answers if answer.refusal is None and not answer.duplicate]
    refused = next((answer.refusal.reason.name for answer in answers if answer.refusal is not None), "")
    about: dict[str, str | int] = {"orders": len(answers), "accepted": len(sent_orders)}
    if len(answers) == 1 and answers[0].order_id:
        about["order_id"] = str(answers[0].order_id)
    if refused:
        about["refusal"] = refused
    spans = [("checks", began, checked), ("journal", checked, durable)]
    if sent_orders:
        spans.append(("fix", durable, sent))
    for name, start, end in spans:
        span = TRACING.begin(name, parent=link, start=start, attributes=about)
        if span is not None:
            span.end(at=end)


def measure_reports(store: OrderStore, reports: Sequence[OrderReport], *, read: int, written: int) -> None:
    """Latency of the venue's first reports, and an ``execution report`` span for each report about a traced order.

    `read` and `written`: when the messages were read and when the journal had them, nanoseconds UTC.
    """
    for report in reports:
        if report.state is OrderState.NEW and not report.cumulative:
            order = store.open_order(report.order_id)
            if order is not None:
                METRICS.exchange_latency(report.exchange, "new_order").observe(max(read - order.accepted_at, 0) / NS_PER_SECOND)
        if TRACING.enabled and (link := store.trace_of(report.order_id)):
            about = {"order_id": str(report.order_id), "state": report.state.value, "exchange": report.exchange}
            span = TRACING.begin("execution report", parent=link, start=read, attributes=about)
            if span is not None:
                span.end(at=written)
