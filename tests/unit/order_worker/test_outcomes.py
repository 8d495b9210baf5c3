"""What a batch is counted as: decided instructions, licence results, boards' verdicts; and the spans of traced orders."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.order_path_setup import NOW, TRADER, MemoryJournal, caller, cancel, licence, new_path, order, report, tenant
from trading_workers.order_path import OrderPath
from trading_workers.order_store import TRACED_ORDERS, OrderStore
from trading_workers.order_worker.order_spans import measure_reports, spans_of_batch
from trading_workers.order_worker.outcomes import count_outcomes, outcomes
from trading_workers.orders import CancelOrder, NewOrder
from tradsys.mesh.telemetry.metrics import METRICS, Metrics
from tradsys.mesh.telemetry.span_file import KeptSpan, SpanFile, read_spans
from tradsys.mesh.telemetry.tracing import TRACING

LINK = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def counted(path: OrderPath, *instructions: NewOrder | CancelOrder) -> dict[str, float]:
    """Place the instructions and say which figures moved, as ``name{labels}`` → value."""
    metrics, journal = Metrics(), MemoryJournal(path)
    prepared = journal.place(*instructions)
    count_outcomes(metrics, "nile", outcomes(path.view("nile"), instructions, prepared.answers))
    return {
        sample.name.removeprefix("tradsys_") + "{" + ",".join(sample.labels.values()) + "}": sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name.startswith("tradsys_") and not sample.name.startswith("tradsys_build_info")
    }


def test_orders_of_an_account_without_a_board_are_decided_and_licensed_and_met_no_board() -> None:
    assert counted(new_path(), order("o1"), order("o2"), cancel("o1")) == {
        "orders_total{ACCEPTED}": 2,
        "orders_total{CANCELLING}": 1,
        "license_validations_total{OK}": 2,
    }


def test_every_order_that_reaches_a_board_is_a_check_with_the_verdicts_status() -> None:
    instructions = [
        order("o1", account="AMA-1"),
        order("o2", account="AMA-1", symbol="SWDY"),
        order("o3", account="AMA-1", exchange="ADX", symbol="FAB"),
        order("o4", account="AMA-1", quantity=9_999),
        order("o5", account="AMA-1", price=1),
    ]
    assert counted(new_path(), *instructions) == {
        "orders_total{ACCEPTED}": 1,
        "orders_total{NOT_SHARIA_COMPLIANT}": 1,
        "orders_total{SHARIA_VERDICT_MISSING}": 1,
        "orders_total{INSUFFICIENT_BUYING_POWER}": 1,
        "orders_total{PRICE_OFF_TICK}": 1,
        "license_validations_total{OK}": 5,
        "compliance_checks_total{BOARD,compliant}": 2,
        "compliance_checks_total{BOARD,non_compliant}": 1,
        "compliance_checks_total{BOARD,undetermined}": 1,
        "compliance_violations_total{BOARD,NOT_SHARIA_COMPLIANT}": 1,
        "compliance_violations_total{BOARD,SHARIA_VERDICT_MISSING}": 1,
    }


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"valid_until": NOW}, "LICENSE_EXPIRED"),
        ({"status": "suspended"}, "LICENSE_SUSPENDED"),
        ({"features": ()}, "FEATURE_NOT_LICENSED"),
        ({"orders_per_day_cap": 0}, "QUOTA_EXCEEDED"),
        ({"orders_per_second": 0}, "RATE_LIMIT_EXCEEDED"),
    ],
)
def test_an_order_that_the_licence_refuses_is_a_violation_of_its_tenant(changed: dict[str, object], code: str) -> None:
    path = new_path(tenant_document=tenant(licence=licence(**changed)))
    assert counted(path, order("o1", account="AMA-1")) == {
        f"orders_total{{{code}}}": 1,
        f"license_validations_total{{{code}}}": 1,
        f"license_violations_total{{nile,{code}}}": 1,
    }


def test_a_repetition_is_counted_once() -> None:
    path = new_path()
    first = counted(path, order("o1"), order("o2", price=1))
    again = counted(path, order("o1"), order("o2", price=1))
    assert first["orders_total{ACCEPTED}"] == first["orders_total{PRICE_OFF_TICK}"] == 1
    assert again == {}


def test_what_was_refused_before_the_licence_was_no_licence_check() -> None:
    assert counted(new_path(), order("o1", account="unknown"), cancel("nothing")) == {
        "orders_total{ACCOUNT_UNKNOWN}": 1,
        "orders_total{ORDER_UNKNOWN}": 1,
    }


@pytest.fixture
def spans_in(tmp_path: Path) -> object:
    TRACING.use_exporter("worker-1", SpanFile(tmp_path / "worker-1.jsonl", megabytes=1), namespace="test")

    def kept() -> list[KeptSpan]:
        TRACING.flush()
        return read_spans(tmp_path, LINK[:32])

    yield kept
    TRACING.close()


def test_a_traced_order_has_spans_of_its_checks_journal_message_and_reports(spans_in: object) -> None:
    journal = MemoryJournal()
    prepared = journal.place(order("o1"), by=caller(trace_id=LINK))
    spans_of_batch(LINK, prepared.answers, began=NOW, checked=NOW + 10, durable=NOW + 30, sent=NOW + 40)
    heard = journal.hear(report(prepared.answers[0].order_id), now=NOW + 50)
    measure_reports(journal.path.state.store, heard.reports, read=NOW + 50, written=NOW + 60)
    spans = spans_in()  # type: ignore[operator]
    assert [(span.name, span.start - NOW, span.end - NOW) for span in spans] == [
        ("checks", 0, 10),
        ("journal", 10, 30),
        ("fix", 30, 40),
        ("execution report", 50, 60),
    ]
    assert {span.parent for span in spans} == {LINK[33:]}
    assert {span.attributes["order_id"] for span in spans} == {str(prepared.answers[0].order_id)}


def test_an_order_that_was_refused_has_no_message_and_its_spans_say_why(spans_in: object) -> None:
    prepared = MemoryJournal().place(order("o1", price=1), by=caller(trace_id=LINK))
    spans_of_batch(LINK, prepared.answers, began=NOW, checked=NOW + 10, durable=NOW + 30, sent=NOW + 40)
    assert [(span.name, span.attributes["refusal"]) for span in spans_in()] == [  # type: ignore[operator]
        ("checks", "PRICE_OFF_TICK"),
        ("journal", "PRICE_OFF_TICK"),
    ]


def test_the_trace_of_an_order_is_known_after_a_restart_and_is_no_part_of_the_state() -> None:
    traced, plain = MemoryJournal(), MemoryJournal()
    number = traced.place(order("o1"), by=caller(trace_id=LINK)).answers[0].order_id
    plain.place(order("o1"), by=caller(trace_id=LINK[:32]))
    assert traced.path.state.store.trace_of(number) == traced.replayed().state.store.trace_of(number) == LINK
    assert plain.path.state.store.trace_of(number) == "", "a trace id alone is not sampled"
    assert traced.path.state_hash() == plain.path.state_hash()


def test_only_the_latest_traced_orders_are_remembered() -> None:
    store = OrderStore()
    for number in range(TRACED_ORDERS + 5):
        store.keep_trace(number, LINK)
    assert store.trace_of(4) == ""
    assert store.trace_of(5) == store.trace_of(TRACED_ORDERS + 4) == LINK


def test_the_first_report_of_an_order_measures_its_venue() -> None:
    def seen() -> tuple[float, float]:
        labels = {"exchange": "EGX", "operation": "new_order"}
        name = "tradsys_exchange_latency_seconds"
        found = [METRICS.registry.get_sample_value(f"{name}_{part}", labels) or 0 for part in ("count", "sum")]
        return found[0], found[1]

    journal, before = MemoryJournal(), seen()
    number = journal.place(order("o1"), by=msgspec.structs.replace(TRADER)).answers[0].order_id
    heard = journal.hear(report(number), now=NOW + 2_000_000)
    measure_reports(journal.path.state.store, heard.reports, read=NOW + 2_000_000, written=NOW + 3_000_000)
    assert seen()[0] == before[0] + 1
    assert seen()[1] - before[1] == pytest.approx(0.002)
