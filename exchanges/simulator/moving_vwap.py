"""Volume-weighted average price of the trades of the last so many minutes, as an exact fraction. Pure, no division."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

from exchanges.prices import BASIS_POINTS, TickRow, round_down_to_tick, round_up_to_tick


class MovingVwap:
    """The average over the trades that are younger than ``window`` (ns). Prices in micros; times never go back."""

    __slots__ = ("_shares", "_trades", "_value", "_window")

    def __init__(self, window: int, trades: Iterable[tuple[int, int, int]] = ()) -> None:
        if window <= 0:
            raise ValueError(f"the window of a moving average is positive, not {window} ns")
        self._window = window
        self._trades: deque[tuple[int, int, int]] = deque()
        self._value = 0
        self._shares = 0
        for now, price, quantity in trades:
            self.add(price, quantity, now)

    def add(self, price: int, quantity: int, now: int) -> None:
        """Count a trade at ``now`` (ns UTC)."""
        self._trades.append((now, price, quantity))
        self._value += price * quantity
        self._shares += quantity
        self._forget(now)

    def fraction(self, now: int) -> tuple[int, int]:
        """(sum of price × quantity, shares) at ``now``: the average is the one by the other. (0, 0) when nothing traded."""
        self._forget(now)
        return self._value, self._shares

    def limits(self, move_bp: int, ticks: Sequence[TickRow], now: int) -> tuple[int, int] | None:
        """The lowest and highest price on tick within ``move_bp`` basis points of the average; None when nothing traded."""
        value, shares = self.fraction(now)
        if not shares:
            return None
        lowest = -(-value * (BASIS_POINTS - move_bp) // (shares * BASIS_POINTS))
        highest = value * (BASIS_POINTS + move_bp) // (shares * BASIS_POINTS)
        return round_up_to_tick(lowest, ticks), round_down_to_tick(highest, ticks)

    def trades(self) -> list[tuple[int, int, int]]:
        """The trades it still holds, as (time, price, quantity): what a new one is given to go on from here."""
        return list(self._trades)

    def _forget(self, now: int) -> None:
        trades, oldest = self._trades, now - self._window
        while trades and trades[0][0] <= oldest:
            _, price, quantity = trades.popleft()
            self._value -= price * quantity
            self._shares -= quantity
