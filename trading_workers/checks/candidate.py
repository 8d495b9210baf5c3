"""What a check looks at: one order, who sends it, the configuration it is decided against, and the worker's state."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from exchanges.routing.balancers import BalancerMemory
from trading_workers.configuration_view import ConfigurationView, ExchangeView, InstrumentView, PhaseView, PlatformView, TenantView
from trading_workers.ledger import Ledger
from trading_workers.line_states import LineStates
from trading_workers.order_store import AT_ANY_PRICE, OrderStore
from trading_workers.orders import Caller, NewOrder, OrderType, Refusal, Side
from trading_workers.rates import DailyCounts, RateLimits
from trading_workers.reasons import Reason
from trading_workers.route_timer import RouteTimer
from trading_workers.snapshot.documents import AccountEntry, LicenceEntry


class WorkerState(NamedTuple):
    """What changes with every order. Checks only read it."""

    ledger: Ledger
    store: OrderStore
    rates: RateLimits
    counts: DailyCounts
    lines: LineStates
    """FIX lines: which take orders, and how they do."""
    balancing: BalancerMemory
    route_timer: RouteTimer


class Candidate(msgspec.Struct, gc=False):
    """An order on its way through the checks. Whatever is unknown is an entry that allows nothing."""

    caller: Caller
    order: NewOrder
    now: int
    platform: PlatformView
    tenant: TenantView
    state: WorkerState
    account: AccountEntry
    licence: LicenceEntry
    instrument: InstrumentView
    exchange: ExchangeView
    phase: PhaseView
    trading_day: int
    worst_price: int
    """Micros a share could cost: the limit, or the upper band for a market order."""

    @property
    def meeting_price(self) -> int:
        order = self.order
        if order.type is OrderType.MARKET:
            return AT_ANY_PRICE if order.side is Side.BUY else 0
        return order.price


def candidate(caller: Caller, view: ConfigurationView, state: WorkerState, order: NewOrder, now: int) -> Candidate:
    """Look up everything that the checks need, once."""
    platform, tenant = view.platform, view.tenant
    instrument = platform.instrument(order.exchange, order.symbol)
    exchange = instrument.exchange
    return Candidate(
        caller, order, now, platform, tenant, state, tenant.account(order.account), tenant.licence, instrument, exchange,
        exchange.phase_at(now), exchange.trading_day(now),
        order.price if order.type is OrderType.LIMIT else instrument.band_high or 0,
    )  # fmt: skip


def refuse(reason: Reason, **figures: str) -> Refusal:
    return Refusal(reason, figures)


def instant(now: int) -> str:
    """A time as a figure: nanoseconds UTC as text, which a page turns into local time."""
    return str(now)
