"""Which tenant answers on which host: a map in the process's memory, so that a request costs no statement to find its tenant.

The map is read whole and replaced whole. It is read again when it is older than `FRESH_SECONDS`, and at once (but at most once a
second) for a name it does not hold, so that a new tenant's first request works in every process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from tenants.kernel.context import PlatformScope, TenantScope, activate

FRESH_SECONDS = 5.0
MISS_SECONDS = 1.0


class UnknownTenant(LookupError):
    """No tenant has this slug."""


@dataclass(frozen=True, slots=True)
class TenantEntry:
    """What the entry points know of a tenant."""

    scope: TenantScope
    suspended: bool


@dataclass(frozen=True, slots=True)
class _Map:
    by_host: Mapping[str, TenantEntry]
    by_slug: Mapping[str, TenantEntry]
    read_at: float


def read_entries() -> tuple[dict[str, TenantEntry], dict[str, TenantEntry]]:
    """All tenants by host and by slug, straight from the shared tables."""
    from tenants.models import Domain, Tenant  # models exist only after the apps are loaded

    with activate(PlatformScope()):
        by_slug = {
            tenant.slug: TenantEntry(TenantScope(tenant.pk, tenant.slug, tenant.schema_name), suspended=tenant.is_suspended)
            for tenant in Tenant.objects.only("pk", "slug", "schema_name", "state")
        }
        hosts = Domain.objects.values_list("domain", "tenant__slug")
        # A tenant created between the two reads is missing in the first; the next read has it.
        by_host = {host.lower(): by_slug[slug] for host, slug in hosts if slug in by_slug}
    return by_host, by_slug


@dataclass(slots=True)
class TenantDirectory:
    """The process's map. `clock` gives seconds that only rise."""

    clock: Callable[[], float] = time.monotonic
    _map: _Map | None = None
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def known_host(self, host: str) -> TenantEntry | None:
        """The entry for `host` from memory if the map is fresh, else None: the caller then asks `find_host` where it may block."""
        current = self._map
        if current is None or self.clock() - current.read_at > FRESH_SECONDS:
            return None
        return current.by_host.get(host)

    def find_host(self, host: str) -> TenantEntry | None:
        """The tenant of a host name (lower case, without port), or None. May read the database."""
        return self._current(lambda entries: host in entries.by_host).by_host.get(host)

    def find_slug(self, slug: str) -> TenantEntry:
        """The tenant of a slug. May read the database. Raises UnknownTenant."""
        entry = self._current(lambda entries: slug in entries.by_slug).by_slug.get(slug)
        if entry is None:
            raise UnknownTenant(f"there is no tenant {slug!r}")
        return entry

    def forget(self) -> None:
        """Read again at the next question: a tenant or a domain has just changed in this process."""
        self._map = None

    def _current(self, holds: Callable[[_Map], bool]) -> _Map:
        current = self._map
        if current is not None and self._fresh(current, holds):
            return current
        with self._reading:
            current = self._map
            if current is None or not self._fresh(current, holds):
                by_host, by_slug = read_entries()
                current = _Map(MappingProxyType(by_host), MappingProxyType(by_slug), self.clock())
                self._map = current
            return current

    def _fresh(self, current: _Map, holds: Callable[[_Map], bool]) -> bool:
        age = self.clock() - current.read_at
        return age <= (FRESH_SECONDS if holds(current) else MISS_SECONDS)


directory = TenantDirectory()
