"""Periodic work on the outbox."""

from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from tradsys.outbox.services import delete_published

KEPT = timedelta(days=7)


@shared_task
def delete_old_published_messages() -> int:
    """Remove messages published more than `KEPT` ago; returns how many."""
    return delete_published(before=timezone.now() - KEPT)
