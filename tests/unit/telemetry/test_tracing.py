"""Spans: whose parent, whether sampled, what is kept, and how a trace reads as a tree."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from tradsys.mesh.config.schema import TracingConfig
from tradsys.mesh.telemetry.span_file import MEGABYTE, KeptSpan, SpanFile, read_spans
from tradsys.mesh.telemetry.trace_tree import lines_of, tree_of
from tradsys.mesh.telemetry.tracing import Tracing, current_link, is_traced, link_of, outgoing_traceparent, unsampled_link

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
LINK = f"{TRACE}-{SPAN}"
MS = 1_000_000


@pytest.fixture
def tracing(tmp_path: Path) -> Iterator[Tracing]:
    made = Tracing()
    made.configure("worker-1", config(), namespace="default", var=tmp_path)
    yield made
    made.close()


def config(**changes: Any) -> TracingConfig:
    fields: dict[str, Any] = {
        "enabled": True, "sample_ratio": 1.0, "exporter": "file", "otlp_endpoint": "", "otlp_insecure": True, "file_megabytes": 1,
        "traces_per_second": 1_000,
    }  # fmt: skip
    return TracingConfig(**{**fields, **changes})


def kept(tracing: Tracing, tmp_path: Path) -> list[KeptSpan]:
    tracing.flush()
    return read_spans(tmp_path / "traces", TRACE)


@pytest.mark.parametrize("parent", [LINK, f"00-{LINK}-01", f"00-{LINK}-03"])
def test_a_span_belongs_to_the_parent_that_a_link_or_a_header_names(tracing: Tracing, tmp_path: Path, parent: str) -> None:
    span = tracing.begin("checks", parent=parent, start=5 * MS, attributes={"orders": 2})
    assert span is not None
    assert span.link.startswith(f"{TRACE}-")
    span.end(at=9 * MS)
    [found] = kept(tracing, tmp_path)
    assert (found.parent, found.name, found.process, found.start, found.end) == (SPAN, "checks", "worker-1", 5 * MS, 9 * MS)
    assert (found.attributes, found.error, f"{found.trace}-{found.span}") == ({"orders": 2}, "", span.link)


@pytest.mark.parametrize(
    "parent",
    ["", "nonsense", f"00-{LINK}", f"ff-{LINK}-01", f"00-{'0' * 32}-{SPAN}-01", f"{TRACE}-{'0' * 16}", f"00-{LINK.upper()}-01"],
)
def test_without_a_valid_parent_a_new_trace_begins(tracing: Tracing, parent: str) -> None:
    span = tracing.begin("root", parent=parent)
    assert span is not None
    assert is_traced(span.link)
    assert TRACE not in span.link


@pytest.mark.parametrize("parent", [f"00-{LINK}-00", TRACE])
def test_a_trace_that_is_not_sampled_gets_no_spans_from_us(tracing: Tracing, parent: str) -> None:
    assert tracing.begin("checks", parent=parent) is None


def test_nothing_begins_when_tracing_is_off_and_the_ratio_decides_otherwise(tmp_path: Path) -> None:
    tracing = Tracing()
    tracing.configure("relay", config(enabled=False), namespace="default", var=tmp_path)
    assert not tracing.enabled
    assert tracing.begin("root", parent=LINK) is None
    tracing.configure("relay", config(sample_ratio=0.0), namespace="default", var=tmp_path)
    assert tracing.begin("root") is None
    assert tracing.begin("child", parent=LINK) is not None, "a sampled parent decides for its children"
    tracing.configure("relay", config(sample_ratio=0.5), namespace="default", var=tmp_path)
    begun = sum(tracing.begin("root") is not None for _ in range(400))
    assert 120 < begun < 280
    tracing.close()
    assert tracing.begin("after the end", parent=LINK) is None


def test_a_burst_is_traced_in_part_and_what_has_begun_is_finished(tmp_path: Path) -> None:
    now = 0
    tracing = Tracing(steady=lambda: now)
    tracing.configure("worker-1", config(traces_per_second=3), namespace="default", var=tmp_path)

    def begun(**how: Any) -> int:
        return sum(tracing.begin("x", **how) is not None for _ in range(10))

    assert begun() == 3
    assert begun(parent=LINK, server=True) == 0, "joining a caller's trace counts as well"
    assert begun(parent=LINK) == 10, "a trace that was let in gets all of its spans"
    now += 1_000_000_000 // 3 + 1
    assert begun(parent=LINK, server=True) == 1
    now += 60_000_000_000
    assert begun() == 3, "no more than a second's worth is saved up"
    now += 60_000_000_000
    assert tracing.begin("a batch", weight=9) is not None
    now += 2_000_000_000
    assert begun() == 0, "nine orders pay for three seconds"
    now += 1_000_000_000
    assert begun() == 3
    now += 60_000_000_000
    tracing.configure("worker-1", config(traces_per_second=3, sample_ratio=0.0), namespace="default", var=tmp_path)
    assert begun() == 0
    assert begun(parent=LINK, server=True) == 3, "what the ratio left out used nothing up"
    tracing.close()


def test_a_failed_span_says_so_and_later_notes_count(tracing: Tracing, tmp_path: Path) -> None:
    span = tracing.begin("HTTP POST", parent=LINK)
    assert span is not None
    span.rename("HTTP POST /api/v1/orders")
    span.note("status", "503")
    span.end(error="UNAVAILABLE")
    [found] = kept(tracing, tmp_path)
    assert (found.name, found.error, found.attributes) == ("HTTP POST /api/v1/orders", "UNAVAILABLE", {"status": "503"})


def test_what_travels_on_is_the_link_of_the_running_code() -> None:
    assert outgoing_traceparent() == ""
    token = current_link.set(LINK)
    assert outgoing_traceparent() == f"00-{LINK}-01"
    assert link_of(outgoing_traceparent()) == LINK
    current_link.set(TRACE)
    assert link_of(outgoing_traceparent()) == TRACE, "not sampled: the next one gets the trace id and begins no spans"
    current_link.reset(token)
    assert not is_traced(unsampled_link())
    assert [link_of(text) for text in ("", "nonsense", f"00-{LINK}-00")] == ["", "", TRACE]


def test_the_file_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    tracing = Tracing()
    path = tmp_path / "traces" / "worker-1.jsonl"
    tracing.use_exporter("worker-1", SpanFile(path, megabytes=1), namespace="default")
    for number in range(5_000):
        span = tracing.begin("checks", parent=LINK, attributes={"number": number, "text": "x" * 200})
        assert span is not None
        span.end()
        if number % 400 == 0:
            tracing.flush()
    tracing.close()
    assert path.stat().st_size <= MEGABYTE
    assert [each.name for each in path.parent.iterdir()] == ["worker-1.jsonl"]
    numbers = [json.loads(line)["attributes"]["number"] for line in path.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 5_000))
    assert len(numbers) > 1_000


def test_a_restart_goes_on_in_the_same_file_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "traces" / "worker-1.jsonl"
    for number in range(2):
        tracing = Tracing()
        tracing.use_exporter("worker-1", SpanFile(path, megabytes=1), namespace="default")
        span = tracing.begin(f"run {number}", parent=LINK)
        assert span is not None
        span.end()
        tracing.close()
        with path.open("a") as file:
            file.write(f'{{"trace":"{TRACE}","span":"\n')
    assert [span.name for span in read_spans(path.parent, TRACE)] == ["run 0", "run 1"]
    assert path.stat().st_mode & 0o077 == 0, "spans name tenants' orders"


def test_a_collector_receives_the_spans_with_their_process_version_and_namespace() -> None:
    received: list[trace_service_pb2.ExportTraceServiceRequest] = []

    class Collector(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:
            received.append(request)
            return trace_service_pb2.ExportTraceServiceResponse()

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        tracing = Tracing()
        otlp = config(exporter="otlp", otlp_endpoint=f"http://127.0.0.1:{port}")
        tracing.configure("worker-1", otlp, namespace="default", var=Path("unused"))
        span = tracing.begin("checks", parent=LINK, start=5, attributes={"orders": 1})
        assert span is not None
        span.end(at=9)
        tracing.close()
    finally:
        server.stop(None)
    [resource_spans] = received[0].resource_spans
    about = {each.key: each.value.string_value for each in resource_spans.resource.attributes}
    assert (about["service.name"], about["service.namespace"]) == ("worker-1", "default")
    assert about["service.version"]
    [sent] = resource_spans.scope_spans[0].spans
    assert (sent.name, sent.trace_id.hex(), sent.parent_span_id.hex()) == ("checks", TRACE, SPAN)
    assert (sent.start_time_unix_nano, sent.end_time_unix_nano) == (5, 9)


def test_a_tree_shows_offsets_durations_and_who_is_below_whom() -> None:
    def span(name: str, number: int, parent: int | None, start: int, end: int, **more: Any) -> KeptSpan:
        return KeptSpan(
            trace=TRACE, span=f"{number:016x}", parent="" if parent is None else f"{parent:016x}", name=name,
            process=more.pop("process", "worker-1"), start=start * MS // 1000, end=end * MS // 1000, **more,
        )  # fmt: skip

    spans = [
        span("journal", 4, 2, 3_000, 4_500),
        span("HTTP POST /api/v1/orders", 1, None, 1_000, 9_000, process="web"),
        span("checks", 3, 2, 2_000, 3_000, attributes={"orders": 1}),
        span("OrderService/PlaceOrder", 2, 1, 1_500, 8_000),
        span("websocket frame", 6, 99, 12_000, 12_001, process="web", error="gone"),
    ]
    roots = tree_of(spans)
    assert [root.name for root in roots] == ["HTTP POST /api/v1/orders", "websocket frame"]
    lines = [" ".join(line.split()) for line in lines_of(roots)]
    assert lines == [
        "0.000 ms 8.000 ms HTTP POST /api/v1/orders web",
        "0.500 ms 6.500 ms └─ OrderService/PlaceOrder worker-1",
        "1.000 ms 1.000 ms ├─ checks worker-1 orders=1",
        "2.000 ms 1.500 ms └─ journal worker-1",
        "11.000 ms 0.001 ms websocket frame web error: gone",
    ]
    assert tree_of([]) == ()
