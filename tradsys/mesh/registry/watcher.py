"""Keeps a `Registry` current from Redis: subscribed first, then read whole, then announcements and a regular reading.

A lease that ends makes no announcement. So the next reading is due no later than the earliest end of a lease, and a killed
instance is gone from the copy a few milliseconds after its key is gone from Redis.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance, InstanceRefused, decode_instance
from tradsys.mesh.registry.keys import RegistryKeys
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.redis_client import NS_PER_MS, REDIS_AWAY, registry_client, short
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("tradsys.registry")

AFTER_EXPIRY_MS = 5
SHORTEST_PAUSE_MS = 10
"""Between two readings, however many announcements come."""
LONGEST_RECONNECT_MS = 500


class RegistryWatcher:
    """`run` as a task of the process. `steady` gives nanoseconds of a clock that never steps."""

    def __init__(
        self,
        redis_url: str,
        config: ServiceMeshConfig,
        registry: Registry,
        *,
        steady: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._redis_url = redis_url
        self._config = config.registry
        self._keys = RegistryKeys.of(config)
        self._registry = registry
        self._steady = steady
        self._away = False
        self._counted: set[str] = set()
        self._complained: set[str] = set()
        self.attempted = asyncio.Event()
        """Set after the first attempt, whether Redis answered or not."""

    async def run(self) -> None:
        """Follow the registry until cancelled; Redis may come and go."""
        pause_ms = SHORTEST_PAUSE_MS
        while True:
            try:
                await self._follow()
            except REDIS_AWAY as error:
                if self._registry.reachable or not self._away:
                    log.warning("the registry cannot be read (%s); its last copy stays in use", short(error))
                    pause_ms = SHORTEST_PAUSE_MS
                self._registry.lost()
                self._away = True
                self.attempted.set()
            await asyncio.sleep(pause_ms / 1000)
            pause_ms = min(pause_ms * 2, LONGEST_RECONNECT_MS)

    async def _follow(self) -> None:
        client = registry_client(self._redis_url, seconds=self._config.lease_ms / 1000)
        announcements = client.pubsub(ignore_subscribe_messages=True)
        try:
            async with asyncio.timeout(2 * self._config.lease_ms / 1000):
                # Subscribed before the first reading: what changes in between is read twice instead of never.
                await announcements.subscribe(self._keys.changes)
                if self._away:
                    settling_ms = self._config.lease_ms + self._config.renew_ms
                    self._registry.back(settled_at=self._steady() + settling_ms * NS_PER_MS)
                due_ms = await self._read(client)
            if self._away:
                log.info("the registry answers again")
                self._away = False
            self.attempted.set()
            while True:
                await self._until_due(announcements, due_ms)
                async with asyncio.timeout(self._config.lease_ms / 1000):
                    due_ms = await self._read(client)
        finally:
            for closing in (announcements, client):
                try:
                    await closing.aclose()
                except REDIS_AWAY as error:
                    log.debug("a connection to the registry was not closed in order: %s", short(error))

    async def _until_due(self, announcements: Any, due_ms: int) -> None:
        """Until an announcement comes or `due_ms` have passed; several announcements at once count as one."""
        if await announcements.get_message(timeout=due_ms / 1000) is None:
            return
        await asyncio.sleep(SHORTEST_PAUSE_MS / 1000)
        while await announcements.get_message(timeout=0) is not None:
            pass

    async def _read(self, client: Any) -> int:
        """Read everything; returns in how many milliseconds the next reading is due."""
        names = [name.decode("utf-8", "replace") for name in await client.zrange(self._keys.index, 0, -1)]
        found: list[Instance] = []
        refused: dict[str, str] = {}
        earliest_end = self._config.poll_ms
        if names:
            pipeline = client.pipeline(transaction=False)
            pipeline.mget([self._keys.instance(name) for name in names])
            for name in names:
                pipeline.pttl(self._keys.instance(name))
            documents, *remaining = await pipeline.execute(raise_on_error=True)
            for name, raw, milliseconds in zip(names, documents, remaining, strict=True):
                if raw is None:
                    continue
                try:
                    found.append(self._accepted(name, raw))
                except InstanceRefused as error:
                    refused[name] = str(error)
                else:
                    earliest_end = min(earliest_end, max(milliseconds, 0) + AFTER_EXPIRY_MS)
        for name in refused.keys() - self._complained:
            log.error("the registry's document %s is passed over: %s", name, refused[name])
        self._complained = set(refused)
        self._registry.replace(found, refused, now=self._steady())
        self._count()
        return max(earliest_end, SHORTEST_PAUSE_MS)

    @staticmethod
    def _accepted(name: str, raw: bytes) -> Instance:
        instance = decode_instance(raw)
        if instance.instance != name:
            raise InstanceRefused(f"it calls itself {instance.instance}")
        return instance

    def _count(self) -> None:
        present = set(self._registry.services)
        for service in present | self._counted:
            METRICS.registry_instances(service, len(self._registry.of(service)))
        self._counted = present
