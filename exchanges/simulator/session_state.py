"""Where the trading session of a day stands: its phase, and what is held back. A pure part of the order desk's state.

Halts by a rule follow from the trades and the index values that are told; halts by hand and every end are told. A suspended
instrument takes no orders and no replacements (what the exchanges do with them then is not published); one in a halt auction
takes limit orders for the day, which wait for its uncross. Cancels are taken as the phase takes them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Final

from exchanges.api import OrderType, Phase, TimeInForce, Trust
from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.prices import TickRow
from exchanges.simulator import records
from exchanges.simulator.halt_rules import HaltKind, HaltRules, halt_rules_on
from exchanges.simulator.halts import HaltStarted, MarketHalts, StockHalts
from exchanges.simulator.moving_vwap import MovingVwap
from exchanges.simulator.rules import ACCEPTED, EXCHANGE_CLOSED, UNSUPPORTED_CHARACTERISTIC, Refusal
from exchanges.simulator.session_plan import CALLS

MARKET: Final = ""
"""The symbol of a halt of all instruments."""


class SessionState:
    """The session of one day; `terms` are the day's halts, None when nothing halts by itself."""

    def __init__(self, terms: records.HaltTerms | None = None, phase: Phase = Phase.CONTINUOUS) -> None:
        self.phase = phase
        self.planned_at = 0
        """Events of the day's plan up to here are done, ns UTC."""
        self.overridden = False
        self.closing_prices: dict[str, int] = {}
        """By symbol, in trade at last: the only price at which orders trade."""
        self.holds: dict[str, HaltStarted] = {}
        """All halts that hold now, by symbol, MARKET for all."""
        self.started: list[HaltStarted] = []
        """Halts that nobody has been told of; market data takes them away."""
        self._matching = phase is Phase.CONTINUOUS
        rules = HaltRules() if terms is None else _rules_of(terms)
        self._collar = rules.collar
        self._stock = StockHalts(rules.stock, {} if terms is None else terms.previous_closes)
        self._watched = frozenset() if terms is None or rules.stock is None else frozenset(terms.previous_closes)
        self._market_rule = rules.market
        self._market: MarketHalts | None = None
        self._index: records.IndexValue | None = None
        self._by_hand: dict[str, HaltStarted] = {}

    def enter(self, entered: records.PhaseEntered, closing_prices: dict[str, int]) -> None:
        """Go to another phase. Halts of single instruments by a rule end with the phase in which they started, and so does a
        halt auction by hand.
        """
        self.phase = Phase(entered.phase)
        self.planned_at = max(self.planned_at, entered.planned_at)
        self.overridden = entered.overridden
        self.closing_prices = closing_prices
        self._matching = entered.matches
        self._stock.end_all()
        self._by_hand = {symbol: halt for symbol, halt in self._by_hand.items() if halt.kind is HaltKind.SUSPENSION}
        if entered.expires:
            # A halt for the rest of the session outlives a gap in it, not its end.
            self._market = None
        self._gather()

    def on_trade(self, symbol: str, price: int, quantity: int, now: int) -> None:
        """Take note of a trade; it may start a halt."""
        if symbol in self._watched:
            self._note(self._stock.on_trade(symbol, price, quantity, now, self.phase))

    def on_index(self, index: records.IndexValue, now: int) -> None:
        """Take note of the market's index; it may halt the market. The first value of a day names the previous close."""
        self._index = index
        if self._market is None:
            self._market = MarketHalts(self._market_rule, index.previous_close)
        self._note(self._market.on_index(index.value, now, self.phase))

    def halt(self, started: records.HaltStarted) -> None:
        """Halt by hand."""
        until = started.until or None
        self._by_hand[started.symbol] = HaltStarted(started.symbol, HaltKind(started.kind), until, started.text)
        self.started.append(self._by_hand[started.symbol])
        self._gather()

    def end_halts(self, ended: records.HaltsEnded, now: int) -> None:
        """End the halts whose time has come, and the one that is ended by hand."""
        self._stock.ends(now)
        if self._market is not None:
            self._market.ends(now)
        over = [symbol for symbol, halt in self._by_hand.items() if halt.until is not None and halt.until <= now]
        if ended.by_hand:
            over.append(ended.symbol)
            self._end_rule_halt(ended.symbol)
        for symbol in over:
            self._by_hand.pop(symbol, None)
        self._gather()

    def due(self, now: int) -> list[HaltStarted]:
        """Halts whose time has come."""
        return [halt for halt in self.holds.values() if halt.until is not None and halt.until <= now]

    @property
    def index(self) -> records.IndexValue | None:
        """The last value that was told."""
        return self._index

    @property
    def market_index(self) -> str | None:
        """The index that halts the market on this day; None when none does."""
        return None if self._market_rule is None else self._market_rule.index

    def hold(self, symbol: str) -> HaltStarted | None:
        """What holds `symbol` back now."""
        return self.holds.get(MARKET) or self.holds.get(symbol)

    def matches(self, symbol: str) -> bool:
        """Whether an order in `symbol` may trade at once."""
        return self._matching and (not self.holds or self.hold(symbol) is None)

    def collects(self, symbol: str) -> bool:
        """Whether orders in `symbol` wait for an uncross now."""
        held = self.hold(symbol)
        return self.phase in CALLS if held is None else held.kind is HaltKind.AUCTION

    def collar(self, symbol: str, ticks: Sequence[TickRow], now: int) -> tuple[int, int] | None:
        """The lowest and highest price at which an auction in `symbol` may trade, micros; None where no collar holds."""
        if self._collar is None:
            return None
        average = self._stock.average(symbol)
        trades = () if average is None else average.trades()
        return MovingVwap(self._collar.vwap_window, trades).limits(self._collar.move_bp, ticks, now)

    def hold_refusal(self, symbol: str, kind: OrderType, time_in_force: TimeInForce) -> Refusal:
        """What a halt has against an order in `symbol`; the reason is an OrdRejReason (103)."""
        held = self.hold(symbol)
        if held is None:
            return ACCEPTED
        what = symbol if held.symbol else "the market"
        if held.kind is HaltKind.SUSPENSION:
            return EXCHANGE_CLOSED, f"{what} is halted: {held.label}"
        if kind is OrderType.LIMIT and time_in_force is TimeInForce.DAY:
            return ACCEPTED
        return UNSUPPORTED_CHARACTERISTIC, f"{kind} {time_in_force} is not taken while {what} is in a halt auction: {held.label}"

    def fingerprint(self) -> str:
        """Everything that is kept here, as text: equal states have equal texts."""
        by_hand = {symbol: (halt.kind.value, halt.until, halt.label) for symbol, halt in self._by_hand.items()}
        market = None if self._market is None else self._market.state()
        index = None if self._index is None else [self._index.value, self._index.previous_close]
        session = [self.phase, self.planned_at, self.overridden, self._matching, self.closing_prices]
        return json.dumps([session, self._stock.state(), market, index, by_hand], sort_keys=True)

    def _note(self, started: HaltStarted | None) -> None:
        if started is not None:
            self.started.append(started)
            self._gather()

    def _end_rule_halt(self, symbol: str) -> None:
        if symbol != MARKET:
            self._stock.end(symbol)
        elif self._market is not None:
            self._market.end()

    def _gather(self) -> None:
        self.holds = {halt.symbol: halt for halt in self._rule_halts()} | self._by_hand

    def _rule_halts(self) -> list[HaltStarted]:
        market = None if self._market is None else self._market.halted()
        return [*([] if market is None else [market]), *self._stock.all_halted()]


def _rules_of(terms: records.HaltTerms) -> HaltRules:
    rows = [
        DatedRule(
            kind=RuleKind.HALT,
            scope=row.scope,
            valid_from=None,
            valid_to=None,
            value=row.value,
            label=row.label,
            trust=Trust.VERIFIED,
            sources=(),
            active=True,
        )
        for row in terms.rows
    ]
    return halt_rules_on(rows, date.min, vwap_window=terms.vwap_window)
