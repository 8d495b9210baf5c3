"""A service that is killed: its lease is gone in under three seconds, and its callers are with another by then."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time

import pytest

from tests.integration.mesh.backends import PATH
from tests.mesh_documents import SERVICE, mesh_config
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.mesh.balancing import by_affinity
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.channels.course import CallNotSent
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.watcher import RegistryWatcher


@pytest.mark.usefixtures("servers")
async def test_calls_move_to_another_instance_when_one_is_killed() -> None:
    """With the times of the product's own settings."""
    url, prefix = Configuration.from_environment().redis_url, f"mesh-{secrets.token_hex(4)}"
    config = mesh_config(registry={"key_prefix": prefix})
    command = [sys.executable, "-m", "tests.integration.mesh.service_process"]
    processes = {name: subprocess.Popen([*command, name, url, prefix], cwd=REPOSITORY) for name in ("worker-1", "worker-2")}
    registry = Registry()
    watching = asyncio.create_task(RegistryWatcher(url, config, registry).run())
    channels = MeshChannels(registry, config, None)

    async def call(*, stay: bool = False) -> str:
        return await channels.call(
            PATH, b"", response=bytes.decode, affinity="nile/NILE-001", stay=stay, idempotent=not stay, timeout=2, wait=0.2
        )

    try:
        async with asyncio.timeout(20):
            while len(registry.of(SERVICE)) < 2:
                await asyncio.sleep(0.05)
        home, other = by_affinity(processes, "nile/NILE-001")
        assert {await call(), await call(stay=True)} == {home}
        os.kill(processes[home].pid, signal.SIGKILL)
        killed = time.monotonic()
        # What may be repeated goes on at once, before anybody has noticed.
        assert await call() == other
        assert time.monotonic() - killed < 1
        while True:
            try:
                assert await call(stay=True) == other
                break
            except CallNotSent:
                assert len(registry.of(SERVICE)) == 2, "an account moves when its worker's lease is gone, and not before"
                await asyncio.sleep(0.01)
        assert time.monotonic() - killed < 3
        assert [each.process for each in registry.of(SERVICE)] == [other]
    finally:
        watching.cancel()
        for process in processes.values():
            process.kill()
            process.wait()
        await asyncio.gather(watching, return_exceptions=True)
        await channels.close()
