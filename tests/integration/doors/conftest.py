"""A tenant with published configuration, rows in its blotter, and keys of programs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis

from tradsys.configuration import Configuration

if TYPE_CHECKING:
    from tenants.models import ApiKey, Tenant
    from tradsys.embedded.servers import EmbeddedServers


@pytest.fixture(autouse=True)
def documents_and_tokens_are_not_remembered(servers: EmbeddedServers) -> Iterator[None]:
    """The process remembers opened documents by revision; a rolled back database gives the same numbers out again."""
    from trading_workers import acting
    from trading_workers.snapshot import published
    from trading_workers.snapshot.redis_keys import CACHE_OF_DOCUMENTS
    from trading_workers.web_calls import web_calls

    def forget() -> None:
        state = published._documents(os.getpid())._state
        state.forget_all()
        state._floors.clear()
        with redis.Redis.from_url(Configuration.from_environment().redis_url) as connection:
            for key in connection.scan_iter(f"cache:{CACHE_OF_DOCUMENTS}:*", count=1000):
                connection.delete(key)
        acting._tokens.clear()
        web_calls()._check._tenants.clear()

    forget()
    yield
    forget()


@pytest.fixture
def publish_alpha(db: None) -> Callable[[], None]:
    """Loads the demonstration market, licenses alpha for EGX only, and publishes both documents as the relay does."""

    def publish_both() -> None:
        from tests.integration.doors.rows import prepare_market, publish_documents

        prepare_market("alpha")
        publish_documents("alpha")

    return publish_both


@pytest.fixture
def issue_key(db: None) -> Callable[..., tuple[ApiKey, str]]:
    """`issue_key(tenant, "alpha-trader")` → the key's row and its text."""

    def issue(tenant: Tenant, username: str, *, days: int = 1) -> tuple[ApiKey, str]:
        from django.utils import timezone

        from tenants.kernel.entry_points import platform_scope
        from tenants.models import User
        from tenants.services import issue_api_key

        with platform_scope():
            user = User.objects.get(username=username)
            expires_at = timezone.now() + timedelta(days=days)
            return issue_api_key(actor="tester", tenant=tenant, user=user, name=f"key {time.time_ns()}", expires_at=expires_at)

    return issue
