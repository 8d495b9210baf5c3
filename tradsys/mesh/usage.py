"""Usage of calls: recorded in memory while the call is answered, sent to a Redis stream behind it, kept on disk without Redis.

What is recorded reaches the meter once: every event has an id of its own, and the reader of the stream knows which it has seen.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from tradsys.mesh.registry.redis_client import REDIS_AWAY, registry_client
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("tradsys.usage")

STREAM: Final = "tradsys:usage"
EVENT_FIELD: Final = b"event"
FLUSH_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 2.0
LONGEST_WAIT_SECONDS: Final = 2.0
EVENTS_IN_A_FLUSH: Final = 1_000
EVENTS_IN_MEMORY: Final = 100_000
"""Beyond it, what waits goes to the disk: memory is everybody's."""
SPOOL_NAME: Final = "usage-spool.jsonl"


class CallUsage(msgspec.Struct, frozen=True, kw_only=True):
    """One call, as the meter counts it. Times in nanoseconds."""

    event_id: str
    source: str
    """Name of the process."""
    tenant: str
    meter: str
    operation: str
    """``tradsys.v1.OrderService/PlaceOrder``."""
    door: str
    subject: str
    success: bool
    duration: int
    time: int
    """Of the call's beginning, UTC."""


_Counted = tuple[int, str, str, str, str, str, bool, int, int]
"""A number of the process, then the fields of `CallUsage` from ``tenant`` on."""

encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(CallUsage)


def decode(raw: bytes) -> CallUsage:
    """Raises msgspec.MsgspecError."""
    return _decoder.decode(raw)


class UsageRecorder:
    """`record` from the event loop's thread; `run` as a task. `instance` is unique per start, so that no id is given twice."""

    def __init__(self, *, process: str, instance: str, folder: Path, redis_url: str, limit: int = EVENTS_IN_MEMORY) -> None:
        self._process = process
        self._instance = instance
        self._spool = folder / SPOOL_NAME
        self._reading = folder / f"{SPOOL_NAME}.reading"
        """What an earlier run kept, until it is in Redis."""
        self._limit = limit
        self._waiting: deque[_Counted | CallUsage] = deque()
        self._number = 0
        self._client: Any = registry_client(redis_url, seconds=ANSWER_SECONDS)

    def record(
        self, tenant: str, meter: str, operation: str, door: str, subject: str, success: bool, duration: int, time: int
    ) -> None:
        """Count one call; fields as of `CallUsage`. Never waits."""
        self._number += 1
        # `CallUsage` is made of it when it leaves the process, not while its caller waits.
        self._waiting.append((self._number, tenant, meter, operation, door, subject, success, duration, time))
        if len(self._waiting) > self._limit:
            self._to_disk()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self) -> None:
        """Until cancelled."""
        self._waiting.extendleft(reversed(self._from_disk()))
        wait = FLUSH_SECONDS
        while True:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self.flush()
                self._reading.unlink(missing_ok=True)
                wait = FLUSH_SECONDS
            except REDIS_AWAY as error:
                log.warning("usage waits for Redis: %s, %d events", type(error).__name__, len(self._waiting))
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            await asyncio.sleep(wait)

    async def flush(self) -> None:
        """Send everything that waits. Raises RedisError, OSError; what was not sent goes on waiting."""
        while self._waiting:
            batch = list(islice(self._waiting, EVENTS_IN_A_FLUSH))
            events = [self._event(each) for each in batch]
            async with self._client.pipeline(transaction=True) as pipeline:
                for event in events:
                    pipeline.xadd(STREAM, {EVENT_FIELD: encode(event)})
                await pipeline.execute()
            # A failure in between sends the batch again; the reader knows the ids.
            # Counted here and not in `record`: a caller need not wait for it.
            for (tenant, meter), calls in Counter((event.tenant, event.meter) for event in events).items():
                METRICS.usage(tenant, meter, calls)
            for each in batch:
                # What went to the disk meanwhile is not here any more.
                if self._waiting and self._waiting[0] is each:
                    self._waiting.popleft()

    async def close(self) -> None:
        """Send what waits, or keep it on the disk for the next start."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.flush()
        except REDIS_AWAY as error:
            log.warning("usage is kept on the disk: %s", type(error).__name__)
            self._to_disk()
        await self._client.aclose()

    def _to_disk(self) -> None:
        self._spool.parent.mkdir(parents=True, exist_ok=True)
        with self._spool.open("ab") as file:
            while self._waiting:
                file.write(encode(self._event(self._waiting.popleft())) + b"\n")

    def _event(self, counted: _Counted | CallUsage) -> CallUsage:
        if isinstance(counted, CallUsage):
            return counted
        number, tenant, meter, operation, door, subject, success, duration, time = counted
        return CallUsage(
            event_id=f"{self._instance}:{number}",
            source=self._process,
            tenant=tenant,
            meter=meter,
            operation=operation,
            door=door,
            subject=subject,
            success=success,
            duration=duration,
            time=time,
        )

    def _from_disk(self) -> list[CallUsage]:
        if self._spool.exists():
            with self._reading.open("ab") as file:
                file.write(self._spool.read_bytes())
            self._spool.unlink()
        if not self._reading.exists():
            return []
        return list(_readable(self._reading.read_bytes().splitlines()))


def _readable(lines: Iterable[bytes]) -> Iterable[CallUsage]:
    for line in lines:
        try:
            yield decode(line)
        except msgspec.MsgspecError as error:
            # The last line of a process that was killed while it wrote.
            log.error("a kept usage event cannot be read: %s", error)
