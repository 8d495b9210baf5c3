"""What a cache is told when it is made: its name, sizes and lifetimes, and how its values travel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

NS_PER_MS = 1_000_000
PLATFORM_SCOPE = "_platform"
"""Scope of what belongs to no tenant; said in full, never a default."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SCOPE = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_KEY = 256


class CacheMisused(ValueError):
    """A cache was made or asked in a way that cannot be right; the text says what is expected."""


class ValueUnreadable(ValueError):
    """A codec was given bytes that are no value of its cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """Raises CacheMisused for what contradicts itself. Lifetimes in milliseconds."""

    name: str
    """Part of every key in Redis, ``cache:<name>:…``, and of the metrics."""
    format: int
    """Raised when the values' layout changes: a process of another version then misses instead of misreading."""
    memory_entries: int = 1_000
    """The least recently used entry goes when one more comes."""
    memory_ttl_ms: int = 5_000
    """How long an entry is served from memory; also the longest time an announcement can go unheard while Redis is away."""
    redis_ttl_ms: int = 60_000
    absent_ttl_ms: int = 1_000
    """How long "there is none" is remembered, on both levels."""
    jitter_percent: int = 0
    """Lifetimes are shortened by up to this part at random, so that entries made together do not end together."""
    redis_rest_ms: int = 1_000
    """After an error Redis is not asked for so long: a server that hangs would delay every call."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise CacheMisused(f"{self.name!r} cannot name a cache: small letters, digits and hyphens, 40 at most")
        if min(self.memory_entries, self.memory_ttl_ms, self.redis_ttl_ms, self.absent_ttl_ms) < 1:
            raise CacheMisused(f"{self.name}: sizes and lifetimes are at least 1")
        if not 0 <= self.jitter_percent <= 90:
            raise CacheMisused(f"{self.name}: jitter_percent is 0 to 90, not {self.jitter_percent}")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How values of one cache become bytes and come back. `decode` raises ValueUnreadable, never anything else."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]

    @classmethod
    def of(cls, kind: type[T]) -> Codec[T]:
        """MessagePack of a type that msgspec knows, validated when it is read."""
        encoder, decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(kind)

        def decode(raw: bytes) -> T:
            try:
                return decoder.decode(raw)
            except msgspec.MsgspecError as error:
                raise ValueUnreadable(str(error)) from error

        return cls(encoder.encode, decode)


def checked_scope(scope: str) -> str:
    """`scope` itself. Raises CacheMisused for anything that names no tenant: a key without one would be everybody's."""
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        raise CacheMisused(
            f"{scope!r} is no scope: name the tenant (letters, digits, _ and -), or PLATFORM_SCOPE for what belongs to none"
        )
    return scope


def checked_key(key: str) -> str:
    """`key` itself. Raises CacheMisused for an empty or a very long one."""
    if not isinstance(key, str) or not 1 <= len(key) <= LONGEST_KEY:
        raise CacheMisused(f"a cache key has 1 to {LONGEST_KEY} characters")
    return key
