"""One running strategy: places each slice when it is due, and ends at the first that does not go through.

A slice whose answer did not come is sent again under the same client order id, which the order path answers with its first
answer; it never becomes a second order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.strategies.twap import Slice
from tradsys.v1 import orders_pb2
from tradsys.v1 import strategies_pb2 as pb

log = logging.getLogger("trading_workers.strategies")

NS = 1_000_000_000
ATTEMPTS = 3
RETRY_SECONDS = 0.2

Place = Callable[[str, str, orders_pb2.NewOrder], Awaitable[orders_pb2.OrderAck]]
"""Sends an order of a tenant (slug) with an ``authorization`` of its caller. Raises OrderRefused and OrderPathUnavailable."""


class StrategyState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class StrategyRun:
    """`authorization` is the caller's own, and what every slice is placed with. `now`: ns UTC."""

    def __init__(
        self,
        request: pb.StartTwapRequest,
        slices: tuple[Slice, ...],
        *,
        tenant: str,
        started_by: str,
        authorization: str,
        place: Place,
        now: Callable[[], int],
    ) -> None:
        self.request = request
        self.started_by = started_by
        self.started_at = now()
        self.ended_at = 0
        self.state = StrategyState.RUNNING
        self.reason = ""
        self._tenant = tenant
        self._authorization = authorization
        self._place = place
        self._now = now
        self._due = slices
        self._slices = [
            pb.StrategySlice(
                number=each.number,
                client_order_id=f"{request.strategy_id}.{each.number}",
                quantity=each.quantity,
                due_at=each.due_at,
            )
            for each in slices
        ]
        self._stopping = asyncio.Event()

    @property
    def running(self) -> bool:
        return self.state is StrategyState.RUNNING

    def stop(self, reason: str) -> None:
        """No further slice; one that is on its way is still heard of."""
        if self.running:
            self._end(StrategyState.STOPPED, reason)

    async def run(self) -> None:
        """Until the last slice, a stop or a failure. Raises what nobody has foreseen; the strategy has failed then."""
        try:
            await self._run()
        finally:
            self._fail("an error of the platform")

    async def _run(self) -> None:
        for due, each in zip(self._due, self._slices, strict=True):
            await self._until(due.due_at)
            if not self.running:
                return
            try:
                ack = await self._placed(each)
            except OrderRefused as refused:
                each.refusal.CopyFrom(orders_pb2.Refusal(code=refused.code, rule=refused.rule, figures=dict(refused.figures)))
                self._fail(f"slice {each.number} was refused: {refused.code}")
                return
            except OrderPathUnavailable as away:
                self._fail(f"slice {each.number}: no answer of the order path ({away}); look for {each.client_order_id}")
                return
            each.order_id = ack.order_id
        if self.running:
            self._end(StrategyState.DONE, "")

    def describe(self, *, with_slices: bool = True) -> pb.Strategy:
        return pb.Strategy(
            request=self.request,
            state=self.state.value,
            reason=self.reason,
            started_by=self.started_by,
            started_at=self.started_at,
            ended_at=self.ended_at,
            placed_quantity=sum(each.quantity for each in self._slices if each.order_id),
            slices=self._slices if with_slices else (),
        )

    async def _placed(self, each: pb.StrategySlice) -> orders_pb2.OrderAck:
        request = self.request
        order = orders_pb2.NewOrder(
            client_order_id=each.client_order_id,
            account=request.account,
            exchange=request.exchange,
            symbol=request.symbol,
            side=request.side,
            type=orders_pb2.LIMIT,
            time_in_force=orders_pb2.DAY,
            quantity=each.quantity,
            price=request.price,
        )
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._place(self._tenant, self._authorization, order)
            except OrderPathUnavailable as away:
                if attempt == ATTEMPTS or not self.running:
                    raise
                log.warning("slice %s waits for the order path: %s", each.client_order_id, away)
                await self._until(self._now() + int(RETRY_SECONDS * NS))
        raise AssertionError("the last attempt returns or raises")

    async def _until(self, due_at: int) -> None:
        """Sleep until `due_at`, or the stop."""
        seconds = (due_at - self._now()) / NS
        if seconds <= 0 or self._stopping.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _fail(self, reason: str) -> None:
        if self.running:
            self._end(StrategyState.FAILED, reason)
            log.warning("the strategy %s of %s ends: %s", self.request.strategy_id, self.request.account, reason)

    def _end(self, state: StrategyState, reason: str) -> None:
        self.state, self.reason, self.ended_at = state, reason, self._now()
        self._authorization = ""
        self._stopping.set()
