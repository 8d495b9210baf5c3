"""Keeps an instance's lease in Redis: there while it lives, gone within ``lease_ms`` when it does not.

The lease is the key's expiry and runs by Redis's own clock, so a clock that steps on either side neither ends nor prolongs it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec

from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance, encode_instance
from tradsys.mesh.registry.keys import RegistryKeys
from tradsys.mesh.registry.loop_thread import LoopThread
from tradsys.mesh.registry.redis_client import NS_PER_MS, REDIS_AWAY, registry_client, short

log = logging.getLogger("tradsys.registry")

FORGOTTEN_MS = 3_600_000
"""Names in the index whose lease ended so long ago are cleared away at the next join; until then readers pass over them."""
LEAVE_SECONDS = 1.0


class LeaseKeeper:
    """`run` as a task of the process; `leave` at its end. `describe` is asked for the present document at every renewal.

    Redis may be away for any time: the next renewal that gets through joins again. `now` gives nanoseconds UTC.
    """

    def __init__(
        self, redis_url: str, config: ServiceMeshConfig, describe: Callable[[], Instance], *, now: Callable[[], int] = time.time_ns
    ) -> None:
        self._redis_url = redis_url
        self._config = config.registry
        self._keys = RegistryKeys.of(config)
        self._describe = describe
        self._now = now
        self._said: dict[str, str] = {}
        self._stopped = False
        self._due = asyncio.Event()
        self._away = False

    def changed(self) -> None:
        """Renew at once: the health has changed. From the event loop."""
        self._due.set()

    async def run(self) -> None:
        """Renew the lease every ``renew_ms`` until cancelled or `leave`."""
        client = self._client()
        try:
            while not self._stopped:
                try:
                    async with asyncio.timeout(self._config.lease_ms / 1000):
                        await self._renew(client)
                    if self._away:
                        log.info("the registry answers again")
                        self._away = False
                except REDIS_AWAY as error:
                    if not self._away:
                        log.warning(
                            "the lease cannot be renewed (%s); trying again every %d ms", short(error), self._config.renew_ms
                        )
                        self._away = True
                    # A connection that was given up in the middle of an answer must not serve the next renewal.
                    await self._close(client)
                    client = self._client()
                await self._wait()
        finally:
            await self._close(client)

    async def leave(self) -> None:
        """End the lease now and say so; without Redis it ends by itself."""
        self._stopped = True
        self._due.set()
        client = self._client()
        instance = self._describe().instance
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                pipeline = client.pipeline(transaction=False)
                pipeline.delete(self._keys.instance(instance))
                pipeline.zrem(self._keys.index, instance)
                pipeline.publish(self._keys.changes, f"left {instance}")
                await pipeline.execute()
        except REDIS_AWAY as error:
            log.info("the registry is not told of the stop (%s); the lease ends by itself", short(error))
        finally:
            await self._close(client)

    async def _renew(self, client: Any) -> None:
        now = self._now()
        instance = msgspec.structs.replace(self._describe(), renewed_at=now, lease_ms=self._config.lease_ms)
        pipeline = client.pipeline(transaction=False)
        pipeline.set(self._keys.instance(instance.instance), encode_instance(instance), px=self._config.lease_ms, get=True)
        pipeline.zadd(self._keys.index, {instance.instance: now // NS_PER_MS})
        before, _ = await pipeline.execute()
        if self._stopped:
            # It left while this renewal was under way; the renewal must not outlive it.
            await client.delete(self._keys.instance(instance.instance))
            return
        if before is None:
            await client.zremrangebyscore(self._keys.index, "-inf", now // NS_PER_MS - FORGOTTEN_MS)
            await client.publish(self._keys.changes, f"joined {instance.instance}")
        elif instance.health != self._said:
            await client.publish(self._keys.changes, f"changed {instance.instance}")
        self._said = dict(instance.health)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._config.renew_ms / 1000):
                await self._due.wait()
        except TimeoutError:
            return
        self._due.clear()

    def _client(self) -> Any:
        return registry_client(self._redis_url, seconds=self._config.lease_ms / 1000)

    @staticmethod
    async def _close(client: Any) -> None:
        try:
            await client.aclose()
        except REDIS_AWAY as error:
            log.debug("the connection to the registry was not closed in order: %s", short(error))


class ThreadLeaseKeeper:
    """A LeaseKeeper for a process that blocks: in a thread with an event loop of its own. A context manager."""

    def __init__(
        self, redis_url: str, config: ServiceMeshConfig, describe: Callable[[], Instance], *, now: Callable[[], int] = time.time_ns
    ) -> None:
        """`describe` is called in the keeper's thread."""
        self._arguments = (redis_url, config, describe, now)
        self._keeper: LeaseKeeper | None = None
        self._thread = LoopThread("lease", self._main)

    def start(self) -> None:
        self._thread.start()

    def changed(self) -> None:
        """Renew at once: the health has changed. From any thread."""
        keeper = self._keeper
        if keeper is not None:
            self._thread.call_soon(keeper.changed)

    def stop(self) -> None:
        """Leave the registry and end the thread; at most about a second without Redis."""
        self._thread.stop(timeout=2 * LEAVE_SECONDS)

    def __enter__(self) -> ThreadLeaseKeeper:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def _main(self, stopping: asyncio.Event) -> None:
        redis_url, config, describe, now = self._arguments
        self._keeper = keeper = LeaseKeeper(redis_url, config, describe, now=now)
        renewing = asyncio.create_task(keeper.run())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({renewing, stop}, return_when=asyncio.FIRST_COMPLETED)
        if renewing.done():
            stop.cancel()
            # What `describe` raised is this process's own mistake and must be seen.
            renewing.result()
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        await keeper.leave()
