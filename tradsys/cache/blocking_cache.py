"""The cache for threads, as the web's views are: memory, Redis, and the caller's fetcher behind both (``GetWithFallback``)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tradsys.cache.entries import Fetched, Held, Place
from tradsys.cache.figures import CacheFigures, Report
from tradsys.cache.redis_link import (
    FAULTS,
    FIRST_WAIT_SECONDS,
    LISTEN_SECONDS,
    LONGEST_WAIT_SECONDS,
    REDIS_SECONDS,
    look_up_answer,
    queue_invalidation,
    queue_look_up,
    queue_revision,
)
from tradsys.cache.redis_names import Change, changes_channel, entry_key, revisions_key
from tradsys.cache.settings import CacheMisused, CacheSettings, Codec
from tradsys.cache.state import FETCH_ATTEMPTS, CacheState

T = TypeVar("T")


class _Flight(Generic[T]):
    """One fetch, done by the thread that asked first; the others wait for it."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.result: Future[Held[T]] = Future()


class BlockingCache(Generic[T]):
    """As ``AsyncCache``, for threads: fetchers are plain functions and run in the thread of the first caller.

    Redis being away is counted and never raised. Run `listen` in a thread beside it, or entries in memory live out their lifetime
    whatever other processes announce.
    """

    def __init__(
        self,
        settings: CacheSettings,
        codec: Codec[T],
        *,
        redis_url: str,
        now: Callable[[], int],
        jitter: Callable[[], float] = random.random,
        report: Report | None = None,
    ) -> None:
        self._state: CacheState[T, _Flight[T]] = CacheState(settings, codec, now=now, jitter=jitter, report=report)
        self._name = settings.name
        self._redis: Any = redis.Redis.from_url(
            redis_url,
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
            # Once, at once: a pooled connection that died with the server before this one.
            retry=Retry(NoBackoff(), 1),
        )

    @property
    def figures(self) -> CacheFigures:
        return self._state.figures

    def get(self, scope: str, key: str, fetch: Callable[[], Fetched[T]]) -> T | None:
        """The value of `key` in `scope` (a tenant's slug, or PLATFORM_SCOPE); None: there is none.

        Callers that ask for one key at one time share one fetch. Raises what `fetch` raises, to all of them, and remembers
        nothing then; CacheMisused without a scope; FetchedTooOld.
        """
        place = self._state.place(scope, key)
        held = self._state.from_memory(place)
        if held is not None:
            return held.value
        flight, begun = self._state.join(place, _Flight)
        if not begun:
            if flight.thread == threading.get_ident():
                raise CacheMisused(f"cache {self._name}: the fetcher of {key!r} asks for {key!r}")
            return flight.result.result().value
        try:
            held = self._fly(place, flight, fetch)
        except BaseException as error:
            flight.result.set_exception(error)
            raise
        else:
            flight.result.set_result(held)
        finally:
            self._state.landed(place, flight)
        return held.value

    def invalidate(self, scope: str, key: str) -> bool:
        """The value has changed (and the change is committed): nobody who asks from now on gets the one before.

        True when Redis and with it the other processes were told; otherwise they are as soon as Redis is back.
        """
        place = self._state.place(scope, key)
        self._state.forget(place)
        told = self._announce(Change(scope, self._state.origin, key=key))
        # Again: somebody may have read the entry from Redis before it was told.
        self._state.forget(place)
        return told

    def at_least(self, scope: str, revision: int) -> bool:
        """Announce that `scope` is at `revision` now: entries made from older ones are misses in every process. As `invalidate`."""
        self._state.place(scope, "-")
        self._state.raise_floor(scope, self._state.checked_revision(revision))
        return self._announce(Change(scope, self._state.origin, revision))

    def forget_memory(self) -> None:
        """Drop what this process holds; announced revisions stay."""
        self._state.forget_all()

    def listen(self, stop: threading.Event) -> None:
        """Follow the other processes' announcements until `stop`; what was missed while Redis was away is caught up."""
        wait = FIRST_WAIT_SECONDS
        while not stop.is_set():
            try:
                with self._redis.pubsub() as changes:
                    changes.subscribe(changes_channel(self._name))
                    answered = True
                    while not stop.is_set():
                        message = changes.get_message(timeout=LISTEN_SECONDS)
                        if message is None:
                            if not answered:
                                raise TimeoutError("the connection has gone silent")
                            answered = False
                            changes.ping()
                            continue
                        answered = True
                        if message["type"] == "subscribe":
                            # Only now: what is announced from here on arrives. Also after a reconnect of the client's own.
                            self._catch_up()
                            wait = FIRST_WAIT_SECONDS
                        elif message["type"] == "message":
                            self._state.heard(message["data"])
            except FAULTS as error:
                self._state.redis_failed(error)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            stop.wait(wait)

    def close(self) -> None:
        self._redis.close()

    def _fly(self, place: Place, flight: _Flight[T], fetch: Callable[[], Fetched[T]]) -> Held[T]:
        for _attempt in range(FETCH_ATTEMPTS):
            began = self._state.now()
            held, token = self._ask_redis(place)
            from_redis = held is not None
            if held is None:
                try:
                    fetched = fetch()
                except BaseException:
                    self._state.fetch_failed()
                    raise
                held = self._state.from_fetcher(place, fetched, began=began)
            if held is None:
                continue
            if self._state.keep(place, flight, held) and token is not None and not from_redis:
                self._tell_redis(place, token, held)
            return held
        raise self._state.too_old(place)

    def _ask_redis(self, place: Place) -> tuple[Held[T] | None, str | None]:
        """The entry and its key's token; no token: Redis could not be asked, and must not be told either."""
        if self._state.redis_rests:
            return None, None
        try:
            self._settle()
            with self._redis.pipeline(transaction=False) as pipeline:
                queue_look_up(pipeline, self._name, place)
                answer = look_up_answer(pipeline.execute(raise_on_error=False))
        except FAULTS as error:
            self._state.redis_failed(error)
            return None, None
        return self._state.from_redis(place, answer.raw, answer.token, answer.revision), answer.token

    def _tell_redis(self, place: Place, token: str, held: Held[T]) -> None:
        encoded = self._state.encoded(place, token, held)
        if encoded is None:
            return
        raw, left_ms = encoded
        try:
            self._redis.set(entry_key(self._name, place), raw, px=left_ms)
        except FAULTS as error:
            self._state.redis_failed(error)

    def _announce(self, change: Change) -> bool:
        try:
            self._settle()
            self._publish(change)
        except FAULTS as error:
            self._state.redis_failed(error)
            self._state.owe(change)
            return False
        return True

    def _settle(self) -> None:
        for owed in self._state.owed:
            self._publish(owed)
            self._state.settled(owed)

    def _publish(self, change: Change) -> None:
        with self._redis.pipeline(transaction=True) as pipeline:
            if change.key is None:
                queue_revision(pipeline, self._name, change)
            else:
                queue_invalidation(pipeline, self._name, change, self._state.token_lifetime_ms)
            pipeline.execute()

    def _catch_up(self) -> None:
        self._settle()
        for change in self._state.caught_up(self._redis.hgetall(revisions_key(self._name))):
            self._publish(change)
