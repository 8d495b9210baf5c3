"""When trading in an instrument, or in the whole market, stands still. Pure: trades, index values and times are given.

The same calls in the same order start the same halts, so a venue that replays its log has them again. An order that is just
matching is not interrupted: a halt starts with the trade that is told, after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from exchanges.api import Phase
from exchanges.prices import BASIS_POINTS
from exchanges.simulator.halt_rules import HaltKind, HaltLevel, MarketHaltRule, Measure, StockHaltRule
from exchanges.simulator.moving_vwap import MovingVwap

UP: Final = 1
DOWN: Final = -1


class HaltStarted(NamedTuple):
    """Trading in ``symbol`` (empty: in everything) stands still until ``until``, ns UTC (None: the session's end)."""

    symbol: str
    kind: HaltKind
    until: int | None
    label: str
    """The dated row that says so."""


class StockHalts:
    """Halts of single instruments over one day. ``previous_closes`` are micros by symbol."""

    def __init__(self, rule: StockHaltRule | None, previous_closes: Mapping[str, int]) -> None:
        self._rule = rule
        self._previous_closes = previous_closes
        self._halted: dict[str, HaltStarted] = {}
        self._used: set[tuple[str, int, int]] = set()
        self._averages: dict[str, MovingVwap] = {}

    def on_trade(self, symbol: str, price: int, quantity: int, now: int, phase: Phase) -> HaltStarted | None:
        """Take note of a trade (micros, shares, ns UTC); return the halt that it starts.

        Each level halts an instrument once a day in each direction; a trade that reaches several uses them all and starts
        the farthest one's halt. A trade of an auction is told with the auction's phase: it counts in the moving average, and
        starts a halt only where the rule says so. Raises KeyError for a symbol without a previous close.
        """
        rule = self._rule
        if rule is None:
            return None
        value, shares = price, 1
        if rule.measure is Measure.MOVING_VWAP:
            average = self._averages.get(symbol)
            if average is None:
                average = self._averages[symbol] = MovingVwap(rule.vwap_window)
            average.add(price, quantity, now)
            value, shares = average.fraction(now)
        if phase not in rule.phases or symbol in self._halted:
            return None
        reference = self._previous_closes[symbol]
        away = value - reference * shares
        direction = UP if away > 0 else DOWN
        if direction == UP and not rule.both_ways:
            return None
        started: HaltLevel | None = None
        for number in _reached(rule.levels, abs(away), reference * shares):
            if (symbol, number, direction) not in self._used:
                self._used.add((symbol, number, direction))
                started = rule.levels[number]
        if started is None:
            return None
        halt = self._halted[symbol] = HaltStarted(symbol, started.kind, _end(started, now), rule.label)
        return halt

    def halted(self, symbol: str) -> HaltStarted | None:
        """The halt that holds for ``symbol``, if any."""
        return self._halted.get(symbol)

    def all_halted(self) -> list[HaltStarted]:
        """Every halt that holds, by symbol."""
        return [self._halted[symbol] for symbol in sorted(self._halted)]

    def average(self, symbol: str) -> MovingVwap | None:
        """The moving average that the rule measures; None when it measures none or nothing has traded."""
        return self._averages.get(symbol)

    def next_end(self) -> int | None:
        """When the next halt ends by itself, ns UTC; None when none will."""
        return min((halt.until for halt in self._halted.values() if halt.until is not None), default=None)

    def ends(self, now: int) -> list[str]:
        """End the halts whose time has come; return their symbols, in order."""
        over = sorted(symbol for symbol, halt in self._halted.items() if halt.until is not None and halt.until <= now)
        for symbol in over:
            del self._halted[symbol]
        return over

    def end(self, symbol: str) -> bool:
        """End the halt of ``symbol`` before its time; tells whether there was one."""
        return self._halted.pop(symbol, None) is not None

    def end_all(self) -> list[str]:
        """End every halt, as the phase in which it started is over; return their symbols, in order."""
        over = sorted(self._halted)
        self._halted.clear()
        return over

    def state(self) -> dict[str, Any]:
        """All that a day has left here, as plain JSON values; equal states behave alike."""
        return {
            "halted": {symbol: _halt_state(self._halted[symbol]) for symbol in sorted(self._halted)},
            "used": [list(one) for one in sorted(self._used)],
            "trades": {symbol: [list(one) for one in self._averages[symbol].trades()] for symbol in sorted(self._averages)},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` gave, under the same rule. Raises ValueError when the rule measures something else."""
        window = self._rule.vwap_window if self._rule else 0
        if state["trades"] and not window:
            raise ValueError("the state has the trades of a moving average, and the rule of the day measures none")
        self._halted = {symbol: _halt_from(symbol, halt) for symbol, halt in state["halted"].items()}
        self._used = {(symbol, number, direction) for symbol, number, direction in state["used"]}
        self._averages = {
            symbol: MovingVwap(window, [(now, price, quantity) for now, price, quantity in trades])
            for symbol, trades in state["trades"].items()
        }


class MarketHalts:
    """Halts of the whole market over one day, by the fall of an index from ``previous_close`` (any whole unit)."""

    def __init__(self, rule: MarketHaltRule | None, previous_close: int) -> None:
        if previous_close <= 0:
            raise ValueError(f"the previous close of an index is positive, not {previous_close}")
        self._rule = rule
        self._previous_close = previous_close
        self._halt: HaltStarted | None = None
        self._used: set[int] = set()

    def on_index(self, value: int, now: int, phase: Phase) -> HaltStarted | None:
        """Take note of the index, in the unit of its previous close; return the halt that it starts.

        Each level halts once a day; an index that reaches several uses them all and starts the farthest one's halt.
        """
        rule = self._rule
        if rule is None or self._halt is not None or phase not in rule.phases:
            return None
        started: HaltLevel | None = None
        for number in _reached(rule.levels, self._previous_close - value, self._previous_close):
            if number not in self._used:
                self._used.add(number)
                started = rule.levels[number]
        if started is not None:
            self._halt = HaltStarted("", started.kind, _end(started, now), rule.label)
        return None if started is None else self._halt

    def halted(self) -> HaltStarted | None:
        """The halt that holds, if any."""
        return self._halt

    def next_end(self) -> int | None:
        """When the halt ends by itself, ns UTC; None when there is none or it lasts for the session."""
        return None if self._halt is None else self._halt.until

    def ends(self, now: int) -> bool:
        """End the halt if its time has come; tells whether it did."""
        over = self._halt is not None and self._halt.until is not None and self._halt.until <= now
        return self.end() if over else False

    def end(self) -> bool:
        """End the halt before its time; tells whether there was one."""
        halt, self._halt = self._halt, None
        return halt is not None

    def state(self) -> dict[str, Any]:
        """All that a day has left here, as plain JSON values; equal states behave alike."""
        return {"halted": None if self._halt is None else _halt_state(self._halt), "used": sorted(self._used)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``state`` gave, under the same rule."""
        self._halt = None if state["halted"] is None else _halt_from("", state["halted"])
        self._used = set(state["used"])


def _reached(levels: Sequence[HaltLevel], away: int, whole: int) -> list[int]:
    """Numbers of the levels that ``away`` out of ``whole`` has reached, nearest first."""
    return [number for number, level in enumerate(levels) if away * BASIS_POINTS >= level.move_bp * whole]


def _end(level: HaltLevel, now: int) -> int | None:
    return None if level.duration is None else now + level.duration


def _halt_state(halt: HaltStarted) -> dict[str, Any]:
    return {"kind": halt.kind.value, "until": halt.until, "label": halt.label}


def _halt_from(symbol: str, state: Mapping[str, Any]) -> HaltStarted:
    return HaltStarted(symbol, HaltKind(state["kind"]), state["until"], state["label"])
