"""What routing is told of lines."""

from __future__ import annotations

from trading_workers.line_states import LineStates

MS = 1_000_000


def test_a_line_that_nobody_has_spoken_of_is_down_and_idle() -> None:
    states = LineStates()
    assert not states.is_up("EGX-1")
    assert "EGX-1" not in states
    assert (states.in_flight("EGX-1"), states.recent_latency_ns("EGX-1")) == (0, 0)
    assert states.up == frozenset()


def test_orders_are_in_flight_until_their_first_report_on_their_own_line() -> None:
    states = LineStates()
    states.set_up("EGX-1", True)
    states.set_up("EGX-2", True)
    states.sent("EGX-1", [1, 2], 0)
    states.sent("EGX-2", [3], 0)
    states.answered("EGX-1", [1, 1, 3, 99], 5)
    assert (states.in_flight("EGX-1"), states.in_flight("EGX-2")) == (1, 1)
    assert states.up == {"EGX-1", "EGX-2"}


def test_the_latency_is_a_decaying_average() -> None:
    states = LineStates()
    states.set_up("EGX-1", True)
    states.sent("EGX-1", [1], 0)
    states.answered("EGX-1", [1], 8 * MS)
    assert states.recent_latency_ns("EGX-1") == 8 * MS
    for number in range(2, 100):
        states.sent("EGX-1", [number], 0)
        states.answered("EGX-1", [number], MS)
        assert states.recent_latency_ns("EGX-1") >= MS
    assert states.recent_latency_ns("EGX-1") < 1.01 * MS


def test_a_line_that_comes_back_is_as_unknown_as_a_new_one() -> None:
    states = LineStates()
    states.set_up("EGX-1", True)
    states.sent("EGX-1", [1, 2], 0)
    states.answered("EGX-1", [1], 5 * MS)
    states.set_up("EGX-1", False)
    states.sent("EGX-1", [3], 6 * MS)
    assert states.recent_latency_ns("EGX-1") == 0
    states.set_up("EGX-1", True)
    states.answered("EGX-1", [2, 3], 9_000 * MS)
    assert states.in_flight("EGX-1") == 0
    assert states.recent_latency_ns("EGX-1") == 0, "the time while it was down says nothing of how fast it is"
    states.sent("EGX-1", [4], 9_000 * MS)
    states.answered("EGX-1", [4], 9_002 * MS)
    assert states.recent_latency_ns("EGX-1") == 2 * MS
