"""``TRACING``: spans of this process, by the OpenTelemetry SDK, to a bounded file or to any collector.

What travels between processes is a W3C ``traceparent``; what is kept with an order is its link, ``<trace id>-<span id>``. A trace
id alone stands for a trace that is not sampled: nobody adds spans to it.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags, set_span_in_context
from opentelemetry.trace import Span as SdkSpan
from opentelemetry.trace import Tracer as SdkTracer

from tradsys.mesh.calls import current_call
from tradsys.mesh.config.schema import TracingConfig
from tradsys.mesh.telemetry.span_file import SpanFile
from tradsys.version import VERSION

AttributeValue = str | int | float | bool

FOLDER = "traces"
"""Below the data folder: one file of spans per process."""
NS_PER_SECOND = 1_000_000_000
EXPORT_EVERY_MS = 500
LARGEST_QUEUE = 8_192
LARGEST_EXPORT = 512
OTLP_SECONDS = 5
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_LINK = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})")
_TRACE_ID = re.compile(r"[0-9a-f]{32}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16

current_link: ContextVar[str] = ContextVar("current_link", default="")
"""Link of the span that the running code belongs to; the trace id alone when that is not sampled; empty outside every trace."""


class Span:
    """A span on its way; ends once."""

    __slots__ = ("_span", "link")

    def __init__(self, span: SdkSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.link = f"{context.trace_id:032x}-{context.span_id:016x}"

    def note(self, name: str, value: AttributeValue) -> None:
        self._span.set_attribute(name, value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def end(self, *, error: str = "", at: int | None = None) -> None:
        """`at` in nanoseconds UTC, now by default; `error` marks it as failed, with a short text without secrets."""
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end(at)


class Tracing:
    """Off until `configure`. On hot paths look at `enabled` first. `steady` gives nanoseconds of a clock that never goes back."""

    def __init__(self, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self.enabled = False
        self._steady = steady
        self._entries = _EntryLimit(0, 0)
        self._provider: TracerProvider | None = None
        self._tracer: SdkTracer | None = None

    def configure(self, process: str, config: TracingConfig, *, namespace: str, var: Path) -> None:
        """Begin to record spans of `process`. Raises OSError when the file cannot be written."""
        self.close()
        if not config.enabled:
            return
        self.use_exporter(
            process,
            _exporter(process, config, var),
            namespace=namespace,
            sample_ratio=config.sample_ratio,
            traces_per_second=config.traces_per_second,
        )

    def use_exporter(
        self, process: str, exporter: SpanExporter, *, namespace: str, sample_ratio: float = 1.0, traces_per_second: int = 1_000_000
    ) -> None:
        """Begin to record, for an exporter that exists already."""
        self._entries = _EntryLimit(traces_per_second, self._steady())
        resource = Resource({"service.name": process, "service.version": VERSION, "service.namespace": namespace})
        provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(sample_ratio)), resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=LARGEST_QUEUE,
                max_export_batch_size=LARGEST_EXPORT,
                schedule_delay_millis=EXPORT_EVERY_MS,
            )
        )
        self._provider = provider
        self._tracer = provider.get_tracer("tradsys", VERSION)
        self.enabled = True

    def begin(
        self,
        name: str,
        *,
        parent: str = "",
        attributes: Mapping[str, AttributeValue] | None = None,
        start: int | None = None,
        server: bool = False,
        weight: int = 1,
    ) -> Span | None:
        """A span below `parent`, or of a new trace; None when tracing is off, the trace is not sampled, or too many have begun.

        `parent` is a traceparent or a link; a text that is neither counts as none, as W3C asks. `start` in nanoseconds UTC.
        `server` says that the span answers a call from outside the process: of these, and of new traces, the configuration
        allows so many a second. One for a batch of orders counts `weight` times, since each order brings spans of its own.
        """
        tracer = self._tracer
        if tracer is None:
            return None
        # Said even where there is no parent: without a context the SDK would look for one in a variable of its own.
        context = Context()
        if parent:
            if _TRACE_ID.fullmatch(parent):
                return None
            read = _parse(parent)
            if read is not None:
                trace, span, sampled = read
                if not sampled:
                    return None
                known = SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
                context = set_span_in_context(NonRecordingSpan(known))
        enters = server or not context
        if enters and not self._entries.allows(self._steady()):
            return None
        begun = tracer.start_span(
            name,
            context=context,
            kind=SpanKind.SERVER if server else SpanKind.INTERNAL,
            attributes=attributes,
            start_time=start,
        )
        if not begun.is_recording():
            return None
        if enters:
            self._entries.take(weight)
        return Span(begun)

    def flush(self) -> None:
        """Hand over what has ended; for tests and short commands."""
        if self._provider is not None:
            self._provider.force_flush(5_000)

    def close(self) -> None:
        """Hand over what has ended and stop recording."""
        provider, self._provider, self._tracer, self.enabled = self._provider, None, None, False
        if provider is not None:
            provider.shutdown()


class _EntryLimit:
    """At most `per_second` are taken in each second; a second of them may be saved up. Two threads may share the last one."""

    __slots__ = ("_at", "_left", "_per_second")

    def __init__(self, per_second: int, now: int) -> None:
        self._per_second = per_second
        self._left = float(per_second)
        self._at = now

    def allows(self, now: int) -> bool:
        self._left = min(self._left + (now - self._at) * self._per_second / NS_PER_SECOND, float(self._per_second))
        self._at = now
        return self._left >= 1

    def take(self, weight: int) -> None:
        """May leave a debt, which the next seconds pay off."""
        self._left -= weight


def is_traced(link: str) -> bool:
    """Whether `link` names a span, and not only the trace id of a trace that is not sampled."""
    return len(link) == 49


def link_of(traceparent: str) -> str:
    """What a traceparent says as a link: with its span when sampled, the trace id alone when not, empty for anything else."""
    read = _parse(traceparent)
    if read is None:
        return ""
    trace, span, sampled = read
    return f"{trace}-{span}" if sampled else trace


def unsampled_link() -> str:
    """A new trace id without a span: those who are called next do not begin traces of their own."""
    return secrets.token_hex(16)


def running_link() -> str:
    """`current_link`, or that of the call which the running code answers."""
    link = current_link.get()
    if link:
        return link
    call = current_call.get(None)
    return "" if call is None else call.trace


def outgoing_traceparent() -> str:
    """The ``traceparent`` for a call that the running code makes; empty outside every trace."""
    link = running_link()
    if is_traced(link):
        return f"00-{link}-01"
    return f"00-{link}-{secrets.token_hex(8)}-00" if link else ""


def _parse(text: str) -> tuple[str, str, bool] | None:
    """(trace id, span id, sampled) of a traceparent or a link."""
    link = _LINK.fullmatch(text)
    if link is not None:
        trace, span, sampled = link[1], link[2], True
    else:
        header = _TRACEPARENT.fullmatch(text)
        if header is None:
            return None
        trace, span, sampled = header[1], header[2], bool(int(header[3], 16) & 1)
    return None if trace == _NO_TRACE or span == _NO_SPAN else (trace, span, sampled)


def _exporter(process: str, config: TracingConfig, var: Path) -> SpanExporter:
    if config.exporter == "file":
        return SpanFile(var / FOLDER / f"{process}.jsonl", megabytes=config.file_megabytes)
    # Loaded only where it is used: it brings its own gRPC channel.
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter(endpoint=config.otlp_endpoint, insecure=config.otlp_insecure, timeout=OTLP_SECONDS)


TRACING = Tracing()
