"""The circuit breaker of one FIX line: when to connect, and when its orders go elsewhere. Pure.

Failures are connections that did not come to a logon, connections that were lost, and orders without a report for longer than
``slow_call_ms``. While the breaker is open nobody connects and the line takes no orders. Half-open, one attempt is let through: a
connection where there is none, or else the next orders that are sent together, and no more until the first of them is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tradsys.mesh.resilience.breaker import BreakerState, CircuitBreaker, Permit

NS_PER_MS = 1_000_000


class LineBreaker:
    """`set_up` is told when the line may take orders and when not. `steady` gives nanoseconds of a clock that never steps."""

    def __init__(
        self, breaker: CircuitBreaker, *, slow_call_ms: int, steady: Callable[[], int], set_up: Callable[[bool], None]
    ) -> None:
        self.breaker = breaker
        self._slow_ns = slow_call_ms * NS_PER_MS
        self._steady = steady
        self._set_up = set_up
        self._up = False
        self._logged_on = False
        self._attempt: Permit | None = None
        """Of the connection that is being made."""
        self._trial: tuple[int, Permit] | None = None
        """The order that decides whether the line works again."""
        self._unanswered: dict[int, int] = {}
        """Order → when it was sent, oldest first."""

    # The connection

    def may_connect(self) -> bool:
        """Whether to try now; a try has to end in `logged_on` or `attempt_failed`."""
        permit = self.breaker.acquire()
        if permit is None:
            return False
        self._attempt = permit
        return True

    def attempt_failed(self) -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self.breaker.failed(attempt)

    def logged_on(self) -> None:
        self._logged_on = True
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            self.breaker.succeeded(attempt)
        self._refresh()

    def logged_out(self, *, wanted: bool) -> None:
        """The connection is gone. `wanted`: we logged out ourselves, which is no failure."""
        self._logged_on = False
        self._unanswered.clear()
        trial, self._trial = self._trial, None
        permit = trial[1] if trial is not None else self.breaker.acquire()
        if permit is not None and wanted:
            self.breaker.abandoned(permit)
        elif permit is not None:
            self.breaker.failed(permit)
        self._refresh()

    # Orders

    def sent(self, orders: Sequence[int]) -> None:
        """These orders went out together."""
        if not orders or not self._logged_on:
            return
        self._unanswered.update(dict.fromkeys(orders, self._steady()))
        if self._trial is None and self.breaker.state is BreakerState.HALF_OPEN:
            permit = self.breaker.acquire()
            if permit is not None:
                self._trial = orders[0], permit
                self._refresh()

    def answered(self, orders: Iterable[int]) -> None:
        """The venue reported on these."""
        if not self._unanswered:
            return
        for order in orders:
            sent_at = self._unanswered.pop(order, None)
            if sent_at is None:
                continue
            if self._trial is not None and order == self._trial[0]:
                self._decide_trial(self._trial[1])
            elif self._steady() - sent_at > self._slow_ns:
                self._failed()

    def check(self) -> None:
        """Count what has waited too long for an answer; to be called several times within ``slow_call_ms``."""
        overdue = self._steady() - self._slow_ns
        while self._unanswered:
            order, sent_at = next(iter(self._unanswered.items()))
            if sent_at >= overdue:
                break
            del self._unanswered[order]
            if self._trial is not None and order == self._trial[0]:
                self._decide_trial(self._trial[1])
            else:
                self._failed()
        self._refresh()

    def _decide_trial(self, permit: Permit) -> None:
        self._trial = None
        # A trial that took too long counts as failed, by the breaker's own reckoning.
        self.breaker.succeeded(permit)
        self._refresh()

    def _failed(self) -> None:
        # Only a closed breaker counts: while it is open or on trial, the orders of before say nothing new.
        if self.breaker.state is not BreakerState.CLOSED:
            return
        permit = self.breaker.acquire()
        if permit is not None:
            self.breaker.failed(permit)
        self._refresh()

    def _refresh(self) -> None:
        state = self.breaker.state
        if state is BreakerState.OPEN:
            self._trial = None
        up = self._logged_on and (state is BreakerState.CLOSED or (state is BreakerState.HALF_OPEN and self._trial is None))
        if up is not self._up:
            self._up = up
            self._set_up(up)
