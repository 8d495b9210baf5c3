"""Processes that share a cache through a real Redis: each `cache` here stands for one process."""

from __future__ import annotations

import asyncio
import contextlib
import pickle
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from tradsys.cache import async_cache
from tradsys.cache.async_cache import AsyncCache
from tradsys.cache.blocking_cache import BlockingCache
from tradsys.cache.entries import Fetched, Place
from tradsys.cache.redis_names import changes_channel, entry_key, revisions_key
from tradsys.cache.settings import CacheSettings, Codec
from tradsys.embedded.servers import EmbeddedServers

PATIENCE = 5.0
LONG = 600_000


class Source:
    def __init__(self) -> None:
        self.value: str | None = "first"
        self.revision = 1
        self.asked = 0
        self.wait: asyncio.Event | None = None

    async def __call__(self) -> Fetched[str]:
        self.asked += 1
        fetched = Fetched(self.value, self.revision)
        if self.wait is not None:
            await self.wait.wait()
        return fetched


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
async def make(servers: EmbeddedServers) -> AsyncIterator[Callable[..., AsyncCache[str]]]:
    """`make()` → one process's cache; all of a test share a name. `make(listening=True)` follows announcements."""
    name = f"shared-{secrets.token_hex(4)}"
    made: list[AsyncCache[str]] = []
    listeners: list[asyncio.Task[None]] = []

    def one(*, listening: bool = False, format: int = 1, **changes: int) -> AsyncCache[str]:
        lifetimes = {"memory_ttl_ms": LONG, "redis_ttl_ms": LONG, "redis_rest_ms": 1, **changes}
        settings = CacheSettings(name=name, format=format, **lifetimes)
        cache = AsyncCache(settings, Codec.of(str), redis_url=servers.redis.url, now=time.time_ns)
        made.append(cache)
        if listening:
            listeners.append(asyncio.create_task(cache.listen()))
        return cache

    yield one
    for listener in listeners:
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener
    for cache in made:
        await cache.close()


@pytest.fixture
def connection(servers: EmbeddedServers) -> redis.Redis:
    return redis.Redis.from_url(servers.redis.url)


def name_of(cache: AsyncCache[str]) -> str:
    return cache._name


async def listened(connection: redis.Redis, cache: AsyncCache[str], count: int) -> None:
    """Wait until `count` processes follow the channel, and the message that told them so was worked on."""
    await until(lambda: dict(connection.pubsub_numsub(changes_channel(name_of(cache)))).popitem()[1] >= count)
    await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


async def test_what_one_process_fetched_another_finds_in_redis(make: Callable[..., AsyncCache[str]], source: Source) -> None:
    one, other = make(), make()
    assert await one.get("alpha", "k", source) == "first"
    assert await other.get("alpha", "k", source) == "first"
    assert source.asked == 1
    assert (other.figures.levels["redis"].hits, other.figures.levels["redis"].lookups) == (1, 1)
    assert await other.get("beta", "k", source) == "first"
    assert source.asked == 2, "another tenant's entry is not found"


async def test_there_is_none_is_shared_too(make: Callable[..., AsyncCache[str]], source: Source) -> None:
    one, other = make(), make()
    source.value = None
    assert await one.get("alpha", "k", source) is None
    assert await other.get("alpha", "k", source) is None
    assert source.asked == 1


async def test_an_entry_in_redis_ends_with_its_lifetime_by_the_readers_clock(servers: EmbeddedServers, source: Source) -> None:
    now = time.time_ns()
    settings = CacheSettings(name=f"clock-{secrets.token_hex(4)}", format=1, redis_ttl_ms=LONG)
    one, other = (AsyncCache(settings, Codec.of(str), redis_url=servers.redis.url, now=lambda: now) for _ in range(2))
    await one.get("alpha", "k", source)
    source.value = "second"
    now += LONG * 1_000_000
    assert await other.get("alpha", "k", source) == "second"
    for cache in (one, other):
        await cache.close()


async def test_a_herd_of_two_hundred_is_one_fetch_and_one_question_to_redis(
    make: Callable[..., AsyncCache[str]], source: Source
) -> None:
    cache = make()
    assert set(await asyncio.gather(*(cache.get("alpha", "k", source) for _ in range(200)))) == {"first"}
    assert source.asked == 1
    assert cache.figures.levels["redis"].lookups == 1


class Exploding:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("a value from Redis was unpickled",))


@pytest.mark.parametrize("garbage", [b"", b"\xff\x00", b"null", pickle.dumps(Exploding()), b"x" * 100_000, "list"])
async def test_garbage_in_redis_is_a_miss_is_counted_and_is_replaced(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis, garbage: bytes | str
) -> None:
    cache = make()
    key = entry_key(name_of(cache), Place("alpha", "k"))
    if garbage == "list":
        connection.rpush(key, "of another type")
    else:
        connection.set(key, garbage)
    assert await cache.get("alpha", "k", source) == "first"
    assert (cache.figures.unreadable, cache.figures.redis_errors) == (1, 0)
    assert await make().get("alpha", "k", source) == "first"
    assert source.asked == 1


async def test_an_entry_of_another_version_or_another_key_is_a_miss(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis
) -> None:
    await make(format=1).get("alpha", "k", source)
    newer = make(format=2)
    source.value = "second"
    assert await newer.get("alpha", "k", source) == "second"
    name = name_of(newer)
    connection.set(entry_key(name, Place("beta", "k")), connection.get(entry_key(name, Place("alpha", "k"))))
    source.value = "beta's own"
    assert await newer.get("beta", "k", source) == "beta's own"
    assert newer.figures.unreadable == 2


async def test_an_invalidated_key_is_gone_in_every_process_that_listens(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis
) -> None:
    one, other = make(listening=True), make(listening=True)
    await listened(connection, one, 2)
    for cache in (one, other):
        await cache.get("alpha", "k", source)
        await cache.get("alpha", "kept", source)
    source.value = "second"
    assert await one.invalidate("alpha", "k") is True
    assert await one.get("alpha", "k", source) == "second"
    await until(lambda: other._state.from_memory(Place("alpha", "k")) is None)
    assert await other.get("alpha", "k", source) == "second"
    asked = source.asked
    assert await other.get("alpha", "kept", source) == "first"
    assert source.asked == asked


async def test_an_announced_revision_counts_in_every_process_that_listens(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis
) -> None:
    one, other = make(), make(listening=True)
    await listened(connection, one, 1)
    await other.get("alpha", "k", source)
    source.value, source.revision = "second", 2
    assert await one.at_least("alpha", 2) is True
    await until(lambda: other._state.from_memory(Place("alpha", "k")) is None)
    assert await other.get("alpha", "k", source) == "second"


async def test_a_process_that_was_away_learns_the_revision_with_its_next_question_to_redis(
    make: Callable[..., AsyncCache[str]], source: Source
) -> None:
    one, away = make(), make()
    await one.get("alpha", "k", source)
    await away.get("alpha", "k", source)
    await one.at_least("alpha", 2)
    source.value, source.revision = "second", 2
    await away.get("alpha", "another key", source)
    assert await away.get("alpha", "k", source) == "second"


async def test_a_fetch_that_was_overtaken_by_an_invalidation_elsewhere_does_not_count_in_redis_either(
    make: Callable[..., AsyncCache[str]], source: Source
) -> None:
    slow, other, third = make(), make(), make()
    source.wait = asyncio.Event()
    waiting = asyncio.create_task(slow.get("alpha", "k", source))
    await until(lambda: source.asked == 1)
    await other.invalidate("alpha", "k")
    source.wait.set()
    assert await waiting == "first"
    source.value, source.wait = "second", None
    assert await third.get("alpha", "k", source) == "second", "the late entry carries a token from before the invalidation"


async def test_redis_stopped_and_back(
    make: Callable[..., AsyncCache[str]], source: Source, servers: EmbeddedServers, connection: redis.Redis
) -> None:
    one, other = make(listening=True), make(listening=True)
    await listened(connection, one, 2)
    for cache in (one, other):
        await cache.get("alpha", "k", source)
        await cache.get("beta", "revised", source)
    servers.stop_redis()
    try:
        assert await one.get("alpha", "k", source) == "first", "memory goes on"
        assert await one.get("alpha", "new", source) == "first", "the fetcher goes on"
        source.value, source.revision = "second", 2
        assert await one.invalidate("alpha", "k") is False
        assert await one.at_least("beta", 2) is False
        assert await one.get("alpha", "k", source) == "second"
        assert one.figures.redis_errors > 0
    finally:
        servers.start_redis()
    name = name_of(one)
    await until(lambda: connection.hget(revisions_key(name), "beta") == b"2")
    for place in (Place("alpha", "k"), Place("beta", "revised")):
        await until(lambda place=place: other._state.from_memory(place) is None)
        assert await other.get(*place, source) == "second", "what was announced meanwhile is caught up"
    asked = source.asked
    third = make()
    assert await third.get("alpha", "k", source) == "second"
    assert source.asked == asked, "entries are shared again"


async def test_a_revision_that_redis_lost_is_told_again(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis
) -> None:
    one = make()
    await one.at_least("alpha", 3)
    connection.delete(revisions_key(name_of(one)))
    listener = asyncio.create_task(one.listen())
    await until(lambda: connection.hget(revisions_key(name_of(one)), "alpha") == b"3")
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener


async def test_an_invalidation_that_was_not_heard_is_made_up_for_when_the_process_listens(
    make: Callable[..., AsyncCache[str]], source: Source
) -> None:
    deaf = make()
    await deaf.get("alpha", "k", source)
    source.value = "second"
    await make().invalidate("alpha", "k")
    assert await deaf.get("alpha", "k", source) == "first", "it cannot know yet"
    listener = asyncio.create_task(deaf.listen())
    await until(lambda: deaf._state.from_memory(Place("alpha", "k")) is None)
    assert await deaf.get("alpha", "k", source) == "second"
    listener.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listener


@pytest.mark.parametrize("turns", range(7))
async def test_a_listener_that_is_cancelled_while_it_reconnects_ends(
    make: Callable[..., AsyncCache[str]], monkeypatch: pytest.MonkeyPatch, connection: redis.Redis, turns: int
) -> None:
    monkeypatch.setattr(async_cache, "LISTEN_SECONDS", 0.05)
    cache = make()
    listener = asyncio.create_task(cache.listen())
    await listened(connection, cache, 1)
    await cache.close()
    for _ in range(turns):
        await asyncio.sleep(0)
    listener.cancel()
    done, _pending = await asyncio.wait([listener], timeout=1)
    assert done == {listener}


async def test_nonsense_on_the_channel_is_counted_and_the_listener_goes_on(
    make: Callable[..., AsyncCache[str]], source: Source, connection: redis.Redis
) -> None:
    cache = make(listening=True)
    await listened(connection, cache, 1)
    await cache.get("alpha", "k", source)
    for nonsense in (b"\xff", b"{}", b'{"scope": 1, "origin": "x"}'):
        connection.publish(changes_channel(name_of(cache)), nonsense)
    await make().invalidate("alpha", "k")
    await until(lambda: cache._state.from_memory(Place("alpha", "k")) is None)
    assert cache.figures.unreadable == 3


class Threads:
    """One process's blocking cache under a name of its own, and a source that waits until all threads are there."""

    def __init__(self, redis_url: str) -> None:
        settings = CacheSettings(name=f"threads-{secrets.token_hex(4)}", format=1, memory_ttl_ms=LONG, redis_ttl_ms=LONG)
        self.cache: BlockingCache[str] = BlockingCache(settings, Codec.of(str), redis_url=redis_url, now=time.time_ns)
        self.again: BlockingCache[str] = BlockingCache(settings, Codec.of(str), redis_url=redis_url, now=time.time_ns)
        self.asked = 0
        self.value = "first"

    def fetch(self) -> Fetched[str]:
        self.asked += 1
        time.sleep(0.05)
        return Fetched(self.value)


def test_thirty_threads_share_one_fetch_and_one_failure(servers: EmbeddedServers) -> None:
    threads = Threads(servers.redis.url)
    failed = 0

    def fail() -> Fetched[str]:
        nonlocal failed
        failed += 1
        time.sleep(0.1)
        raise ConnectionError("the database is away")

    def outcome(fetch: Callable[[], Fetched[str]]) -> str | None:
        try:
            return threads.cache.get("alpha", "k", fetch)
        except ConnectionError as error:
            return str(error)

    with ThreadPoolExecutor(30) as pool:
        assert set(pool.map(outcome, [fail] * 30)) == {"the database is away"}
        assert failed == 1
        assert set(pool.map(outcome, [threads.fetch] * 30)) == {"first"}
    assert threads.asked == 1
    assert threads.again.get("alpha", "k", threads.fetch) == "first"
    assert threads.asked == 1, "found in Redis"


def test_a_thread_that_listens_hears_what_another_process_invalidates(servers: EmbeddedServers) -> None:
    threads = Threads(servers.redis.url)
    stop = threading.Event()
    listener = threading.Thread(target=threads.cache.listen, args=[stop])
    listener.start()
    connection = redis.Redis.from_url(servers.redis.url)
    channel = changes_channel(threads.cache._name)
    deadline = time.monotonic() + PATIENCE
    try:
        while dict(connection.pubsub_numsub(channel)).popitem()[1] < 1:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(0.05)
        threads.cache.get("alpha", "k", threads.fetch)
        threads.value = "second"
        assert threads.again.invalidate("alpha", "k") is True
        while threads.cache._state.from_memory(Place("alpha", "k")) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        assert threads.cache.get("alpha", "k", threads.fetch) == "second"
    finally:
        stop.set()
        listener.join(PATIENCE)
    assert not listener.is_alive()
