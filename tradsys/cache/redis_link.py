"""How both caches talk to Redis: timeouts, faults, and the commands of one look-up and of one invalidation."""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

from redis.exceptions import RedisError, ResponseError

from tradsys.cache.entries import Place
from tradsys.cache.redis_names import RAISE_REVISION, Change, changes_channel, encode_change, entry_key, revisions_key, token_key

REDIS_SECONDS = 0.25
"""How long a command may take; behind Redis there is another level."""
LISTEN_SECONDS = 1.0
"""A listener that hears nothing for so long asks whether the connection lives."""
FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 2.0
"""Between attempts to listen again."""
FAULTS = (RedisError, OSError, TimeoutError)


class Answer(NamedTuple):
    """One look-up as Redis answered it."""

    raw: object
    token: str
    revision: object


def queue_look_up(pipeline: Any, cache: str, place: Place) -> None:
    """Entry, token and revision in one round trip; the pipeline of either client."""
    pipeline.get(entry_key(cache, place))
    pipeline.get(token_key(cache, place))
    pipeline.hget(revisions_key(cache), place.scope)


def look_up_answer(replies: list[Any]) -> Answer:
    """Of the replies to `queue_look_up`. Raises the RedisError among them, but for a foreign thing under the entry's key."""
    raw, token, revision = replies
    for each in (token, revision):
        if isinstance(each, RedisError):
            raise each
    if isinstance(raw, RedisError) and not isinstance(raw, ResponseError):
        raise raw
    return Answer(raw, "" if token is None else token.decode(errors="replace"), revision)


def queue_revision(pipeline: Any, cache: str, change: Change) -> None:
    """The newest revision of a scope, which never falls, and its announcement. Also for a publisher that holds no cache itself."""
    channel, told = changes_channel(cache), encode_change(change)
    pipeline.eval(RAISE_REVISION, 1, revisions_key(cache), change.scope, change.revision, channel, told)


def queue_invalidation(pipeline: Any, cache: str, change: Change, lifetime_ms: int) -> None:
    """The key's new token, no entry, and the announcement: all of it or nothing, in a transaction."""
    assert change.key is not None
    place = Place(change.scope, change.key)
    # A new one each time, also for a change that is told twice: an entry made under an old token never counts again.
    pipeline.set(token_key(cache, place), secrets.token_hex(8), px=lifetime_ms)
    pipeline.delete(entry_key(cache, place))
    pipeline.publish(changes_channel(cache), encode_change(change))
