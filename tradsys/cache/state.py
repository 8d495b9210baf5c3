"""What one process knows of a cache: the memory level, announced revisions, fetches in progress, figures. No I/O.

The asynchronous and the blocking cache are two shells around it. Safe to use from several threads.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from tradsys.cache.entries import EntryUnreadable, Fetched, Held, Place, decode_entry, encode_entry
from tradsys.cache.figures import FETCHER, LEVELS, MEMORY, REDIS, REPORT_EVERY_NS, CacheFigures, Report
from tradsys.cache.memory import MemoryLevel
from tradsys.cache.redis_names import LARGEST_REVISION, Change, ChangeUnreadable, decode_change
from tradsys.cache.settings import NS_PER_MS, CacheMisused, CacheSettings, Codec, checked_key, checked_scope

log = logging.getLogger("tradsys.cache")

T = TypeVar("T")
F = TypeVar("F")

FETCH_ATTEMPTS = 2
"""One more when the first brought something older than was announced meanwhile."""


class FetchedTooOld(LookupError):
    """The fetcher keeps bringing an older revision than the announced one, or none at all: nothing is returned rather than that."""


class CacheState(Generic[T, F]):
    """`F` is what stands for a fetch in progress. `now` gives ns UTC, `jitter` numbers from 0 to 1."""

    def __init__(
        self,
        settings: CacheSettings,
        codec: Codec[T],
        *,
        now: Callable[[], int],
        jitter: Callable[[], float],
        report: Report | None,
    ) -> None:
        self.origin = secrets.token_hex(8)
        self.settings = settings
        self.codec = codec
        self.figures = CacheFigures()
        self.now = now
        self._jitter = jitter
        self._report = report
        self._next_report = 0
        self._memory: MemoryLevel[T] = MemoryLevel(settings.memory_entries)
        self._floors: dict[str, int] = {}
        self._flights: dict[Place, F] = {}
        self._redis_rests_until = 0
        self._redis_away = False
        self._owed: dict[tuple[str, str | None], Change] = {}
        self._lock = threading.RLock()

    # --- reading

    def place(self, scope: str, key: str) -> Place:
        """Raises CacheMisused without a scope or a key."""
        return Place(checked_scope(scope), checked_key(key))

    def from_memory(self, place: Place) -> Held[T] | None:
        with self._lock:
            held = self._memory.get(place, now=self.now(), floor=self._floors.get(place.scope, 0))
            self._count(MEMORY, hit=held is not None)
            return held

    def join(self, place: Place, begin: Callable[[], F]) -> tuple[F, bool]:
        """The fetch in progress for `place`, begun by `begin` if there is none; and whether it was begun now."""
        with self._lock:
            flight = self._flights.get(place)
            if flight is not None:
                return flight, False
            flight = self._flights[place] = begin()
            return flight, True

    def landed(self, place: Place, flight: F) -> None:
        """The fetch is over, whatever it brought."""
        with self._lock:
            if self._flights.get(place) is flight:
                del self._flights[place]

    def from_redis(self, place: Place, raw: object, token: str, revision: object) -> Held[T] | None:
        """What Redis answered: the entry's bytes, its key's token, and the scope's revision, as read in one go."""
        with self._lock:
            self._redis_answered()
            self.raise_floor(place.scope, self._revision(revision))
            held = None
            if raw is not None:
                try:
                    if not isinstance(raw, bytes):
                        raise EntryUnreadable(f"a {type(raw).__name__} instead of bytes")
                    held = decode_entry(raw, place, token, self.settings, self.codec)
                except EntryUnreadable as error:
                    self.figures.unreadable += 1
                    log.warning("cache %s: an entry in Redis counts as missing: %s", self.settings.name, error)
            if held is not None and (held.revision < self._floors.get(place.scope, 0) or self.now() >= held.expires_at):
                held = None
            self._count(REDIS, hit=held is not None)
            return held

    def from_fetcher(self, place: Place, fetched: Fetched[T], *, began: int) -> Held[T] | None:
        """The entry made of an answer that was asked for at `began`; None: too old, ask again."""
        with self._lock:
            if fetched.revision < self._floors.get(place.scope, 0):
                self.figures.stale_fetches += 1
                return None
            self._count(FETCHER, hit=fetched.value is not None)
            ttl_ms = self.settings.absent_ttl_ms if fetched.value is None else self.settings.redis_ttl_ms
            # From the beginning of the fetch: an entry stored late must not outlive the mark that its key was invalidated.
            return Held(fetched.value, fetched.revision, began + self._shortened(ttl_ms))

    def fetch_failed(self) -> None:
        with self._lock:
            self.figures.failed_fetches += 1
            self._count(FETCHER, hit=False)

    def too_old(self, place: Place) -> FetchedTooOld:
        floor = self._floors.get(place.scope, 0)
        return FetchedTooOld(
            f"cache {self.settings.name}: {place.key!r} of {place.scope} was announced in revision {floor}, "
            f"and the fetcher brought an older one {FETCH_ATTEMPTS} times"
        )

    def keep(self, place: Place, flight: F, held: Held[T]) -> bool:
        """Put the entry into memory; False when it was invalidated while it was fetched, and must not be kept anywhere."""
        with self._lock:
            if self._flights.get(place) is not flight:
                return False
            ttl = self.settings.memory_ttl_ms * NS_PER_MS
            self._memory.put(place, Held(held.value, held.revision, min(held.expires_at, self.now() + ttl)))
            return True

    def encoded(self, place: Place, token: str, held: Held[T]) -> tuple[bytes, int] | None:
        """Bytes for Redis and the milliseconds they live; None for what has expired by now."""
        left = (held.expires_at - self.now()) // NS_PER_MS
        return (encode_entry(held, place, token, self.settings, self.codec), left) if left > 0 else None

    # --- changes

    def raise_floor(self, scope: str, revision: int) -> None:
        """Nothing of `scope` made from an older revision is returned any more."""
        with self._lock:
            if revision > self._floors.get(scope, 0):
                self._floors[scope] = revision

    def forget(self, place: Place) -> None:
        """Drop the entry; a fetch in progress serves those who wait for it already and nobody else."""
        with self._lock:
            self._memory.drop(place)
            self._flights.pop(place, None)

    def forget_all(self) -> None:
        """Announcements may have been missed."""
        with self._lock:
            self._memory.clear()
            self._flights.clear()

    def heard(self, raw: bytes) -> None:
        """An announcement of whatever process."""
        try:
            change = decode_change(raw)
        except ChangeUnreadable as error:
            self.figures.unreadable += 1
            log.warning("cache %s: an announcement cannot be read: %s", self.settings.name, error)
            return
        self.raise_floor(change.scope, change.revision)
        # One's own was obeyed when it was made; obeying it again would throw away what was fetched since.
        if change.key is not None and change.origin != self.origin:
            self.forget(Place(change.scope, change.key))

    def caught_up(self, revisions: dict[bytes, bytes]) -> list[Change]:
        """After a subscription: take over Redis's revisions, forget what memory holds; returns what Redis does not know yet."""
        with self._lock:
            self._redis_answered()
            theirs = {scope.decode(errors="replace"): self._revision(text) for scope, text in revisions.items()}
            missing = [Change(scope, self.origin, floor) for scope, floor in self._floors.items() if floor > theirs.get(scope, 0)]
            for scope, revision in theirs.items():
                self.raise_floor(scope, revision)
            self.forget_all()
            return missing

    @staticmethod
    def checked_revision(revision: int) -> int:
        if type(revision) is not int or not 0 < revision < LARGEST_REVISION:
            raise CacheMisused(f"a revision is a whole number from 1 to 2**53, not {revision!r}")
        return revision

    # --- Redis

    @property
    def redis_rests(self) -> bool:
        return self.now() < self._redis_rests_until

    def redis_failed(self, error: BaseException) -> None:
        with self._lock:
            self.figures.redis_errors += 1
            if not self._redis_away:
                log.warning("cache %s goes on without Redis: %s", self.settings.name, type(error).__name__)
            self._redis_away = True
            self._redis_rests_until = self.now() + self.settings.redis_rest_ms * NS_PER_MS

    def _redis_answered(self) -> None:
        if self._redis_away:
            log.info("cache %s has Redis again", self.settings.name)
        self._redis_away = False

    def owe(self, change: Change) -> None:
        """Redis has not heard of this change: it is told before it is asked anything again."""
        with self._lock:
            self._owed[change.scope, change.key] = change

    @property
    def owed(self) -> tuple[Change, ...]:
        with self._lock:
            return tuple(self._owed.values())

    def settled(self, told: Change) -> None:
        with self._lock:
            if self._owed.get((told.scope, told.key)) is told:
                del self._owed[told.scope, told.key]

    @property
    def token_lifetime_ms(self) -> int:
        """Longer than any entry can lie in Redis that was read before the invalidation."""
        return 2 * max(self.settings.redis_ttl_ms, self.settings.absent_ttl_ms)

    # --- within

    def _revision(self, text: object) -> int:
        if text is None:
            return 0
        if isinstance(text, bytes) and text.isdigit() and int(text) < LARGEST_REVISION:
            return int(text)
        self.figures.unreadable += 1
        return 0

    def _shortened(self, ttl_ms: int) -> int:
        ttl = ttl_ms * NS_PER_MS
        return ttl - int(ttl * self.settings.jitter_percent * self._jitter() / 100)

    def _count(self, level: str, *, hit: bool) -> None:
        self.figures.count(level, hit=hit)
        if self._report is not None and (now := self.now()) >= self._next_report:
            self._next_report = now + REPORT_EVERY_NS
            for name in LEVELS:
                figures = self.figures.levels[name]
                self._report(self.settings.name, name, figures.hits, figures.lookups)
