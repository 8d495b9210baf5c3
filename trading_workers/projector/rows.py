"""Turns journal records into rows of one tenant. Runs inside the projector's transaction, with the tenant activated.

The journal is in order and read once, so a row is built up in memory over the whole batch and written once at its end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Model

from exchanges.prices import MICROS
from licensing.catalogue import Meter
from licensing.metering.events import ItemStatus, ReportedUsage
from licensing.metering.services import LARGEST_BATCH, record_usage
from trading_workers.blotter.models import AccountCash, AccountPosition, Execution, Order, OrderState
from trading_workers.journal.records import (
    CancelRejected,
    CancelRequested,
    OrderAccepted,
    OrderDenied,
)
from trading_workers.journal.records import Execution as ExecutionRecord
from trading_workers.orders import ExecutionKind, Side

NS_PER_US = 1000
CHANGING_FIELDS = ["state", "cumulative", "leaves", "filled_value", "venue_order_id", "text", "changed_at"]
LARGEST_INT64 = 2**63 - 1

Projected = OrderAccepted | OrderDenied | CancelRequested | CancelRejected | ExecutionRecord
"""The records that a tenant's rows are made of."""


class Entry(NamedTuple):
    """One record with its place in the journal; `time` in nanoseconds UTC."""

    worker: str
    epoch: int
    sequence: int
    time: int
    payload: Projected


class ProjectionRefused(Exception):
    """A record contradicts the rows: projecting on would make them wrong. The text names the record."""


@dataclass(slots=True)
class TenantRows:
    """The rows that one batch of records makes or changes in one tenant."""

    orders: dict[int, Order] = field(default_factory=dict)
    new: list[Order] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    cash: dict[tuple[str, str], Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    shares: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    usage: list[ReportedUsage] = field(default_factory=list)
    changed: dict[int, tuple[int, Order]] = field(default_factory=dict)
    """id() of an order → (sequence of the last change, order)."""

    def project(self, entries: Iterable[Entry]) -> None:
        """Read what the entries touch, apply them in order, write. Raises ProjectionRefused."""
        entries = list(entries)
        self._read_known_orders(entries)
        for entry in entries:
            payload = entry.payload
            if isinstance(payload, OrderAccepted):
                self._accept(entry, payload)
            elif isinstance(payload, OrderDenied):
                self._deny(entry, payload)
            elif isinstance(payload, ExecutionRecord):
                self._execute(entry, payload)
            elif isinstance(payload, CancelRequested):
                order = self._order(entry, payload.order_id)
                order.state = OrderState.PENDING_CANCEL
                self._touch(entry, order)
            else:
                order = self._order(entry, payload.order_id)
                order.state = payload.state.value
                order.text = _text(payload.text, 300)
                self._touch(entry, order)
        self._write()

    def changed_orders(self) -> list[tuple[int, Order]]:
        """(sequence, order) of every order that changed, in the order of their last change."""
        return sorted(self.changed.values(), key=lambda each: each[0])

    def _read_known_orders(self, entries: list[Entry]) -> None:
        numbers = {entry.payload.order_id for entry in entries if not isinstance(entry.payload, OrderDenied | OrderAccepted)}
        for order in Order.objects.filter(order_id__in=numbers):
            assert order.order_id is not None
            self.orders[order.order_id] = order

    def _order(self, entry: Entry, order_id: int) -> Order:
        order = self.orders.get(order_id)
        if order is None:
            raise ProjectionRefused(
                f"record {entry.worker}:{entry.epoch}:{entry.sequence} is about order {order_id}, which has no row"
            )
        return order

    def _accept(self, entry: Entry, payload: OrderAccepted) -> None:
        order = Order(
            order_id=payload.order_id,
            worker=entry.worker,
            epoch=entry.epoch,
            sequence=entry.sequence,
            client_order_id=payload.client_order_id,
            account=payload.account,
            exchange=payload.exchange,
            symbol=payload.symbol,
            side=payload.side.value,
            type=payload.type.value,
            time_in_force=payload.time_in_force.value,
            quantity=payload.quantity,
            price=payload.price,
            currency=payload.currency,
            state=OrderState.PENDING_NEW,
            leaves=payload.quantity,
            user=payload.user,
            door=payload.door,
            trace_id=payload.trace_id,
            verdict_id=payload.verdict_id,
            accepted_at=entry.time,
        )
        self.orders[payload.order_id] = order
        self.new.append(order)
        self._touch(entry, order)
        self.usage.append(
            ReportedUsage(
                source=entry.worker,
                event_id=f"{entry.worker}:{entry.epoch}:{entry.sequence}",
                meter=Meter.ORDERS,
                quantity=1,
                event_time=_moment(entry.time),
            )
        )

    def _deny(self, entry: Entry, payload: OrderDenied) -> None:
        order = Order(
            order_id=None,
            worker=entry.worker,
            epoch=entry.epoch,
            sequence=entry.sequence,
            client_order_id=_text(payload.client_order_id, 64),
            account=_text(payload.account, 64),
            exchange=_text(payload.exchange, 64),
            symbol=_text(payload.symbol, 64),
            side=payload.side.value,
            type=payload.type.value,
            time_in_force=payload.time_in_force.value,
            quantity=_within_int64(payload.quantity),
            price=_within_int64(payload.price),
            state=OrderState.DENIED,
            denied_code=payload.code,
            denied_rule=_text(payload.rule, 300),
            denied_figures={_text(name, 64): _text(figure, 300) for name, figure in payload.figures.items()},
            user=_text(payload.user, 150),
            door=payload.door,
            trace_id=payload.trace_id,
            accepted_at=entry.time,
        )
        self.new.append(order)
        self._touch(entry, order)

    def _execute(self, entry: Entry, payload: ExecutionRecord) -> None:
        order = self._order(entry, payload.order_id)
        order.state = payload.state.value
        order.cumulative = payload.cumulative
        order.leaves = payload.leaves
        order.venue_order_id = _text(payload.venue_order_id, 64) or order.venue_order_id
        order.text = _text(payload.text, 300) or order.text
        self._touch(entry, order)
        if payload.kind is not ExecutionKind.TRADE:
            return
        value = Decimal(payload.last_quantity * payload.last_price) / MICROS
        order.filled_value += value
        self.executions.append(
            Execution(
                order_id=payload.order_id,
                worker=entry.worker,
                epoch=entry.epoch,
                sequence=entry.sequence,
                exec_id=payload.exec_id,
                quantity=payload.last_quantity,
                price=payload.last_price,
                executed_at=payload.transact_time or entry.time,
            )
        )
        sign = 1 if order.side == Side.BUY.value else -1
        self.cash[order.account, order.currency] -= sign * value
        self.shares[order.account, order.exchange, order.symbol] += sign * payload.last_quantity

    def _touch(self, entry: Entry, order: Order) -> None:
        order.changed_at = entry.time
        self.changed[id(order)] = (entry.sequence, order)

    def _write(self) -> None:
        Order.objects.bulk_create(self.new)
        made = {id(order) for order in self.new}
        known = [order for _, order in self.changed.values() if id(order) not in made]
        # An upsert of whole rows costs a tenth of bulk_update, which sends a CASE per row and column.
        Order.objects.bulk_create(known, update_conflicts=True, unique_fields=["id"], update_fields=CHANGING_FIELDS, batch_size=500)
        Execution.objects.bulk_create(self.executions)
        self._add_cash()
        self._add_shares()
        for start in range(0, len(self.usage), LARGEST_BATCH):
            self._report_usage(self.usage[start : start + LARGEST_BATCH])

    def _add_cash(self) -> None:
        accounts = {account for account, _ in self.cash}
        rows = {(row.account, row.currency): row for row in AccountCash.objects.filter(account__in=accounts)}
        for (account, currency), amount in self.cash.items():
            row = rows.setdefault((account, currency), AccountCash(account=account, currency=currency, from_fills=Decimal()))
            row.from_fills += amount
        _save(AccountCash, [rows[key] for key in self.cash])

    def _add_shares(self) -> None:
        accounts = {account for account, _, _ in self.shares}
        rows = {(row.account, row.exchange, row.symbol): row for row in AccountPosition.objects.filter(account__in=accounts)}
        for (account, exchange, symbol), quantity in self.shares.items():
            row = rows.setdefault(
                (account, exchange, symbol), AccountPosition(account=account, exchange=exchange, symbol=symbol, from_fills=0)
            )
            row.from_fills += quantity
        _save(AccountPosition, [rows[key] for key in self.shares])

    @staticmethod
    def _report_usage(events: list[ReportedUsage]) -> None:
        for result in record_usage(events=events):
            if result.status not in (ItemStatus.ACCEPTED, ItemStatus.DUPLICATE):
                raise ProjectionRefused(f"usage event {result.event_id} was answered {result.status.value} {result.reason}")


def _save(model: type[Model], rows: list[Model]) -> None:
    model._default_manager.bulk_create([row for row in rows if row.pk is None])
    model._default_manager.bulk_update([row for row in rows if row.pk is not None], ["from_fills"], batch_size=500)


def _text(text: str, longest: int) -> str:
    """What a text column can hold of `text`: PostgreSQL has no NUL, and what was refused may have any length."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:longest]


def _within_int64(number: int) -> int:
    return max(-LARGEST_INT64, min(number, LARGEST_INT64))


def _moment(time: int) -> datetime:
    seconds, rest = divmod(time, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest // NS_PER_US)
