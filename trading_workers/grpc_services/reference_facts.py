"""What the database knows of exchanges and instruments beyond the platform document: names, dated rules, sources, trust marks.

Read once per revision of the platform document, since whatever changes these rows also makes a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from exchanges.dated_rules import DatedRule
from trading_workers.snapshot.held_documents import HeldDocuments
from tradsys.mesh.handlers import code
from tradsys.mesh.refusals import CallRefusal, CallRefused


class ExchangeFacts(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    name_ar: str
    country: str
    rules: tuple[DatedRule, ...]
    """The rows that act: active, and signed where they come from a data set."""
    unverified_closures: tuple[DatedRule, ...]
    """Days that may turn out to be closed; nobody has confirmed them."""


class InstrumentFacts(msgspec.Struct, frozen=True, kw_only=True):
    isin_status: str
    sector: str
    board: str
    tick_table: str
    sources: tuple[str, ...]
    note: str


class ReferenceFacts(msgspec.Struct, frozen=True, kw_only=True):
    exchanges: Mapping[str, ExchangeFacts]
    instruments: Mapping[str, InstrumentFacts]
    """By instrument key, ``EGX:COMI``."""


class CurrentFacts:
    """`read` asks the database; it raises CallRefused (DEPENDENCY_UNAVAILABLE) when that is away."""

    def __init__(self, documents: HeldDocuments, read: Callable[[], Awaitable[ReferenceFacts]], now: Callable[[], int]) -> None:
        self._documents = documents
        self._read = read
        self._now = now
        self._held: tuple[int, ReferenceFacts] | None = None
        self._reading = asyncio.Lock()

    async def get(self) -> ReferenceFacts:
        revision = self._documents.platform(self._now()).revision
        async with self._reading:
            if self._held is None or self._held[0] != revision:
                self._held = (revision, await self._read())
            return self._held[1]

    async def exchange(self, exchange: str) -> ExchangeFacts:
        """Raises CallRefused (NOT_FOUND)."""
        found = (await self.get()).exchanges.get(exchange)
        if found is None:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=code("exchange", exchange))
        return found
