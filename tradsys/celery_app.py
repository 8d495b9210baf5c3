"""Celery: background and periodic jobs. Every task carries whose data it may touch, and does not run without that."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")

from tenants.kernel.tasks import PLATFORM, SCOPE_HEADER
from tradsys import celery_telemetry  # noqa: F401  (answers Celery's signals)
from tradsys.configuration import Configuration

_REDIS = Configuration.from_environment().redis_url
_PLATFORM = {"headers": {SCOPE_HEADER: PLATFORM}}

app = Celery("tradsys", task_cls="tenants.kernel.tasks:ScopedTask", broker=_REDIS, backend=_REDIS)
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    timezone="UTC",
    # A job that was cut off by a restart runs again.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    result_expires=24 * 60 * 60,
    broker_connection_retry_on_startup=True,
    beat_schedule={
        "take in usage": {
            "task": "licensing.tasks.take_in_usage",
            "schedule": 2.0,
            # A run that could not start in time is not worth having: the next one reads the same stream.
            "options": {**_PLATFORM, "expires": 10},
        },
        "take in prices": {
            "task": "exchanges.price_history.tasks.take_in_prices",
            "schedule": 5.0,
            "options": {**_PLATFORM, "expires": 10},
        },
        "keep partitions of the price history": {
            "task": "exchanges.price_history.tasks.keep_partitions",
            "schedule": crontab(minute="7"),
            "options": _PLATFORM,
        },
        "delete expired sessions": {
            "task": "tenants.tasks.delete_expired_sessions",
            "schedule": crontab(minute="17", hour="3"),
            "options": _PLATFORM,
        },
        "delete old published outbox messages": {
            "task": "tradsys.outbox.tasks.delete_old_published_messages",
            "schedule": crontab(minute="37"),
            "options": _PLATFORM,
        },
    },
)
app.autodiscover_tasks()
