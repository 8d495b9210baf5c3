"""Whose data the running code may touch: one context variable, and nothing else, says so.

A context variable follows threads started through `sync_to_async`, tasks and coroutines without being shared between them; a
database connection does not, so the connection compares itself with this variable each time it hands out a cursor.
No Django here: the database backend is loaded before the apps are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

PUBLIC_SCHEMA = "public"
# Search path of a connection before any scope was sent. The schema is created empty and stays empty.
EMPTY_SCHEMA = "no_tenant"


class TenantNotSet(RuntimeError):
    """Data was asked for outside every scope, or tenant data inside the platform's."""


class SchemaSwitchRefused(RuntimeError):
    """Code tried to move a connection to a schema by itself instead of entering through one of the four entry points."""


@dataclass(frozen=True, slots=True)
class TenantScope:
    """One tenant's own schema, with the shared tables behind it."""

    tenant_id: int
    slug: str
    schema_name: str

    @property
    def search_path(self) -> tuple[str, ...]:
        return (self.schema_name, PUBLIC_SCHEMA)


@dataclass(frozen=True, slots=True)
class PlatformScope:
    """Operator's work on the shared tables only."""

    @property
    def schema_name(self) -> str:
        return PUBLIC_SCHEMA

    @property
    def search_path(self) -> tuple[str, ...]:
        return (PUBLIC_SCHEMA,)


@dataclass(frozen=True, slots=True)
class MaintenanceScope:
    """Creation and migration of schemas: django-tenants moves from schema to schema by itself, only here."""

    schema_name: str = PUBLIC_SCHEMA
    include_public: bool = True

    @property
    def search_path(self) -> tuple[str, ...]:
        if self.include_public and self.schema_name != PUBLIC_SCHEMA:
            return (self.schema_name, PUBLIC_SCHEMA)
        return (self.schema_name,)


Scope = TenantScope | PlatformScope | MaintenanceScope

_scope: ContextVar[Scope | None] = ContextVar("tradsys_scope", default=None)


def scope_or_none() -> Scope | None:
    """The scope of the running code, or None where none was entered. For reports and log lines; decisions use `current_scope`."""
    return _scope.get()


def current_scope() -> Scope:
    """The scope of the running code; raises TenantNotSet where none was entered."""
    scope = _scope.get()
    if scope is None:
        raise TenantNotSet(
            "no tenant is set: enter through HTTP, a worker, a task or a command (tenants.kernel.entry_points), "
            "or say platform_scope() for shared data"
        )
    return scope


def current_tenant() -> TenantScope:
    """The tenant whose data the running code may touch; raises TenantNotSet outside every tenant, the platform's scope included."""
    scope = current_scope()
    if not isinstance(scope, TenantScope):
        raise TenantNotSet(f"no tenant is set: this is the {type(scope).__name__}")
    return scope


@contextmanager
def activate(scope: Scope) -> Iterator[Scope]:
    """Enter `scope` for the block and return to the one before. Only the entry points may call this."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def move_within_maintenance(schema_name: str, *, include_public: bool) -> None:
    """Follow django-tenants to another schema; raises SchemaSwitchRefused unless maintenance was entered."""
    scope = _scope.get()
    if not isinstance(scope, MaintenanceScope):
        raise SchemaSwitchRefused(
            f"a connection was asked to switch to the schema {schema_name!r} outside schema maintenance; "
            "use the entry points of tenants.kernel.entry_points"
        )
    _scope.set(MaintenanceScope(schema_name, include_public))
