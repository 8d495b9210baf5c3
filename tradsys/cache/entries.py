"""Entries of a cache: what a fetcher brings, what memory holds, and what lies in Redis. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import msgspec

from tradsys.cache.settings import CacheSettings, Codec, ValueUnreadable

T = TypeVar("T")

LAYOUT = 1
"""Of `_Stored` itself; the values' own layout is the cache's `format`."""


class Place(NamedTuple):
    """Where an entry belongs. Two tenants' entries of one key have two places."""

    scope: str
    key: str


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T]):
    """What a fetcher answers: a value, or None for "there is none", and the revision of the data it was made from.

    A scope whose revisions are announced needs them here; elsewhere 0 is right.
    """

    value: T | None
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """An entry as a process holds it. `expires_at` in ns UTC."""

    value: T | None
    revision: int
    expires_at: int


class EntryUnreadable(ValueError):
    """What lies in Redis is no entry of this cache, this place or this version; it counts as a miss."""


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    layout: int
    format: int
    scope: str
    key: str
    revision: int
    token: str
    expires_at: int
    absent: bool
    value: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Stored)


def encode_entry(held: Held[T], place: Place, token: str, settings: CacheSettings, codec: Codec[T]) -> bytes:
    """Bytes for Redis. `token` is that of the key's last invalidation, read before the value was fetched."""
    absent = held.value is None
    value = b"" if held.value is None else codec.encode(held.value)
    return _encoder.encode(
        _Stored(LAYOUT, settings.format, place.scope, place.key, held.revision, token, held.expires_at, absent, value)
    )


def decode_entry(raw: bytes, place: Place, token: str, settings: CacheSettings, codec: Codec[T]) -> Held[T] | None:
    """The entry, or None for one made before the key's last invalidation. Raises EntryUnreadable."""
    try:
        stored = _decoder.decode(raw)
    except msgspec.MsgspecError as error:
        raise EntryUnreadable(str(error)) from error
    if (stored.layout, stored.format) != (LAYOUT, settings.format):
        raise EntryUnreadable(f"written by another version ({stored.layout}, {stored.format})")
    if (stored.scope, stored.key) != place:
        raise EntryUnreadable("it belongs to another key")
    if stored.token != token:
        return None
    try:
        value = None if stored.absent else codec.decode(stored.value)
    except ValueUnreadable as error:
        raise EntryUnreadable(str(error)) from error
    return Held(value, stored.revision, stored.expires_at)
