"""Lengths of candles that people may ask the history for. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Final

SECOND_NS: Final = 1_000_000_000


class Interval(Enum):
    """``value`` is its name in requests. Hours are those of UTC, which are also those of the two markets; a day is the
    exchange's own date, and its candle carries midnight UTC of that date."""

    MINUTE = "1m"
    FIVE_MINUTES = "5m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def seconds(self) -> int:
        return _SECONDS[self]

    def floor(self, seconds: int) -> int:
        """Beginning of the candle that a moment (seconds UTC) is in."""
        return seconds - seconds % self.seconds

    def ceiling(self, seconds: int) -> int:
        return -(-seconds // self.seconds) * self.seconds


_SECONDS: Final = {Interval.MINUTE: 60, Interval.FIVE_MINUTES: 300, Interval.HOUR: 3_600, Interval.DAY: 86_400}
