"""What a venue's reports do to orders and reservations: the same steps when they arrive and when they are replayed."""

from __future__ import annotations

from typing import Final

from trading_workers.journal import records
from trading_workers.ledger import Ledger
from trading_workers.order_identities import day_of
from trading_workers.order_states import OrderEvent, Standing, step
from trading_workers.order_store import Order, OrderStore
from trading_workers.orders import ExecutionKind, OrderReport, OrderState, VenueCancelReject, VenueReport
from trading_workers.prepared_batch import PreparedBatch

_EVENTS: Final = {
    ExecutionKind.NEW: OrderEvent.VENUE_ACCEPTED,
    ExecutionKind.CANCELED: OrderEvent.CANCELED,
    ExecutionKind.REJECTED: OrderEvent.REJECTED,
    ExecutionKind.EXPIRED: OrderEvent.EXPIRED,
}


class ReplayMismatch(Exception):
    """A journal record cannot have followed the records before it: the journal and this version disagree."""


class VenueEvents:
    def __init__(self, store: OrderStore, ledger: Ledger) -> None:
        self._store = store
        self._ledger = ledger
        self._cancels: dict[int, int] = {}
        """Wire number of a pending cancel → its order, for a venue that rejects the cancel by its own number only."""

    # Cancels under way

    def cancel_sent(self, order: Order, cancel_id: int) -> None:
        """Raises ``ReplayMismatch`` unless the order is open without a pending cancel; callers have checked that."""
        standing = step(order.standing, OrderEvent.CANCEL_SENT)
        if standing is None:
            raise ReplayMismatch(f"order {order.order_id} in state {order.state} cannot be cancelled")
        order.state, order.remembered = standing
        order.cancel_id = cancel_id
        self._cancels[cancel_id] = order.order_id

    def restore_cancel(self, order: Order, standing: Standing, cancel_id: int) -> None:
        """Take back a ``cancel_sent``."""
        self._cancels.pop(order.cancel_id, None)
        order.state, order.remembered = standing
        order.cancel_id = cancel_id

    # Reports as they arrive

    def report(self, prepared: PreparedBatch, report: VenueReport) -> None:
        order = self._store.find(report.order_id)
        if order is None:
            prepared.anomalies.append(f"{report.kind} {report.exec_id} of order {report.order_id}, which is not known here")
            return
        if report.exec_id in order.exec_ids:
            prepared.repeated += 1
            return
        is_trade = report.kind is ExecutionKind.TRADE
        if is_trade and (report.last_quantity <= 0 or report.last_price <= 0):
            prepared.anomalies.append(f"fill {report.exec_id} of order {order.order_id} without quantity or price")
            return
        cumulative = order.cumulative + (report.last_quantity if is_trade else 0)
        standing = None if cumulative > order.quantity else step(order.standing, _event(report.kind, order, cumulative))
        if standing is None:
            prepared.anomalies.append(
                f"{report.kind} {report.exec_id} of order {order.order_id} in state {order.state} with {order.cumulative} of "
                f"{order.quantity} filled: refused (last quantity {report.last_quantity})"
            )
            return
        if report.cumulative != cumulative:
            prepared.anomalies.append(
                f"{report.kind} {report.exec_id} of order {order.order_id}: {cumulative} filled here, {report.cumulative} there"
            )
        payload = records.Execution(
            tenant=order.tenant,
            account=order.account,
            order_id=order.order_id,
            exec_id=report.exec_id,
            kind=report.kind,
            state=standing.state,
            last_quantity=report.last_quantity if is_trade else 0,
            last_price=report.last_price if is_trade else 0,
            cumulative=cumulative,
            leaves=order.quantity - cumulative if standing.is_open else 0,
            venue_order_id=report.venue_order_id,
            text=report.text,
            transact_time=report.transact_time,
            line=report.line,
            fix_number=report.fix_number,
        )
        self._apply(order, payload, standing, day_of(prepared.now), prepared)
        prepared.records.append(records.encode(payload))
        prepared.reports.append(_order_report(order, payload, prepared.now))

    def cancel_reject(self, prepared: PreparedBatch, reject: VenueCancelReject) -> None:
        order = self._store.find(self._cancels.get(reject.cancel_id, reject.order_id))
        if order is None or order.cancel_id != reject.cancel_id:
            prepared.anomalies.append(f"reject of cancel {reject.cancel_id} of order {reject.order_id}, which is not known here")
            return
        standing = step(order.standing, OrderEvent.CANCEL_REFUSED)
        if standing is None:
            # The cancel was refused before, and the order went on: the venue repeats itself.
            prepared.repeated += 1
            return
        payload = records.CancelRejected(
            tenant=order.tenant,
            account=order.account,
            order_id=order.order_id,
            cancel_id=reject.cancel_id,
            state=standing.state,
            text=reject.text,
            line=reject.line,
            fix_number=reject.fix_number,
        )
        if order.standing.is_open:
            prepared.on_rollback(self._pend_again, order, order.standing)
            self._refuse_cancel(order, standing)
        prepared.records.append(records.encode(payload))
        prepared.reports.append(_cancel_refused_report(order, payload, prepared.now))

    # Replay

    def replay_execution(self, payload: records.Execution, day: int) -> None:
        """Raises ``ReplayMismatch``."""
        order = self._store.find(payload.order_id)
        if order is None:
            raise ReplayMismatch(f"execution {payload.exec_id} of order {payload.order_id}, which no record accepted")
        cumulative = order.cumulative + payload.last_quantity
        standing = step(order.standing, _event(payload.kind, order, cumulative))
        if standing is None or standing.state is not payload.state or cumulative != payload.cumulative:
            raise ReplayMismatch(
                f"execution {payload.exec_id} takes order {order.order_id} from {order.state} to "
                f"{None if standing is None else standing.state} with {cumulative} filled; "
                f"the record says {payload.state} with {payload.cumulative}"
            )
        self._apply(order, payload, standing, day, None)

    def replay_cancel_rejected(self, payload: records.CancelRejected) -> None:
        """Raises ``ReplayMismatch``."""
        order = self._store.find(payload.order_id)
        standing = None if order is None else step(order.standing, OrderEvent.CANCEL_REFUSED)
        if order is None or standing is None or standing.state is not payload.state:
            raise ReplayMismatch(f"reject of cancel {payload.cancel_id}: order {payload.order_id} does not go to {payload.state}")
        if order.standing.is_open:
            self._refuse_cancel(order, standing)

    # Within

    def _apply(
        self, order: Order, payload: records.Execution, standing: Standing, day: int, prepared: PreparedBatch | None
    ) -> None:
        was_open = order.standing.is_open
        ended = None if was_open else self._store.take_ended(order.order_id)
        if prepared is not None:
            before = (order.standing, order.cumulative, order.leaves, order.held, order.venue_order_id)
            if ended is None:
                prepared.on_rollback(self._take_back, order, payload, before)
            else:
                prepared.on_rollback(self._take_back_late_fill, order, payload, ended)
        freed = min(order.held, payload.last_quantity) if standing.is_open else order.held
        if freed:
            self._ledger.release(order, freed)
            order.held -= freed
        if payload.last_quantity:
            self._ledger.settle(order, payload.last_quantity, payload.last_price)
        order.state, order.remembered = standing
        order.cumulative, order.leaves = payload.cumulative, payload.leaves
        order.venue_order_id = payload.venue_order_id or order.venue_order_id
        order.exec_ids += (payload.exec_id,)
        if not standing.is_open:
            if was_open:
                self._store.remove(order)
                self._cancels.pop(order.cancel_id, None)
            self._store.end(order, day)

    def _take_back(self, order: Order, payload: records.Execution, before: tuple[Standing, int, int, int, str]) -> None:
        if not order.standing.is_open:
            self._store.take_ended(order.order_id)
            self._store.add(order)
        order.exec_ids = order.exec_ids[:-1]
        if payload.last_quantity:
            self._ledger.settle(order, -payload.last_quantity, payload.last_price)
        standing, order.cumulative, order.leaves, held, order.venue_order_id = before
        self._ledger.reserve(order, held - order.held)
        order.held = held
        order.state, order.remembered = standing
        if order.state is OrderState.PENDING_CANCEL:
            self._cancels[order.cancel_id] = order.order_id

    def _take_back_late_fill(self, order: Order, payload: records.Execution, ended: tuple[int, bytes]) -> None:
        self._store.take_ended(order.order_id)
        self._store.put_ended(order.order_id, *ended)
        self._ledger.settle(order, -payload.last_quantity, payload.last_price)

    def _refuse_cancel(self, order: Order, standing: Standing) -> None:
        self._cancels.pop(order.cancel_id, None)
        order.state, order.remembered = standing

    def _pend_again(self, order: Order, standing: Standing) -> None:
        self._cancels[order.cancel_id] = order.order_id
        order.state, order.remembered = standing


def _event(kind: ExecutionKind, order: Order, cumulative: int) -> OrderEvent:
    if kind is ExecutionKind.TRADE:
        return OrderEvent.FILL if cumulative == order.quantity else OrderEvent.PARTIAL_FILL
    return _EVENTS[kind]


def _order_report(order: Order, payload: records.Execution, now: int) -> OrderReport:
    return OrderReport(
        tenant=order.tenant,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account=order.account,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.side,
        state=payload.state,
        exec_id=payload.exec_id,
        last_quantity=payload.last_quantity,
        last_price=payload.last_price,
        cumulative=payload.cumulative,
        leaves=payload.leaves,
        time=payload.transact_time or now,
        venue_order_id=order.venue_order_id,
        text=payload.text,
    )


def _cancel_refused_report(order: Order, payload: records.CancelRejected, now: int) -> OrderReport:
    return OrderReport(
        tenant=order.tenant,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account=order.account,
        exchange=order.exchange,
        symbol=order.symbol,
        side=order.side,
        state=payload.state,
        exec_id="",
        last_quantity=0,
        last_price=0,
        cumulative=order.cumulative,
        leaves=order.leaves,
        time=now,
        venue_order_id=order.venue_order_id,
        text=payload.text,
    )
