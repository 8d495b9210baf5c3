"""A cache whose Redis is away: memory and fetcher go on. The clock is the test's."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from tradsys.cache.async_cache import AsyncCache
from tradsys.cache.blocking_cache import BlockingCache
from tradsys.cache.entries import Fetched
from tradsys.cache.settings import PLATFORM_SCOPE, CacheMisused, CacheSettings, Codec
from tradsys.cache.state import FetchedTooOld
from tradsys.mesh.telemetry.metrics import METRICS

NOWHERE = "redis://127.0.0.1:1/0"
MS = 1_000_000
START = 1_790_000_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def advance(self, milliseconds: int) -> None:
        self.now += milliseconds * MS


class Source:
    """What lies behind the cache: counts how often it was asked."""

    def __init__(self) -> None:
        self.value: str | None = "first"
        self.revision = 0
        self.asked = 0

    async def __call__(self) -> Fetched[str]:
        self.asked += 1
        await asyncio.sleep(0)
        return Fetched(self.value, self.revision)

    def blocking(self) -> Fetched[str]:
        self.asked += 1
        return Fetched(self.value, self.revision)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def source() -> Source:
    return Source()


def cache_with(
    clock: Clock, *, jitter: Callable[[], float] = lambda: 0.0, report: object = None, **changes: int
) -> AsyncCache[str]:
    settings = CacheSettings(name="test", format=1, **changes)
    return AsyncCache(settings, Codec.of(str), redis_url=NOWHERE, now=clock, jitter=jitter, report=report)  # type: ignore[arg-type]


async def test_a_value_is_fetched_once_until_its_time_in_memory_is_over(clock: Clock, source: Source) -> None:
    cache = cache_with(clock, memory_ttl_ms=5_000)
    assert await cache.get("alpha", "k", source) == "first"
    source.value = "second"
    clock.advance(4_999)
    assert await cache.get("alpha", "k", source) == "first"
    clock.advance(1)
    assert await cache.get("alpha", "k", source) == "second"
    assert source.asked == 2


async def test_there_is_none_is_remembered_for_a_shorter_time(clock: Clock, source: Source) -> None:
    cache = cache_with(clock, absent_ttl_ms=500)
    source.value = None
    assert await cache.get("alpha", "k", source) is None
    assert await cache.get("alpha", "k", source) is None
    assert source.asked == 1
    source.value = "now there is one"
    clock.advance(500)
    assert await cache.get("alpha", "k", source) == "now there is one"


@pytest.mark.parametrize(("drawn", "expected_ms"), [(0.0, 1_000), (0.5, 750), (1.0, 500)])
async def test_jitter_shortens_a_lifetime_and_never_lengthens_it(
    clock: Clock, source: Source, drawn: float, expected_ms: int
) -> None:
    cache = cache_with(clock, redis_ttl_ms=1_000, jitter_percent=50, jitter=lambda: drawn)
    await cache.get("alpha", "k", source)
    clock.advance(expected_ms - 1)
    await cache.get("alpha", "k", source)
    assert source.asked == 1
    clock.advance(1)
    await cache.get("alpha", "k", source)
    assert source.asked == 2


async def test_memory_is_bounded_and_the_least_recently_used_goes_first(clock: Clock, source: Source) -> None:
    cache = cache_with(clock, memory_entries=2)
    for key in ("a", "b", "a", "c"):
        await cache.get("alpha", key, source)
    assert source.asked == 3
    await cache.get("alpha", "a", source)
    assert source.asked == 3
    await cache.get("alpha", "b", source)
    assert source.asked == 4


async def test_two_tenants_never_share_a_key(clock: Clock) -> None:
    cache = cache_with(clock)

    def of(text: str) -> Callable[[], object]:
        async def fetch() -> Fetched[str]:
            return Fetched(text)

        return fetch

    assert await cache.get("alpha", "orders", of("alpha's")) == "alpha's"  # type: ignore[arg-type]
    assert await cache.get("beta", "orders", of("beta's")) == "beta's"  # type: ignore[arg-type]
    assert await cache.get("alpha", "orders", of("not asked")) == "alpha's"  # type: ignore[arg-type]


@pytest.mark.parametrize("scope", ["", "al:pha", "alpha beta", None, "x" * 65])
async def test_a_key_without_a_tenant_is_an_error_and_nothing_is_fetched(clock: Clock, source: Source, scope: str) -> None:
    cache = cache_with(clock)
    for asked in (cache.get(scope, "k", source), cache.invalidate(scope, "k"), cache.at_least(scope, 1)):
        with pytest.raises(CacheMisused, match="no scope"):
            await asked
    with pytest.raises(CacheMisused, match="no scope"):
        BlockingCache(CacheSettings(name="test", format=1), Codec.of(str), redis_url=NOWHERE, now=clock).get(
            scope, "k", source.blocking
        )
    assert source.asked == 0


@pytest.mark.parametrize("key", ["", "k" * 257])
async def test_a_key_has_a_bounded_length(clock: Clock, source: Source, key: str) -> None:
    with pytest.raises(CacheMisused, match="1 to 256"):
        await cache_with(clock).get("alpha", key, source)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Upper"},
        {"name": "a:b"},
        {"memory_entries": 0},
        {"memory_ttl_ms": 0},
        {"jitter_percent": 91},
        {"absent_ttl_ms": -1},
    ],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(CacheMisused):
        CacheSettings(**{"name": "test", "format": 1, **wrong})  # type: ignore[arg-type]


async def test_two_hundred_callers_of_one_key_share_one_fetch(clock: Clock, source: Source) -> None:
    cache = cache_with(clock)
    assert set(await asyncio.gather(*(cache.get("alpha", "k", source) for _ in range(200)))) == {"first"}
    assert source.asked == 1


async def test_a_failing_fetch_fails_all_who_wait_and_the_next_call_tries_again(clock: Clock, source: Source) -> None:
    cache = cache_with(clock)
    failing = 0

    async def fail() -> Fetched[str]:
        nonlocal failing
        failing += 1
        await asyncio.sleep(0)
        raise ConnectionError("the database is away")

    outcomes = await asyncio.gather(*(cache.get("alpha", "k", fail) for _ in range(5)), return_exceptions=True)
    assert [str(each) for each in outcomes] == ["the database is away"] * 5
    assert failing == 1
    assert await cache.get("alpha", "k", source) == "first"
    assert cache.figures.failed_fetches == 1


async def test_a_caller_that_gives_up_does_not_take_the_fetch_from_the_others(clock: Clock) -> None:
    cache = cache_with(clock)
    release = asyncio.Event()

    async def slow() -> Fetched[str]:
        await release.wait()
        return Fetched("late")

    first, second = (asyncio.create_task(cache.get("alpha", "k", slow)) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    release.set()
    assert await second == "late"


async def test_a_failure_nobody_waits_for_any_more_is_no_forgotten_exception(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    cache = cache_with(clock)
    release = asyncio.Event()

    async def fail_late() -> Fetched[str]:
        await release.wait()
        raise ConnectionError("too late")

    alone = asyncio.create_task(cache.get("alpha", "k", fail_late))
    await asyncio.sleep(0.01)
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    release.set()
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        await asyncio.sleep(0.01)
        assert cache.figures.failed_fetches == 1
    assert not [each for each in caplog.records if each.name == "asyncio"]


async def test_a_fetcher_that_asks_for_its_own_key_is_told_so_instead_of_waiting_for_itself(clock: Clock) -> None:
    cache = cache_with(clock)
    blocking = BlockingCache(CacheSettings(name="test", format=1), Codec.of(str), redis_url=NOWHERE, now=clock)

    async def itself() -> Fetched[str]:
        return Fetched(await cache.get("alpha", "k", itself))

    def itself_too() -> Fetched[str]:
        return Fetched(blocking.get("alpha", "k", itself_too))

    with pytest.raises(CacheMisused, match="asks for 'k'"):
        await cache.get("alpha", "k", itself)
    with pytest.raises(CacheMisused, match="asks for 'k'"):
        blocking.get("alpha", "k", itself_too)


async def test_an_announced_revision_makes_older_entries_misses(clock: Clock, source: Source) -> None:
    cache = cache_with(clock)
    source.revision = 7
    await cache.get("alpha", "k", source)
    assert await cache.at_least("alpha", 7) is False, "Redis is away: nobody else was told"
    await cache.get("alpha", "k", source)
    assert source.asked == 1
    await cache.at_least("alpha", 8)
    source.value, source.revision = "second", 8
    assert await cache.get("alpha", "k", source) == "second"
    await cache.at_least("alpha", 3)
    await cache.get("alpha", "k", source)
    assert source.asked == 2, "a revision never falls"


async def test_an_announcement_in_one_tenant_says_nothing_of_another(clock: Clock, source: Source) -> None:
    cache = cache_with(clock)
    for scope in ("alpha", PLATFORM_SCOPE):
        await cache.get(scope, "k", source)
    await cache.at_least("beta", 9)
    for scope in ("alpha", PLATFORM_SCOPE):
        await cache.get(scope, "k", source)
    assert source.asked == 2


async def test_a_fetcher_that_brings_an_older_revision_than_announced_gives_nothing_rather_than_that(
    clock: Clock, source: Source
) -> None:
    cache = cache_with(clock)
    await cache.at_least("alpha", 5)
    source.revision = 4
    with pytest.raises(FetchedTooOld, match="revision 5"):
        await cache.get("alpha", "k", source)
    assert source.asked == 2
    assert cache.figures.stale_fetches == 2
    source.revision = 5
    assert await cache.get("alpha", "k", source) == "first"


async def test_what_is_invalidated_while_it_is_fetched_is_not_kept(clock: Clock, source: Source) -> None:
    cache = cache_with(clock)
    release = asyncio.Event()

    async def slow() -> Fetched[str]:
        value = source.value
        await release.wait()
        return Fetched(value)

    waiting = asyncio.create_task(cache.get("alpha", "k", slow))
    await asyncio.sleep(0.01)
    source.value = "second"
    await cache.invalidate("alpha", "k")
    assert await cache.get("alpha", "k", source) == "second", "the one who asks afterwards does not join the old fetch"
    release.set()
    assert await waiting == "first"
    assert await cache.get("alpha", "k", source) == "second"


async def test_hits_and_lookups_of_each_level_are_reported_once_a_second(clock: Clock, source: Source) -> None:
    reported: list[tuple[str, str, int, int]] = []
    cache = cache_with(clock, report=lambda *figures: reported.append(figures))
    await cache.get("alpha", "k", source)
    del reported[:]
    for _ in range(3):
        await cache.get("alpha", "k", source)
    assert reported == []
    clock.advance(1_000)
    await cache.get("alpha", "k", source)
    assert reported == [("test", "memory", 4, 5), ("test", "redis", 0, 0), ("test", "fetcher", 1, 1)]
    assert cache.figures.levels["memory"].ratio == 0.8


async def test_the_figures_reach_the_process_metrics_as_ratios(clock: Clock, source: Source) -> None:
    cache = cache_with(clock, report=METRICS.cache_level)
    for _ in range(3):
        await cache.get("alpha", "k", source)
        clock.advance(1_000)
    await cache.get("alpha", "k", source)
    ratios = {
        level: METRICS.registry.get_sample_value("tradsys_cache_hit_ratio", {"cache": "test", "level": level})
        for level in ("memory", "fetcher")
    }
    assert ratios == {"memory": 0.75, "fetcher": 1}


async def test_redis_away_is_counted_and_left_alone_for_a_while(clock: Clock, source: Source) -> None:
    cache = cache_with(clock, redis_rest_ms=1_000)
    for key in ("a", "b", "c"):
        assert await cache.get("alpha", key, source) == "first"
    assert cache.figures.redis_errors == 1
    clock.advance(1_000)
    await cache.get("alpha", "d", source)
    assert cache.figures.redis_errors == 2
