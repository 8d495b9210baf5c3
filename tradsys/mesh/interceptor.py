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

from tradsys.mesh.admission import TRACEPARENT, Admission, Admitted, MethodPlan
from tradsys.mesh.calls import current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.resilience.deadlines import set_deadline
from tradsys.mesh.service import MethodRule
from tradsys.mesh.standard_services import STANDARD_SERVICES
from tradsys.mesh.telemetry.metrics import METRICS, MethodMetrics
from tradsys.mesh.telemetry.tracing import TRACING, current_link, link_of
from tradsys.mesh.usage import UsageRecorder

log = logging.getLogger("tradsys.calls")

NS_PER_SECOND = 1_000_000_000
_PASSED = METRICS.license_validations("OK")
_LICENCE_REASONS = frozenset(each for each in CallRefusal if 401 <= each.number < 500)


_metadata: ContextVar[Any] = ContextVar("metadata")


class OpenStream:
    """A stream that goes on; `refuse` ends it with a reason its caller is told."""

    __slots__ = ("admitted", "plan", "refused")

    def __init__(self, plan: MethodPlan, admitted: Admitted) -> None:
        self.plan = plan
        self.admitted = admitted
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
        self.draining = False
        """Set when the server stops: nothing new is taken."""
        self.in_flight = 0
        self.calls = 0

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
            reason = self._admission.still(stream.plan, stream.admitted.call, stream.admitted.claims)
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
        wrap = self._stream if handler.response_streaming else self._unary
        return _make_handler(handler)(wrap(plan, _behaviour(handler)), **coders)

    def _unary(self, plan: MethodPlan, behaviour: Callable[[Any, Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
        metrics = METRICS.method(plan.service, plan.rule.name)

        async def unary(request: Any, context: Any) -> Any:
            running = _Running(self, plan, metrics)
            try:
                running.admit(context)
                response = await behaviour(request, context)
                running.code = "OK"
                return response
            except CallRefused as refused:
                await running.refuse(context, refused)
            except asyncio.CancelledError:
                running.code = "CANCELLED"
                raise
            except Exception as error:
                running.failed(context, error)
                raise
            finally:
                running.finish()

        return unary

    def _stream(self, plan: MethodPlan, behaviour: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Awaitable[None]]:
        metrics = METRICS.method(plan.service, plan.rule.name)
        generates = inspect.isasyncgenfunction(behaviour)

        async def serve(request: Any, context: Any) -> None:
            serving = behaviour(request, context)
            await (_written(serving, context) if generates else serving)

        async def stream(request: Any, context: Any) -> None:
            running = _Running(self, plan, metrics)
            try:
                await self._serve(OpenStream(plan, running.admit(context)), serve(request, context))
                running.code = "OK"
            except CallRefused as refused:
                await running.refuse(context, refused)
            except asyncio.CancelledError:
                running.code = "CANCELLED"
                raise
            except Exception as error:
                running.failed(context, error)
                raise
            finally:
                running.finish()

        return stream

    async def _serve(self, stream: OpenStream, serving: Awaitable[None]) -> None:
        """Until the servicer has finished. Raises CallRefused when something stands against the stream meanwhile."""
        tenant = stream.admitted.call.identity.tenant
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


class _Running:
    """One call between its arrival and its end, with everything that is counted of it."""

    __slots__ = ("_began", "_interceptor", "_metrics", "_plan", "_span", "admitted", "code")

    def __init__(self, interceptor: CallInterceptor, plan: MethodPlan, metrics: MethodMetrics) -> None:
        self._began = perf_counter_ns()
        self._interceptor = interceptor
        self._plan = plan
        self._span: Any = None
        self.admitted: Admitted | None = None
        self.code = "UNKNOWN"
        self._metrics = metrics
        metrics.started()
        interceptor.in_flight += 1
        interceptor.calls += 1

    def admit(self, context: Any) -> Admitted:
        interceptor, plan = self._interceptor, self._plan
        if interceptor.draining and not plan.rule.public:
            raise CallRefused(CallRefusal.SERVICE_DRAINING)
        metadata: dict[str, Any] = dict(_metadata.get() or ())
        self.admitted = admitted = interceptor._admission.admit(plan, metadata, context.auth_context())
        if plan.checked:
            _PASSED.add()
        set_deadline(context.time_remaining())
        call = admitted.call
        traceparent = metadata.get(TRACEPARENT)
        if TRACING.enabled:
            attributes = {"tenant": call.identity.tenant, "door": call.door}
            self._span = TRACING.begin(call.method, parent=str(traceparent or ""), attributes=attributes, server=True)
        if self._span is not None:
            call.trace = self._span.link
        elif traceparent:
            call.trace = link_of(str(traceparent))
        if call.trace:
            current_link.set(call.trace)
        current_call.set(call)
        return admitted

    async def refuse(self, context: Any, refused: CallRefused) -> NoReturn:
        reason, tenant = refused.refusal, refused.figures.get("tenant", "")
        METRICS.call_refused(self._plan.service, reason.name)
        if reason in _LICENCE_REASONS:
            METRICS.license_validation(reason.name)
            METRICS.license_violation(tenant, reason.name)
        self.code = reason.name
        await abort_with_refusal(context, reason, refused.figures)

    def failed(self, context: Any, error: Exception) -> None:
        """An error of the servicer: one that it aborted with has a code already, any other is a fault of ours."""
        code = context.code()
        if code:
            self.code = code.name if isinstance(code, grpc.StatusCode) else _name_of(code)
        else:
            log.error("%s failed", self._plan.path, exc_info=error)

    def finish(self) -> None:
        duration = perf_counter_ns() - self._began
        interceptor = self._interceptor
        interceptor.in_flight -= 1
        self._metrics.finished(self.code, duration / NS_PER_SECOND)
        admitted = self.admitted
        if self._span is not None:
            self._span.end(error="" if self.code == "OK" else self.code)
        if admitted is None or not admitted.meter or interceptor._usage is None:
            return
        call = admitted.call
        interceptor._usage.record(
            tenant=call.identity.tenant,
            meter=admitted.meter,
            operation=call.method,
            door=call.door,
            subject=call.identity.subject,
            success=self.code == "OK",
            duration=duration,
            time=call.began_at,
        )


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
