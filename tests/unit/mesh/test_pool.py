"""Places and channels of a pool, without a network."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tradsys.mesh.channels.outcomes import Outcome, outcome_of
from tradsys.mesh.grpc_server import refusal_status
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.resilience.pool import AsyncPlaces, ChannelSet, PoolExhausted


async def test_who_waited_longest_gets_the_next_place() -> None:
    places, order = AsyncPlaces("test", 1), []

    async def use(name: str) -> None:
        await places.acquire(1)
        order.append(name)
        await asyncio.sleep(0)
        places.release()

    await asyncio.gather(*(use(name) for name in "abcd"))
    assert order == list("abcd")
    assert places.in_use == 0


async def test_a_place_given_to_somebody_who_gives_up_in_that_moment_is_not_lost() -> None:
    for turn in range(50):
        places = AsyncPlaces("test", 1)
        await places.acquire(1)
        waiting = asyncio.create_task(places.acquire(1))
        await asyncio.sleep(0)
        if turn % 2:
            places.release()
            waiting.cancel()
        else:
            waiting.cancel()
            places.release()
        await asyncio.gather(waiting, return_exceptions=True)
        if not waiting.cancelled():
            places.release()
        assert places.in_use == 0
        await asyncio.wait_for(places.acquire(0.1), 1)


async def test_a_wait_that_is_over_leaves_nothing_behind() -> None:
    places = AsyncPlaces("test", 1)
    await places.acquire(1)
    with pytest.raises(PoolExhausted, match="all 1 places of test"):
        await places.acquire(0.01)
    places.release()
    assert places.in_use == 0
    await places.acquire(0.01)


class Made:
    def __init__(self) -> None:
        self.version = 0
        self.count = 0

    def channels(self, size: int = 1) -> ChannelSet[int]:
        return ChannelSet(size, self._next, lambda: self.version)

    def _next(self) -> int:
        self.count += 1
        return self.count


def test_channels_take_turns() -> None:
    channels = Made().channels(size=2)
    taken = [channels.take(0)[0].channel for _ in range(4)]
    assert sorted(taken) == [1, 1, 2, 2]


def test_a_renewed_certificate_makes_new_channels_and_the_old_one_ends_with_its_last_call() -> None:
    made = Made()
    channels = made.channels()
    first, _ = channels.take(0)
    second, _ = channels.take(0)
    made.version = 1
    renewed, unused = channels.take(0)
    assert (first.channel, renewed.channel, unused) == (1, 2, [])
    assert channels.give_back(first) == []
    assert channels.give_back(second) == [1]
    assert channels.give_back(renewed) == []


def test_an_unused_channel_is_closed_when_it_is_replaced() -> None:
    made = Made()
    channels = made.channels()
    channels.give_back(channels.take(0)[0])
    made.version = 1
    assert channels.take(0)[1] == [1]


def test_only_idle_channels_are_closed_for_idleness() -> None:
    channels = Made().channels()
    pooled, _ = channels.take(100)
    assert channels.close_idle(1_000) == []
    channels.give_back(pooled)
    assert channels.close_idle(100) == []
    assert channels.close_idle(101) == [1]
    assert channels.take(200)[0].channel == 2


def test_a_check_is_no_use_of_a_channel() -> None:
    channels = Made().channels()
    assert channels.take_for_check() is None
    channels.give_back(channels.take(100)[0])
    checked = channels.take_for_check()
    assert checked is not None
    assert channels.close_idle(101) == [], "while it is checked it stays"
    channels.give_back(checked)
    assert channels.close_idle(101) == [1]


def test_all_channels_are_forgotten_at_the_end_and_busy_ones_end_with_their_call() -> None:
    channels = Made().channels(size=2)
    busy, _ = channels.take(0)
    channels.give_back(channels.take(0)[0])
    assert len(channels.retire_all()) == 1
    assert channels.give_back(busy) == [busy.channel]


@pytest.mark.parametrize(
    ("code", "refusal", "outcome"),
    [
        (grpc.StatusCode.UNAVAILABLE, None, Outcome.UNREACHABLE),
        (grpc.StatusCode.UNAVAILABLE, CallRefusal.CONFIGURATION_STALE, Outcome.ANSWERED),
        (grpc.StatusCode.UNAVAILABLE, CallRefusal.SERVICE_DRAINING, Outcome.ELSEWHERE),
        (grpc.StatusCode.UNAVAILABLE, CallRefusal.DEPENDENCY_UNAVAILABLE, Outcome.ELSEWHERE),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, CallRefusal.QUOTA_EXCEEDED, Outcome.ANSWERED),
        (grpc.StatusCode.PERMISSION_DENIED, None, Outcome.ANSWERED),
        (grpc.StatusCode.UNIMPLEMENTED, None, Outcome.ANSWERED),
        (grpc.StatusCode.UNKNOWN, None, Outcome.BROKEN),
        (grpc.StatusCode.INTERNAL, None, Outcome.BROKEN),
        (grpc.StatusCode.DEADLINE_EXCEEDED, None, Outcome.BROKEN),
        (grpc.StatusCode.CANCELLED, None, Outcome.UNKNOWN),
    ],
)
def test_what_an_error_says_of_the_instance(code: grpc.StatusCode, refusal: CallRefusal | None, outcome: Outcome) -> None:
    details = None if refusal is None else refusal_status(refusal, {})[2]
    assert outcome_of(code, details) is outcome


def test_details_that_cannot_be_read_count_as_none() -> None:
    assert outcome_of(grpc.StatusCode.UNAVAILABLE, b"\xff\xff\xff") is Outcome.UNREACHABLE
