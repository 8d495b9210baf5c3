"""One open ``StreamOrders`` call: batches of instructions in, answers and reports out, each side at its own pace."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import grpc
import msgspec

from trading_workers.order_worker import wire
from trading_workers.order_worker.event_queues import EventQueue, OpenStreams
from trading_workers.order_worker.group_commit import Done, GroupCommit
from trading_workers.order_worker.missed_reports import MissedReports
from trading_workers.orders import Answer, Caller, Instruction
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.telemetry.tracing import TRACING, Span
from tradsys.v1 import orders_pb2 as pb

END_OF_STREAM: Any = grpc.aio.EOF  # type: ignore[attr-defined]

log = logging.getLogger("trading_workers.stream")

BATCH_SPAN = "tradsys.v1.OrderService/StreamOrders batch"
SEQUENCE_METADATA = "tradsys-journal-sequence"
BATCHES_IN_FLIGHT = 16
"""Unanswered batches of one stream; the next is read when one is answered."""
NS_PER_SECOND = 1_000_000_000
LAST_WORD_SECONDS = 5.0


class OrderStreamCall:
    """`expires_at` (ns UTC) is the token's end: the stream then ends in order, and the client opens it again with a fresh token."""

    def __init__(
        self,
        caller: Caller,
        expires_at: int,
        *,
        commit: GroupCommit,
        streams: OpenStreams,
        missed: MissedReports,
        now: Callable[[], int],
    ) -> None:
        # Without the span of the stream itself: its orders do not all belong to one trace.
        self._caller = msgspec.structs.replace(caller, trace_id=caller.trace_id[:32])
        self._about = {"tenant": caller.tenant, "stream": self._caller.trace_id}
        self._expires_at = expires_at
        self._commit = commit
        self._streams = streams
        self._missed = missed
        self._now = now
        self._free = asyncio.Semaphore(BATCHES_IN_FLIGHT)
        self._refused: wire.WireRefused | None = None
        self._queue: EventQueue

    async def serve(self, context: Any, *, reports_after: int | None) -> None:
        """Returns when the client has finished or the token has expired; aborts for what the client must be told.

        `reports_after`: the journal sequence up to which the client has all reports; what came later is sent first.
        The initial metadata say from which sequence on this stream carries every report.
        """
        if reports_after is not None and reports_after > self._missed.last_sequence:
            await context.abort(
                grpc.StatusCode.DATA_LOSS, f"the journal ends at {self._missed.last_sequence}, before {reports_after}"
            )
        if reports_after is None:
            self._queue = self._streams.open(self._caller.tenant, self._caller.accounts)
            await context.send_initial_metadata(((SEQUENCE_METADATA, str(self._missed.last_sequence)),))
        else:
            await context.send_initial_metadata(((SEQUENCE_METADATA, str(reports_after)),))
            async for reports in self._missed.after(self._caller, reports_after):
                await context.write(pb.OrderEventBatch(reports=reports).SerializeToString())
            self._queue = self._streams.open(self._caller.tenant, self._caller.accounts)
        reader = asyncio.create_task(self._read(context))
        writer = asyncio.create_task(self._write(context))
        cut = asyncio.create_task(self._queue.cut.wait())
        end = asyncio.create_task(self._ended(reader))
        try:
            await asyncio.wait({writer, cut}, return_when=asyncio.FIRST_COMPLETED)
            if self._queue.overflowed:
                log.warning("a stream of %s is cut: it does not read its events", self._caller.tenant)
                writer.cancel()
                async with asyncio.timeout(LAST_WORD_SECONDS):
                    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "SLOW_READER: events are not read as fast as they come")
            await writer
            if self._refused is not None:
                refusal = self._refused.refusal
                await abort_with_refusal(context, refusal.reason, refusal.figures)
        finally:
            self._streams.discard(self._caller.tenant, self._queue)
            for task in (reader, writer, cut, end):
                task.cancel()

    async def _ended(self, reader: asyncio.Task[None]) -> None:
        """Let the stream run dry after the client's last batch, at the token's end, or when the worker stops."""
        ending = asyncio.create_task(self._queue.ending.wait())
        try:
            seconds = max(self._expires_at - self._now(), 0) / NS_PER_SECOND
            await asyncio.wait({reader, ending}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
        reader.cancel()
        with suppress(asyncio.CancelledError):
            await reader
        for _ in range(BATCHES_IN_FLIGHT):
            await self._free.acquire()
        self._queue.close()

    async def _read(self, context: Any) -> None:
        while True:
            await self._free.acquire()
            submitted = False
            try:
                raw = await context.read()
                if raw is END_OF_STREAM:
                    return
                entries, mixed = wire.read_batch(raw)
                self._submit(entries, mixed=mixed)
                submitted = True
            except wire.WireRefused as error:
                self._refused = error
                return
            finally:
                if not submitted:
                    self._free.release()

    def _submit(self, entries: list[Instruction | Answer], *, mixed: bool) -> None:
        caller = self._caller
        answered: Done = self._answered
        if TRACING.enabled:
            # A stream lives for days: each of its batches is a trace of its own.
            span = TRACING.begin(BATCH_SPAN, attributes=self._about, server=True, weight=len(entries))
            if span is not None:
                caller, answered = msgspec.structs.replace(caller, trace_id=span.link), self._answered_and_ended(span)
        if not mixed:
            self._commit.submit(caller, entries, answered)  # type: ignore[arg-type]
            return
        instructions = [each for each in entries if not isinstance(each, Answer)]

        def mixed_answered(answers: list[Answer]) -> None:
            decided = iter(answers)
            answered([each if isinstance(each, Answer) else next(decided) for each in entries])

        self._commit.submit(caller, instructions, mixed_answered)

    def _answered(self, answers: list[Answer]) -> None:
        self._queue.put_acks([wire.to_ack(answer) for answer in answers])
        self._free.release()

    def _answered_and_ended(self, span: Span) -> Done:
        def answered(answers: list[Answer]) -> None:
            self._answered(answers)
            span.end()

        return answered

    async def _write(self, context: Any) -> None:
        while (batch := await self._queue.next_batch()) is not None:
            await context.write(batch.SerializeToString())
