"""Leases of capped units from Redis, in blocks: many processes never use more than the cap, and no call waits for Redis.

The counter of a period lies in Redis; a process takes a block of it in advance and spends it by itself. Redis away: what is leased
is spent, then calls are refused. Units that a killed process had leased are lost to their tenant for the period, at most one block.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from licensing.entitlements import EPOCH, nanoseconds
from licensing.licence_check import LicenceCheck, QuotaLease
from tradsys.mesh.registry.redis_client import REDIS_AWAY, registry_client

log = logging.getLogger("licensing.quota")

PERIOD_MS: Final = 100
ANSWER_SECONDS: Final = 2
LONGEST_WAIT_MS: Final = 2_000
SMALLEST_BLOCK: Final = 20
LARGEST_BLOCK: Final = 1_000
KEPT_AFTER_PERIOD_SECONDS: Final = 40 * 24 * 3600
_NS: Final = 1_000_000_000

# Takes up to ARGV[1] units, never beyond the cap; returns how many. One step for Redis, so that two never get the same.
_TAKE: Final = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local units = math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used)
if units <= 0 then return 0 end
redis.call('INCRBY', KEYS[1], units)
redis.call('EXPIREAT', KEYS[1], ARGV[3])
return units
"""


def block_of(cap: int) -> int:
    """Units of one lease: a hundredth of the cap, 20 to 1,000. What is left of the cap may be less."""
    return max(SMALLEST_BLOCK, min(cap // 100, LARGEST_BLOCK))


def month_of(now: int, time_zone: str) -> tuple[str, int]:
    """The billing month at `now` (ns UTC) as ``2026-11``, and the instant (ns UTC) at which the next one begins."""
    local = (EPOCH + timedelta(microseconds=now // 1000)).astimezone(ZoneInfo(time_zone))
    year, month = (local.year + 1, 1) if local.month == 12 else (local.year, local.month + 1)
    following = datetime(year, month, 1, tzinfo=ZoneInfo(time_zone)).astimezone(UTC)
    return f"{local.year}-{local.month:02d}", nanoseconds(following)


def quota_key(tenant: str, meter: str, period: str) -> str:
    """Of the counter of units that are leased or used."""
    return f"tradsys:quota:{tenant}:{meter}:{period}"


class QuotaLeases:
    """Keeps the leases of one process's `LicenceCheck` filled. `run` as a task; `now` gives nanoseconds UTC."""

    def __init__(self, *, redis_url: str, check: LicenceCheck, now: Callable[[], int]) -> None:
        self._client: Any = registry_client(redis_url, seconds=ANSWER_SECONDS)
        self._take = self._client.register_script(_TAKE)
        self._check = check
        self._now = now

    async def run(self) -> None:
        """Until cancelled."""
        wait = PERIOD_MS
        while True:
            wait = PERIOD_MS if await self.refill_quietly() else min(wait * 2, LONGEST_WAIT_MS)
            await asyncio.sleep(wait / 1000)

    async def refill_quietly(self) -> bool:
        """`refill`, and False where Redis does not answer in time: what is leased goes on."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.refill()
        except REDIS_AWAY as error:
            log.warning("quota cannot be leased: %s; what is leased goes on", type(error).__name__)
            return False
        return True

    async def refill(self) -> None:
        """Lease a block for every quota that is more than half spent or whose period is over. Raises RedisError, OSError."""
        now = self._now()
        for tenant, meter, quota in self._check.quotas():
            if now >= quota.period_end or quota.remaining <= block_of(quota.cap) // 2:
                await self._lease(tenant, meter, quota, now)

    async def _lease(self, tenant: str, meter: str, quota: QuotaLease, now: int) -> None:
        period, end = month_of(now, quota.time_zone)
        units = int(
            await self._take(
                keys=[quota_key(tenant, meter, period)],
                args=[block_of(quota.cap), quota.cap, end // _NS + KEPT_AFTER_PERIOD_SECONDS],
            )
        )
        if end != quota.period_end:
            # What was left of the month before is not carried over.
            quota.remaining, quota.period_end = 0, end
        quota.remaining += units

    async def close(self) -> None:
        """Give back what is left, as far as Redis answers."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                for tenant, meter, quota in self._check.quotas():
                    if quota.remaining > 0 and self._now() < quota.period_end:
                        period, _ = month_of(self._now(), quota.time_zone)
                        units, quota.remaining = quota.remaining, 0
                        await self._client.decrby(quota_key(tenant, meter, period), units)
        except REDIS_AWAY as error:
            log.warning("leased quota was not given back: %s", type(error).__name__)
        await self._client.aclose()
