"""What the tables know of assets, read once per revision of the platform document: whatever changes those rows makes a new one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import date

from exchanges.assets.records import AssetListing, AssetRecord
from trading_workers.snapshot.held_documents import HeldDocuments

KEPT_RECORDS = 500
"""A record may hold some hundred values; the least recently used ones are read again."""


class KnownAssets:
    """`read` and `read_listings` ask the database; they raise CallRefused (DEPENDENCY_UNAVAILABLE) when that is away."""

    def __init__(
        self,
        documents: HeldDocuments,
        read: Callable[[str, str, date], Awaitable[AssetRecord | None]],
        read_listings: Callable[[], Awaitable[Sequence[AssetListing]]],
        now: Callable[[], int],
    ) -> None:
        self._documents = documents
        self._read = read
        self._read_listings = read_listings
        self._now = now
        self._revision = -1
        self._records: OrderedDict[tuple[str, str, date], AssetRecord] = OrderedDict()
        self._listings: Sequence[AssetListing] | None = None

    async def record(self, exchange: str, symbol: str, today: date) -> AssetRecord | None:
        """The asset as it counts on `today`; None when it is not listed."""
        revision = self._forget_the_past()
        key = (exchange, symbol, today)
        held = self._records.get(key)
        if held is not None:
            self._records.move_to_end(key)
            return held
        found = await self._read(exchange, symbol, today)
        # Another revision may have come while the database was asked: what was read is then not kept for it.
        if found is not None and revision == self._revision:
            self._records[key] = found
            if len(self._records) > KEPT_RECORDS:
                self._records.popitem(last=False)
        return found

    async def listings(self) -> Sequence[AssetListing]:
        revision = self._forget_the_past()
        if self._listings is not None:
            return self._listings
        found = await self._read_listings()
        if revision == self._revision:
            self._listings = found
        return found

    def _forget_the_past(self) -> int:
        revision = self._documents.platform(self._now()).revision
        if revision != self._revision:
            self._revision = revision
            self._records.clear()
            self._listings = None
        return revision
