"""Writing to the outbox, and closing what was published."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from tradsys.outbox.models import OutboxMessage


class OutsideTransaction(RuntimeError):
    """An outbox row written by itself could be published although the change it speaks of was never committed, or the reverse."""


def enqueue(*, topic: str, key: str = "") -> OutboxMessage:
    """Write that `key` of `topic` changed (topics in use: `tenant-config` with a tenant's slug, `platform-config`).

    The relay is notified when the surrounding transaction commits. Raises OutsideTransaction when there is none.
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction(f"the change of {topic} {key!r} must be enqueued in the transaction that makes it")
    return OutboxMessage.objects.create(topic=topic, key=key)


def mark_published(*, messages: Collection[OutboxMessage], now: datetime) -> None:
    """Close claimed messages, in the transaction that claimed them."""
    OutboxMessage.objects.filter(pk__in=[message.pk for message in messages]).update(published_at=now)


def delete_published(*, before: datetime) -> int:
    """Remove messages published before `before`; returns how many."""
    deleted, _ = OutboxMessage.objects.filter(published_at__lt=before).delete()
    return deleted
