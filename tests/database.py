"""The database of a test run: migrated once, with two tenants and their people, and copied aside.

A test marked `django_db` runs in a transaction that is rolled back. One marked `django_db(transaction=True)` commits for real, also
from other threads and processes, and leaves the database to be made anew from the copy (Django's own `flush` would empty one
schema, and fail on tables that refuse to be emptied).

Tenants: `alpha` on alpha.localhost, `beta` on beta.localhost. People: `<tenant>-administrator`, `<tenant>-trader`,
`<tenant>-viewer`, `operator`, and `both-trader`, who is a trader in both; each one's password is `<username>-secret`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from tradsys.configuration import Configuration

if TYPE_CHECKING:
    from tenants.models import Tenant
    from tradsys.embedded.servers import EmbeddedServers

PREPARED = "tradsys_prepared"
TENANTS = {"alpha": "EG", "beta": "AE"}
ACTOR = "test-setup"


def password_of(username: str) -> str:
    return f"{username}-secret"


@pytest.fixture(scope="session")
def django_db_setup(servers: EmbeddedServers, django_db_modify_db_settings: None, django_db_blocker: Any) -> None:
    """In place of pytest-django's: the run has a server of its own, so the processes it starts find the same database."""
    from django.core.management import call_command
    from django.test import TransactionTestCase

    with django_db_blocker.unblock():
        call_command("migrate_schemas", verbosity=0, interactive=False)
        _create_people_and_tenants()
        _leave_database()
    _copy_database(source=_name(), target=PREPARED)
    TransactionTestCase._fixture_teardown = _restore_after_commit  # type: ignore[method-assign]


def _create_people_and_tenants() -> None:
    from tenants.kernel.entry_points import platform_scope
    from tenants.roles import Role
    from tenants.services import create_tenant, create_user, set_membership

    with platform_scope():
        create_user(actor=ACTOR, username="operator", password=password_of("operator"), is_operator=True)
        both = create_user(actor=ACTOR, username="both-trader", password=password_of("both-trader"))
        for slug, country in TENANTS.items():
            tenant = create_tenant(actor=ACTOR, slug=slug, name=slug.capitalize(), country=country, domain=f"{slug}.localhost")
            for role in Role:
                username = f"{slug}-{role}"
                user = create_user(actor=ACTOR, username=username, password=password_of(username))
                set_membership(actor=ACTOR, tenant=tenant, user=user, role=role)
            set_membership(actor=ACTOR, tenant=tenant, user=both, role=Role.TRADER)


def _restore_after_commit(case: object) -> None:
    from tenants.kernel.directory import directory

    _leave_database()
    _copy_database(source=PREPARED, target=_name())
    directory.forget()


def _leave_database() -> None:
    from asgiref.sync import SyncToAsync
    from django.db import connections

    connections.close_all()
    # The thread that `sync_to_async` shares between tests keeps a connection of its own.
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()
    connections["default"].close_pool()


def _copy_database(*, source: str, target: str) -> None:
    """Make `target` a copy of `source`; whoever is connected to either is disconnected. About 0.1 s."""
    address = psycopg.conninfo.make_conninfo(Configuration.from_environment().database_url, dbname="postgres")
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(target)))
        connection.execute(
            # Not the server's own: a cleaner that happens to be there belongs to another role, and gives way by itself.
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'",
            [source],
        )
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(copy.format(sql.Identifier(target), sql.Identifier(source)))


def _name() -> str:
    return psycopg.conninfo.conninfo_to_dict(Configuration.from_environment().database_url)["dbname"]


def _tenant(slug: str) -> Tenant:
    from tenants.kernel.entry_points import platform_scope
    from tenants.models import Tenant

    with platform_scope():
        return Tenant.objects.get(slug=slug)


@pytest.fixture
def tenant_a(db: None) -> Tenant:
    """`alpha`, on alpha.localhost. Its data: `with enter_for_command(tenant_a.slug): …`."""
    return _tenant("alpha")


@pytest.fixture
def tenant_b(db: None) -> Tenant:
    """`beta`, on beta.localhost."""
    return _tenant("beta")
