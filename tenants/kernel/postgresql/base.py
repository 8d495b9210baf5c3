"""Database backend whose connections obey the context variable of `tenants.kernel.context`.

Every cursor is handed out on the search path of the current scope, and none without a scope. `SET search_path` is sent only
when the path differs from what this physical connection was last told, and again after whatever makes the server forget it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as postgresql
from django_tenants.postgresql_backend.introspection import DatabaseSchemaIntrospection
from psycopg.pq import TransactionStatus

from tenants.kernel.context import EMPTY_SCHEMA, MaintenanceScope, current_scope, move_within_maintenance, scope_or_none


class DatabaseWrapper(postgresql.DatabaseWrapper):
    introspection_class = DatabaseSchemaIntrospection

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._sent_search_path: tuple[str, ...] | None = None
        super().__init__(*args, **kwargs)

    # The path of a cursor

    def _cursor(self, name: str | None = None) -> Any:
        # Wrappers without a database (creating the test database) reach no tenant's data.
        if self.alias == NO_DB_ALIAS:
            return super()._cursor(name)
        search_path = current_scope().search_path
        self.ensure_connection()
        # The SET goes through a cursor of its own: a named (server-side) cursor carries one statement only.
        self._send_search_path(search_path)
        return super()._cursor(name)

    def _send_search_path(self, search_path: tuple[str, ...]) -> None:
        if self._sent_search_path == search_path:
            return
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            # PostgreSQL now accepts nothing but a rollback, which reads no table; the rollback makes us forget the path.
            return
        names = psycopg.sql.SQL(", ").join(map(psycopg.sql.Identifier, search_path))
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute(psycopg.sql.SQL("SET search_path TO {}").format(names))
        self._sent_search_path = search_path

    # What reads no table and is asked outside every scope too

    @cached_property
    def pg_version(self) -> int:
        opened_here = self.connection is None
        self.ensure_connection()
        try:
            return int(self.connection.info.server_version)
        finally:
            if opened_here:
                self.close()

    def check_constraints(self, table_names: Any = None) -> None:
        with self.wrap_database_errors, self.connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")

    # What makes the server forget it: SET belongs to the transaction that sent it

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._sent_search_path = None

    def _savepoint_rollback(self, sid: str) -> None:
        try:
            super()._savepoint_rollback(sid)
        finally:
            self._sent_search_path = None

    def _commit(self) -> None:
        # COMMIT of a transaction that failed is a rollback to the server, which reports no error for it.
        failed = self.connection is not None and self.connection.info.transaction_status == TransactionStatus.INERROR
        try:
            super()._commit()
        except BaseException:
            self._sent_search_path = None
            raise
        if failed:
            self._sent_search_path = None

    def connect(self) -> None:
        # A new connection has no path yet, a pooled one that of whoever had it before.
        self._sent_search_path = None
        super().connect()

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        if "search_path" in parameters.get("options", ""):
            raise ImproperlyConfigured("DATABASES: OPTIONS['options'] must leave search_path to the tenancy kernel")
        parameters["options"] = f"{parameters.get('options', '')} -c search_path={EMPTY_SCHEMA}".strip()
        return parameters

    # What django-tenants calls while it creates and migrates schemas

    @property
    def schema_name(self) -> str | None:
        scope = scope_or_none()
        return None if scope is None else scope.schema_name

    @property
    def tenant(self) -> object | None:
        return scope_or_none()

    @property
    def include_public_schema(self) -> bool:
        scope = scope_or_none()
        return scope.include_public if isinstance(scope, MaintenanceScope) else True

    def set_schema(self, schema_name: str, include_public: bool = True, tenant_type: str | None = None) -> None:
        move_within_maintenance(schema_name, include_public=include_public)

    def set_tenant(self, tenant: Any, include_public: bool = True) -> None:
        move_within_maintenance(tenant.schema_name, include_public=include_public)

    def set_schema_to_public(self) -> None:
        move_within_maintenance("public", include_public=True)
