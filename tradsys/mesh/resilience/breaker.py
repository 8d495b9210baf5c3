"""A circuit breaker: closed, open, half-open with one trial at a time. Pure; the time comes in as an argument.

Every call asks for a permit and gives it back with its outcome. A permit remembers the period in which it was given: what comes
back after the breaker has moved on counts no more, so outcomes may arrive late and in any order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from threading import Lock

from tradsys.mesh.config.schema import BreakerSettings

NS_PER_MS = 1_000_000


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Permit:
    """Leave to make one call. Give it back once: `CircuitBreaker.succeeded`, `failed` or `abandoned`."""

    __slots__ = ("began_at", "period")

    def __init__(self, period: int, began_at: int) -> None:
        self.period = period
        self.began_at = began_at


class CircuitBreaker:
    """`settings` None: never opens. `now` gives nanoseconds; should it step back, what was measured before is forgotten.

    `on_change` is called with each new state, by whoever brought it about. Threads may share a breaker.
    """

    def __init__(
        self,
        settings: BreakerSettings | None,
        now: Callable[[], int],
        on_change: Callable[[BreakerState], None] = lambda state: None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._on_change = on_change
        self._lock = Lock()
        self._state = BreakerState.CLOSED
        self._period = 0
        self._failures: deque[int] = deque()
        self._opened_at = 0
        self._trial_began: int | None = None
        self._latest = now()

    @property
    def state(self) -> BreakerState:
        with self._lock:
            self._advance()
            return self._state

    def acquire(self) -> Permit | None:
        """A permit, or None while the breaker is open or its one trial is under way."""
        with self._lock:
            now = self._advance()
            if self._state is BreakerState.OPEN:
                return None
            if self._state is BreakerState.HALF_OPEN:
                if self._trial_began is not None:
                    return None
                self._trial_began = now
            return Permit(self._period, now)

    def succeeded(self, permit: Permit) -> None:
        """The call was answered; one that took longer than ``slow_call_ms`` counts as failed."""
        with self._lock:
            now = self._advance()
            if self._settings is not None and now - permit.began_at > self._settings.slow_call_ms * NS_PER_MS:
                self._failed(permit, now)
            elif permit.period == self._period and self._state is BreakerState.HALF_OPEN:
                self._enter(BreakerState.CLOSED)

    def failed(self, permit: Permit) -> None:
        """The call was not answered, or its answer says that the service is broken."""
        with self._lock:
            self._failed(permit, self._advance())

    def abandoned(self, permit: Permit) -> None:
        """Nobody knows how the call would have ended: it was given up here, or never sent."""
        with self._lock:
            self._advance()
            if permit.period == self._period:
                self._trial_began = None

    def _failed(self, permit: Permit, now: int) -> None:
        settings = self._settings
        if settings is None or permit.period != self._period:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._open(now)
        elif self._state is BreakerState.CLOSED:
            self._failures.append(now)
            if len(self._failures) >= settings.failures:
                self._open(now)

    def _advance(self) -> int:
        """Do what the passing of time has brought about; returns the present."""
        now = self._now()
        if self._settings is None:
            return now
        if now < self._latest:
            self._failures.clear()
            self._opened_at = now
            if self._trial_began is not None:
                self._trial_began = now
        self._latest = now
        oldest = now - self._settings.window_ms * NS_PER_MS
        while self._failures and self._failures[0] <= oldest:
            self._failures.popleft()
        open_ns, trial_ns = self._settings.open_ms * NS_PER_MS, self._settings.slow_call_ms * NS_PER_MS
        if self._trial_began is not None and now - self._trial_began > trial_ns:
            # A trial that never reports back has failed, at the moment from which it counted as slow.
            self._open(self._trial_began + trial_ns)
        if self._state is BreakerState.OPEN and now - self._opened_at >= open_ns:
            self._enter(BreakerState.HALF_OPEN)
        return now

    def _open(self, at: int) -> None:
        self._opened_at = at
        self._enter(BreakerState.OPEN)

    def _enter(self, state: BreakerState) -> None:
        self._state = state
        self._period += 1
        self._failures.clear()
        self._trial_began = None
        self._on_change(state)
