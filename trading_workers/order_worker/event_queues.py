"""What waits to be written to each open stream: bounded, coalesced, and fed without ever waiting for a reader."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TypeVar

from tradsys.v1 import orders_pb2 as pb

T = TypeVar("T")

EVENTS_IN_A_BATCH = 500
EVENTS_WAITING = 100_000
"""Beyond this the reader is too slow: it is told so and cut, for memory is everybody's."""


class EventQueue:
    """Acknowledgements and execution reports of one stream, in order. One task reads, the event loop's thread writes."""

    def __init__(self, accounts: frozenset[str] | None, *, limit: int = EVENTS_WAITING) -> None:
        self._accounts = accounts
        self._limit = limit
        self._acks: deque[pb.OrderAck] = deque()
        self._reports: deque[pb.ExecutionReport] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self.cut = asyncio.Event()
        """Set when more waits than the limit."""
        self.ending = asyncio.Event()
        """Set when the worker stops: take nothing more, give out what is due."""

    @property
    def overflowed(self) -> bool:
        return self.cut.is_set()

    def concerns(self, account: str) -> bool:
        """Whether the stream's caller may see the account."""
        return self._accounts is None or account in self._accounts

    def put_acks(self, acks: Iterable[pb.OrderAck]) -> None:
        self._acks.extend(acks)
        self._woken()

    def put_report(self, report: pb.ExecutionReport) -> None:
        self._reports.append(report)
        self._woken()

    def close(self) -> None:
        """Nothing more will come; what waits is still given out."""
        self._closed = True
        self._filled.set()

    async def next_batch(self) -> pb.OrderEventBatch | None:
        """Everything that waits, up to a batch's size; None when closed and empty, or overflowed."""
        while not self._acks and not self._reports:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        if self.overflowed:
            return None
        batch = pb.OrderEventBatch()
        # Acknowledgements first: a report of an order must not come before the order is known to the client.
        batch.acks.extend(_taken(self._acks, EVENTS_IN_A_BATCH))
        if not self._acks:
            batch.reports.extend(_taken(self._reports, EVENTS_IN_A_BATCH - len(batch.acks)))
        return batch

    def _woken(self) -> None:
        if len(self._acks) + len(self._reports) > self._limit:
            self.cut.set()
        self._filled.set()


class OpenStreams:
    """The queues of all open streams, by tenant."""

    def __init__(self) -> None:
        self._queues: dict[str, set[EventQueue]] = {}

    def open(self, tenant: str, accounts: frozenset[str] | None) -> EventQueue:
        queue = EventQueue(accounts)
        self._queues.setdefault(tenant, set()).add(queue)
        return queue

    def discard(self, tenant: str, queue: EventQueue) -> None:
        queues = self._queues.get(tenant, set())
        queues.discard(queue)
        if not queues:
            self._queues.pop(tenant, None)

    def deliver(self, tenant: str, report: pb.ExecutionReport) -> None:
        """To every stream of the tenant whose caller may see the account."""
        for queue in self._queues.get(tenant, ()):
            if queue.concerns(report.account):
                queue.put_report(report)

    def wanted(self, tenant: str) -> bool:
        """Whether anybody of the tenant listens."""
        return tenant in self._queues

    def end_all(self) -> None:
        for queues in self._queues.values():
            for queue in queues:
                queue.ending.set()

    def __len__(self) -> int:
        return sum(len(queues) for queues in self._queues.values())


def _taken(waiting: deque[T], limit: int) -> list[T]:
    return [waiting.popleft() for _ in range(min(limit, len(waiting)))]
