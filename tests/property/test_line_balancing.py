"""Whatever a pool's lines do, the balancer gives orders to lines that are up, in fair shares, and starves none."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.routing.balancers import (
    LOOK_AGAIN,
    SETTLING_NS,
    UNSENT_NS,
    BalancedPool,
    Balancer,
    BalancerMemory,
    LinePool,
)

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
LINES = ("EGX-1", "EGX-2", "EGX-3", "EGX-4")

STEPS = [(number, up, later) for number in range(4) for up in (True, False) for later in (-5, 0, UNSENT_NS, SECOND, SETTLING_NS)]
"""A line that goes up or down, and the time until the next order."""

balancers = st.sampled_from(Balancer)
pools_of_lines = st.integers(1, len(LINES)).map(lambda count: LINES[:count])


class Lines:
    """Lines with the figures of a test."""

    def __init__(self, *up: str) -> None:
        self.up = set(up)
        self.flying: Counter[str] = Counter()
        self.latency: dict[str, int] = {}

    def is_up(self, line: str) -> bool:
        return line in self.up

    def in_flight(self, line: str) -> int:
        return self.flying[line]

    def recent_latency_ns(self, line: str) -> int:
        return self.latency.get(line, 0)


class Desk:
    """Takes orders one after the other, as the order path does."""

    def __init__(self, balancer: Balancer, lines: tuple[str, ...] = LINES, up: tuple[str, ...] | None = None) -> None:
        self.health = Lines(*(lines if up is None else up))
        self.pool = BalancedPool(LinePool(name="EGX", exchange="EGX", lines=lines, balancer=balancer))
        self.memory = BalancerMemory()
        self.now = NOW

    def order(self, later: int = SECOND) -> str | None:
        self.now += later
        line = self.pool.choose(self.health, self.memory, self.now)
        if line is not None:
            self.memory.took(self.pool, line, self.health, self.now)
        return line

    def settle(self) -> None:
        self.order()
        self.now += SETTLING_NS


@settings(deadline=None)
@given(balancers, pools_of_lines, st.lists(st.sampled_from(STEPS), max_size=40))
def test_never_a_line_that_is_down_and_always_one_where_one_is_up(
    balancer: Balancer, lines: tuple[str, ...], steps: list[tuple[int, bool, int]]
) -> None:
    desk = Desk(balancer, lines)
    for number, up, later in steps:
        line = LINES[number]
        (desk.health.up.add if up else desk.health.up.discard)(line)
        desk.health.flying[line] = number * 7 % 5
        desk.health.latency[line] = number * 1_000
        chosen = desk.order(later)
        possible = desk.health.up & set(lines)
        assert chosen in possible if possible else chosen is None


@settings(deadline=None)
@given(pools_of_lines, st.integers(1, 200))
def test_round_robin_gives_every_line_the_same_number_of_orders_but_for_one(lines: tuple[str, ...], orders: int) -> None:
    desk = Desk(Balancer.ROUND_ROBIN, lines)
    taken = Counter(desk.order() for _ in range(orders))
    shares = [taken[line] for line in lines]
    assert max(shares) - min(shares) <= 1


@settings(deadline=None)
@given(st.lists(st.sets(st.sampled_from(LINES), min_size=1), min_size=1, max_size=12), st.integers(4, 20))
def test_round_robin_is_fair_between_any_two_changes(changes: list[set[str]], orders: int) -> None:
    desk = Desk(Balancer.ROUND_ROBIN)
    for up in changes:
        desk.health.up = set(up)
        taken = Counter(desk.order() for _ in range(orders))
        shares = [taken[line] for line in up]
        assert max(shares) - min(shares) <= 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_least_in_flight_takes_a_line_with_the_fewest(flying: list[int]) -> None:
    desk = Desk(Balancer.LEAST_IN_FLIGHT)
    desk.settle()
    desk.health.flying = Counter(dict(zip(LINES, flying, strict=True)))
    chosen = desk.order()
    assert chosen is not None
    assert desk.health.flying[chosen] == min(flying)


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=4, max_size=4), st.integers(0, 100))
def test_a_batch_fills_the_lines_up_evenly_though_its_orders_are_not_on_the_wire_yet(flying: list[int], more: int) -> None:
    desk = Desk(Balancer.LEAST_IN_FLIGHT)
    desk.settle()
    desk.now += UNSENT_NS
    desk.health.flying = Counter(dict(zip(LINES, flying, strict=True)))
    enough = sum(max(flying) - each for each in flying)
    taken = Counter(desk.order(later=0) for _ in range(enough + more))
    loads = [desk.health.flying[line] + taken[line] for line in LINES]
    assert max(loads) - min(loads) <= 1


def test_equal_lines_take_turns_whatever_the_balancer() -> None:
    for balancer in Balancer:
        desk = Desk(balancer)
        desk.settle()
        desk.health.latency = dict.fromkeys(LINES, 1_000)
        taken = Counter(desk.order(later=UNSENT_NS) for _ in range(40))
        assert set(taken) == set(LINES), balancer
        assert max(taken.values()) - min(taken.values()) <= 2, balancer


def test_the_quickest_line_takes_most_and_the_slowest_is_looked_at_again() -> None:
    desk = Desk(Balancer.LOWEST_LATENCY)
    desk.settle()
    desk.health.latency = {"EGX-1": 50_000, "EGX-2": 1_000, "EGX-3": 9_000_000, "EGX-4": 80_000}
    rounds = 4 * LOOK_AGAIN
    taken = Counter(desk.order() for _ in range(rounds))
    assert taken["EGX-2"] >= rounds * 9 // 10
    assert all(taken[line] >= 1 for line in LINES)


def test_a_quick_line_with_a_long_queue_gives_way() -> None:
    desk = Desk(Balancer.LOWEST_LATENCY, LINES[:2])
    desk.settle()
    desk.health.latency = {"EGX-1": 1_000, "EGX-2": 3_000}
    desk.health.flying["EGX-1"] = 10
    assert desk.order() == "EGX-2"


def test_a_line_without_figures_gets_its_turn() -> None:
    desk = Desk(Balancer.LOWEST_LATENCY)
    desk.settle()
    desk.health.latency = dict.fromkeys(LINES[:3], 1000)
    taken = Counter(desk.order() for _ in range(40))
    assert set(taken.values()) == {10}


def test_a_line_that_just_came_back_takes_its_turn_and_no_more() -> None:
    for balancer in (Balancer.LEAST_IN_FLIGHT, Balancer.LOWEST_LATENCY):
        desk = Desk(balancer, up=LINES[:3])
        desk.settle()
        desk.health.flying = Counter(dict.fromkeys(LINES[:3], 500))
        desk.health.latency = {**dict.fromkeys(LINES[:3], 9_000_000), "EGX-4": 1}
        desk.health.up.add("EGX-4")
        within = SETTLING_NS // 100
        taken = Counter(desk.order(later=within) for _ in range(80))
        assert taken["EGX-4"] == 20, balancer
        desk.now += SETTLING_NS
        later = Counter(desk.order(later=UNSENT_NS) for _ in range(20))
        assert later["EGX-4"] >= 18, f"{balancer}: afterwards its figures count"


def test_choosing_changes_nothing() -> None:
    for balancer in Balancer:
        desk = Desk(balancer)
        assert len({desk.pool.choose(desk.health, desk.memory, desk.now + step) for step in range(20)}) == 1
