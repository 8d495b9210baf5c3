"""The circuit breaker against a model that lives through every millisecond instead of reckoning."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.mesh_documents import SteadyClock
from tradsys.mesh.config.schema import BreakerSettings
from tradsys.mesh.resilience.breaker import CircuitBreaker, Permit


class Model:
    """Milliseconds one by one; every call that was let through is kept with the number of the period it belongs to."""

    def __init__(self, limits: BreakerSettings) -> None:
        self.limits = limits
        self.state = "closed"
        self.ms = 0
        self.period = 0
        self.opened = 0
        self.failures: list[int] = []
        self.trial: int | None = None

    def tick(self) -> None:
        self.ms += 1
        if self.trial is not None and self.ms - self.trial == self.limits.slow_call_ms + 1:
            self.enter("open", at=self.trial + self.limits.slow_call_ms)
        if self.state == "open" and self.ms - self.opened >= self.limits.open_ms:
            self.enter("half_open", at=self.ms)

    def step_back(self, ms: int) -> None:
        self.ms -= ms
        self.failures = []
        self.opened = self.ms
        self.trial = None if self.trial is None else self.ms

    def enter(self, state: str, *, at: int) -> None:
        self.state, self.opened, self.trial, self.failures = state, at, None, []
        self.period += 1

    def ask(self) -> tuple[int, int] | None:
        if self.state == "open" or (self.state == "half_open" and self.trial is not None):
            return None
        if self.state == "half_open":
            self.trial = self.ms
        return self.period, self.ms

    def outcome(self, call: tuple[int, int], outcome: str) -> None:
        period, began = call
        if period != self.period:
            return
        if outcome == "abandoned":
            self.trial = None
        elif outcome == "succeeded" and self.ms - began <= self.limits.slow_call_ms:
            if self.state == "half_open":
                self.enter("closed", at=self.ms)
        elif self.state == "half_open":
            self.enter("open", at=self.ms)
        else:
            self.failures.append(self.ms)
            recent = [each for each in self.failures if each > self.ms - self.limits.window_ms]
            if len(recent) >= self.limits.failures:
                self.enter("open", at=self.ms)


class BreakerMachine(RuleBasedStateMachine):
    @initialize(failures=st.integers(1, 4), window=st.integers(1, 40), opened=st.integers(1, 30), slow=st.integers(1, 30))
    def begin(self, failures: int, window: int, opened: int, slow: int) -> None:
        limits = BreakerSettings(failures=failures, window_ms=window, open_ms=opened, slow_call_ms=slow)
        self.clock = SteadyClock()
        self.said: list[str] = []
        self.breaker = CircuitBreaker(limits, self.clock, lambda state: self.said.append(str(state)))
        self.model = Model(limits)
        self.calls: list[tuple[Permit, tuple[int, int]]] = []

    @rule(ms=st.integers(1, 60))
    def time_passes(self, ms: int) -> None:
        self.clock.turn(ms)
        for _ in range(ms):
            self.model.tick()

    @rule(ms=st.integers(1, 100))
    def the_clock_steps_back(self, ms: int) -> None:
        assert self.breaker.state == self.model.state
        self.clock.turn(-ms)
        self.model.step_back(ms)

    @rule()
    def a_call_is_made(self) -> None:
        permit, allowed = self.breaker.acquire(), self.model.ask()
        assert (permit is None) == (allowed is None)
        if permit is not None and allowed is not None:
            self.calls.append((permit, allowed))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=st.sampled_from(["succeeded", "failed", "failed", "abandoned"]))
    def a_call_ends(self, data: st.DataObject, outcome: str) -> None:
        permit, call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        getattr(self.breaker, outcome)(permit)
        self.model.outcome(call, outcome)

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        if hasattr(self, "breaker"):
            assert self.breaker.state == self.model.state
            assert not self.said or self.said[-1] == self.model.state


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
