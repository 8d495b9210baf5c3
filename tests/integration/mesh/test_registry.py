"""Leases and the local copy against a real Redis, which may go and come back."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import redis

from tests.mesh_documents import SERVICE, an_instance, mesh_config
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.servers import EmbeddedServers
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance, encode_instance
from tradsys.mesh.registry.keys import RegistryKeys
from tradsys.mesh.registry.leases import LeaseKeeper, ThreadLeaseKeeper
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.shared import shared_registry, stop_shared_registries
from tradsys.mesh.registry.watcher import RegistryWatcher
from tradsys.mesh.telemetry.metrics import METRICS

pytestmark = pytest.mark.usefixtures("servers")


@pytest.fixture
def config() -> ServiceMeshConfig:
    """Short times, and names of the test's own in the run's Redis."""
    return mesh_config(registry={"lease_ms": 400, "renew_ms": 60, "poll_ms": 200, "key_prefix": f"mesh-{secrets.token_hex(4)}"})


@pytest.fixture
def redis_url() -> str:
    return Configuration.from_environment().redis_url


@pytest.fixture
def server(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url)


@asynccontextmanager
async def watched(redis_url: str, config: ServiceMeshConfig) -> AsyncIterator[Registry]:
    registry = Registry()
    watcher = RegistryWatcher(redis_url, config, registry)
    task = asyncio.create_task(watcher.run())
    await asyncio.wait_for(watcher.attempted.wait(), 5)
    yield registry
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def leased(redis_url: str, config: ServiceMeshConfig, instance: Instance) -> AsyncIterator[LeaseKeeper]:
    keeper = LeaseKeeper(redis_url, config, lambda: instance)
    task = asyncio.create_task(keeper.run())
    yield keeper
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def eventually(condition: Callable[[], object], *, seconds: float = 5.0, what: str = "the condition") -> float:
    """Seconds until it came true."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"{what} did not come true within {seconds} s"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


def names(registry: Registry) -> list[str]:
    return [each.instance for each in registry.of(SERVICE)]


async def test_an_instance_is_seen_at_once_when_it_joins_changes_and_leaves(redis_url: str, config: ServiceMeshConfig) -> None:
    slow_poll = mesh_config(
        registry={"key_prefix": config.registry.key_prefix, "poll_ms": 60_000, "lease_ms": 60_000, "renew_ms": 50}
    )
    health = {SERVICE: "SERVING"}
    async with watched(redis_url, slow_poll) as registry:
        keeper = LeaseKeeper(redis_url, slow_poll, lambda: an_instance("worker-1", health=dict(health)))
        renewing = asyncio.create_task(keeper.run())
        await eventually(lambda: names(registry), seconds=2)
        [instance] = registry.instances
        assert instance.lease_ms == 60_000
        assert instance.renewed_at > 0
        assert METRICS.registry.get_sample_value("tradsys_registry_instances", {"service": SERVICE}) == 1
        health[SERVICE] = "NOT_SERVING: draining"
        keeper.changed()
        await eventually(lambda: not registry.instances[0].serves(SERVICE), seconds=2)
        await keeper.leave()
        await eventually(lambda: not registry.instances, seconds=2)
        assert METRICS.registry.get_sample_value("tradsys_registry_instances", {"service": SERVICE}) == 0
        await asyncio.wait_for(renewing, 1)


async def test_a_killed_process_is_gone_from_the_copy_in_under_three_seconds(redis_url: str) -> None:
    config = mesh_config(registry={"key_prefix": f"mesh-{secrets.token_hex(4)}"})
    assert (config.registry.lease_ms, config.registry.poll_ms) == (2000, 1000), "the times of the product's own settings"
    program = f"""
import os, time
from tests.mesh_documents import an_instance, mesh_config
from tradsys.mesh.registry.leases import ThreadLeaseKeeper
config = mesh_config(registry={{"key_prefix": {config.registry.key_prefix!r}}})
with ThreadLeaseKeeper({redis_url!r}, config, lambda: an_instance("worker-1")):
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    try:
        async with watched(redis_url, config) as registry, leased(redis_url, config, an_instance("worker-2")):
            await eventually(lambda: len(names(registry)) == 2, seconds=20, what="both leases")
            os.kill(process.pid, signal.SIGKILL)
            took = await eventually(lambda: len(names(registry)) == 1, what="the end of the lease")
            assert took < 3
            assert names(registry) == ["worker-2-1-1"]
    finally:
        process.kill()
        process.wait()


async def test_two_starts_of_one_process_have_a_lease_each(redis_url: str, config: ServiceMeshConfig) -> None:
    old, new = an_instance("worker-1"), an_instance("worker-1", started_at=9)
    async with watched(redis_url, config) as registry, leased(redis_url, config, new):
        async with leased(redis_url, config, old):
            await eventually(lambda: names(registry) == [new.instance, old.instance])
        await eventually(lambda: names(registry) == [new.instance])


async def test_redis_goes_and_comes_back_and_nobody_is_lost(
    servers: EmbeddedServers, redis_url: str, config: ServiceMeshConfig
) -> None:
    seen: list[list[str]] = []
    async with watched(redis_url, config) as registry, leased(redis_url, config, an_instance("worker-1")):
        async with leased(redis_url, config, an_instance("worker-2")):
            await eventually(lambda: len(names(registry)) == 2)
            registry.on_change(lambda instances: seen.append([each.process for each in instances]))
            await asyncio.to_thread(servers.stop_redis)
            try:
                await eventually(lambda: not registry.reachable)
                await asyncio.sleep(2.5 * config.registry.lease_ms / 1000)
                assert len(names(registry)) == 2, "every lease would have ended by now"
                assert not seen
            finally:
                servers.start_redis()  # here: the kernel ends it with the thread that started it
            await eventually(lambda: registry.reachable)
            await asyncio.sleep(2.5 * config.registry.lease_ms / 1000)
            assert len(names(registry)) == 2
            assert not seen, "no caller ever saw one of them go"
        # And after that the dead are seen again.
        await eventually(lambda: len(names(registry)) == 1)


async def test_a_lease_that_redis_lost_is_there_again_with_the_next_renewal(
    redis_url: str, config: ServiceMeshConfig, server: redis.Redis
) -> None:
    keys = RegistryKeys.of(config)
    async with watched(redis_url, config) as registry, leased(redis_url, config, an_instance("worker-1")):
        await eventually(lambda: names(registry))
        server.delete(keys.index, keys.instance("worker-1-1-1"))
        await eventually(lambda: server.exists(keys.instance("worker-1-1-1")) and server.zscore(keys.index, "worker-1-1-1"))
        await eventually(lambda: names(registry))


async def test_garbage_in_redis_is_refused_by_name_and_harms_nobody(
    redis_url: str, config: ServiceMeshConfig, server: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    keys = RegistryKeys.of(config)
    now = time.time_ns() // 1_000_000
    server.zadd(keys.index, dict.fromkeys(["nonsense", "impostor", "list", b"\xff\xfe", "gone"], now))
    server.set(keys.instance("nonsense"), b"\xff{")
    server.set(keys.instance("impostor"), encode_instance(an_instance("worker-9")))
    server.lpush(keys.instance("list"), "not a string")
    try:
        async with watched(redis_url, config) as registry, leased(redis_url, config, an_instance("worker-1")):
            await eventually(lambda: names(registry) == ["worker-1-1-1"])
            await asyncio.sleep(3 * config.registry.poll_ms / 1000)
            assert set(registry.refused) == {"nonsense", "impostor"}
            complaints = [each.getMessage() for each in caplog.records if "passed over" in each.getMessage()]
            assert len(complaints) == 2, "each is complained of once, not at every reading"
            assert any("impostor" in each and "worker-9" in each for each in complaints)
    finally:
        server.delete(keys.index, *(keys.instance(name) for name in ("nonsense", "impostor", "list")))


async def test_names_whose_lease_ended_long_ago_are_cleared_away(
    redis_url: str, config: ServiceMeshConfig, server: redis.Redis
) -> None:
    keys = RegistryKeys.of(config)
    server.zadd(keys.index, {"ancient": 1000})
    async with leased(redis_url, config, an_instance("worker-1")):
        await eventually(lambda: server.zscore(keys.index, "worker-1-1-1"))
        await eventually(lambda: server.zscore(keys.index, "ancient") is None)


@pytest.mark.parametrize("step_seconds", [-86_400, 86_400])
async def test_a_clock_that_steps_ends_no_lease(redis_url: str, config: ServiceMeshConfig, step_seconds: int) -> None:
    offset = 0
    keeper = LeaseKeeper(redis_url, config, lambda: an_instance("worker-1"), now=lambda: time.time_ns() + offset)
    renewing = asyncio.create_task(keeper.run())
    async with watched(redis_url, config) as registry, leased(redis_url, config, an_instance("worker-2")):
        await eventually(lambda: len(names(registry)) == 2)
        lost: list[int] = []
        registry.on_change(lambda instances: lost.append(len(instances)))
        offset = step_seconds * 1_000_000_000
        await asyncio.sleep(2 * config.registry.lease_ms / 1000)
        assert len(names(registry)) == 2
        assert not lost
        renewing.cancel()
        await eventually(lambda: names(registry) == ["worker-2-1-1"])


async def test_a_renewal_that_leaving_overtakes_leaves_no_lease_behind(
    redis_url: str, config: ServiceMeshConfig, server: redis.Redis
) -> None:
    keys = RegistryKeys.of(config)
    for _ in range(20):
        keeper = LeaseKeeper(redis_url, config, lambda: an_instance("worker-1"))
        renewing = asyncio.create_task(keeper.run())
        await asyncio.sleep(0)
        keeper.changed()
        await asyncio.sleep(0.002)
        await keeper.leave()
        await asyncio.wait_for(renewing, 2)
        assert not server.exists(keys.instance("worker-1-1-1"))


def test_a_blocking_process_has_a_lease_and_a_copy_of_its_own(redis_url: str, config: ServiceMeshConfig) -> None:
    configuration = Configuration.from_environment()
    try:
        with ThreadLeaseKeeper(redis_url, config, lambda: an_instance("relay", services=("x.Y",))):
            registry = shared_registry(configuration, config)
            assert shared_registry(configuration, config) is registry
            deadline = time.monotonic() + 5
            while not registry.of("x.Y"):
                assert time.monotonic() < deadline
                time.sleep(0.005)
        deadline = time.monotonic() + 2
        while registry.of("x.Y"):
            assert time.monotonic() < deadline, "stopping leaves at once"
            time.sleep(0.005)
    finally:
        stop_shared_registries()


async def test_without_redis_from_the_start_the_configuration_counts(config: ServiceMeshConfig) -> None:
    configuration = Configuration.from_environment(
        {
            "TRADSYS_VAR": "/nonexistent",
            "TRADSYS_REDIS_URL": "redis://127.0.0.1:1/0",
            "TRADSYS_MESH": "worker-1=127.0.0.1:11",
            "TRADSYS_ORDER_WORKERS": "worker-1=127.0.0.1:12",
        }
    )
    try:
        began = time.monotonic()
        registry: Registry = await asyncio.to_thread(shared_registry, configuration, config)
        assert time.monotonic() - began < 1
        assert [each.mesh_address for each in registry.of(SERVICE)] == ["127.0.0.1:11"]
    finally:
        await asyncio.to_thread(stop_shared_registries)


async def test_a_stop_is_never_lost_whenever_it_comes(redis_url: str, config: ServiceMeshConfig) -> None:
    for turn in range(60):
        tasks = [
            asyncio.create_task(LeaseKeeper(redis_url, config, lambda: an_instance("worker-1")).run()),
            asyncio.create_task(RegistryWatcher(redis_url, config, Registry()).run()),
        ]
        await asyncio.sleep(turn / 4000)
        for task in tasks:
            task.cancel()
        _, running = await asyncio.wait(tasks, timeout=3)
        assert not running
