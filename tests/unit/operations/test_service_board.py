"""The board of the page "Services": what is shown of a reading, and of what earlier readings held."""

from __future__ import annotations

from typing import Any

import pytest

from trading_workers.operations.registry_reading import Reading
from trading_workers.operations.service_board import DOCUMENTS_SHOWN, GONE_NS, NS, Board, BoardMemory, State
from trading_workers.operations.service_map import Lane, lane_of, traffic_map
from tradsys.mesh.registry.instance import SERVING, Instance

START = 1_790_000_000 * NS
ORDERS = "tradsys.v1.OrderService"


def instance(process: str = "worker-1", *, at: int = START, **fields: Any) -> Instance:
    return Instance(
        process=process,
        instance=fields.pop("instance", f"{process}-1-1"),
        started_at=fields.pop("started_at", START - 100 * NS),
        renewed_at=at,
        lease_ms=2_000,
        **fields,
    )


def reading(*instances: Instance, at: int = START, published: dict[str, int] | None = None) -> Reading:
    return Reading(at, instances, published or {}, ())


def board(*instances: Instance, expected: tuple[str, ...] = (), published: dict[str, int] | None = None) -> Board:
    return BoardMemory(expected).board(reading(*instances, published=published), now=START)


def states(found: Board) -> dict[str, State]:
    return {line.process: line.state for line in found.lines}


def test_a_process_that_should_be_there_and_is_not_is_shown_as_not_registered() -> None:
    found = board(instance("web"), expected=("worker-1", "web"))
    assert [(line.process, line.state) for line in found.lines] == [("worker-1", State.MISSING), ("web", State.SERVING)]
    assert [line.process for line in found.troubled] == ["worker-1"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"services": (ORDERS,), "health": {ORDERS: SERVING}}, State.SERVING),
        ({"services": (ORDERS,), "health": {ORDERS: "NOT_SERVING: line EGX-1 is down"}}, State.NOT_SERVING),
        ({"services": (ORDERS,), "health": {ORDERS: "SERVING: lines: down: EGX-2"}}, State.DEGRADED),
        ({"services": (ORDERS,), "health": {ORDERS: "SERVING: lines: down"}, "breakers": {"b": "open"}}, State.BREAKER_OPEN),
        ({"services": (ORDERS,), "health": {}}, State.NOT_SERVING),
        ({"breakers": {"exchange:EGX": "open"}}, State.BREAKER_OPEN),
        ({"breakers": {"exchange:EGX": "half_open"}}, State.BREAKER_OPEN),
        ({"breakers": {"exchange:EGX": "closed"}}, State.SERVING),
        ({"revisions": {"nile": 3}}, State.BEHIND),
        ({"revisions": {"nile": 4, "amana": 1}}, State.SERVING),
        ({"revisions": {"nile": 4}}, State.BEHIND),
        ({"revisions": {"_platform": 2}}, State.SERVING),
        ({"revisions": {}}, State.SERVING),
    ],
)
def test_the_state_of_an_instance_is_the_worst_it_says(fields: dict[str, Any], expected: State) -> None:
    found = board(instance(**fields), published={"nile": 4, "amana": 1})
    assert states(found) == {"worker-1": expected}


def test_the_reason_of_a_service_that_does_not_serve_is_told() -> None:
    line = board(instance(services=(ORDERS,), health={ORDERS: "NOT_SERVING: line EGX-1: refused"})).lines[0]
    assert (line.services[0].name, line.services[0].serving, line.services[0].reason) == (
        "OrderService",
        False,
        "line EGX-1: refused",
    )


def test_what_a_service_lacks_that_serves_is_told() -> None:
    line = board(instance(services=(ORDERS,), health={ORDERS: "SERVING: lines: down: EGX-2"})).lines[0]
    assert (line.services[0].serving, line.services[0].reason) == (True, "lines: down: EGX-2")
    assert line.state.tone == "warn"


def test_an_instance_that_vanished_is_shown_as_gone_for_a_while_and_then_as_missing_if_it_is_expected() -> None:
    memory = BoardMemory(("worker-1",))
    memory.board(reading(instance(), instance("extra", instance="extra-1-1")), now=START)
    later = START + 5 * NS
    found = memory.board(reading(at=later), now=later)
    assert states(found) == {"worker-1": State.GONE, "extra": State.GONE}
    assert {line.gone_s for line in found.lines} == {5}
    much_later = START + GONE_NS + NS
    assert states(memory.board(reading(at=much_later), now=much_later)) == {"worker-1": State.MISSING}


def test_a_process_that_came_back_is_shown_once_and_as_restarted() -> None:
    memory = BoardMemory(("worker-1",))
    memory.board(reading(instance(instance="worker-1-1-1")), now=START)
    later = START + 5 * NS
    again = instance(instance="worker-1-2-2", started_at=START + NS, at=later)
    found = memory.board(reading(again, at=later), now=later)
    assert [(line.state, line.restarted) for line in found.lines] == [(State.SERVING, True)]


def test_two_instances_of_one_process_are_two_lines_and_one_tile() -> None:
    found = board(instance(instance="worker-1-1-1"), instance(instance="worker-1-2-2", breakers={"b": "open"}))
    assert len(found.lines) == 2
    assert not any(line.restarted for line in found.lines)
    (lane,) = traffic_map(found.lines)
    assert [(tile.instances, tile.state) for tile in lane.tiles] == [(2, State.BREAKER_OPEN)]


def test_while_redis_is_away_the_last_copy_is_shown_as_not_known_with_its_age() -> None:
    memory = BoardMemory(("worker-1", "web"))
    memory.board(reading(instance()), now=START)
    found = memory.board(None, now=START + 42 * NS)
    assert (found.redis_away, found.ever_read, found.age_s) == (True, True, 42)
    assert states(found) == {"worker-1": State.UNKNOWN, "web": State.MISSING}


def test_before_the_first_reading_nothing_is_claimed() -> None:
    found = BoardMemory(("web",)).board(None, now=START)
    assert (found.redis_away, found.ever_read) == (True, False)
    assert states(found) == {"web": State.UNKNOWN}


@pytest.mark.parametrize(("passed_ms", "left"), [(0, 2_000), (500, 1_500), (2_000, 0), (9_000, 0), (-50, 2_000)])
def test_the_lease_shrinks_to_nothing_and_a_clock_that_is_ahead_makes_it_no_longer(passed_ms: int, left: int) -> None:
    found = BoardMemory(()).board(reading(instance()), now=START + passed_ms * 1_000_000)
    assert found.lines[0].lease_left_ms == left


def test_calls_a_second_are_taken_between_renewals_and_a_counter_that_fell_counts_as_none() -> None:
    memory = BoardMemory(())
    rates = []
    for second, calls in ((0, 100), (2, 160), (2.5, 161), (4, 10)):
        at = START + int(second * NS)
        rates.append(memory.board(reading(instance(calls=calls, at=at), at=at), now=at).lines[0].rate)
    assert rates == [None, 30.0, 30.0, 0.0]


def test_documents_are_compared_across_their_holders_the_furthest_behind_first_and_not_all_of_thousands() -> None:
    published = {f"tenant-{number:03}": 5 for number in range(100)}
    worker = instance(revisions={**published, "tenant-050": 2}, lag_ms={"tenant-050": 70})
    other = instance("services", revisions=published)
    found = board(worker, other, instance("web"), published={**published, "never-held": 1})
    assert [line.process for line in found.holders] == ["services", "worker-1"]
    assert (len(found.documents), found.documents_left_out) == (DOCUMENTS_SHOWN, 101 - DOCUMENTS_SHOWN)
    first, second = found.documents[:2]
    assert first.name == "tenant-050"
    assert [(each.held, each.behind, each.lag_ms) for each in first.held if each] == [(5, 0, None), (2, 3, 70)]
    assert second.name == "never-held"
    assert [(each.held, each.behind) for each in second.held if each] == [(None, 1), (None, 1)]
    assert {line.process: line.behind for line in found.lines} == {"services": 1, "web": 0, "worker-1": 2}


def test_breakers_that_are_not_closed_come_first() -> None:
    found = board(
        instance(breakers={"a": "closed", "b": "open"}), instance("web", breakers={"c": "half_open", "d": "something new"})
    )
    assert [(each.name, each.tone) for each in found.breakers] == [("b", "bad"), ("d", "bad"), ("c", "warn"), ("a", "good")]


@pytest.mark.parametrize(
    ("process", "lane"),
    [
        ("web", Lane.DOORS),
        ("services", Lane.DOORS),
        ("worker-12", Lane.WORKERS),
        ("venue-egx", Lane.EXCHANGES),
        ("market-data", Lane.EXCHANGES),
        ("relay", Lane.BACKGROUND),
        ("something", Lane.BACKGROUND),
    ],
)
def test_every_process_has_a_lane(process: str, lane: Lane) -> None:
    assert lane_of(process) is lane
