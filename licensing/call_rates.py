"""How many calls of a second a licence lets through: a token bucket kept as one number. Pure."""

from __future__ import annotations

from typing import Final

_SECOND: Final = 1_000_000_000


class CallRate:
    """Holds one second's worth and starts full."""

    __slots__ = ("full_at", "per_second", "step")

    def __init__(self, per_second: int) -> None:
        self.per_second = per_second
        self.step = _SECOND // per_second if per_second > 0 else 0
        """Nanoseconds that one call costs; 0: nothing may pass."""
        self.full_at = 0
        """The instant (ns UTC) at which the bucket would be full again."""

    def allows(self, now: int) -> bool:
        """Whether one more may pass at `now` (ns UTC)."""
        return self.after(now) > 0

    def take(self, now: int) -> None:
        """Count one that `allows` let pass."""
        self.full_at = self.after(now) or self.full_at

    def after(self, now: int) -> int:
        """`full_at` as it is after one more call at `now`, or 0 when that may not pass. Changes nothing."""
        full_at = self.full_at
        # More than a second ahead means that the clock stepped back: that must not lock the tenant out for as long.
        after = (full_at if now < full_at <= now + _SECOND else now) + self.step
        return after if self.step and after <= now + _SECOND else 0
