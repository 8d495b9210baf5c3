"""When a FIX line connects and takes orders: its circuit breaker, with a clock that the test turns."""

from __future__ import annotations

from tests.mesh_documents import SteadyClock
from trading_workers.order_worker.line_breaker import LineBreaker
from tradsys.mesh.config.schema import BreakerSettings
from tradsys.mesh.resilience.breaker import BreakerState, CircuitBreaker

SLOW, OPEN = 100, 1000


class Guarded:
    def __init__(self, failures: int = 3) -> None:
        self.clock = SteadyClock()
        settings = BreakerSettings(failures=failures, window_ms=10_000, open_ms=OPEN, slow_call_ms=SLOW)
        self.told: list[bool] = []
        breaker = CircuitBreaker(settings, self.clock)
        self.line = LineBreaker(breaker, slow_call_ms=SLOW, steady=self.clock, set_up=self.told.append)

    @property
    def state(self) -> BreakerState:
        return self.line.breaker.state

    def log_on(self) -> None:
        assert self.line.may_connect()
        self.line.logged_on()

    def stall(self, orders: int) -> None:
        """The venue leaves so many orders without an answer."""
        self.line.sent(range(1, orders + 1))
        self.clock.turn(SLOW + 1)
        self.line.check()


def test_failed_connections_open_the_breaker_and_then_one_attempt_at_a_time_is_made() -> None:
    guarded = Guarded()
    for _ in range(3):
        assert guarded.line.may_connect()
        guarded.line.attempt_failed()
    assert guarded.state is BreakerState.OPEN
    attempts = 0
    for _ in range(100):
        guarded.clock.turn(OPEN / 10)
        if guarded.line.may_connect():
            attempts += 1
            assert not guarded.line.may_connect()
            guarded.line.attempt_failed()
    assert attempts == 10, "one for each time that the breaker was open"
    guarded.clock.turn(OPEN)
    guarded.log_on()
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told == [True]


def test_lost_connections_count_and_a_wanted_logout_does_not() -> None:
    guarded = Guarded(failures=2)
    guarded.log_on()
    guarded.line.logged_out(wanted=True)
    guarded.log_on()
    guarded.line.logged_out(wanted=True)
    assert guarded.state is BreakerState.CLOSED
    for _ in range(2):
        guarded.log_on()
        guarded.line.logged_out(wanted=False)
    assert guarded.state is BreakerState.OPEN
    assert not guarded.line.may_connect()
    assert guarded.told == [True, False] * 4


def test_orders_that_are_answered_in_time_leave_no_trace() -> None:
    guarded = Guarded(failures=1)
    guarded.log_on()
    guarded.line.sent([1, 2, 3])
    guarded.clock.turn(SLOW)
    guarded.line.check()
    guarded.line.answered([3, 1, 2, 2, 99])
    guarded.clock.turn(10 * SLOW)
    guarded.line.check()
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told == [True]


def test_unanswered_orders_take_the_line_down_until_one_of_the_next_is_answered() -> None:
    guarded = Guarded()
    guarded.log_on()
    guarded.stall(3)
    assert guarded.state is BreakerState.OPEN
    assert guarded.told == [True, False]
    guarded.clock.turn(OPEN)
    guarded.line.check()
    assert guarded.told == [True, False, True], "on trial it takes orders"
    guarded.line.sent([11, 12])
    assert guarded.told == [True, False, True, False], "and no more until the first is answered"
    guarded.line.answered([12])
    assert guarded.told[-1] is False
    guarded.line.answered([11])
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told == [True, False, True, False, True]


def test_a_trial_that_is_not_answered_opens_the_breaker_again() -> None:
    guarded = Guarded()
    guarded.log_on()
    guarded.stall(3)
    guarded.clock.turn(OPEN)
    guarded.line.check()
    guarded.line.sent([11])
    guarded.clock.turn(SLOW + 1)
    guarded.line.check()
    assert guarded.state is BreakerState.OPEN
    guarded.line.answered([11])
    assert guarded.state is BreakerState.OPEN, "an answer that came too late is none"
    assert guarded.told[-1] is False


def test_a_late_answer_counts_as_much_as_none() -> None:
    guarded = Guarded(failures=1)
    guarded.log_on()
    guarded.line.sent([1])
    guarded.clock.turn(SLOW + 1)
    guarded.line.answered([1])
    assert guarded.state is BreakerState.OPEN
    assert guarded.told == [True, False]


def test_few_slow_answers_are_no_reason_to_stop() -> None:
    guarded = Guarded(failures=3)
    guarded.log_on()
    guarded.stall(2)
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told == [True]


def test_a_connection_lost_during_a_trial_ends_the_trial_as_failed() -> None:
    guarded = Guarded()
    guarded.log_on()
    guarded.stall(3)
    guarded.clock.turn(OPEN)
    guarded.line.check()
    guarded.line.sent([11])
    guarded.line.logged_out(wanted=False)
    assert guarded.state is BreakerState.OPEN
    guarded.clock.turn(OPEN)
    guarded.log_on()
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told[-1] is True


def test_an_open_breaker_lets_a_line_that_is_logged_on_take_no_orders() -> None:
    guarded = Guarded(failures=1)
    assert guarded.line.may_connect()
    guarded.clock.turn(SLOW + 1)
    guarded.line.logged_on()
    assert guarded.state is BreakerState.OPEN, "the logon took too long"
    assert guarded.told == []
    guarded.clock.turn(OPEN)
    guarded.line.check()
    assert guarded.told == [True]


def test_answers_of_before_and_of_the_trial_may_come_together() -> None:
    guarded = Guarded()
    guarded.log_on()
    guarded.stall(3)
    guarded.line.sent([5])
    guarded.clock.turn(OPEN)
    guarded.line.sent([11])
    guarded.line.answered([0, 5, 11, 11])
    assert guarded.state is BreakerState.CLOSED
    assert guarded.told[-1] is True
