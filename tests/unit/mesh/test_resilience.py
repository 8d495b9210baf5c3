"""Breakers by name, retry budget, backoff and deadlines."""

from __future__ import annotations

import threading

import msgspec
import pytest

from tests.mesh_documents import SERVICE, SteadyClock, mesh_config
from tradsys.mesh.config.schema import RetryConfig
from tradsys.mesh.resilience.backoff import backoff_seconds
from tradsys.mesh.resilience.breaker import BreakerState, CircuitBreaker
from tradsys.mesh.resilience.breakers import Breakers
from tradsys.mesh.resilience.deadlines import DeadlinePassed, outgoing_seconds, remaining_seconds, reset_deadline, set_deadline
from tradsys.mesh.resilience.retry_budget import RetryBudget
from tradsys.mesh.telemetry.metrics import METRICS

OWN = {"failures": 2, "window_ms": 1000, "open_ms": 300, "slow_call_ms": 50}


def retry_config(**fields: object) -> RetryConfig:
    return msgspec.structs.replace(mesh_config().retry, **fields)


def state_in_metrics(name: str) -> float | None:
    return METRICS.registry.get_sample_value("tradsys_circuit_breaker_state", {"breaker": name})


def test_breakers_have_their_own_settings_by_service_and_by_exchange() -> None:
    clock = SteadyClock()
    overrides = {SERVICE: OWN, "exchange:EGX": OWN}
    breakers = Breakers(mesh_config(circuit_breaker={"overrides": overrides}).circuit_breaker, steady=clock)
    for name in (f"{SERVICE}/worker-1", "exchange:EGX", "exchange:ADX"):
        for _ in range(2):
            permit = breakers.of(name).acquire()
            assert permit is not None
            breakers.of(name).failed(permit)
    assert breakers.states() == {"exchange:ADX": "closed", "exchange:EGX": "open", f"{SERVICE}/worker-1": "open"}
    assert [state_in_metrics(name) for name in breakers.states()] == [0, 2, 2]
    clock.turn(300)
    assert breakers.states()["exchange:EGX"] == "half_open"
    assert state_in_metrics("exchange:EGX") == 1


def test_breakers_that_are_off_never_open() -> None:
    breaker = Breakers(mesh_config(circuit_breaker={"enabled": False}).circuit_breaker).of(SERVICE)
    for _ in range(100):
        permit = breaker.acquire()
        assert permit is not None
        breaker.failed(permit)
    assert breaker.state is BreakerState.CLOSED


def test_of_many_threads_exactly_one_gets_the_trial() -> None:
    clock = SteadyClock()
    breaker = CircuitBreaker(mesh_config(circuit_breaker={"default": OWN}).circuit_breaker.default, clock)
    for _ in range(2):
        permit = breaker.acquire()
        assert permit is not None
        breaker.failed(permit)
    assert breaker.acquire() is None
    clock.turn(300)
    together, permits = threading.Barrier(8), []

    def ask() -> None:
        together.wait()
        permits.append(breaker.acquire())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(permit is not None for permit in permits) == 1


def test_retries_are_a_part_of_the_calls_of_ten_seconds_and_a_few_in_any_case() -> None:
    clock = SteadyClock()
    budget = RetryBudget(retry_config(budget_percent=20, budget_min_per_second=2), clock)
    assert [budget.take() for _ in range(3)] == [True, True, False]
    for _ in range(50):
        budget.called()
    assert [budget.take() for _ in range(9)] == [True] * 8 + [False]
    clock.turn(1000)
    assert [budget.take() for _ in range(3)] == [True, True, False], "a new second brings its minimum"
    clock.turn(11_000)
    assert [budget.take() for _ in range(3)] == [True, True, False], "calls older than ten seconds count no more"


def test_a_budget_outlives_a_clock_that_steps_back() -> None:
    clock = SteadyClock()
    budget = RetryBudget(retry_config(budget_percent=0, budget_min_per_second=1), clock)
    assert budget.take()
    clock.turn(-3_600_000)
    assert budget.take()
    assert not budget.take()


def test_the_wait_grows_to_its_cap_and_chance_only_shortens_it() -> None:
    config = retry_config(initial_backoff_ms=20, max_backoff_ms=500, multiplier=2.0, jitter_percent=50)
    assert [backoff_seconds(config, retry, lambda: 0.0) for retry in (1, 2, 3, 6, 500)] == [0.02, 0.04, 0.08, 0.5, 0.5]
    assert backoff_seconds(config, 1, lambda: 0.5) == pytest.approx(0.015)
    assert 0.01 < backoff_seconds(config, 1, lambda: 0.999) < 0.0101


def test_an_outgoing_call_never_outlives_the_incoming_one() -> None:
    clock = SteadyClock()
    assert outgoing_seconds(5, steady=clock) == 5
    token = set_deadline(2.0, steady=clock)
    try:
        assert outgoing_seconds(5, steady=clock) == 2
        assert outgoing_seconds(1, steady=clock) == 1
        clock.turn(1500)
        assert remaining_seconds(steady=clock) == 0.5
        clock.turn(500)
        with pytest.raises(DeadlinePassed):
            outgoing_seconds(5, steady=clock)
    finally:
        reset_deadline(token)
    assert remaining_seconds(steady=clock) is None


def test_a_call_without_a_deadline_takes_away_nothing() -> None:
    token = set_deadline(None)
    assert outgoing_seconds(3) == 3
    reset_deadline(token)
