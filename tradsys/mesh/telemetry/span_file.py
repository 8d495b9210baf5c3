"""Spans as lines of JSON in one bounded file per process: what a platform without a collector keeps of its traces."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

log = logging.getLogger("tradsys.tracing")

MEGABYTE = 1024 * 1024


class KeptSpan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. Ids in hexadecimal, times in nanoseconds UTC."""

    trace: str
    span: str
    parent: str = ""
    name: str
    process: str
    start: int
    end: int
    error: str = ""
    attributes: dict[str, str | int | float | bool] = {}


_decode = msgspec.json.Decoder(KeptSpan).decode


class SpanFile(SpanExporter):
    """Appends to `path`; beyond `megabytes` the oldest half goes. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, *, megabytes: int) -> None:
        self._path = path
        self._limit = megabytes * MEGABYTE
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file, self._size = self._opened()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        lines = b"".join(msgspec.json.encode(_kept(span)) + b"\n" for span in spans)
        try:
            if self._size + len(lines) > self._limit:
                self._halve()
            os.write(self._file, lines)
        except OSError as error:
            log.error("%d spans could not be written to %s: %s", len(spans), self._path, error)
            return SpanExportResult.FAILURE
        self._size += len(lines)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _opened(self) -> tuple[int, int]:
        # Appending in one write each: readers see whole lines only.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return file, os.fstat(file).st_size

    def _halve(self) -> None:
        """Keep the newest lines, at most half of what is allowed, under the same name."""
        with self._path.open("rb") as old:
            old.seek(max(self._size - self._limit // 2, 0))
            old.readline()  # the rest of a line that was cut
            newest = old.read()
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(newest)
        fresh.replace(self._path)
        os.close(self._file)
        self._file, self._size = self._opened()


def read_spans(folder: Path, trace: str) -> list[KeptSpan]:
    """Every kept span of `trace`, of all processes, in the order of their start."""
    found = [span for path in sorted(folder.glob("*.jsonl")) for span in _of_trace(path, trace)]
    return sorted(found, key=lambda span: (span.start, -span.end))


def _of_trace(path: Path, trace: str) -> Iterator[KeptSpan]:
    wanted = f'"trace":"{trace}"'.encode()
    with path.open("rb") as lines:
        for line in lines:
            if wanted not in line:
                continue
            try:
                yield _decode(line)
            except msgspec.DecodeError as error:
                # The machine went down in the middle of a line, or another program wrote here.
                log.warning("%s has a line that is no span: %s", path, error)


def _kept(span: ReadableSpan) -> KeptSpan:
    context = span.get_span_context()
    assert context is not None
    attributes = {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in (span.attributes or {}).items()
    }
    error = ""
    if span.status.status_code is StatusCode.ERROR:
        error = span.status.description or "error"
    return KeptSpan(
        trace=f"{context.trace_id:032x}",
        span=f"{context.span_id:016x}",
        parent="" if span.parent is None else f"{span.parent.span_id:016x}",
        name=span.name,
        process=str(span.resource.attributes["service.name"]),
        start=span.start_time or 0,
        end=span.end_time or 0,
        error=error,
        attributes=attributes,
    )
