"""HTTP requests: counted under their route, traced from the caller's header on, and handed on to the calls they make."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.span_file import KeptSpan, SpanFile, read_spans
from tradsys.mesh.telemetry.tracing import TRACING, current_link, link_of, outgoing_traceparent
from tradsys.web_telemetry import telemetry_middleware

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"
ROUTE = "api/v1/orders/<str:client_order_id>"


class Match:
    route = ROUTE


class View:
    """Stands for all of Django behind the middleware; `seen` is what a call from inside would hand on."""

    def __init__(self, status: int = 200, error: Exception | None = None) -> None:
        self.status, self.error = status, error
        self.seen = ""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.resolver_match = Match()  # type: ignore[assignment]
        self.seen = outgoing_traceparent()
        if self.error is not None:
            raise self.error
        return HttpResponse(status=self.status)


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Callable[[str], list[KeptSpan]]]:
    TRACING.use_exporter("web", SpanFile(tmp_path / "web.jsonl", megabytes=1), namespace="test")

    def kept(trace: str) -> list[KeptSpan]:
        TRACING.flush()
        return read_spans(tmp_path, trace)

    yield kept
    TRACING.close()


def request(method: str = "GET", path: str = "/api/v1/orders/A-1", **headers: str) -> HttpRequest:
    return RequestFactory().generic(method, path, headers=headers)


def count(method: str, code: str) -> float:
    """``tradsys_requests_total`` of one route."""
    labels = {"service": "http", "method": method, "code": code}
    return METRICS.registry.get_sample_value("tradsys_requests_total", labels) or 0


def test_a_request_is_counted_under_its_route_and_never_under_its_address() -> None:
    def timed() -> float:
        labels = {"service": "http", "method": f"POST /{ROUTE}"}
        return METRICS.registry.get_sample_value("tradsys_request_duration_seconds_count", labels) or 0

    before, timed_before = count(f"POST /{ROUTE}", "201"), timed()
    telemetry_middleware(View(201))(request("POST"))
    assert (count(f"POST /{ROUTE}", "201"), timed()) == (before + 1, timed_before + 1)
    assert METRICS.registry.get_sample_value("tradsys_requests_in_flight", {"service": "http"}) == 0
    assert "A-1" not in METRICS.exposition().decode()


def test_a_request_in_progress_is_in_flight() -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(METRICS.registry.get_sample_value("tradsys_requests_in_flight", {"service": "http"}))
        return HttpResponse()

    telemetry_middleware(view)(request())
    assert seen == [1]
    assert METRICS.registry.get_sample_value("tradsys_requests_in_flight", {"service": "http"}) == 0


def test_invented_methods_and_unknown_addresses_share_a_label_each() -> None:
    def unknown(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=404)

    before = count("OTHER unknown", "404")
    for number in range(3):
        telemetry_middleware(unknown)(request(f"X{number}", f"/{number}"))
    assert count("OTHER unknown", "404") == before + 3


def test_a_request_that_fails_or_is_left_is_counted_and_leaves_nothing_in_flight(spans: Callable[[str], list[KeptSpan]]) -> None:
    with pytest.raises(ConnectionError):
        telemetry_middleware(View(error=ConnectionError("gone")))(request(traceparent=TRACEPARENT))
    assert count(f"GET /{ROUTE}", "ConnectionError") >= 1
    assert METRICS.registry.get_sample_value("tradsys_requests_in_flight", {"service": "http"}) == 0
    assert [span.error for span in spans(TRACE)] == ["ConnectionError"]
    assert current_link.get() == ""


def test_a_trace_goes_on_from_the_callers_header_and_on_to_what_the_request_calls(
    spans: Callable[[str], list[KeptSpan]],
) -> None:
    view = View()
    telemetry_middleware(view)(request("POST", traceparent=TRACEPARENT))
    [span] = spans(TRACE)
    assert (span.name, span.parent, span.process) == (f"HTTP POST /{ROUTE}", "b7ad6b7169203331", "web")
    assert view.seen == f"00-{TRACE}-{span.span}-01"
    assert current_link.get() == ""


def test_a_request_without_a_header_begins_a_trace_of_its_own(spans: Callable[[str], list[KeptSpan]]) -> None:
    view = View()
    telemetry_middleware(view)(request())
    [span] = spans(link_of(view.seen)[:32])
    assert span.parent == ""


def test_a_caller_that_does_not_sample_is_obeyed_and_its_trace_id_travels_on(spans: Callable[[str], list[KeptSpan]]) -> None:
    view = View()
    telemetry_middleware(view)(request(traceparent=f"{TRACEPARENT[:-2]}00"))
    assert spans(TRACE) == []
    assert link_of(view.seen) == TRACE


def test_with_tracing_off_an_incoming_trace_still_travels_on() -> None:
    view = View()
    telemetry_middleware(view)(request(traceparent=TRACEPARENT))
    assert link_of(view.seen) == TRACEPARENT[3:-3]
    telemetry_middleware(view)(request())
    assert view.seen == ""


def test_static_files_begin_no_traces(spans: Callable[[str], list[KeptSpan]]) -> None:
    view = View()
    telemetry_middleware(view)(request(path="/static/tradsys.css"))
    assert view.seen == ""


async def test_requests_at_the_same_time_do_not_see_each_others_traces(spans: Callable[[str], list[KeptSpan]]) -> None:
    seen: dict[str, str] = {}

    async def view(request: Any) -> HttpResponse:
        request.resolver_match = Match()
        await asyncio.sleep(0.01)
        seen[request.path] = outgoing_traceparent()
        await asyncio.sleep(0.01)
        return HttpResponse()

    serve = telemetry_middleware(view)
    traces = [f"{number:032x}" for number in range(1, 6)]
    await asyncio.gather(*[serve(request(path=f"/{each}", traceparent=f"00-{each}-b7ad6b7169203331-01")) for each in traces])
    assert {path.removeprefix("/"): link_of(text)[:32] for path, text in seen.items()} == {each: each for each in traces}
    assert current_link.get() == ""
