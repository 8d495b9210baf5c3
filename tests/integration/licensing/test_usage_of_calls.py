"""Usage of calls on its way from the process that counted it into the tenant's meter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from licensing.metering.ingest import GROUP, REFUSED_STREAM, ingest_usage
from licensing.metering.models import UsageEvent
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from tests.servers import EmbeddedServers
from tradsys.configuration import Configuration
from tradsys.mesh.usage import EVENT_FIELD, STREAM, UsageRecorder

pytestmark = pytest.mark.django_db
CALLED_AT = time.time_ns()


@pytest.fixture
def client(servers: EmbeddedServers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(Configuration.from_environment().redis_url) as found:
        found.delete(STREAM, REFUSED_STREAM)
        yield found
        found.delete(STREAM, REFUSED_STREAM)


def recorder(folder: Path, *, redis_url: str | None = None, instance: str = "worker-1-7", limit: int = 100) -> UsageRecorder:
    url = redis_url or Configuration.from_environment().redis_url
    return UsageRecorder(process="worker-1", instance=instance, folder=folder, redis_url=url, limit=limit)


def record(usage: UsageRecorder, tenant: str = "alpha", calls: int = 1) -> None:
    for _ in range(calls):
        usage.record(
            tenant=tenant,
            meter="api_calls",
            operation="tradsys.v1.OrderService/GetOrder",
            door="grpc",
            subject="alpha-trader",
            success=True,
            duration=1_000,
            time=CALLED_AT,
        )


def send(usage: UsageRecorder) -> None:
    async def work() -> None:
        await usage.flush()
        await usage.close()

    asyncio.run(work())


def counted(tenant: str) -> int:
    with enter_for_command(tenant):
        return UsageEvent.objects.filter(meter="api_calls", source="worker-1").count()


def test_a_call_reaches_its_own_tenants_meter_once_however_often_it_is_sent(
    client: redis.Redis, tenant_a: Tenant, tenant_b: Tenant, tmp_path: Path
) -> None:
    for _ in range(2):  # the second time is the same start with the same numbers
        usage = recorder(tmp_path)
        record(usage, calls=3)
        record(usage, "beta")
        send(usage)
    with platform_scope():
        assert ingest_usage(client) == {"accepted": 4, "duplicate": 4}
    assert (counted("alpha"), counted("beta")) == (3, 1)
    assert client.xlen(STREAM) == 0


def test_what_was_read_and_not_acknowledged_is_taken_by_the_next_run(client: redis.Redis, tenant_a: Tenant, tmp_path: Path) -> None:
    usage = recorder(tmp_path)
    record(usage, calls=2)
    send(usage)
    client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    assert client.xreadgroup(GROUP, "ingest", {STREAM: ">"})
    with platform_scope():
        assert ingest_usage(client) == {"accepted": 2}
    assert counted("alpha") == 2


def test_garbage_and_unknown_tenants_are_kept_aside_and_hold_nothing_up(
    client: redis.Redis, tenant_a: Tenant, tmp_path: Path
) -> None:
    client.xadd(STREAM, {EVENT_FIELD: b"{not json"})
    client.xadd(STREAM, {b"other": b"1"})
    usage = recorder(tmp_path)
    record(usage, "nobody")
    record(usage, "alpha")
    send(usage)
    with platform_scope():
        assert ingest_usage(client) == {"accepted": 1, "rejected": 3}
    assert client.xlen(REFUSED_STREAM) == 3
    assert counted("alpha") == 1


def test_without_redis_usage_waits_on_the_disk_for_the_next_start(client: redis.Redis, tenant_a: Tenant, tmp_path: Path) -> None:
    nowhere = "redis://127.0.0.1:1/0"

    async def first() -> None:
        usage = recorder(tmp_path, redis_url=nowhere, limit=3)
        record(usage, calls=5)  # the fourth is more than the memory may hold
        assert len(usage) == 1
        await usage.close()

    async def second() -> None:
        usage = recorder(tmp_path, instance="worker-1-8")
        record(usage)
        task = asyncio.create_task(usage.run())
        while len(usage) or list(tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        task.cancel()
        await usage.close()

    asyncio.run(first())
    asyncio.run(asyncio.wait_for(second(), 5))
    with platform_scope():
        assert ingest_usage(client) == {"accepted": 6}
    assert counted("alpha") == 6
