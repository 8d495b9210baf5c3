"""Records usage: durable, once each, with an answer per event. The activated tenant's schema only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from licensing.metering.events import (
    ItemResult,
    ItemStatus,
    Rejection,
    ReportedUsage,
    body_hash,
    exact_quantity,
    rejection_of,
)
from licensing.metering.models import UsageConflict, UsageEvent
from tenants.kernel.context import current_tenant

LARGEST_BATCH = 500


class BatchTooLarge(ValueError):
    """A batch holds at most ``LARGEST_BATCH`` events."""


def record_usage(*, events: Sequence[ReportedUsage], now: datetime | None = None) -> list[ItemResult]:
    """Record ``events`` for the activated tenant in one transaction and answer each, in order.

    Sending a batch again, whole or in part, changes nothing and gives the same answers but ``duplicate``
    for what was accepted. One bad event does not touch the others. The answers count only once the
    transaction is committed: a caller with a transaction of its own must commit before it acknowledges.

    Raises ``TenantNotSet`` outside a tenant and :class:`BatchTooLarge`.
    """
    current_tenant()
    if len(events) > LARGEST_BATCH:
        raise BatchTooLarge(f"a batch holds at most {LARGEST_BATCH} events, got {len(events)}")
    now = timezone.now() if now is None else now
    with transaction.atomic():
        return _record(events, now)


def _record(events: Sequence[ReportedUsage], now: datetime) -> list[ItemResult]:
    batch = uuid4()
    rejections = [rejection_of(event, now=now) for event in events]
    first: dict[tuple[str, str], ReportedUsage] = {}
    for event, rejection in zip(events, rejections, strict=True):
        if rejection is None:
            first.setdefault(event.key, event)
    orphans = _corrections_without_original(first)
    for key in orphans:
        del first[key]
    hashes = {key: body_hash(event) for key, event in first.items()}
    # Keys in one order, so that two batches with the same events wait for each other and never deadlock.
    rows = [_row(first[key], hashes[key], now, batch=batch) for key in sorted(first)]
    UsageEvent.objects.bulk_create(rows, ignore_conflicts=True)
    stored = _stored(first)

    results: list[ItemResult] = []
    answered: set[tuple[str, str]] = set()
    conflicts: list[UsageConflict] = []
    for event, rejection in zip(events, rejections, strict=True):
        if rejection is None and event.key in orphans:
            rejection = Rejection.CORRECTED_EVENT_UNKNOWN
        if rejection is not None:
            results.append(ItemResult(event_id=event.event_id, status=ItemStatus.REJECTED, reason=rejection))
            continue
        row = stored[event.key]
        digest = body_hash(event)
        if row.body_hash != digest:
            status = ItemStatus.CONFLICT
            conflicts.append(UsageConflict(**_fields(event, digest, now)))
        elif row.batch == batch and event.key not in answered:
            status = ItemStatus.ACCEPTED
        else:
            status = ItemStatus.DUPLICATE
        answered.add(event.key)
        results.append(ItemResult(event_id=event.event_id, status=status))
    if conflicts:
        UsageConflict.objects.bulk_create(conflicts, ignore_conflicts=True)
    return results


def _fields(event: ReportedUsage, digest: str, now: datetime) -> dict[str, object]:
    return {
        "source": event.source,
        "event_id": event.event_id,
        "meter": event.meter,
        "quantity": exact_quantity(event.quantity),
        "event_time": event.event_time,
        "recorded_at": now,
        "body_hash": digest,
        "corrects": event.corrects,
    }


def _row(event: ReportedUsage, digest: str, now: datetime, *, batch: object) -> UsageEvent:
    return UsageEvent(batch=batch, **_fields(event, digest, now))


def _by_source(keys: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for source, event_id in keys:
        grouped.setdefault(source, []).append(event_id)
    return grouped


def _stored(events: dict[tuple[str, str], ReportedUsage]) -> dict[tuple[str, str], UsageEvent]:
    return {
        (row.source, row.event_id): row
        for source, event_ids in _by_source(list(events)).items()
        for row in UsageEvent.objects.filter(source=source, event_id__in=event_ids)
    }


def _corrections_without_original(events: dict[tuple[str, str], ReportedUsage]) -> set[tuple[str, str]]:
    """Keys of corrections whose original is neither stored nor in this batch, or counts another meter."""
    wanted = [(event.source, event.corrects) for event in events.values() if event.corrects is not None]
    if not wanted:
        return set()
    meters = {
        (source, row_id): meter
        for source, event_ids in _by_source(wanted).items()
        for row_id, meter in UsageEvent.objects.filter(source=source, event_id__in=event_ids).values_list("event_id", "meter")
    }
    for key, event in events.items():
        meters.setdefault(key, event.meter)
    return {
        key
        for key, event in events.items()
        if event.corrects is not None
        and (event.corrects == event.event_id or meters.get((event.source, event.corrects)) != event.meter)
    }
