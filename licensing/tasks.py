"""Periodic work of licensing."""

from __future__ import annotations

import redis
from celery import shared_task

from licensing.metering.ingest import ingest_usage
from tradsys.configuration import Configuration


@shared_task(ignore_result=True)
def take_in_usage() -> dict[str, int]:
    """Record the calls that processes have counted; how many of each answer."""
    with redis.Redis.from_url(Configuration.from_environment().redis_url, socket_timeout=5) as client:
        return dict(ingest_usage(client))
