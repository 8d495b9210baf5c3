"""The first level: a bounded map in the process, least recently used out first. Pure; the caller brings the time."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from tradsys.cache.entries import Held, Place

T = TypeVar("T")


class MemoryLevel(Generic[T]):
    """Holds at most `limit` entries."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: OrderedDict[Place, Held[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, place: Place, *, now: int, floor: int) -> Held[T] | None:
        """The entry, unless it has expired at `now` (ns UTC) or was made from a revision below `floor`."""
        held = self._held.get(place)
        if held is None:
            return None
        if now >= held.expires_at or held.revision < floor:
            del self._held[place]
            return None
        self._held.move_to_end(place)
        return held

    def put(self, place: Place, held: Held[T]) -> None:
        self._held[place] = held
        self._held.move_to_end(place)
        if len(self._held) > self._limit:
            self._held.popitem(last=False)

    def drop(self, place: Place) -> None:
        self._held.pop(place, None)

    def clear(self) -> None:
        self._held.clear()
