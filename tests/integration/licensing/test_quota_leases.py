"""Many processes on one cap: never oversold, and what is leased outlives Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import redis

from licensing.licence_check import API_CALLS, LicenceCheck
from licensing.quota_leases import QuotaLeases, month_of, quota_key
from tests.servers import EmbeddedServers
from tests.unit.licensing.test_licence_check import NOW, SECOND, Licence
from tradsys.configuration import Configuration
from tradsys.mesh.refusals import CallRefusal


@pytest.fixture
def server(servers: EmbeddedServers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(Configuration.from_environment().redis_url) as found:
        found.delete(*found.keys("tradsys:quota:nile:*"), "nothing")
        yield found


def process(cap: int, *, url: str | None = None, now: int = NOW) -> tuple[LicenceCheck, QuotaLeases]:
    check = LicenceCheck()
    check.apply("nile", Licence(valid_until=2**62, api_calls_per_month_cap=cap), revision=1, lease_until=2**62)
    url = url or Configuration.from_environment().redis_url
    return check, QuotaLeases(redis_url=url, check=check, now=lambda: now)


def call(check: LicenceCheck, now: int = NOW) -> CallRefusal | None:
    return check.check("nile", (), API_CALLS, now)


def test_eight_processes_together_let_exactly_the_cap_pass(server: redis.Redis) -> None:
    async def run() -> int:
        processes = [process(1_000) for _ in range(8)]
        passed = 0
        for _ in range(60):
            await asyncio.gather(*[leases.refill() for _, leases in processes])
            passed += sum(call(check) is None for check, _ in processes for _ in range(25))
        for _, leases in processes:
            await leases.close()
        return passed

    assert asyncio.run(run()) == 1_000


def test_what_was_leased_and_not_used_is_given_back(server: redis.Redis) -> None:
    async def run() -> None:
        check, leases = process(1_000)
        await leases.refill()
        assert call(check) is None
        await leases.close()
        assert call(check) is CallRefusal.QUOTA_EXCEEDED

    asyncio.run(run())
    assert int(server.get(quota_key("nile", API_CALLS, month_of(NOW, "Africa/Cairo")[0])) or 0) == 1


def test_without_redis_the_lease_is_spent_and_then_calls_are_refused(server: redis.Redis) -> None:
    async def run() -> None:
        check, leases = process(1_000)
        await leases.refill()
        away = QuotaLeases(redis_url="redis://127.0.0.1:1/0", check=check, now=lambda: NOW)
        assert [call(check) for _ in range(15)] == [None] * 15
        assert not await away.refill_quietly()
        assert [call(check) for _ in range(6)] == [None] * 5 + [CallRefusal.QUOTA_EXCEEDED]
        assert await leases.refill_quietly()
        assert call(check) is None
        await leases.close()

    asyncio.run(run())


def test_a_new_month_begins_with_a_new_lease_and_without_the_rest_of_the_old_one(server: redis.Redis) -> None:
    async def run() -> None:
        check, leases = process(1_000)
        await leases.refill()
        end = next(check.quotas())[2].period_end
        assert call(check, end - SECOND) is None
        assert call(check, end) is CallRefusal.QUOTA_EXCEEDED
        following = QuotaLeases(redis_url=Configuration.from_environment().redis_url, check=check, now=lambda: end)
        await following.refill()
        assert next(check.quotas())[2].remaining == 20
        assert call(check, end) is None
        await following.close()

    asyncio.run(run())
