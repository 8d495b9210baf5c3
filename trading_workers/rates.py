"""How many orders a licence lets through: per second, and per trading day."""

from __future__ import annotations

from licensing.call_rates import CallRate


class RateLimits:
    """A bucket of one second's worth per tenant. It starts full, also after a restart."""

    def __init__(self) -> None:
        self._rates: dict[str, CallRate] = {}

    def allows(self, tenant: str, per_second: int, now: int) -> bool:
        """Tell whether one more order may pass at ``now``."""
        return self._rate(tenant, per_second).allows(now)

    def take(self, tenant: str, per_second: int, now: int) -> None:
        """Count one order that ``allows`` let pass."""
        self._rate(tenant, per_second).take(now)

    def _rate(self, tenant: str, per_second: int) -> CallRate:
        rate = self._rates.get(tenant)
        if rate is None or rate.per_second != per_second:
            rate = self._rates[tenant] = CallRate(per_second)
        return rate


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
