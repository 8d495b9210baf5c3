"""How many retries a process may make: a part of its calls, so that a service that is down is not buried under them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock

from tradsys.mesh.config.schema import RetryConfig

NS_PER_SECOND = 1_000_000_000
WINDOW_SECONDS = 10


class RetryBudget:
    """``budget_percent`` of the calls of the last ten seconds, and ``budget_min_per_second`` in any case. Threads may share it.

    `steady` gives nanoseconds of a clock that never steps.
    """

    def __init__(self, config: RetryConfig, steady: Callable[[], int]) -> None:
        self._config = config
        self._steady = steady
        self._lock = Lock()
        self._seconds: deque[list[int]] = deque()
        """[second, calls, retries], oldest first."""

    def called(self) -> None:
        """A first attempt is made."""
        with self._lock:
            self._present()[1] += 1

    def take(self) -> bool:
        """Whether one more retry may be made; it is counted."""
        with self._lock:
            present = self._present()
            if present[2] >= self._config.budget_min_per_second:
                calls = sum(each[1] for each in self._seconds)
                retries = sum(each[2] for each in self._seconds)
                if (retries + 1) * 100 > calls * self._config.budget_percent:
                    return False
            present[2] += 1
            return True

    def _present(self) -> list[int]:
        second = self._steady() // NS_PER_SECOND
        if not self._seconds or self._seconds[-1][0] != second:
            if self._seconds and self._seconds[-1][0] > second:
                self._seconds.clear()
            self._seconds.append([second, 0, 0])
        while self._seconds[0][0] <= second - WINDOW_SECONDS:
            self._seconds.popleft()
        return self._seconds[-1]
