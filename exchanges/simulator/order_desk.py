"""The venue as a pure state machine: events of its log in, reports to members out.

Applying the same events in the same order to a desk that began the same gives the same books, ids and reports. That is how a
venue that was killed finds out which reports it still owes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from exchanges.simulator.matching import BUY, Execution, ExecutionKind, MatchingEngine, Order, OrderState
from exchanges.simulator.order_entry import CancelRequest, NewOrder, Request, StatusRequest
from exchanges.simulator.reports import (
    CXL_REJ_DUPLICATE_CL_ORD_ID,
    CXL_REJ_TOO_LATE,
    CXL_REJ_UNKNOWN_ORDER,
    Report,
    ReportWriter,
)
from exchanges.simulator.rules import Refusal

LINE_LOST_TEXT: Final = "cancelled because the line was lost"
DAY_ENDED_TEXT: Final = "the trading day has ended"


class Trade(NamedTuple):
    """One fill, seen from above: both orders and both execution numbers. Price in micros."""

    number: int
    time: int
    price: int
    quantity: int
    resting: Order
    resting_execution: int
    aggressor: Order
    aggressor_execution: int


class OrderDesk:
    """Orders of one trading day, by the members' own ids, around the matching engine."""

    def __init__(self, symbols: tuple[str, ...], prefix: str) -> None:
        self.engine = MatchingEngine(symbols)
        self.reports = ReportWriter(prefix)
        self.orders: list[Order] = []
        self.trades: list[Trade] = []
        self._by_client_order_id: dict[tuple[str, str], Order] = {}
        self._cancel_ids: set[tuple[str, str]] = set()

    def handle(self, member: str, request: Request, refusal: Refusal, now: int) -> list[Report]:
        """Apply a member's request, of which the rules said `refusal`, at `now` (ns UTC)."""
        if isinstance(request, NewOrder):
            return self._enter(member, request, refusal, now)
        if isinstance(request, CancelRequest):
            return [self._cancel(member, request, refusal, now)]
        return [self._status(member, request, now)]

    def line_lost(self, member: str, now: int) -> list[Report]:
        """Cancel everything that `member` has in the books."""
        open_orders = [order for order in self.engine.open_orders.values() if order.member == member]
        executions: list[Execution] = []
        for order in open_orders:
            order.text = LINE_LOST_TEXT
            execution = self.engine.cancel(order.order_id, now)
            assert execution is not None
            executions.append(execution)
        return [self.reports.execution(execution) for execution in executions]

    def day_ended(self, now: int) -> list[Report]:
        """Expire everything that still rests."""
        reports: list[Report] = []
        for order in list(self.engine.open_orders.values()):
            order.text = DAY_ENDED_TEXT
            execution = self.engine.expire(order.order_id, now)
            assert execution is not None
            reports.append(self.reports.execution(execution))
        return reports

    def _enter(self, member: str, request: NewOrder, refusal: Refusal, now: int) -> list[Report]:
        key = (member, request.client_order_id)
        if key in self._by_client_order_id or key in self._cancel_ids:
            return [self.reports.duplicate(member, request, self._next_execution(), now)]
        engine = self.engine
        order = Order(
            engine.next_order_id(),
            member,
            request.client_order_id,
            request.account,
            request.symbol,
            request.side,
            request.type,
            request.time_in_force,
            request.price,
            request.quantity,
            now,
        )
        self.orders.append(order)
        self._by_client_order_id[key] = order
        reason, text = refusal
        if reason >= 0:
            return [self.reports.execution(engine.reject(order, text, now), reject_reason=reason)]
        engine.open_book(order.symbol)
        executions = engine.enter(order, now)
        if len(executions) > 2:
            self._note_trades(executions)
        return [self.reports.execution(execution) for execution in executions]

    def _note_trades(self, executions: list[Execution]) -> None:
        trades = [execution for execution in executions if execution.kind is ExecutionKind.TRADE]
        for resting, aggressor in zip(trades[::2], trades[1::2], strict=True):
            self.trades.append(
                Trade(
                    resting.trade_number,
                    resting.now,
                    resting.price,
                    resting.quantity,
                    resting.order,
                    resting.number,
                    aggressor.order,
                    aggressor.number,
                )
            )

    def _cancel(self, member: str, request: CancelRequest, refusal: Refusal, now: int) -> Report:
        key = (member, request.client_order_id)
        order = self._by_client_order_id.get((member, request.original_client_order_id))
        reject = self.reports.cancel_reject
        if key in self._cancel_ids or key in self._by_client_order_id:
            return reject(member, request, order, CXL_REJ_DUPLICATE_CL_ORD_ID, "duplicate ClOrdID", now)
        self._cancel_ids.add(key)
        if order is None or (order.symbol, order.side) != (request.symbol, request.side):
            return reject(member, request, None, CXL_REJ_UNKNOWN_ORDER, "unknown order", now)
        reason, text = refusal
        if reason >= 0:
            return reject(member, request, order, reason, text, now)
        execution = self.engine.cancel(order.order_id, now)
        if execution is None:
            text = f"the order is {_STATE_TEXTS[order.state]}"
            return reject(member, request, order, CXL_REJ_TOO_LATE, text, now)
        return self.reports.execution(execution, client_order_id=request.client_order_id)

    def _status(self, member: str, request: StatusRequest, now: int) -> Report:
        order = self._by_client_order_id.get((member, request.client_order_id))
        if order is None:
            return self.reports.unknown_status(member, request, self._next_execution(), now)
        return self.reports.status(request, order, self._next_execution(), now)

    def _next_execution(self) -> int:
        self.engine.execution_number += 1
        return self.engine.execution_number


_STATE_TEXTS: Final = {
    OrderState.NEW: "open",
    OrderState.PARTIALLY_FILLED: "open",
    OrderState.FILLED: "filled",
    OrderState.CANCELED: "cancelled",
    OrderState.REJECTED: "rejected",
    OrderState.EXPIRED: "expired",
}


def side_name(side: int) -> str:
    """BUY or SELL, for people."""
    return "BUY" if side == BUY else "SELL"
