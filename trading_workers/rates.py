"""How many orders a licence lets through: per second, and per trading day."""

from __future__ import annotations

from typing import Final

_SECOND: Final = 1_000_000_000


class RateLimits:
    """A token bucket per tenant that holds one second's worth of orders. It starts full, also after a restart.

    Kept as one number: the instant at which the bucket would be full again.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, int] = {}

    def allows(self, tenant: str, per_second: int, now: int) -> bool:
        """Tell whether one more order may pass at ``now``."""
        if per_second <= 0:
            return False
        return self._start(tenant, now) + _SECOND // per_second <= now + _SECOND

    def take(self, tenant: str, per_second: int, now: int) -> None:
        """Count one order that ``allows`` let pass."""
        self._full_at[tenant] = self._start(tenant, now) + _SECOND // per_second

    def _start(self, tenant: str, now: int) -> int:
        full_at = self._full_at.get(tenant, 0)
        # More than a second ahead means that the clock stepped back: that must not lock the tenant out for as long.
        return full_at if now < full_at <= now + _SECOND else now


class DailyCounts:
    """Accepted orders by tenant and trading day (the exchange's local day, YYYYMMDD)."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, int], int] = {}

    def count(self, tenant: str, day: int) -> int:
        return self._counts.get((tenant, day), 0)

    def add(self, tenant: str, day: int, orders: int = 1) -> None:
        after = self._counts.get((tenant, day), 0) + orders
        if after:
            self._counts[tenant, day] = after
        else:
            del self._counts[tenant, day]

    def forget_before(self, day: int) -> None:
        for key in [key for key in self._counts if key[1] < day]:
            del self._counts[key]

    def contents(self) -> list[object]:
        return [[*key, count] for key, count in sorted(self._counts.items())]
