"""The four ways into a tenant's data, and the explicit one into the shared tables. There is no fifth.

Each is a context manager. What they enter ends with the block, in the same thread or coroutine and in everything it awaits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tenants.kernel.context import MaintenanceScope, PlatformScope, TenantScope, activate
from tenants.kernel.directory import TenantEntry, directory


class TenantSuspended(PermissionError):
    """The tenant exists and may not be served now."""


@contextmanager
def enter_for_http(entry: TenantEntry) -> Iterator[TenantScope]:
    """HTTP: the tenant of the request's host, found by `tenants.kernel.http`."""
    with activate(_served(entry)):
        yield entry.scope


@contextmanager
def enter_for_worker(tenant: str | TenantEntry) -> Iterator[TenantScope]:
    """WebSocket connections and long-running processes (projector, relay), one tenant at a time.

    A slug may read the database and raises UnknownTenant. A suspended tenant is served: its orders must still be projected.
    """
    entry = directory.find_slug(tenant) if isinstance(tenant, str) else tenant
    with activate(entry.scope):
        yield entry.scope


@contextmanager
def enter_for_task(slug: str) -> Iterator[TenantScope]:
    """Celery tasks: the tenant named by the task's own header, read by `tenants.kernel.tasks`. Raises UnknownTenant."""
    entry = directory.find_slug(slug)
    with activate(entry.scope):
        yield entry.scope


@contextmanager
def enter_for_command(slug: str) -> Iterator[TenantScope]:
    """Management commands and tests. Raises UnknownTenant."""
    entry = directory.find_slug(slug)
    with activate(entry.scope):
        yield entry.scope


@contextmanager
def platform_scope() -> Iterator[PlatformScope]:
    """The operator's shared tables and no tenant's. Always written out, never a default."""
    scope = PlatformScope()
    with activate(scope):
        yield scope


@contextmanager
def schema_maintenance() -> Iterator[None]:
    """Creating, migrating and dropping schemas: the only place where django-tenants moves a connection by itself."""
    with activate(MaintenanceScope()):
        yield


def _served(entry: TenantEntry) -> TenantScope:
    if entry.suspended:
        raise TenantSuspended(f"the tenant {entry.scope.slug!r} is suspended")
    return entry.scope
