"""The programs' client: one long-lived stream, batches both ways, resumed after a drop.

Instructions queued while the last write was in flight go out together. After a drop the stream is opened again
and every unanswered instruction is sent once more with the same client order id, which the worker answers with
the first answer; the worker first sends the reports that came meanwhile, from its journal, so that none is missed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from trading_workers.client.errors import OrderPathUnavailable, OrderRefused, from_rpc_error
from trading_workers.client.order_log import OrderLog
from trading_workers.client.workers import program_channel
from tradsys.mesh.channels.options import Trust, channel_version
from tradsys.v1 import orders_pb2, orders_pb2_grpc

log = logging.getLogger(__name__)
aio: Any = grpc.aio  # its published type stubs lack EOF and the optional arguments

BATCH_LIMIT = 500
SEQUENCE_METADATA = "tradsys-journal-sequence"
RESUME_METADATA = "tradsys-reports-after"
FINAL = frozenset((orders_pb2.FILLED, orders_pb2.CANCELED, orders_pb2.EXPIRED, orders_pb2.REJECTED, orders_pb2.DENIED))
LOOK_AGAIN_SECONDS = 0.1


@dataclass(slots=True)
class _Pending:
    instruction: orders_pb2.OrderInstruction
    answer: asyncio.Future[orders_pb2.OrderAck]


@dataclass(slots=True)
class _Followed:
    """An accepted order, with the last thing heard of it."""

    order: orders_pb2.NewOrder
    state: int
    cumulative: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class OrderStream:
    """``async with OrderStream(address, token, trust=trust) as stream``. ``token()`` gives a fresh bearer token at each opening.

    ``address`` is ``host:port`` of a worker's door for clients, or a function that finds it at each opening (empty: none now).
    ``trust`` knows the platform's authority, and the tenant's own certificate where it has one; None: without TLS.
    ``on_report`` is called with every execution report; ``order_log`` records answers and reports.
    """

    def __init__(
        self,
        address: str | Callable[[], str],
        token: Callable[[], str],
        *,
        trust: Trust | None,
        order_log: OrderLog | None = None,
        on_report: Callable[[orders_pb2.ExecutionReport], None] | None = None,
    ) -> None:
        self._address = address if callable(address) else lambda: address
        self._token = token
        self._trust = trust
        self._channel: Any = None
        self._channel_of: tuple[str, int] | None = None
        """Address and version of the certificates that the channel was made for."""
        self._log = order_log
        self._on_report = on_report
        self._queued: deque[_Pending] = deque()
        self._in_flight: deque[_Pending] = deque()
        self._filled = asyncio.Event()
        self._followed: dict[int, _Followed] = {}
        #: Reports of orders whose acknowledgement was lost with the last stream, until it is given again.
        self._early: dict[int, orders_pb2.ExecutionReport] = {}
        #: Journal sequence up to which every report has been seen; None before the first stream is open.
        self._heard: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def __aenter__(self) -> OrderStream:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._channel is not None:
            await self._channel.close()

    # Sending

    def submit(self, instruction: orders_pb2.OrderInstruction) -> asyncio.Future[orders_pb2.OrderAck]:
        """Queue one instruction; the future ends with its acknowledgement, a refused one included."""
        if self._failure is not None:
            raise self._failure
        pending = _Pending(instruction, asyncio.get_running_loop().create_future())
        self._queued.append(pending)
        self._filled.set()
        return pending.answer

    def place(self, order: orders_pb2.NewOrder) -> asyncio.Future[orders_pb2.OrderAck]:
        return self.submit(orders_pb2.OrderInstruction(place=order))

    def cancel(self, request: orders_pb2.CancelRequest) -> asyncio.Future[orders_pb2.OrderAck]:
        return self.submit(orders_pb2.OrderInstruction(cancel=request))

    async def submit_many(self, instructions: Iterable[orders_pb2.OrderInstruction]) -> list[orders_pb2.OrderAck]:
        return list(await asyncio.gather(*[self.submit(each) for each in instructions]))

    async def reached(self, order_id: int, states: Iterable[int] = FINAL) -> int:
        """Wait until the order is in one of ``states``; returns the state. KeyError for an order of another stream."""
        followed = self._followed[order_id]
        wanted = frozenset(states)
        while followed.state not in wanted:
            followed.changed.clear()
            await followed.changed.wait()
        return followed.state

    def state(self, order_id: int) -> int:
        return self._followed[order_id].state

    # The stream and its resumption

    async def _run(self) -> None:
        wait = 0.05
        while True:
            try:
                await self._once()
                wait = 0.05
            except grpc.aio.AioRpcError as error:
                reason = from_rpc_error(error)
                if isinstance(reason, OrderRefused):
                    self._fail(reason)
                    return
                log.info("order stream lost (%s); opening it again in %.2f s", reason, wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, 2.0)

    def _fail(self, reason: BaseException) -> None:
        """The worker will not have us: say so to everyone who waits, instead of trying for ever."""
        self._failure = reason
        for pending in [*self._in_flight, *self._queued]:
            if not pending.answer.done():
                pending.answer.set_exception(reason)
        self._in_flight.clear()
        self._queued.clear()

    async def _once(self) -> None:
        stub: Any = orders_pb2_grpc.OrderServiceStub(await self._connected())  # type: ignore[no-untyped-call]
        metadata = [("authorization", f"Bearer {self._token()}")]
        if self._heard is not None:
            metadata.append((RESUME_METADATA, str(self._heard)))
        call = stub.StreamOrders(metadata=metadata, wait_for_ready=True)
        # What was sent and not answered goes first, in its old order, under its old ids.
        self._queued.extendleft(reversed(self._in_flight))
        self._in_flight.clear()
        if self._queued:
            self._filled.set()
        writer = asyncio.create_task(self._write(call))
        try:
            if self._heard is None:
                told = dict(await call.initial_metadata() or ()).get(SEQUENCE_METADATA)
                self._heard = None if told is None else int(str(told))
            while True:
                batch = await call.read()
                if batch is aio.EOF:
                    return
                self._take(batch)
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await writer
            call.cancel()

    async def _connected(self) -> Any:
        """The channel; a new one when the worker is elsewhere now or a certificate was renewed."""
        while not (address := self._address()):
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        wanted = address, channel_version(self._trust)()
        if wanted != self._channel_of:
            if self._channel is not None:
                await self._channel.close()
            if self._channel_of is not None and self._channel_of[0] != address:
                self._moved_to(address)
            self._channel, self._channel_of = program_channel(address, self._trust), wanted
        return self._channel

    def _moved_to(self, address: str) -> None:
        """Another worker does not know what the last one answered: what is unanswered could be done twice there."""
        unknown = OrderPathUnavailable(f"the worker that had this instruction is gone; {address} cannot say what became of it")
        for pending in self._in_flight:
            if not pending.answer.done():
                pending.answer.set_exception(unknown)
        self._in_flight.clear()
        self._heard = None

    async def _write(self, call: Any) -> None:
        while True:
            await self._filled.wait()
            batch = orders_pb2.OrderBatch()
            while self._queued and len(batch.instructions) < BATCH_LIMIT:
                pending = self._queued.popleft()
                self._in_flight.append(pending)
                batch.instructions.append(pending.instruction)
            if not self._queued:
                self._filled.clear()
            if batch.instructions:
                await call.write(batch)

    # Receiving

    def _take(self, batch: orders_pb2.OrderEventBatch) -> None:
        for ack in batch.acks:
            pending = self._in_flight.popleft()
            if self._log is not None:
                self._log.ack(pending.instruction, ack)
            if pending.instruction.HasField("place") and ack.order_id and ack.order_id not in self._followed:
                self._followed[ack.order_id] = _Followed(pending.instruction.place, ack.state)
                early = self._early.pop(ack.order_id, None)
                if early is not None:
                    self._moved(self._followed[ack.order_id], early.state, early.cumulative_quantity)
            if not pending.answer.done():
                pending.answer.set_result(ack)
        if not self._in_flight and not self._queued:
            self._early.clear()
        for report in batch.reports:
            if self._heard is not None:
                if report.journal_sequence <= self._heard:
                    continue
                self._heard = report.journal_sequence
            if self._log is not None:
                self._log.report(report)
            followed = self._followed.get(report.order_id)
            if followed is not None:
                self._moved(followed, report.state, report.cumulative_quantity)
            elif self._in_flight or self._queued:
                self._early[report.order_id] = report
            if self._on_report is not None:
                self._on_report(report)

    @staticmethod
    def _moved(followed: _Followed, state: int, cumulative: int) -> None:
        followed.state = state
        followed.cumulative = cumulative
        followed.changed.set()
