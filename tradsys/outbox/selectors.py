"""Reading the outbox."""

from __future__ import annotations

from django.db import transaction

from tradsys.outbox.models import OutboxMessage
from tradsys.outbox.services import OutsideTransaction


def claim_waiting(*, limit: int) -> list[OutboxMessage]:
    """At most `limit` unpublished messages, oldest first, locked until the surrounding transaction ends.

    Two relays never get the same message. Rows appear in the order of commits, so a lower number may come after a higher
    one. Raises OutsideTransaction when there is no transaction to hold the locks.
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction("messages are claimed inside a transaction, or nothing keeps them claimed")
    waiting = OutboxMessage.objects.filter(published_at=None).order_by("pk")
    return list(waiting.select_for_update(skip_locked=True)[:limit])


def waiting_count() -> int:
    """How many messages the relay has not published yet."""
    return OutboxMessage.objects.filter(published_at=None).count()
