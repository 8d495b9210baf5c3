"""Every test run has its own PostgreSQL and Redis, started by the first test that needs them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import prepare_environment

# Before Django reads its settings: they are those of this run's own servers.
prepare_environment()
os.environ["DJANGO_SETTINGS_MODULE"] = "tradsys.settings"

from django.conf import settings  # noqa: E402

# Assigning also loads the settings, upon which pytest-django sets Django up before it collects. One round of a real hasher
# costs more than most tests.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

from tests.database import django_db_setup, tenant_a, tenant_b  # noqa: E402
from tests.servers import django_db_modify_db_settings, servers  # noqa: E402

if TYPE_CHECKING:
    from django.test import Client

    from tenants.models import Tenant

pytest_plugins = ["tests.shared_work"]

__all__ = ["django_db_modify_db_settings", "django_db_setup", "servers", "tenant_a", "tenant_b"]


@pytest.fixture(autouse=True)
def tenancy_does_not_leak() -> Iterator[None]:
    """A tenant left set, or a remembered host whose tenant was rolled back, would be lent to the next test."""
    from tenants.kernel.context import scope_or_none
    from tenants.kernel.directory import directory

    yield
    directory.forget()
    assert scope_or_none() is None, "the test ended inside a tenant's scope"


@pytest.fixture
def client_on(db: None) -> Callable[..., Client]:
    """`client_on("alpha.localhost")`: a browser on that host; with `username="alpha-trader"` it is signed in through the page."""
    from django.test import Client

    from tests.database import password_of

    def make(host: str, username: str | None = None, **options: Any) -> Client:
        client = Client(headers={"host": host}, **options)
        if username is not None:
            address = "/admin/login/" if host == "localhost" else "/sign-in/"
            answer = client.post(address, {"username": username, "password": password_of(username)})
            assert answer.status_code == 302, f"{username} could not sign in on {host}"
        return client

    return make


@pytest.fixture
def client_a(client_on: Callable[..., Client], tenant_a: Tenant) -> Client:
    """A browser on the first tenant's host, not signed in."""
    return client_on("alpha.localhost")


@pytest.fixture
def client_b(client_on: Callable[..., Client], tenant_b: Tenant) -> Client:
    """A browser on the second tenant's host, not signed in."""
    return client_on("beta.localhost")


@pytest.fixture
def operator_client(client_on: Callable[..., Client]) -> Client:
    """A browser on the operator's host, signed in as the operator."""
    return client_on("localhost", "operator")
