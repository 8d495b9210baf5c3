"""Places of the calls to one instance: a limit, a bounded wait for a free one, and the channels they go over.

The limit keeps a slow instance from holding every caller of the process: what waits for it is bounded, the rest is refused.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

from tradsys.mesh.telemetry.metrics import METRICS

Channel = TypeVar("Channel")


class PoolExhausted(Exception):
    """No place became free within the time that a call may wait."""


class AsyncPlaces:
    """Of one event loop; who waited longest is next."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.in_use = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def acquire(self, seconds: float) -> None:
        """Raises PoolExhausted after `seconds`."""
        if self.in_use < self.limit and not self._waiting:
            self.in_use += 1
        else:
            await self._wait(seconds)
        METRICS.pool_usage(self.name, self.in_use, self.limit)

    def release(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                # The place changes hands without becoming free, so nobody can come in between.
                waiter.set_result(None)
                return
        self.in_use -= 1
        METRICS.pool_usage(self.name, self.in_use, self.limit)

    async def _wait(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except (TimeoutError, asyncio.CancelledError) as ended:
            if waiter.done() and not waiter.cancelled():
                # The place was handed over in the very moment in which the wait ended.
                self.release()
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            if isinstance(ended, TimeoutError):
                raise PoolExhausted(f"all {self.limit} places of {self.name} are taken") from ended
            raise


class ThreadPlaces:
    """For threads."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self.in_use = 0
        self._free = threading.Condition()

    def acquire(self, seconds: float) -> None:
        """Raises PoolExhausted after `seconds`."""
        with self._free:
            if not self._free.wait_for(lambda: self.in_use < self.limit, seconds):
                raise PoolExhausted(f"all {self.limit} places of {self.name} are taken")
            self.in_use += 1
            METRICS.pool_usage(self.name, self.in_use, self.limit)

    def release(self) -> None:
        with self._free:
            self.in_use -= 1
            METRICS.pool_usage(self.name, self.in_use, self.limit)
            self._free.notify()


class PooledChannel(Generic[Channel]):
    """One channel and the calls that are on it."""

    __slots__ = ("calls", "channel", "proven_at", "retired", "used_at", "version")

    def __init__(self, channel: Channel, version: int, now: int) -> None:
        self.channel = channel
        self.version = version
        self.calls = 0
        self.used_at = now
        self.proven_at: int | None = None
        """When an answer last came over it; None: it may not be connected."""
        self.retired = False


class ChannelSet(Generic[Channel]):
    """The channels to one instance, made when they are needed and made anew when `version` rises (a certificate was renewed).

    A channel that is replaced ends with its last call, never before. Closing is the caller's part: every method returns the
    channels that are to be closed now. Times in nanoseconds of a steady clock. Threads may share it.
    """

    def __init__(self, size: int, make: Callable[[], Channel], version: Callable[[], int]) -> None:
        self._make = make
        self._version = version
        self._pooled: list[PooledChannel[Channel] | None] = [None] * size
        self._turn = 0
        self._lock = Lock()

    def take(self, now: int) -> tuple[PooledChannel[Channel], list[Channel]]:
        """A channel for one call; `give_back` it."""
        with self._lock:
            self._turn = place = (self._turn + 1) % len(self._pooled)
            pooled, version, unused = self._pooled[place], self._version(), []
            if pooled is None or pooled.version != version:
                if pooled is not None:
                    pooled.retired = True
                    if pooled.calls == 0:
                        unused.append(pooled.channel)
                pooled = self._pooled[place] = PooledChannel(self._make(), version, now)
            pooled.calls += 1
            pooled.used_at = now
            return pooled, unused

    def take_for_check(self) -> PooledChannel[Channel] | None:
        """A channel that is there already, for a check that does not count as use; None where there is none."""
        with self._lock:
            for pooled in self._pooled:
                if pooled is not None:
                    pooled.calls += 1
                    return pooled
            return None

    def give_back(self, pooled: PooledChannel[Channel]) -> list[Channel]:
        with self._lock:
            pooled.calls -= 1
            return [pooled.channel] if pooled.retired and pooled.calls == 0 else []

    def close_idle(self, before: int) -> list[Channel]:
        """Forget channels that no call has used since `before`."""
        return self._forget(lambda pooled: pooled.calls == 0 and pooled.used_at < before)

    def retire_all(self) -> list[Channel]:
        """Forget all; those with calls end with their last one."""
        return self._forget(lambda pooled: True)

    def _forget(self, wanted: Callable[[PooledChannel[Channel]], bool]) -> list[Channel]:
        unused = []
        with self._lock:
            for place, pooled in enumerate(self._pooled):
                if pooled is not None and wanted(pooled):
                    self._pooled[place] = None
                    pooled.retired = True
                    if pooled.calls == 0:
                        unused.append(pooled.channel)
        return unused
