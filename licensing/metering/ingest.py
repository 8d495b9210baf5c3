"""Takes the usage of calls from its Redis stream into the tenants' meters: durable first, acknowledged to the stream after it.

A run that dies in between finds the same entries again, and an event that was recorded before is recognised by its id.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError

from licensing.entitlements import EPOCH
from licensing.metering.events import ItemStatus, ReportedUsage
from licensing.metering.services import LARGEST_BATCH, record_usage
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import enter_for_worker
from tradsys.mesh.usage import EVENT_FIELD, STREAM, CallUsage, decode

log = logging.getLogger("licensing.ingest")

GROUP: Final = "metering"
CONSUMER: Final = "ingest"
REFUSED_STREAM: Final = "tradsys:usage-refused"
"""Entries that can never be counted, for the operator; the newest thousand."""
ENTRIES_IN_A_READ: Final = 2_000
READS_IN_A_RUN: Final = 10


def ingest_usage(client: Any) -> Counter[str]:
    """Everything that waits, up to about 20,000 events; how many of each ItemStatus. `client`: a blocking Redis client on bytes.

    Raises redis.exceptions.RedisError and what the database raises; what was not acknowledged is read again by the next run.
    """
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    counts: Counter[str] = Counter()
    # What an earlier run read and did not acknowledge comes first.
    for position in ("0", *[">"] * READS_IN_A_RUN):
        answer = client.xreadgroup(GROUP, CONSUMER, {STREAM: position}, count=ENTRIES_IN_A_READ)
        entries = answer[0][1] if answer else []
        if not entries:
            if position == ">":
                break
            continue
        counts += _record(client, entries)
    return counts


def _record(client: Any, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    by_tenant: dict[str, list[CallUsage]] = defaultdict(list)
    refused: list[tuple[bytes, str]] = []
    for number, fields in entries:
        try:
            usage = decode(fields[EVENT_FIELD])
        except (KeyError, msgspec.MsgspecError) as error:
            refused.append((fields.get(EVENT_FIELD, b""), f"entry {number!r} cannot be read: {error}"))
        else:
            by_tenant[usage.tenant].append(usage)
    for slug, found in sorted(by_tenant.items()):
        try:
            with enter_for_worker(slug):
                for begin in range(0, len(found), LARGEST_BATCH):
                    results = record_usage(events=[_reported(each) for each in found[begin : begin + LARGEST_BATCH]])
                    counts.update(result.status.value for result in results)
        except UnknownTenant as error:
            refused += [(msgspec.json.encode(each), str(error)) for each in found]
    for raw, why in refused:
        log.error("usage that cannot be counted: %s", why)
        client.xadd(REFUSED_STREAM, {EVENT_FIELD: raw, b"why": why[:200]}, maxlen=1_000)
        counts[ItemStatus.REJECTED.value] += 1
    numbers = [number for number, _ in entries]
    client.xack(STREAM, GROUP, *numbers)
    client.xdel(STREAM, *numbers)
    return counts


def _reported(usage: CallUsage) -> ReportedUsage:
    return ReportedUsage(
        source=usage.source,
        event_id=usage.event_id,
        meter=usage.meter,
        quantity=1,
        event_time=EPOCH + timedelta(microseconds=usage.time // 1000),
    )
