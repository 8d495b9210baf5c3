"""Sends a replay plan through the order stream and counts what became of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from trading_workers.client.stream import OrderStream
from trading_workers.reasons import Reason
from trading_workers.replay import Cancel, Place, Plan, RecordedEvent
from tradsys.v1 import orders_pb2

IN_FLIGHT = 2_000
"""Instructions without an answer; beyond it the replay waits, as a careful program would."""
SETTLING_SECONDS = 30.0
UNSETTLED = (orders_pb2.PENDING_NEW, orders_pb2.PENDING_CANCEL)


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sends the flow: bids from the buyer, asks from the seller, so that the account never meets itself."""

    buyer: str
    seller: str
    exchange: str
    symbol: str
    run: str
    """A prefix of at most 12 characters that makes this run's client order ids unique in the day."""


@dataclass(slots=True)
class Outcome:
    """``accepted`` and ``refused`` count orders; ``cancels`` say how each sent cancel ended."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    cancels: Counter[str] = field(default_factory=Counter)
    fills: int = 0
    unsettled: int = 0
    seconds: float = 0.0


class Replay:
    """One run over an open stream. ``progress(number of events so far)`` is called about four times a second."""

    def __init__(self, stream: OrderStream, parties: Parties, *, progress: Callable[[int], None] = lambda _events: None) -> None:
        self._stream = stream
        self._parties = parties
        self._progress = progress
        self._order_ids: dict[str, int] = {}
        self._cancelled: list[str] = []
        self._sent = 0
        self._answers: set[asyncio.Future[Any]] = set()
        self.outcome = Outcome()

    async def run(self, plan: Plan, events: Iterable[RecordedEvent | None], *, speed: float | None) -> Outcome:
        """``speed`` None sends as fast as answers come; 2.0 plays twice as fast as it was recorded."""
        begun = time.monotonic()
        first_ms: int | None = None
        shown = begun
        for step in plan.instructions(events):
            if speed is not None:
                first_ms = step.time_ms if first_ms is None else first_ms
                await asyncio.sleep(max(0.0, begun + (step.time_ms - first_ms) / 1000 / speed - time.monotonic()))
            await self._send(step)
            if time.monotonic() - shown > 0.25:
                shown = time.monotonic()
                self._progress(plan.events)
        while self._answers:
            await asyncio.wait(self._answers)
        await self._settle()
        self.outcome.seconds = round(time.monotonic() - begun, 3)
        return self.outcome

    async def _send(self, step: Place | Cancel) -> None:
        while len(self._answers) >= IN_FLIGHT:
            await asyncio.wait(self._answers, return_when=asyncio.FIRST_COMPLETED)
        self._sent += 1
        account = self._parties.buyer if step.is_bid else self._parties.seller
        if isinstance(step, Place):
            answer = self._stream.place(self._order(step, account))
            answer.add_done_callback(lambda done, key=step.key: self._placed(key, done))
        else:
            request = orders_pb2.CancelRequest(
                account=account, client_order_id=f"{self._client_id(step.key)}C", orig_client_order_id=self._client_id(step.key)
            )
            answer = self._stream.cancel(request)
            answer.add_done_callback(lambda done, key=step.key: self._cancel_answered(key, done))
        self._answers.add(answer)
        answer.add_done_callback(self._answers.discard)
        if self._sent % 64 == 0:
            await asyncio.sleep(0)

    def _client_id(self, key: str) -> str:
        return f"{self._parties.run}-{key}"

    def _order(self, step: Place, account: str) -> orders_pb2.NewOrder:
        return orders_pb2.NewOrder(
            client_order_id=self._client_id(step.key),
            account=account,
            exchange=self._parties.exchange,
            symbol=self._parties.symbol,
            side=orders_pb2.BUY if step.is_bid else orders_pb2.SELL,
            type=orders_pb2.LIMIT,
            time_in_force=orders_pb2.DAY,
            quantity=step.quantity,
            price=step.price,
        )

    def _placed(self, key: str, done: asyncio.Future[orders_pb2.OrderAck]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        answer = done.result()
        if answer.HasField("refusal"):
            self.outcome.refused[answer.refusal.code] += 1
        else:
            self.outcome.accepted += 1
            self._order_ids[key] = answer.order_id

    def _cancel_answered(self, key: str, done: asyncio.Future[orders_pb2.OrderAck]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        answer = done.result()
        if not answer.HasField("refusal"):
            self._cancelled.append(key)
        elif answer.refusal.code == Reason.ORDER_NOT_OPEN.name:
            self.outcome.cancels["already_filled"] += 1
        else:
            self.outcome.cancels[answer.refusal.code.lower()] += 1

    async def _settle(self) -> None:
        """Until every order is with the exchange and every cancel is decided: then the counts no longer depend on timing."""
        deadline = time.monotonic() + SETTLING_SECONDS
        while time.monotonic() < deadline:
            self.outcome.unsettled = sum(self._stream.state(each) in UNSETTLED for each in self._order_ids.values())
            if not self.outcome.unsettled:
                break
            await asyncio.sleep(0.02)
        for key in self._cancelled:
            state = self._stream.state(self._order_ids[key])
            # A cancel that came too late leaves the order filled: the same outcome as one refused here.
            name = "already_filled" if state == orders_pb2.FILLED else orders_pb2.OrderState.Name(state).lower()
            self.outcome.cancels[name] += 1
