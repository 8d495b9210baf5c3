"""HTTP requests as figures and as the first spans of traces: a Django middleware, before every other."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextvars import Token
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.tracing import TRACING, Span, current_link, link_of, unsampled_link

SERVICE = "http"
"""The label ``service`` of requests."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@sync_and_async_middleware
def telemetry_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Count and time every request under its route, and begin its trace, or go on with the one in its ``traceparent``."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            measured = _Request(request)
            try:
                response = await get_response(request)
            except BaseException as error:
                measured.end(type(error).__name__)
                raise
            measured.end(str(response.status_code))
            return response

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        measured = _Request(request)
        try:
            response = get_response(request)
        except BaseException as error:
            measured.end(type(error).__name__)
            raise
        measured.end(str(response.status_code))
        return response

    return synchronous


class _Request:
    """One request on its way. Its route is known only at its end, so that everything is counted then."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._began = time.perf_counter()
        self._in_flight = METRICS.method(SERVICE, "")
        self._in_flight.started()
        self._span: Span | None = None
        incoming = request.headers.get("traceparent", "")
        link = link_of(incoming) if incoming else ""
        if TRACING.enabled and not request.path_info.startswith(settings.STATIC_URL):
            self._span = TRACING.begin(f"HTTP {_method(request)}", parent=incoming, server=True)
            if self._span is not None:
                link = self._span.link
            elif not link:
                link = unsampled_link()
        self._token: Token[str] = current_link.set(link)

    def end(self, code: str) -> None:
        """`code` is the status, or the name of the error that left Django (a client that went away)."""
        self._in_flight.left()
        current_link.reset(self._token)
        route = _route(self._request)
        METRICS.method(SERVICE, route).counted(code, time.perf_counter() - self._began)
        if self._span is not None:
            self._span.rename(f"HTTP {route}")
            self._span.note("status", code)
            self._span.end(error="" if code.isdecimal() and int(code) < 500 else code)


def _method(request: HttpRequest) -> str:
    method = request.method or ""
    return method if method in _METHODS else "OTHER"


def _route(request: HttpRequest) -> str:
    """``POST /api/v1/orders``: the pattern of the address, never the address itself."""
    match = request.resolver_match
    if match is None:
        return f"{_method(request)} {'static' if request.path_info.startswith(settings.STATIC_URL) else 'unknown'}"
    return f"{_method(request)} /{match.route}"
