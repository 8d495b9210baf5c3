"""Everything that is settled before an order comes, for one account, instrument and door, folded into one row.

A row is made when an order has passed every readable check (``checks.decision.CHECKS``), which stay the specification: a row
only says yes. Where it does not, the readable checks run and say which rule refuses, and with which figures. That both agree on
every order is a property test (``tests/property/test_limit_rows.py``).

A row holds while both documents do and, in time, until the first of: the end of a lease, of the licence, of the session phase, of
the trading day.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from trading_workers.order_store import AT_ANY_PRICE
from trading_workers.orders import NewOrder, OrderType, Side

if TYPE_CHECKING:
    from exchanges.routing.router import InstrumentRoutes
    from trading_workers.checks.candidate import Candidate, WorkerState
    from trading_workers.configuration_view import OrderKind


class LimitRow:
    """Prices and cash in micros, times in nanoseconds UTC. It holds in [since, until)."""

    __slots__ = (
        "_account", "_band_high", "_band_low", "_cap", "_cash", "_exchange", "_kinds", "_lot", "_max_quantity", "_max_value",
        "_per_second", "_shares", "_symbol", "_tenant", "_tick", "_tick_at", "currency", "instrument", "mic", "reference_price",
        "routes", "since", "trading_day", "until", "verdict_id",
    )  # fmt: skip

    def __init__(self, passed: Candidate, since: int, until: int) -> None:
        """`passed`: an order that every check has let through at an instant in [since, until)."""
        account, instrument, licence = passed.account, passed.instrument, passed.licence
        low, high = instrument.band_low, instrument.band_high
        assert low is not None and high is not None and instrument.reference_price is not None  # REFERENCE_PRICE_MISSING is a check
        self.since = since
        self.until = until
        self._tenant = passed.caller.tenant
        self._account = account.code
        self._exchange = passed.exchange.code
        self._symbol = instrument.symbol
        self._kinds: frozenset[OrderKind] = passed.phase.enters
        self._band_low = low
        self._band_high = high
        self._tick = instrument.only_tick(low, high)
        self._tick_at: Callable[[int], int] = instrument.tick_at
        self._lot = instrument.lot
        self._max_quantity = account.max_order_quantity
        self._max_value = account.max_order_value
        self._cap = licence.orders_per_day_cap
        self._per_second = licence.orders_per_second
        self._cash = account.cash.get(instrument.currency, 0)
        self._shares = account.shares.get(instrument.key, 0)
        self.instrument = instrument.key
        self.currency = instrument.currency
        self.mic = passed.exchange.mic
        self.reference_price = instrument.reference_price
        self.routes: InstrumentRoutes = instrument.routes
        self.trading_day = passed.trading_day
        board = account.sharia_board
        verdict = None if board is None else passed.tenant.verdict(board, instrument.key)
        self.verdict_id = "" if verdict is None else verdict.verdict_id

    def worst_price(self, order: NewOrder, state: WorkerState, now: int) -> int:
        """What a share of `order` could cost, in micros, where every check passes; 0 where one may not."""
        quantity = order.quantity
        if (order.type, order.time_in_force) not in self._kinds:
            return 0
        if order.type is OrderType.LIMIT:
            worst = meeting = order.price
            if not self._band_low <= worst <= self._band_high or worst % (self._tick or self._tick_at(worst) or AT_ANY_PRICE):
                return 0
        elif order.price:
            return 0
        else:
            worst = self._band_high
            meeting = AT_ANY_PRICE if order.side is Side.BUY else 0
        if (
            not 0 < quantity <= self._max_quantity
            or quantity % self._lot
            or quantity * worst > self._max_value
            or (self._cap is not None and state.counts.count(self._tenant, self.trading_day) >= self._cap)
            or (self._per_second is not None and not state.rates.allows(self._tenant, self._per_second, now))
        ):
            return 0
        book = state.ledger.book(self._tenant, self._account)
        if order.side is Side.BUY:
            if quantity * worst > book.buying_power(self.currency, self._cash):
                return 0
        elif quantity > book.available_shares(self.instrument, self._shares):
            return 0
        store = state.store
        if store.would_meet(self._tenant, self._account, self._exchange, self._symbol, order.side, meeting) is not None:
            return 0
        return worst
