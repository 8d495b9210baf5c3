"""What every record of the journal does to the worker's memory: the one place for live orders and for replay."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec

from trading_workers.journal import records
from trading_workers.journal.framing import Record
from trading_workers.ledger import Ledger
from trading_workers.order_identities import DAY_NS, FirstAnswer, OrderIdentities, day_of, fingerprint
from trading_workers.order_store import Order, OrderStore
from trading_workers.orders import OrderState, Refusal
from trading_workers.rates import DailyCounts
from trading_workers.reasons import Reason
from trading_workers.venue_events import ReplayMismatch, VenueEvents


class OrderBooking:
    """Orders, reservations, identities, counts and numbers, changed only by what is, or is about to be, in the journal."""

    def __init__(self, first_id: int) -> None:
        self.last_id = first_id - 1
        """The latest number that was given to an order or a cancel."""
        self.ledger = Ledger()
        self.store = OrderStore()
        self.counts = DailyCounts()
        self.identities = OrderIdentities()
        self.events = VenueEvents(self.store, self.ledger)

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def set_last_id(self, number: int) -> None:
        self.last_id = number

    # Orders and cancels, and how to take them back

    def accept(self, payload: records.OrderAccepted, *, content: int, day: int, time: int, sequence: int) -> tuple[Order, int]:
        """Book an accepted order; return it and its identity's row of ``day``."""
        order = Order(
            order_id=payload.order_id,
            tenant=payload.tenant,
            account=payload.account,
            client_order_id=payload.client_order_id,
            exchange=payload.exchange,
            symbol=payload.symbol,
            side=payload.side,
            type=payload.type,
            time_in_force=payload.time_in_force,
            quantity=payload.quantity,
            price=payload.price,
            currency=payload.currency,
            reserve_price=payload.reserve_price,
            line=payload.line,
            accepted_at=time,
            accepted_sequence=sequence,
            state=OrderState.PENDING_NEW,
            remembered=OrderState.PENDING_NEW,
            cumulative=0,
            leaves=payload.quantity,
            held=payload.quantity,
            venue_order_id="",
            cancel_id=0,
            exec_ids=(),
        )
        self.ledger.reserve(order, order.quantity)
        self.store.add(order)
        if "-" in payload.trace_id:  # a trace id alone belongs to a trace that is not sampled
            self.store.keep_trace(order.order_id, payload.trace_id)
        self.counts.add(order.tenant, payload.trading_day)
        answer = FirstAnswer(content, False, order.order_id, sequence, None)
        return order, self.identities.remember(day, order.tenant, order.account, order.client_order_id, answer)

    def take_back_accepted(self, order: Order, day: int, trading_day: int) -> None:
        self.identities.forget_last(day, order.tenant, order.account, order.client_order_id)
        self.counts.add(order.tenant, trading_day, -1)
        self.store.remove(order)
        self.ledger.release(order, order.held)

    def accepted_is_written(self, order: Order, day: int, row: int, sequence: int) -> None:
        order.accepted_sequence = sequence
        self.identities.written(day, row, sequence)

    def request_cancel(self, payload: records.CancelRequested, order: Order, *, content: int, day: int, sequence: int) -> int:
        """Book a cancel that is sent for ``order``; return its identity's row of ``day``."""
        self.events.cancel_sent(order, payload.cancel_id)
        answer = FirstAnswer(content, True, order.order_id, sequence, None)
        return self.identities.remember(day, payload.tenant, payload.account, payload.client_order_id, answer)

    def forget_old(self, now: int) -> None:
        """Identities and ended orders are kept for today and yesterday; counts a day longer, as exchanges' days differ."""
        yesterday = day_of(now) - 1
        self.identities.forget_before(yesterday)
        self.store.forget_before(yesterday)
        self.counts.forget_before(_local_day_before(yesterday))

    # Replay

    def replay(self, record: Record) -> None:
        """Book what ``record`` says. FIX records belong to the message stores and change nothing here.

        Raises ``UnknownRecord``, and ``ReplayMismatch`` when the record cannot follow the ones before it.
        """
        payload = records.decode(record.type, record.payload)
        match payload:
            case records.OrderAccepted():
                self._replay_accepted(payload, record)
            case records.OrderDenied() | records.CancelDenied():
                self._replay_denied(payload, record)
            case records.CancelRequested():
                self._replay_cancel(payload, record)
            case records.Execution():
                self.events.replay_execution(payload, day_of(record.time))
            case records.CancelRejected():
                self.events.replay_cancel_rejected(payload)
            case records.EpochStarted():
                self.last_id = payload.first_order_id - 1
        if record.ends_batch:
            self.forget_old(record.time)

    def _replay_accepted(self, payload: records.OrderAccepted, record: Record) -> None:
        self.last_id = payload.order_id
        self.accept(payload, content=order_content(payload), day=day_of(record.time), time=record.time, sequence=record.sequence)

    def _replay_cancel(self, payload: records.CancelRequested, record: Record) -> None:
        order = self.store.open_order(payload.order_id)
        if order is None:
            raise ReplayMismatch(f"record {record.sequence} cancels order {payload.order_id}, which is not open")
        self.last_id = payload.cancel_id
        self.request_cancel(payload, order, content=cancel_content(payload), day=day_of(record.time), sequence=record.sequence)

    def _replay_denied(self, payload: records.OrderDenied | records.CancelDenied, record: Record) -> None:
        if not payload.takes_id:
            return
        try:
            refusal = Refusal(Reason[payload.code], payload.figures)
        except KeyError:
            raise records.UnknownRecord(f"record {record.sequence} has the reason {payload.code}, which is not known") from None
        is_cancel = isinstance(payload, records.CancelDenied)
        content = cancel_content(payload) if isinstance(payload, records.CancelDenied) else order_content(payload)
        answer = FirstAnswer(content, is_cancel, 0, record.sequence, refusal)
        self.identities.remember(day_of(record.time), payload.tenant, payload.account, payload.client_order_id, answer)

    def state_hash(self) -> str:
        """A hash of everything that replay rebuilds: orders, reservations, counts, identities, numbers."""
        content = [
            self.last_id,
            self.store.contents(),
            self.ledger.contents(),
            self.counts.contents(),
            self.identities.contents(),
        ]
        return hashlib.blake2b(msgspec.msgpack.encode(content), digest_size=16).hexdigest()


def order_content(payload: records.OrderAccepted | records.OrderDenied) -> int:
    """What must be equal for an order to be the same order again."""
    return fingerprint(
        payload.tenant, payload.account, payload.client_order_id, payload.exchange, payload.symbol, payload.side,
        payload.type, payload.time_in_force, payload.quantity, payload.price,
    )  # fmt: skip


def cancel_content(payload: records.CancelRequested | records.CancelDenied) -> int:
    return fingerprint(payload.tenant, payload.account, payload.client_order_id, payload.orig_client_order_id)


def _local_day_before(day: int) -> int:
    """YYYYMMDD of the day before ``day`` (days since 1970)."""
    before = datetime.fromtimestamp((day - 1) * (DAY_NS // 1_000_000_000), UTC)
    return before.year * 10_000 + before.month * 100 + before.day
