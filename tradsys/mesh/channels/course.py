"""The course of one call: which instance next, how long to wait, whether to try again. No I/O; both kinds of client follow it.

Until an instance has been reached nothing was sent, and a call may look for another instance as often as its time allows. Once
something may have been sent, only an idempotent call goes out a second time, within budget, backoff and deadline.
"""

from __future__ import annotations

from collections.abc import Callable

import grpc

from tradsys.mesh.balancing import Balancers
from tradsys.mesh.channels.outcomes import Outcome, outcome_of
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.resilience.backoff import backoff_seconds
from tradsys.mesh.resilience.breaker import BreakerState, CircuitBreaker, Permit
from tradsys.mesh.resilience.breakers import INSTANCE, Breakers
from tradsys.mesh.resilience.deadlines import DeadlinePassed, remaining_seconds
from tradsys.mesh.resilience.retry_budget import RetryBudget
from tradsys.mesh.telemetry.metrics import METRICS

NS_PER_SECOND = 1_000_000_000
NS_PER_MS = 1_000_000
LOOK_AGAIN_SECONDS = 0.02
"""Between two looks at a registry in which nobody can be called."""
CONNECT_SECONDS = 0.5
"""An instance that cannot be reached within it is passed over for another."""


class CallNotSent(CallRefused):
    """The call was not made: nothing was sent. A servicer that lets it through refuses its own call with it."""

    def __init__(self, refusal: CallRefusal, service: str, **figures: str) -> None:
        super().__init__(refusal, service=service, **figures)
        METRICS.call_refused(service, refusal.name)

    def __str__(self) -> str:
        said = ", ".join(f"{name}={figure}" for name, figure in self.figures.items())
        return f"{self.refusal.name}: {self.refusal.rule} ({said})"


class Calls:
    """What all calls of one client share: balancers, breakers, the retry budget, and who could not be reached lately."""

    def __init__(
        self,
        registry: Registry,
        config: ServiceMeshConfig,
        *,
        breakers: Breakers,
        load: Callable[[Instance], int],
        steady: Callable[[], int],
        random: Callable[[], float],
    ) -> None:
        self.registry = registry
        self.config = config
        self.breakers = breakers
        self.balancers = Balancers(config.load_balancing, load)
        self.budget = RetryBudget(config.retry, steady)
        self.steady = steady
        self.random = random
        self._suspects: dict[str, int] = {}
        """Instance name → until when (steady ns) it is passed over."""

    def suspect(self, instance: Instance) -> None:
        """It could not be reached: others come first for ``suspect_ms``."""
        until = self.steady() + self.config.load_balancing.suspect_ms * NS_PER_MS
        self._suspects = {**self.suspects(), instance.instance: until}

    def reached(self, instance: Instance) -> None:
        if instance.instance in self._suspects:
            self._suspects = {name: until for name, until in self.suspects().items() if name != instance.instance}

    def suspects(self) -> dict[str, int]:
        if not self._suspects:
            return {}
        now = self.steady()
        return {name: until for name, until in self._suspects.items() if until > now}

    def breaker(self, service: str, instance: Instance) -> CircuitBreaker:
        return self.breakers.of(f"{service}{INSTANCE}{instance.process}")


class Course:
    """One call to ``service``. `timeout` in seconds, for everything together; `wait` of it at most until an instance is reached."""

    def __init__(
        self, calls: Calls, service: str, *, timeout: float, wait: float, affinity: str, stay: bool, idempotent: bool
    ) -> None:
        self._calls = calls
        self.service = service
        self._affinity = affinity
        self._stay = stay
        self._idempotent = idempotent
        incoming = remaining_seconds(steady=calls.steady)
        self._limited_by_caller = incoming is not None and incoming < timeout
        seconds = timeout if incoming is None else min(timeout, incoming)
        self._ends_at = calls.steady() + int(seconds * NS_PER_SECOND)
        self._reach_by = min(self._ends_at, calls.steady() + int(wait * NS_PER_SECOND))
        self._attempts = 0
        self._unreached: set[str] = set()
        self._blamed: set[str] = set()
        self._trial_is_anothers = False

    def remaining(self) -> float:
        """Seconds until the deadline. Behind it, raises CallNotSent where no instance was reached in the call's own time, else
        DeadlinePassed.
        """
        seconds = (self._ends_at - self._calls.steady()) / NS_PER_SECOND
        if seconds > 0:
            return seconds
        if self._attempts == 0 and not self._limited_by_caller:
            raise CallNotSent(CallRefusal.DEPENDENCY_UNAVAILABLE, self.service, unreachable="no instance in time")
        raise DeadlinePassed(f"the deadline of the call to {self.service} has passed")

    def connect_seconds(self) -> float:
        """How long to wait for the connection."""
        return min(self.remaining(), CONNECT_SECONDS)

    def choose(self) -> Instance | None:
        """The instance to call next; None: none now, look again after `LOOK_AGAIN_SECONDS`.

        Raises CallNotSent when there is none and the time to wait for one is over, or when breakers are open; DeadlinePassed.
        """
        self.remaining()
        calls = self._calls
        ordered = calls.balancers.of(self.service).order(
            self.service,
            calls.registry.of(self.service),
            passed_over=calls.suspects(),
            affinity=self._affinity,
            stay=self._stay,
        )
        closed = [each for each in ordered if calls.breaker(self.service, each).state is not BreakerState.OPEN]
        for instance in closed:
            if instance.instance not in self._unreached:
                return instance
        if ordered and (not closed or self._trial_is_anothers):
            raise CallNotSent(CallRefusal.BREAKER_OPEN, self.service, instances=", ".join(each.process for each in ordered))
        # Everybody was tried in vain: from the beginning, unless the time is over.
        self._unreached.clear()
        if calls.steady() >= self._reach_by:
            raise CallNotSent(
                CallRefusal.DEPENDENCY_UNAVAILABLE,
                self.service,
                unreachable=", ".join(each.process for each in closed) or "no instance serves it",
            )
        return None

    def not_reached(self, instance: Instance) -> None:
        """No connection to `instance`; nothing was sent. However long this call looks on, the breaker hears of it once."""
        self._unreached.add(instance.instance)
        self._calls.suspect(instance)
        if instance.instance not in self._blamed:
            self._blamed.add(instance.instance)
            breaker = self._calls.breaker(self.service, instance)
            permit = breaker.acquire()
            if permit is not None:
                breaker.failed(permit)

    def no_place(self, instance: Instance, limit: int) -> CallNotSent:
        return CallNotSent(CallRefusal.POOL_EXHAUSTED, self.service, instance=instance.process, calls=str(limit))

    def permit(self, instance: Instance) -> Permit | None:
        """Leave to send; None where the breaker's one trial is somebody else's: `choose` another."""
        permit = self._calls.breaker(self.service, instance).acquire()
        if permit is None:
            self._unreached.add(instance.instance)
            self._trial_is_anothers = True
        else:
            self._attempts += 1
            if self._attempts == 1:
                self._calls.budget.called()
        return permit

    def answered(self, instance: Instance, permit: Permit) -> None:
        self._calls.reached(instance)
        self._calls.breaker(self.service, instance).succeeded(permit)

    def abandoned(self, instance: Instance, permit: Permit) -> None:
        """The call was cancelled here."""
        self._calls.breaker(self.service, instance).abandoned(permit)

    def ended(self, instance: Instance, permit: Permit, code: grpc.StatusCode, details: bytes | None) -> float | None:
        """The attempt ended with an error. Returns the wait in seconds before the next one; None: the error is the answer."""
        outcome = outcome_of(code, details)
        if code is grpc.StatusCode.DEADLINE_EXCEEDED and self._limited_by_caller:
            outcome = Outcome.UNKNOWN
        breaker = self._calls.breaker(self.service, instance)
        if outcome is Outcome.ANSWERED:
            breaker.succeeded(permit)
        elif outcome in (Outcome.BROKEN, Outcome.UNREACHABLE):
            breaker.failed(permit)
        else:
            breaker.abandoned(permit)
        if outcome in (Outcome.UNREACHABLE, Outcome.ELSEWHERE):
            self._calls.suspect(instance)
            self._unreached.add(instance.instance)
        return self._wait_before_retry(outcome, code)

    def _wait_before_retry(self, outcome: Outcome, code: grpc.StatusCode) -> float | None:
        retry = self._calls.config.retry
        if not self._idempotent or self._attempts >= retry.max_attempts:
            return None
        if outcome is not Outcome.ELSEWHERE and (outcome is Outcome.ANSWERED or code.name not in retry.codes):
            return None
        seconds = backoff_seconds(retry, self._attempts, self._calls.random)
        if self._calls.steady() + seconds * NS_PER_SECOND >= self._ends_at or not self._calls.budget.take():
            return None
        return seconds
