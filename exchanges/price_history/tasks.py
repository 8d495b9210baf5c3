"""Periodic work of the price history."""

from __future__ import annotations

import logging

import redis
from celery import shared_task
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis.exceptions import RedisError

from exchanges.price_history.partitions import keep_partitions as keep
from exchanges.price_history.taking_in import take_in
from tradsys.configuration import Configuration

log = logging.getLogger("exchanges.price_history")


@shared_task(ignore_result=True)
def take_in_prices() -> int:
    """Store finished minutes and notices; returns how many. With a server away the stream keeps them for the next run."""
    configuration = Configuration.from_environment()
    with redis.Redis.from_url(configuration.redis_url, socket_timeout=5) as client:
        try:
            return take_in(client, kept_days=configuration.price_history_days)["written"]
        except (OperationalError, InterfaceError, RedisError) as error:
            log.warning("prices wait in their stream: %s", str(error).strip().partition("\n")[0])
            return 0


@shared_task(ignore_result=True)
def keep_partitions() -> int:
    """Make the days ahead, drop those that are no longer kept; returns how many changed."""
    made, dropped = keep(timezone.now().date(), kept_days=Configuration.from_environment().price_history_days)
    log.info("partitions of the price history: %d made, %d dropped", made, dropped)
    return made + dropped
