"""Names and commands by which the processes that share a cache meet in Redis.

``cache:<name>:entry:<scope>:<key>``  one entry (MessagePack), gone with its lifetime
``cache:<name>:token:<scope>:<key>``  random text of the key's last invalidation; entries carry the one they were made under
``cache:<name>:revisions``            hash: scope → newest announced revision
``cache:<name>:changes``              channel of `Change`

Neither names nor scopes contain a colon, so no two places share a key.
"""

from __future__ import annotations

import msgspec

from tradsys.cache.entries import Place

RAISE_REVISION = """
local held = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or '0')
if tonumber(ARGV[2]) > held then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
"""
"""A revision never falls, whoever announces it late. Numbers are doubles in Redis's Lua: exact below `LARGEST_REVISION`."""
LARGEST_REVISION = 2**53


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An announcement: everything of `scope` below `revision` no longer counts, or the one entry `key` does not."""

    scope: str
    origin: str
    """Of the process that announces."""
    revision: int = 0
    key: str | None = None


class ChangeUnreadable(ValueError):
    """What came over the channel is no announcement."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Change)


def entry_key(cache: str, place: Place) -> str:
    return f"cache:{cache}:entry:{place.scope}:{place.key}"


def token_key(cache: str, place: Place) -> str:
    return f"cache:{cache}:token:{place.scope}:{place.key}"


def revisions_key(cache: str) -> str:
    return f"cache:{cache}:revisions"


def changes_channel(cache: str) -> str:
    return f"cache:{cache}:changes"


def encode_change(change: Change) -> bytes:
    return _encoder.encode(change)


def decode_change(raw: bytes) -> Change:
    """Raises ChangeUnreadable."""
    try:
        return _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise ChangeUnreadable(str(error)) from error
