"""The licence check and the meter of the web's own doors: REST requests and WebSocket subscriptions.

The same in-process check as at gRPC, on the same signed documents. One thread beside the web's own sends usage and leases quota, so
that no request waits for Redis.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from functools import cache

from licensing.licence_check import API_CALLS, LicenceCheck
from licensing.quota_leases import QuotaLeases
from trading_workers.snapshot.documents import TenantDocument
from trading_workers.snapshot.entitlement import entitlement_of
from trading_workers.snapshot.published import NothingPublished, tenant_document
from tradsys.configuration import Configuration
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.instance import instance_name
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.usage import UsageRecorder

log = logging.getLogger("trading_workers.web_calls")

PROCESS = "web"
FIRST_LEASE_SECONDS = 1.0
CLOSE_SECONDS = 4.0


class WebCalls:
    """Of this process. Its methods run in Django's threads."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._check = LicenceCheck()
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._usage: UsageRecorder
        self._quota: QuotaLeases
        self._stopping: asyncio.Event
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="web calls", daemon=True)
        self._thread.start()
        ready.wait()

    def refusal(self, tenant: str, features: tuple[str, ...] = (), *, meter: str = "") -> CallRefusal | None:
        """Why the tenant may not make this call now; None lets it pass and counts it against quota and rate."""
        try:
            document = tenant_document(tenant)
        except NothingPublished:
            return CallRefusal.CONFIGURATION_MISSING
        with self._lock:
            if document.revision != self._check.revision(tenant):
                self._take_over(document)
            found = self._check.check(tenant, features, meter, time.time_ns())
        if found is None:
            METRICS.license_validation("OK")
        else:
            METRICS.license_validation(found.name)
            METRICS.license_violation(tenant, found.name)
        return found

    def record(self, *, tenant: str, operation: str, subject: str, success: bool, began_at: int, duration: int) -> None:
        """One REST request that was let in. Times in nanoseconds, `began_at` UTC."""
        self._loop.call_soon_threadsafe(
            lambda: self._usage.record(
                tenant=tenant,
                meter=API_CALLS,
                operation=operation,
                door="rest",
                subject=subject,
                success=success,
                duration=duration,
                time=began_at,
            )
        )

    def _take_over(self, document: TenantDocument) -> None:
        self._check.apply(document.tenant, entitlement_of(document), revision=document.revision, lease_until=document.lease_until)
        if any(tenant == document.tenant and not quota.period_end for tenant, _, quota in self._check.quotas()):
            # The first request of a capped tenant would find no lease yet.
            leased = asyncio.run_coroutine_threadsafe(self._quota.refill_quietly(), self._loop)
            try:
                leased.result(FIRST_LEASE_SECONDS)
            except TimeoutError:
                log.warning("the first lease of quota for %s did not come in time", document.tenant)

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        instance = instance_name(PROCESS, os.getpid(), time.time_ns())
        configuration = self._configuration
        self._usage = UsageRecorder(
            process=PROCESS, instance=instance, folder=configuration.var / PROCESS, redis_url=configuration.redis_url
        )
        self._quota = QuotaLeases(redis_url=configuration.redis_url, check=self._check, now=time.time_ns)
        self._stopping = asyncio.Event()
        ready.set()
        self._loop.run_until_complete(self._work())

    async def _work(self) -> None:
        tasks = [asyncio.create_task(self._usage.run()), asyncio.create_task(self._quota.run())]
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._usage.close()
        await self._quota.close()

    def close(self) -> None:
        """Send what was counted, give leased quota back."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(CLOSE_SECONDS)


@cache
def web_calls() -> WebCalls:
    """Started with the first request."""
    return WebCalls(Configuration.from_environment())


def close_web_calls() -> None:
    """At the process's end; nothing happens where no request was counted."""
    if web_calls.cache_info().currsize:
        web_calls().close()
