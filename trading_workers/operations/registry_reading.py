"""One reading of the registry and of the newest published revisions, straight from Redis: the page shows what is there now."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from trading_workers.snapshot.redis_keys import REVISIONS
from tradsys.mesh.registry.instance import Instance, InstanceRefused, decode_instance
from tradsys.mesh.registry.keys import RegistryKeys

log = logging.getLogger("trading_workers.operations")

REDIS_SECONDS = 0.5
MOST_INSTANCES = 500
REDIS_AWAY = (redis.RedisError, OSError)


@dataclass(frozen=True, slots=True)
class Reading:
    """What Redis held at `read_at` (ns UTC)."""

    read_at: int
    instances: tuple[Instance, ...]
    published: Mapping[str, int]
    """Configuration document → newest published revision."""
    unreadable: tuple[str, ...]
    """Names in the index whose documents are no instances."""


def registry_client(redis_url: str) -> Any:
    """A client that gives up soon: somebody waits for the page."""
    return redis.Redis.from_url(
        redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS, retry=Retry(NoBackoff(), 1)
    )


def read_registry(client: Any, keys: RegistryKeys, *, now: int) -> Reading:
    """Two round trips. Raises what is in `REDIS_AWAY`."""
    names = [name.decode(errors="replace") for name in client.zrange(keys.index, 0, MOST_INSTANCES - 1)]
    pipeline = client.pipeline(transaction=False)
    pipeline.hgetall(REVISIONS)
    for name in names:
        pipeline.get(keys.instance(name))
    revisions, *documents = pipeline.execute()
    found, unreadable = [], []
    for name, raw in zip(names, documents, strict=True):
        if raw is None:
            continue  # its lease has ended; the index is cleared by whoever registers next
        try:
            found.append(decode_instance(raw))
        except InstanceRefused as error:
            log.warning("the registry's document %s is no instance: %s", name, error)
            unreadable.append(name)
    published = {name.decode(errors="replace"): int(text) for name, text in revisions.items() if text.isdigit()}
    return Reading(now, tuple(found), published, tuple(unreadable))
