"""The documents that a process holds, for services that answer from them, and word of their changes for open streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from trading_workers.snapshot.documents import PLATFORM, PlatformDocument, TenantDocument
from trading_workers.snapshot.signing import AnyDocument, name_of
from tradsys.mesh.refusals import CallRefusal, CallRefused

D = TypeVar("D", PlatformDocument, TenantDocument)


class HeldDocuments:
    """`apply` takes what a `SnapshotLoader` brings. All on one event loop."""

    def __init__(self) -> None:
        self._platform: PlatformDocument | None = None
        self._tenants: dict[str, TenantDocument] = {}
        self._watchers: dict[str, set[asyncio.Event]] = {}

    def apply(self, document: AnyDocument) -> None:
        if isinstance(document, PlatformDocument):
            self._platform = document
        else:
            self._tenants[document.tenant] = document
        for event in self._watchers.get(name_of(document), ()):
            event.set()

    @property
    def tenants(self) -> frozenset[str]:
        return frozenset(self._tenants)

    def platform(self, now: int) -> PlatformDocument:
        """As it holds at `now` (ns UTC). Raises CallRefused (CONFIGURATION_MISSING, CONFIGURATION_STALE)."""
        return _in_force(self._platform, PLATFORM, now)

    def tenant(self, slug: str, now: int) -> TenantDocument:
        """See `platform`."""
        return _in_force(self._tenants.get(slug), slug, now)

    def newest_of_tenant(self, slug: str) -> TenantDocument | None:
        """Also when its lease has ended: for those who tell exactly that."""
        return self._tenants.get(slug)

    @contextmanager
    def watching(self, name: str) -> Iterator[asyncio.Event]:
        """An event that is set at each newer document of this name (a tenant's slug, or ``PLATFORM``)."""
        event = asyncio.Event()
        self._watchers.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._watchers[name].discard(event)
            if not self._watchers[name]:
                del self._watchers[name]


def _in_force(document: D | None, name: str, now: int) -> D:
    if document is None:
        raise CallRefused(CallRefusal.CONFIGURATION_MISSING, document=name)
    if now >= document.lease_until:
        raise CallRefused(CallRefusal.CONFIGURATION_STALE, document=name, revision=str(document.revision))
    return document
