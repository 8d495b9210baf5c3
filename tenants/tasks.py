"""Periodic work of the platform on shared tables."""

from celery import shared_task
from django.contrib.sessions.models import Session
from django.utils import timezone


@shared_task
def delete_expired_sessions() -> int:
    """Remove sessions that have expired; returns how many."""
    deleted, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return deleted
