"""How well a cache works: hits and lookups of each level, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tradsys.cache.settings import NS_PER_MS

MEMORY, REDIS, FETCHER = "memory", "redis", "fetcher"
LEVELS = (MEMORY, REDIS, FETCHER)
REPORT_EVERY_NS = 1_000 * NS_PER_MS

Report = Callable[[str, str, int, int], None]
"""``report(cache, level, hits, lookups)``, totals since the process started; ``METRICS.cache_level`` is one."""


@dataclass(slots=True)
class LevelFigures:
    """A lookup that found an entry, "there is none" included, is a hit. For the fetcher, one that brought a value."""

    hits: int = 0
    lookups: int = 0

    @property
    def ratio(self) -> float:
        """0 … 1; 0 before the first lookup."""
        return self.hits / self.lookups if self.lookups else 0.0


@dataclass(slots=True)
class CacheFigures:
    levels: dict[str, LevelFigures] = field(default_factory=lambda: {level: LevelFigures() for level in LEVELS})
    redis_errors: int = 0
    """Commands that Redis did not carry out."""
    unreadable: int = 0
    """Values in Redis that were garbage or of another version."""
    failed_fetches: int = 0
    stale_fetches: int = 0
    """Fetches that brought an older revision than the announced one."""

    def count(self, level: str, *, hit: bool) -> None:
        figures = self.levels[level]
        figures.lookups += 1
        figures.hits += hit
