"""The venue as a pure state machine: events of its log in, reports to members out.

Applying the same events in the same order to a desk that began the same gives the same books, ids and reports. That is how a
venue that was killed finds out which reports it still owes.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

from exchanges.prices import TickBand
from exchanges.simulator import records
from exchanges.simulator.drop_copy import DropCopies
from exchanges.simulator.matching import BUY, Execution, ExecutionKind, MatchingEngine, Order, OrderState
from exchanges.simulator.order_entry import (
    CancelRequest,
    MassCancelRequest,
    NewOrder,
    ReplaceRequest,
    Request,
    StatusRequest,
)
from exchanges.simulator.reports import (
    CXL_REJ_DUPLICATE_CL_ORD_ID,
    CXL_REJ_OTHER,
    CXL_REJ_TOO_LATE,
    CXL_REJ_UNKNOWN_ORDER,
    MASS_CANCEL_OTHER,
    MASS_CANCEL_UNKNOWN_SECURITY,
    Report,
    ReportWriter,
)
from exchanges.simulator.rules import ACCEPTED, Refusal
from exchanges.simulator.session_state import SessionState

LINE_LOST_TEXT: Final = "cancelled because the line was lost"
DAY_ENDED_TEXT: Final = "the trading day has ended"


class Trade(NamedTuple):
    """One fill, seen from above: both orders, as their members called them then, and both execution numbers. Price in micros."""

    number: int
    time: int
    price: int
    quantity: int
    resting: Order
    resting_client_order_id: str
    resting_execution: int
    aggressor: Order
    aggressor_client_order_id: str
    aggressor_execution: int
    auction: bool
    """Of an uncross: neither order came to the other."""


class OrderDesk:
    """Orders of one trading day, by the members' own ids, around the matching engine and the state of the session."""

    def __init__(self, symbols: tuple[str, ...], prefix: str, session: SessionState | None = None) -> None:
        self.engine = MatchingEngine(symbols)
        self.reports = ReportWriter(prefix)
        self.session = session or SessionState()
        self.drop_copies = DropCopies()
        self.orders: list[Order] = []
        self.trades: list[Trade] = []
        self.changed: set[str] = set()
        """Symbols whose books may have changed; market data takes them away."""
        self.first_client_order_ids: dict[int, str] = {}
        """By order number, of replaced orders: what the order was called at first."""
        self._by_client_order_id: dict[tuple[str, str], Order] = {}
        self._used_ids: set[tuple[str, str]] = set()
        """Ids of requests that are not orders' names: cancels, and replacements that were refused."""

    def handle(self, member: str, request: Request, refusal: Refusal, now: int) -> list[Report]:
        """Apply a member's request, of which the rules said `refusal`, at `now` (ns UTC)."""
        if isinstance(request, NewOrder):
            return self._enter(member, request, refusal, now)
        if isinstance(request, CancelRequest):
            return [self._cancel(member, request, refusal, now)]
        if isinstance(request, ReplaceRequest):
            return self._replace(member, request, refusal, now)
        if isinstance(request, MassCancelRequest):
            return self._mass_cancel(member, request, refusal, now)
        return [self._status(member, request, now)]

    def line_lost(self, member: str, now: int) -> list[Report]:
        """Cancel everything that `member` has in the books."""
        return self._cancel_all(
            [order for order in self.engine.open_orders.values() if order.member == member], LINE_LOST_TEXT, now
        )

    def day_ended(self, now: int) -> list[Report]:
        """Expire everything that still rests."""
        reports: list[Report] = []
        for order in list(self.engine.open_orders.values()):
            order.text = DAY_ENDED_TEXT
            execution = self.engine.expire(order.order_id, now)
            assert execution is not None
            self.changed.add(order.symbol)
            reports.append(self.reports.execution(execution))
        return reports

    def enter_phase(self, entered: records.PhaseEntered, now: int) -> list[Report]:
        """Go to another phase of the session: first uncross what was collected, last expire what rests when the day is over."""
        reports: list[Report] = []
        for terms in entered.uncross:
            reports += self.uncross(terms, now)
        self.session.enter(
            entered, {symbol: self._closing_price(symbol, price) for symbol, price in entered.closing_prices.items()}
        )
        if entered.expires:
            reports += self.day_ended(now)
        return reports

    def _closing_price(self, symbol: str, reference_price: int) -> int:
        """The auction's price, else the last of the day, else the reference price."""
        book = self.engine.books.get(symbol)
        return book.last_price if book is not None and book.volume else reference_price

    def uncross(self, terms: records.UncrossTerms, now: int) -> list[Report]:
        """Trade what crosses in one book at its auction price."""
        ticks = [TickBand(*band) for band in terms.ticks]
        executions = self.engine.uncross(terms.symbol, terms.reference_price, now, low=terms.low, high=terms.high, ticks=ticks)
        self._note_trades(executions, auction=True)
        self.changed.add(terms.symbol)
        return [self.reports.execution(execution) for execution in executions]

    def end_halts(self, ended: records.HaltsEnded, now: int) -> list[Report]:
        """Trade what was collected during halts that are over, and let trading go on."""
        reports = [report for terms in ended.uncross for report in self.uncross(terms, now)]
        self.session.end_halts(ended, now)
        return reports

    def state_hash(self) -> str:
        """SHA-256 over the engine's state and the session's, as hexadecimal text."""
        return hashlib.sha256(f"{self.engine.state_hash()} {self.session.fingerprint()}".encode()).hexdigest()

    def _enter(self, member: str, request: NewOrder, refusal: Refusal, now: int) -> list[Report]:
        key = (member, request.client_order_id)
        if key in self._by_client_order_id or key in self._used_ids:
            return [self.reports.duplicate(member, request, self._next_execution(), now)]
        engine = self.engine
        symbol = request.symbol
        order = Order(
            engine.next_order_id(),
            member,
            request.client_order_id,
            request.account,
            symbol,
            request.side,
            request.type,
            request.time_in_force,
            request.price,
            request.quantity,
            now,
            request.display_quantity,
        )
        self.orders.append(order)
        self._by_client_order_id[key] = order
        reason, text = refusal
        session = self.session
        if reason < 0 and session.holds:
            reason, text = session.hold_refusal(symbol, request.type, request.time_in_force)
        if reason >= 0:
            return [self.reports.execution(engine.reject(order, text, now), reject_reason=reason)]
        engine.open_book(symbol)
        self.changed.add(symbol)
        executions = engine.enter(order, now, matches=session.matches(symbol), only_price=session.closing_prices.get(symbol, 0))
        if len(executions) > 2:
            self._note_trades(executions)
        return [self.reports.execution(execution) for execution in executions]

    def _replace(self, member: str, request: ReplaceRequest, refusal: Refusal, now: int) -> list[Report]:
        key = (member, request.client_order_id)
        order = self._by_client_order_id.get((member, request.original_client_order_id))
        if key in self._used_ids or key in self._by_client_order_id:
            duplicate = "duplicate ClOrdID"
            return [self.reports.cancel_reject(member, request, order, CXL_REJ_DUPLICATE_CL_ORD_ID, duplicate, now)]
        reason, text = self._order_refusal(request, order)
        if reason < 0:
            reason, text = refusal
        if reason < 0 and self.session.holds:
            reason, text = self.session.hold_refusal(request.symbol, request.type, request.time_in_force)
            reason = CXL_REJ_OTHER if reason >= 0 else reason
        if reason < 0 and order is not None:
            reason, text = _terms_refusal(request, order)
        if reason >= 0 or order is None:
            self._used_ids.add(key)
            known = None if reason == CXL_REJ_UNKNOWN_ORDER else order
            return [self.reports.cancel_reject(member, request, known, reason, text, now)]
        executions = self.engine.replace(
            order.order_id,
            request.quantity,
            request.price,
            now,
            matches=self.session.matches(order.symbol),
            only_price=self.session.closing_prices.get(order.symbol, 0),
        )
        assert executions is not None
        self.first_client_order_ids.setdefault(order.order_id, order.client_order_id)
        order.client_order_id = request.client_order_id
        self._by_client_order_id[key] = order
        self.changed.add(order.symbol)
        self._note_trades(executions)
        replaced, *trades = executions
        first = self.reports.execution(replaced, original_client_order_id=request.original_client_order_id)
        return [first, *(self.reports.execution(execution) for execution in trades)]

    def _note_trades(self, executions: list[Execution], *, auction: bool = False) -> None:
        trades = [execution for execution in executions if execution.kind is ExecutionKind.TRADE]
        for resting, aggressor in zip(trades[::2], trades[1::2], strict=True):
            self.session.on_trade(resting.order.symbol, resting.price, resting.quantity, resting.now)
            self.trades.append(
                Trade(
                    resting.trade_number,
                    resting.now,
                    resting.price,
                    resting.quantity,
                    resting.order,
                    resting.order.client_order_id,
                    resting.number,
                    aggressor.order,
                    aggressor.order.client_order_id,
                    aggressor.number,
                    auction,
                )
            )

    def _cancel(self, member: str, request: CancelRequest, refusal: Refusal, now: int) -> Report:
        key = (member, request.client_order_id)
        order = self._by_client_order_id.get((member, request.original_client_order_id))
        reject = self.reports.cancel_reject
        if key in self._used_ids or key in self._by_client_order_id:
            return reject(member, request, order, CXL_REJ_DUPLICATE_CL_ORD_ID, "duplicate ClOrdID", now)
        self._used_ids.add(key)
        reason, text = self._order_refusal(request, order)
        if reason == CXL_REJ_UNKNOWN_ORDER or order is None:
            return reject(member, request, None, reason, text, now)
        if refusal[0] >= 0:
            return reject(member, request, order, *refusal, now)
        if reason >= 0:
            return reject(member, request, order, reason, text, now)
        execution = self.engine.cancel(order.order_id, now)
        assert execution is not None
        self.changed.add(order.symbol)
        return self.reports.execution(
            execution, client_order_id=request.client_order_id, original_client_order_id=order.client_order_id
        )

    def _order_refusal(self, request: CancelRequest | ReplaceRequest, order: Order | None) -> Refusal:
        """What the order itself has against being cancelled or replaced."""
        if order is None or (order.symbol, order.side) != (request.symbol, request.side):
            return CXL_REJ_UNKNOWN_ORDER, "unknown order"
        if order.client_order_id != request.original_client_order_id:
            return CXL_REJ_UNKNOWN_ORDER, f"the order was replaced, its ClOrdID is now {order.client_order_id}"
        if order.order_id not in self.engine.open_orders:
            return CXL_REJ_TOO_LATE, f"the order is {_STATE_TEXTS[order.state]}"
        return ACCEPTED

    def _mass_cancel(self, member: str, request: MassCancelRequest, refusal: Refusal, now: int) -> list[Report]:
        key = (member, request.client_order_id)
        number = self._next_execution()
        reason, text = refusal
        if key in self._used_ids or key in self._by_client_order_id:
            reason, text = MASS_CANCEL_OTHER, "duplicate ClOrdID"
        elif reason < 0 and request.symbol and request.symbol not in self.engine.books:
            reason, text = MASS_CANCEL_UNKNOWN_SECURITY, f"{request.symbol} is not listed"
        self._used_ids.add(key)
        if reason >= 0:
            return [self.reports.mass_cancel_reject(member, request, number, reason, text, now)]
        found = [
            order
            for order in self.engine.open_orders.values()
            if order.member == member and request.symbol in ("", order.symbol) and request.side in (0, order.side)
        ]
        report = self.reports.mass_cancel(member, request, number, len(found), now)
        return [report, *self._cancel_all(found, f"mass cancel {request.client_order_id}", now)]

    def _cancel_all(self, orders: list[Order], text: str, now: int) -> list[Report]:
        for order in orders:
            order.text = text
            self.changed.add(order.symbol)
        executions = self.engine.cancel_many([order.order_id for order in orders], now)
        return [self.reports.execution(execution) for execution in executions]

    def _status(self, member: str, request: StatusRequest, now: int) -> Report:
        order = self._by_client_order_id.get((member, request.client_order_id))
        if order is None:
            return self.reports.unknown_status(member, request, self._next_execution(), now)
        return self.reports.status(request, order, self._next_execution(), now)

    def _next_execution(self) -> int:
        self.engine.execution_number += 1
        return self.engine.execution_number


def _terms_refusal(request: ReplaceRequest, order: Order) -> Refusal:
    """What the order's present terms have against `request`."""
    if (request.type, request.time_in_force) != (order.type, order.time_in_force):
        return CXL_REJ_OTHER, "a replacement keeps order type and time in force"
    if request.display_quantity not in (0, order.display_quantity):
        return CXL_REJ_OTHER, "a replacement keeps MaxFloor (111)"
    if request.quantity <= order.cumulative:
        return CXL_REJ_TOO_LATE, f"the order has filled {order.cumulative} already"
    return ACCEPTED


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
