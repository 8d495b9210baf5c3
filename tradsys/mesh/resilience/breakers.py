"""All circuit breakers of a process by name, so that metrics and the operator's page can list them."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from tradsys.mesh.config.schema import BreakerSettings, CircuitBreakerConfig
from tradsys.mesh.resilience.breaker import BreakerState, CircuitBreaker
from tradsys.mesh.telemetry.metrics import METRICS

INSTANCE = "/"
"""``tradsys.v1.OrderService/worker-1``: the service and the process, which has a breaker of its own."""


class Breakers:
    """Made at first use. Settings are found by the name before ``/``. `steady` gives nanoseconds of a clock that never steps."""

    def __init__(self, config: CircuitBreakerConfig, *, steady: Callable[[], int] = time.monotonic_ns) -> None:
        self._config = config
        self._steady = steady
        self._breakers: dict[str, CircuitBreaker] = {}
        self._lock = Lock()

    def settings(self, name: str) -> BreakerSettings | None:
        """None where the configuration has breakers off."""
        if not self._config.enabled:
            return None
        return self._config.overrides.get(name.partition(INSTANCE)[0], self._config.default)

    def of(self, name: str) -> CircuitBreaker:
        found = self._breakers.get(name)
        if found is not None:
            return found
        with self._lock:
            if name not in self._breakers:
                METRICS.breaker_state(name, BreakerState.CLOSED)
                self._breakers[name] = CircuitBreaker(
                    self.settings(name), self._steady, lambda state: METRICS.breaker_state(name, state)
                )
            return self._breakers[name]

    def states(self) -> dict[str, str]:
        """Name → closed, half_open or open, now."""
        return {name: str(breaker.state) for name, breaker in sorted(self._breakers.copy().items())}
