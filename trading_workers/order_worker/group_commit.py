"""Decide, write, make durable, then tell: every instruction goes through here, whatever door it came by.

What has gathered while the last group was being made durable forms the next one, so the group grows with the load and an
idle worker answers at once. Nothing is sent to a venue and nothing is acknowledged before its record is as durable as
the policy asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from exchanges.fix.message import UnsendableField
from exchanges.routing.router import RouteDecision
from trading_workers.journal.segments import JournalError
from trading_workers.order_path import OrderPath
from trading_workers.order_worker.order_lines import OrderLines, PreparedFrames
from trading_workers.order_worker.order_spans import spans_of_batch
from trading_workers.order_worker.outcomes import count_outcomes, count_routes, outcomes
from trading_workers.order_worker.worker_journal import WorkerJournal
from trading_workers.orders import Answer, Caller, Instruction
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.tracing import TRACING, is_traced

log = logging.getLogger("trading_workers.commit")

GROUP_INSTRUCTIONS = 4_000
"""Decided in one go; then the event loop serves everything else before the next."""

NS_PER_SECOND = 1_000_000_000

Done = Callable[[list[Answer]], None]


class _Submission(NamedTuple):
    caller: Caller
    instructions: Sequence[Instruction]
    done: Done
    arrived: int


class _Decided(NamedTuple):
    """A submission whose answers wait for the journal. Times in nanoseconds UTC."""

    submission: _Submission
    answers: list[Answer]
    began: int
    checked: int
    """0 where the batch is not traced."""
    routes: Sequence[RouteDecision]
    route_ns: int | None
    """How long the first of them took; None where no order came so far."""


class GroupCommit:
    """`run` as a task. A failed sync ends it with JournalUnavailable: what is on the disk is unknown, and the process must end."""

    def __init__(self, path: OrderPath, journal: WorkerJournal, lines: OrderLines, now: Callable[[], int]) -> None:
        self._path = path
        self._journal = journal
        self._lines = lines
        self._now = now
        self._queue: deque[_Submission] = deque()
        self._filled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, caller: Caller, instructions: Sequence[Instruction], done: Done) -> None:
        """`done` gets one answer per instruction, in order, once they are durable."""
        self._queue.append(_Submission(caller, instructions, done, self._now()))
        self._idle.clear()
        self._filled.set()

    async def drained(self) -> None:
        """Until everything submitted has been answered."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            await self._filled.wait()
            await self._commit_group()
            if not self._queue:
                self._filled.clear()
                self._idle.set()

    async def _commit_group(self) -> None:
        group: list[_Decided] = []
        frames: list[PreparedFrames] = []
        before, decided = self._journal.last_sequence, 0
        while self._queue and decided < GROUP_INSTRUCTIONS:
            submission = self._queue.popleft()
            decided += len(submission.instructions)
            group.append(self._decide(submission, frames))
        if self._journal.last_sequence > before:
            await self._journal.sync()
        durable = self._now()
        self._lines.transmit(frames)
        sent = self._now()
        for each in group:
            each.submission.done(each.answers)
        # Behind the callers whom `done` has just woken: measuring delays nobody's answer.
        asyncio.get_running_loop().call_soon(self._measure, group, durable, sent)

    def _decide(self, submission: _Submission, frames: list[PreparedFrames]) -> _Decided:
        """One batch through the order path into the journal; its messages are added to `frames`."""
        now = self._now()
        prepared = self._path.handle_batch(submission.caller, submission.instructions, now)
        checked = self._now() if TRACING.enabled and is_traced(submission.caller.trace_id) else 0
        decided = _Decided(submission, prepared.answers, now, checked, prepared.routes, self._path.state.route_timer.took_ns)
        try:
            outgoing = self._lines.prepare(prepared.intents)
            records = [*prepared.records, *self._lines.records_of(outgoing)]
            first = self._journal.append_encoded(records, now) if records else 0
        except (JournalError, UnsendableField, KeyError) as error:
            log.error("a batch of %d is not accepted: %s", len(submission.instructions), error)
            self._path.rollback(prepared, _cause(error))
            return decided
        self._path.commit(prepared, first)
        self._lines.written(outgoing, first + len(prepared.records))
        frames += outgoing
        return decided

    def _measure(self, group: Sequence[_Decided], durable: int, sent: int) -> None:
        """Figures and spans of a group."""
        METRICS.order_commit().observe((sent - min(each.submission.arrived for each in group)) / NS_PER_SECOND)
        for submission, answers, began, checked, routes, route_ns in group:
            caller = submission.caller
            count_routes(METRICS, routes, answers, route_ns)
            count_outcomes(METRICS, caller.tenant, outcomes(self._path.view(caller.tenant), submission.instructions, answers))
            if checked:
                spans_of_batch(caller.trace_id, answers, began=began, checked=checked, durable=durable, sent=sent)


def _cause(error: Exception) -> str:
    return f"this worker has no line {error}" if isinstance(error, KeyError) else str(error)
