"""What the venue takes: order types of the phase, lot, tick and price band, from the exchange's dated rules.

Answers are (reason, text): OrdRejReason (103) for orders, CxlRejReason (102) for cancels and replacements, -1 when there is
nothing against it. The phase is given; the only state is the day whose rules are loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from exchanges.api import OrderType, Phase, PhaseRule, TimeInForce, Trust
from exchanges.dated_rules import RuleKind, rules_on
from exchanges.prices import is_on_tick, price_to_text, tick_for
from exchanges.reference import VenueReference
from exchanges.simulator import records
from exchanges.simulator.order_entry import NewOrder, ReplaceRequest
from exchanges.simulator.session_plan import SessionEvent, session_plan

Refusal = tuple[int, str]
ACCEPTED: Refusal = (-1, "")

EXCHANGE_CLOSED: Final = 2
UNSUPPORTED_CHARACTERISTIC: Final = 11
OTHER: Final = 99
_UNKNOWN_SYMBOL = 1
_INCORRECT_QUANTITY = 13
_CANCEL_OTHER = 99

# The halt rows do not say how long their moving average is; 30 minutes is what EGX states for its closing price.
_VWAP_WINDOW = 30 * 60_000_000_000


def without_demo_session(reference: VenueReference) -> VenueReference:
    """The exchange with its own rows alone, without the demonstration's session that never closes."""
    return replace(reference, rules=tuple(rule for rule in reference.rules if rule.trust is not Trust.DEMO))


class TradingRules:
    """Rules of one venue; `load` gives the reference of a day, and `use` changes to another day."""

    def __init__(self, load: Callable[[date], VenueReference], now: int) -> None:
        self._load = load
        self.reference = load(datetime.fromtimestamp(now // 1_000_000_000, UTC).date())
        self._zone = ZoneInfo(self.reference.time_zone)
        self.use(self.day_of(now))

    def day_of(self, now: int) -> date:
        """The calendar day at the exchange."""
        return datetime.fromtimestamp(now // 1_000_000_000, self._zone).date()

    def day_end(self, day: date) -> int:
        """Midnight at the end of `day` at the exchange, ns UTC."""
        following = day + timedelta(days=1)
        return int(datetime(following.year, following.month, following.day, tzinfo=self._zone).timestamp()) * 1_000_000_000

    def use(self, day: date) -> None:
        """Load the rules of `day`. Raises RuleError when they cannot be used."""
        self.reference = self._load(day)
        self.day = day
        types = rules_on(self.reference.rules, day, RuleKind.ORDER_TYPES)
        self._icebergs = any(row.value.get("iceberg") is True for row in types)

    def plan(self, seed: str) -> tuple[SessionEvent, ...]:
        """The timetable of the loaded day. Raises CalendarError."""
        return session_plan(self.reference.rules, self.day, seed)

    def halt_terms(self) -> records.HaltTerms | None:
        """What halts trading by itself on the loaded day: nothing does in the demonstration's session that never closes."""
        rules, day = self.reference.rules, self.day
        if any(row.trust is Trust.DEMO for row in rules_on(rules, day, RuleKind.SESSION)):
            return None
        rows = [records.HaltRow(row.scope, row.label, dict(row.value)) for row in rules_on(rules, day, RuleKind.HALT)]
        closes = {symbol: instrument.reference_price for symbol, instrument in self.reference.instruments.items()}
        return records.HaltTerms(rows, _VWAP_WINDOW, closes)

    def phase_rule(self, phase: Phase) -> PhaseRule:
        """What `phase` takes: the one place where the venue asks."""
        return self.reference.phase_rules[phase]

    def order_refusal(self, order: NewOrder, phase: Phase) -> Refusal:
        """What the rules have against entering `order` in `phase`."""
        if order.symbol not in self.reference.instruments:
            return _UNKNOWN_SYMBOL, f"{order.symbol} is not listed on {self.reference.exchange}"
        rule = self.phase_rule(phase)
        if phase is Phase.CLOSED:
            return EXCHANGE_CLOSED, "the session is closed"
        if not rule.allows(order.type, order.time_in_force):
            return UNSUPPORTED_CHARACTERISTIC, f"{order.type} {order.time_in_force} is not taken in phase {phase}"
        return self._terms_refusal(order)

    def replace_refusal(self, request: ReplaceRequest, phase: Phase) -> Refusal:
        """What the rules have against replacing an order's quantity and price in `phase`; the reason is a CxlRejReason (102)."""
        if request.symbol not in self.reference.instruments:
            return _CANCEL_OTHER, f"{request.symbol} is not listed on {self.reference.exchange}"
        rule = self.phase_rule(phase)
        if phase is Phase.CLOSED:
            return _CANCEL_OTHER, "the session is closed"
        if not rule.cancels or not rule.allows(request.type, request.time_in_force):
            return _CANCEL_OTHER, f"{request.type} {request.time_in_force} is not replaced in phase {phase}"
        reason, text = self._terms_refusal(request)
        return (_CANCEL_OTHER, text) if reason >= 0 else ACCEPTED

    def cancel_refusal(self, phase: Phase) -> Refusal:
        """What the rules have against a cancel in `phase`."""
        if self.phase_rule(phase).cancels:
            return ACCEPTED
        return _CANCEL_OTHER, f"no cancels in phase {phase}"

    def _terms_refusal(self, order: NewOrder | ReplaceRequest) -> Refusal:
        """What lot, tick and the day's limits have against quantity and price; the symbol is listed."""
        instrument = self.reference.instruments[order.symbol]
        if order.quantity <= 0:
            return _INCORRECT_QUANTITY, "the quantity is not positive"
        if order.quantity % instrument.lot:
            return _INCORRECT_QUANTITY, f"the quantity {order.quantity} is no multiple of the lot {instrument.lot}"
        if order.display_quantity:
            refusal = self._display_refusal(order, instrument.lot)
            if refusal is not ACCEPTED:
                return refusal
        if order.type is OrderType.MARKET:
            return ACCEPTED
        price = order.price
        if price <= 0:
            return OTHER, "a limit order has a positive price"
        if not is_on_tick(price, instrument.ticks):
            tick = price_to_text(tick_for(price, instrument.ticks))
            return OTHER, f"the price {price_to_text(price)} is no multiple of the tick {tick}"
        if not instrument.band_low <= price <= instrument.band_high:
            band = f"{price_to_text(instrument.band_low)} to {price_to_text(instrument.band_high)}"
            return OTHER, f"the price {price_to_text(price)} is outside the day's limits {band}"
        return ACCEPTED

    def _display_refusal(self, order: NewOrder | ReplaceRequest, lot: int) -> Refusal:
        shown = order.display_quantity
        if not self._icebergs:
            return UNSUPPORTED_CHARACTERISTIC, f"{self.reference.exchange} takes no orders with MaxFloor (111)"
        if order.type is not OrderType.LIMIT or order.time_in_force is not TimeInForce.DAY:
            return UNSUPPORTED_CHARACTERISTIC, "MaxFloor (111) is for limit orders that rest"
        if not 0 < shown <= order.quantity or shown % lot:
            return _INCORRECT_QUANTITY, f"MaxFloor {shown} is a multiple of the lot {lot}, above 0 and not above OrderQty"
        return ACCEPTED
