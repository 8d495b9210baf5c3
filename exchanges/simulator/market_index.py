"""An equal-weight price index of what a venue lists: what its market-wide halts watch. Pure.

It stands where an exchange has an index of chosen members and weights, which the venue's reference data does not hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREVIOUS_CLOSE: Final = 1_000_000_000
"""The index when every price is its previous close: 1000 points in millionths."""


class EqualWeightIndex:
    """The mean of last price by previous close over all instruments; ``previous_closes`` are positive micros by symbol."""

    def __init__(self, previous_closes: Mapping[str, int]) -> None:
        if not previous_closes:
            raise ValueError("an index has at least one member")
        self._previous_closes = dict(previous_closes)
        self._parts = dict.fromkeys(previous_closes, PREVIOUS_CLOSE)
        self._sum = PREVIOUS_CLOSE * len(previous_closes)

    @property
    def value(self) -> int:
        """Millionths of a point, rounded down."""
        return self._sum // len(self._parts)

    def on_trade(self, symbol: str, price: int) -> int:
        """Take note of the last price (micros) of a member; return the index. Raises KeyError for another symbol."""
        part = price * PREVIOUS_CLOSE // self._previous_closes[symbol]
        self._sum += part - self._parts[symbol]
        self._parts[symbol] = part
        return self.value
