"""What every call of every service goes through: admission before it; usage, metrics and a span after it.

The plan's licence-aware wrapper, as a server interceptor: a servicer contains no licence code. A method that no service has
declared is refused. Streams are checked when they open and again whenever their tenant's entitlements change.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Any, NoReturn

import grpc

from tradsys.mesh.admission import TRACEPARENT, Admission, MethodPlan
from tradsys.mesh.calls import Call, current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.resilience.deadlines import set_deadline
from tradsys.mesh.service import MethodRule
from tradsys.mesh.standard_services import STANDARD_SERVICES
from tradsys.mesh.stream_context import StreamContext
from tradsys.mesh.telemetry.metrics import METRICS, MethodMetrics
from tradsys.mesh.telemetry.tracing import TRACING, Span, current_link, link_of
from tradsys.mesh.usage import UsageRecorder

log = logging.getLogger("tradsys.calls")

NS_PER_SECOND = 1_000_000_000
SETTLE_SECONDS = 0.05
"""How long what has ended waits to be counted."""
_PASSED = METRICS.license_validations("OK")
_LICENCE_REASONS = frozenset(each for each in CallRefusal if 401 <= each.number < 500)


_metadata: ContextVar[Any] = ContextVar("metadata")


class OpenStream:
    """A stream that goes on; `refuse` ends it with a reason its caller is told."""

    __slots__ = ("call", "plan", "refused")

    def __init__(self, plan: MethodPlan, call: Call) -> None:
        self.plan = plan
        self.call = call
        self.refused: asyncio.Future[CallRefusal] = asyncio.get_running_loop().create_future()

    def refuse(self, reason: CallRefusal) -> None:
        if not self.refused.done():
            self.refused.set_result(reason)


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """For one server. `services`: full service name → rules of its methods; the standard services are known already."""

    def __init__(
        self, admission: Admission, services: Mapping[str, Iterable[MethodRule]], usage: UsageRecorder | None = None
    ) -> None:
        self._admission = admission
        self._usage = usage
        self._plans = {
            f"/{name}/{rule.name}": MethodPlan(name, rule)
            for name, rules in {**STANDARD_SERVICES, **services}.items()
            for rule in rules
        }
        self._wrapped: dict[str, tuple[Any, Any]] = {}
        self._streams: dict[str, set[OpenStream]] = {}
        self._ended: list[tuple[MethodMetrics, int, str, Call | None]] = []
        self.draining = False
        """Set when the server stops: nothing new is taken."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        # The handler runs in this same task; asking its context for the metadata would have gRPC build them a second time.
        _metadata.set(details.invocation_metadata)
        handler = await continuation(details)
        if handler is None:
            return None
        known = self._wrapped.get(details.method)
        # A servicer gives the same handler for every call; wrapping it anew each time would cost more than the check.
        if known is None or known[0] is not handler:
            known = self._wrapped[details.method] = (handler, self._wrap(self._plans.get(details.method), handler))
        return known[1]

    def entitlement_changed(self, tenant: str) -> None:
        """Look at the tenant's open streams again."""
        for stream in list(self._streams.get(tenant, ())):
            reason = self._admission.still(stream.plan, stream.call)
            if reason is not None:
                stream.refuse(reason)

    def look_at_streams(self) -> None:
        """The same for all: licences also end by the clock."""
        for tenant in list(self._streams):
            self.entitlement_changed(tenant)

    @property
    def open_streams(self) -> int:
        return sum(map(len, self._streams.values()))

    # ---- wrapping

    def _wrap(self, plan: MethodPlan | None, handler: Any) -> Any:
        if plan is None:
            return _make_handler(handler)(_undeclared)
        coders = {"request_deserializer": handler.request_deserializer, "response_serializer": handler.response_serializer}
        wrap = self._stream if handler.response_streaming else self._guarded
        return _make_handler(handler)(wrap(plan, _behaviour(handler)), **coders)

    def _guarded(self, plan: MethodPlan, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        begin, end, metrics = self._begin, self._end, METRICS.method(plan.service, plan.rule.name)

        # The frame of this function holds what belongs to the call: an object for it would cost more than the licence check.
        async def unary(request: Any, context: Any) -> Any:
            began, code, call, span = perf_counter_ns(), "UNKNOWN", None, None
            metrics.started()
            try:
                call, span = begin(plan, context)
                response = await behaviour(request, context)
                code = "OK"
                return response
            except CallRefused as refused:
                code = refused.refusal.name
                await _refuse(plan, context, refused)
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception as error:
                code = _code_of(plan, context, error)
                raise
            finally:
                end(metrics, began, code, call, span)

        return unary

    def _stream(self, plan: MethodPlan, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Awaitable[None]]:
        generates = inspect.isasyncgenfunction(behaviour)

        async def whole(request: Any, grpc_context: Any) -> None:
            context = StreamContext(grpc_context)
            serving = behaviour(request, context)
            try:
                await self._serve(OpenStream(plan, current_call.get()), _written(serving, context) if generates else serving)
            finally:
                await context.first_sent()

        return self._guarded(plan, whole)

    def _begin(self, plan: MethodPlan, context: Any) -> tuple[Call, Span | None]:
        """Let the call in. Raises CallRefused."""
        if self.draining and not plan.rule.public:
            raise CallRefused(CallRefusal.SERVICE_DRAINING)
        metadata: dict[str, Any] = dict(_metadata.get() or ())
        call, span = self._admission.admit(plan, metadata, context), None
        remaining = context.time_remaining()
        if remaining is not None:
            set_deadline(remaining)
        traceparent = metadata.get(TRACEPARENT)
        if TRACING.enabled:
            attributes = {"tenant": call.identity.tenant, "door": call.door}
            span = TRACING.begin(call.method, parent=str(traceparent or ""), attributes=attributes, server=True)
        if span is not None or traceparent:
            call.trace = span.link if span is not None else link_of(str(traceparent))
            current_link.set(call.trace)
        current_call.set(call)
        return call, span

    def _end(self, metrics: MethodMetrics, began: int, code: str, call: Call | None, span: Span | None) -> None:
        """Keep what has ended for `settle`; `call` None: it was refused before it was one."""
        self._ended.append((metrics, perf_counter_ns() - began, code, call))
        if span is not None:
            span.end(error="" if code == "OK" else code)
        if len(self._ended) == 1:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.settle)

    def settle(self) -> None:
        """Count what has ended since the last time: many calls in one go, and no caller waits for it."""
        ended, self._ended = self._ended, []
        for metrics, duration, code, call in ended:
            metrics.finished(code, duration / NS_PER_SECOND)
            if call is None:
                continue
            if call.licensed:
                _PASSED.add()
            if call.meter and self._usage is not None:
                identity = call.identity
                self._usage.record(
                    identity.tenant, call.meter, call.method, call.door, identity.subject, code == "OK", duration, call.began_at
                )

    async def _serve(self, stream: OpenStream, serving: Awaitable[None]) -> None:
        """Until the servicer has finished. Raises CallRefused when something stands against the stream meanwhile."""
        tenant = stream.call.identity.tenant
        self._streams.setdefault(tenant, set()).add(stream)
        task = asyncio.ensure_future(serving)
        try:
            waited: set[asyncio.Future[Any]] = {task, stream.refused}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise CallRefused(stream.refused.result(), tenant=tenant)
            await task
        finally:
            streams = self._streams.get(tenant, set())
            streams.discard(stream)
            if not streams:
                self._streams.pop(tenant, None)
            if not task.done():
                task.cancel()
                await asyncio.wait({task})


async def _refuse(plan: MethodPlan, context: Any, refused: CallRefused) -> NoReturn:
    reason = refused.refusal
    METRICS.call_refused(plan.service, reason.name)
    if reason in _LICENCE_REASONS:
        METRICS.license_validation(reason.name)
        METRICS.license_violation(refused.figures.get("tenant", ""), reason.name)
    await abort_with_refusal(context, reason, refused.figures)


def _code_of(plan: MethodPlan, context: Any, error: Exception) -> str:
    """An error of the servicer: one that it aborted with has a code already, any other is a fault of ours."""
    code = context.code()
    if not code:
        log.error("%s failed", plan.path, exc_info=error)
        return "UNKNOWN"
    return code.name if isinstance(code, grpc.StatusCode) else _name_of(code)


async def _written(responses: AsyncIterator[Any], context: Any) -> None:
    async for response in responses:
        await context.write(response)


async def _undeclared(_request: Any, context: Any) -> NoReturn:
    """A method without a rule: nobody has said who may call it."""
    await abort_with_refusal(context, CallRefusal.METHOD_NOT_PERMITTED, {"method": "no service has declared it"})


def _make_handler(handler: Any) -> Callable[..., Any]:
    """gRPC's maker of a handler of the same kind."""
    if handler.request_streaming:
        return grpc.stream_stream_rpc_method_handler if handler.response_streaming else grpc.stream_unary_rpc_method_handler
    return grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler


def _behaviour(handler: Any) -> Any:
    return handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream


def _name_of(code: int) -> str:
    return next((each.name for each in grpc.StatusCode if each.value[0] == code), "UNKNOWN")
