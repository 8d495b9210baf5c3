"""The registry's connection to Redis: short time limits, no retries of its own, one failure type."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

REDIS_AWAY = (RedisError, OSError, TimeoutError)
"""What a command ends with when Redis cannot be reached, is loading, refuses, or does not answer."""
NS_PER_MS = 1_000_000


def registry_client(redis_url: str, *, seconds: float) -> Any:
    """A client whose connects take at most `seconds`; its callers limit how long they wait for an answer.

    The client's own retries are off: they would hold a renewal back longer than its lease, and the callers try again anyway.
    Its ``socket_timeout`` stays unset: it goes through ``asyncio.wait_for``, which up to Python 3.11 loses a cancellation that
    comes while a command is sent, and a stopping process would wait for ever.
    """
    return redis.asyncio.Redis.from_url(
        redis_url,
        socket_connect_timeout=seconds,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )


def short(error: BaseException) -> str:
    """The first line of an error, for a log; no password is in it."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
