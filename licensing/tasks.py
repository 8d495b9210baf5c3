"""Periodic work of licensing."""

from __future__ import annotations

import redis
from celery import shared_task

from licensing.metering.ingest import ingest_usage
from tradsys.configuration import Configuration


@shared_task(ignore_result=True)
def take_in_usage() -> int:
    """Record the calls that processes have counted; returns how many events were read."""
    with redis.Redis.from_url(Configuration.from_environment().redis_url, socket_timeout=5) as client:
        return ingest_usage(client).total()
