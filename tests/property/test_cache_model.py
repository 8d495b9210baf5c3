"""Two processes that share a cache through a real Redis, against a model of what each may still return."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tradsys.cache.blocking_cache import BlockingCache
from tradsys.cache.entries import Fetched, Place
from tradsys.cache.redis_names import changes_channel, entry_key
from tradsys.cache.settings import CacheSettings, Codec
from tradsys.embedded.servers import EmbeddedServers

MS = 1_000_000
REDIS_TTL_MS, MEMORY_TTL_MS = 4_000, 2_000
SCOPES, KEYS = ("alpha", "beta"), ("k", "l")
PROCESSES = (0, 1)
Value = tuple[str, str, int]


class Written(NamedTuple):
    at: int
    revision: int
    value: Value | None


_numbers = itertools.count()

scopes, keys, processes = st.sampled_from(SCOPES), st.sampled_from(KEYS), st.sampled_from(PROCESSES)


class SharedCache(RuleBasedStateMachine):
    """A value is (scope, key, revision at which it was written); the source knows them all."""

    redis_url = ""

    @initialize()
    def begin(self) -> None:
        self.now = 1_790_000_000_000 * MS
        name = f"model-{next(_numbers)}"
        configured = CacheSettings(
            name=name, format=1, memory_entries=3, memory_ttl_ms=MEMORY_TTL_MS, redis_ttl_ms=REDIS_TTL_MS, absent_ttl_ms=1_000
        )
        self.caches: list[BlockingCache[Value]] = [
            BlockingCache(configured, Codec.of(Value), redis_url=self.redis_url, now=lambda: self.now) for _ in PROCESSES
        ]
        self.redis: Any = redis.Redis.from_url(self.redis_url)
        self.changes = self.redis.pubsub(ignore_subscribe_messages=True)
        self.changes.subscribe(changes_channel(name))
        self.changes.get_message(timeout=1)
        self.name = name
        self.revisions = dict.fromkeys(SCOPES, 1)
        self.source: dict[Place, Value | None] = {Place(scope, key): (scope, key, 1) for scope in SCOPES for key in KEYS}
        self.history: dict[Place, list[Written]] = {place: [Written(self.now, 1, value)] for place, value in self.source.items()}
        self.oldest = {(process, place): 0 for process in PROCESSES for place in self.source}
        """Index of the oldest value of a place that a process may still return."""
        self.undelivered: list[tuple[int, str, str | None, int]] = []

    @rule(scope=scopes, key=keys, gone=st.booleans())
    def change(self, scope: str, key: str, gone: bool) -> None:
        self.revisions[scope] += 1
        place = Place(scope, key)
        self.source[place] = None if gone else (scope, key, self.revisions[scope])
        self.history[place].append(Written(self.now, self.revisions[scope], self.source[place]))

    @rule(process=processes, scope=scopes)
    def announce(self, process: int, scope: str) -> None:
        assert self.caches[process].at_least(scope, self.revisions[scope])
        self.undelivered.append((process, scope, None, self.revisions[scope]))
        self.learn(process, scope, self.revisions[scope])

    @rule(process=processes, scope=scopes, key=keys)
    def invalidate(self, process: int, scope: str, key: str) -> None:
        assert self.caches[process].invalidate(scope, key)
        place = Place(scope, key)
        newest = len(self.history[place]) - 1
        self.oldest[process, place] = newest
        self.undelivered.append((process, scope, key, newest))

    @rule()
    def deliver(self) -> None:
        """What a listener does, for both processes."""
        while (message := self.changes.get_message(timeout=0.001)) is not None or self.undelivered:
            if message is None:
                continue
            for cache in self.caches:
                cache._state.heard(message["data"])
            _process, scope, key, mark = self.undelivered.pop(0)
            for process in PROCESSES:
                if key is None:
                    self.learn(process, scope, mark)
                else:
                    place = Place(scope, key)
                    self.oldest[process, place] = max(self.oldest[process, place], mark)

    def learn(self, process: int, scope: str, revision: int) -> None:
        """What was overwritten in `revision` or before is too old for `process` from now on."""
        for place, history in self.history.items():
            if place.scope == scope:
                known = max(index for index, each in enumerate(history) if each.revision <= revision)
                self.oldest[process, place] = max(self.oldest[process, place], known)

    @rule(milliseconds=st.sampled_from([1, 500, 1_999, 2_000, 4_000]))
    def pass_time(self, milliseconds: int) -> None:
        self.now += milliseconds * MS

    @rule(scope=scopes, key=keys, garbage=st.binary(max_size=40))
    def spoil(self, scope: str, key: str, garbage: bytes) -> None:
        self.redis.set(entry_key(self.name, Place(scope, key)), garbage)

    @rule(scope=scopes, key=keys, other=scopes)
    def misplace(self, scope: str, key: str, other: str) -> None:
        raw = self.redis.get(entry_key(self.name, Place(scope, key)))
        if raw is not None:
            self.redis.set(entry_key(self.name, Place(other, key)), raw)

    @rule(process=processes, scope=scopes, key=keys)
    def ask(self, process: int, scope: str, key: str) -> None:
        place = Place(scope, key)
        found = self.caches[process].get(scope, key, lambda: Fetched(self.source[place], self.revisions[scope]))
        assert found is None or found[:2] == (scope, key), "another key's value"
        history = self.history[place]
        assert found in [each.value for each in history[self.oldest[process, place] :]], "older than what was announced"
        last = max(index for index, each in enumerate(history) if each.value == found)
        if last + 1 < len(history):
            assert self.now - history[last + 1].at <= REDIS_TTL_MS * MS, "returned after its lifetime"

    @invariant()
    def redis_was_never_at_fault(self) -> None:
        assert all(cache.figures.redis_errors == 0 for cache in getattr(self, "caches", []))

    def teardown(self) -> None:
        for cache in getattr(self, "caches", []):
            cache.close()
        if hasattr(self, "changes"):
            self.changes.close()
            self.redis.close()


def test_no_value_older_than_the_last_announced_revision_and_no_other_keys_value_is_returned(servers: EmbeddedServers) -> None:
    SharedCache.redis_url = servers.redis.url
    run_state_machine_as_test(
        SharedCache,
        settings=settings(max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)),
    )
