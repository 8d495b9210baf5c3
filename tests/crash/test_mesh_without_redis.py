"""Redis away for a minute: calls by name go on all the time, and the registry recovers by itself."""

from __future__ import annotations

import asyncio
import secrets
import time
from urllib.parse import urlsplit

import pytest

from tests.integration.mesh.backends import PATH, Door, backends
from tests.mesh_documents import SERVICE, mesh_config
from tradsys.configuration import Configuration
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.registry.leases import LeaseKeeper
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.watcher import RegistryWatcher

AWAY_SECONDS = 60


@pytest.mark.usefixtures("servers")
async def test_calls_go_on_while_redis_is_away_for_a_minute() -> None:
    # Through a door of our own: what is locked is as far away as a server that is down, and gRPC does not live through the fork
    # that starting a server would be.
    door, address = Door(), urlsplit(Configuration.from_environment().redis_url)
    port = await door.open(address.port or 0)
    url = f"redis://{address.username or ''}:{address.password}@127.0.0.1:{port}{address.path}"
    config = mesh_config(registry={"key_prefix": f"mesh-{secrets.token_hex(4)}"}, load_balancing={"services": {}})
    registry, members = Registry(), []
    async with backends("a", "b") as found:
        keepers = [LeaseKeeper(url, config, lambda each=each: each.instance) for each in found]
        channels = MeshChannels(registry, config, None)
        tasks = [asyncio.create_task(each.run()) for each in (*keepers, RegistryWatcher(url, config, registry), channels)]
        answered: set[str] = set()

        async def keep_calling() -> None:
            while True:
                answered.add(await channels.call(PATH, b"", response=bytes.decode))
                await asyncio.sleep(0.02)

        try:
            async with asyncio.timeout(10):
                while len(registry.of(SERVICE)) < 2:
                    await asyncio.sleep(0.05)
            registry.on_change(lambda instances: members.append(len(instances)))
            calling = asyncio.create_task(keep_calling())
            door.lock()
            away_since = time.monotonic()
            try:
                await asyncio.sleep(AWAY_SECONDS / 2)
                answered.clear()
                await asyncio.sleep(AWAY_SECONDS / 2)
                assert answered == {"a:", "b:"}
                assert not registry.reachable
            finally:
                await door.unlock()
            assert time.monotonic() - away_since >= AWAY_SECONDS
            async with asyncio.timeout(5):
                while not registry.reachable:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(4)
            assert not calling.done(), "no call has failed"
            assert members == [], "nobody was ever taken for gone"
            assert all(time.time_ns() - each.renewed_at < 2_000_000_000 for each in registry.of(SERVICE))
            calling.cancel()
            # And the registry is as sharp as before.
            await keepers[0].leave()
            async with asyncio.timeout(3):
                while len(registry.of(SERVICE)) == 2:
                    await asyncio.sleep(0.02)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await channels.close()
            door.lock()
