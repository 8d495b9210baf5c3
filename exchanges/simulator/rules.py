"""What the venue takes: session phase, lot, tick and price band, from the exchange's dated rules.

Answers are (reason, text): OrdRejReason (103) for orders, CxlRejReason (102) for cancels, -1 when there is nothing against it.
The times that count are given; the only state is the day whose rules are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from exchanges.api import PHASE_RULES, OrderType, Phase
from exchanges.calendar import phase_at
from exchanges.prices import is_on_tick, price_to_text, tick_for
from exchanges.reference import VenueReference
from exchanges.simulator.order_entry import NewOrder

Refusal = tuple[int, str]
ACCEPTED: Refusal = (-1, "")

_UNKNOWN_SYMBOL = 1
_EXCHANGE_CLOSED = 2
_UNSUPPORTED_CHARACTERISTIC = 11
_INCORRECT_QUANTITY = 13
_OTHER = 99
_CANCEL_OTHER = 99


class TradingRules:
    """Rules of one venue; `load` gives the reference of a day, and is called again when the day changes."""

    def __init__(self, load: Callable[[date], VenueReference], now: int) -> None:
        self._load = load
        self.reference = load(datetime.fromtimestamp(now // 1_000_000_000, UTC).date())
        self._zone = ZoneInfo(self.reference.time_zone)
        self._use(self.day_of(now))

    def day_of(self, now: int) -> date:
        """The calendar day at the exchange."""
        return datetime.fromtimestamp(now // 1_000_000_000, self._zone).date()

    def day_end(self, day: date) -> int:
        """Midnight at the end of `day` at the exchange, ns UTC."""
        following = day + timedelta(days=1)
        return int(datetime(following.year, following.month, following.day, tzinfo=self._zone).timestamp()) * 1_000_000_000

    def phase(self, now: int) -> Phase:
        """The session phase at `now`; loads the rules of a new day when it has come."""
        if not self._day_begin <= now < self._day_finish:
            self._use(self.day_of(now))
        return phase_at(self._intervals, now)

    def order_refusal(self, order: NewOrder, now: int) -> Refusal:
        """What the rules have against entering `order` at `now`."""
        phase = self.phase(now)
        instrument = self.reference.instruments.get(order.symbol)
        if instrument is None:
            return _UNKNOWN_SYMBOL, f"{order.symbol} is not listed on {self.reference.exchange}"
        rule = PHASE_RULES[phase]
        if phase is Phase.CLOSED:
            return _EXCHANGE_CLOSED, "the session is closed"
        if not rule.matches:
            return _EXCHANGE_CLOSED, f"the venue takes no orders in phase {phase}"
        if not rule.allows(order.type, order.time_in_force):
            return _UNSUPPORTED_CHARACTERISTIC, f"{order.type} {order.time_in_force} is not taken in phase {phase}"
        if order.quantity <= 0:
            return _INCORRECT_QUANTITY, "the quantity is not positive"
        if order.quantity % instrument.lot:
            return _INCORRECT_QUANTITY, f"the quantity {order.quantity} is no multiple of the lot {instrument.lot}"
        if order.type is OrderType.MARKET:
            return ACCEPTED
        price = order.price
        if price <= 0:
            return _OTHER, "a limit order has a positive price"
        if not is_on_tick(price, instrument.ticks):
            tick = price_to_text(tick_for(price, instrument.ticks))
            return _OTHER, f"the price {price_to_text(price)} is no multiple of the tick {tick}"
        if not instrument.band_low <= price <= instrument.band_high:
            band = f"{price_to_text(instrument.band_low)} to {price_to_text(instrument.band_high)}"
            return _OTHER, f"the price {price_to_text(price)} is outside the day's limits {band}"
        return ACCEPTED

    def cancel_refusal(self, now: int) -> Refusal:
        """What the rules have against a cancel at `now`."""
        phase = self.phase(now)
        if PHASE_RULES[phase].cancels:
            return ACCEPTED
        return _CANCEL_OTHER, f"no cancels in phase {phase}"

    def _use(self, day: date) -> None:
        self.reference = self._load(day)
        self._day_begin = self.day_end(day - timedelta(days=1))
        self._day_finish = self.day_end(day)
        self._intervals = self.reference.intervals(day - timedelta(days=1), 3)
