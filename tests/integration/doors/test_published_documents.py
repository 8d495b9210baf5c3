"""The web's copies of the published documents: no query while nothing changes, the newest at once when something does."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tenants.kernel.entry_points import platform_scope
from tenants.models import Tenant
from tests.integration.doors.rows import publish_licence
from trading_workers.models import PublishedSnapshot
from trading_workers.snapshot import published
from trading_workers.snapshot.documents import TenantDocument
from trading_workers.snapshot.published import NothingPublished, tenant_document
from trading_workers.snapshot.redis_keys import CACHE_OF_DOCUMENTS
from trading_workers.snapshot.relay import Relay
from trading_workers.snapshot.signing import open_signed
from tradsys.cache.entries import Place
from tradsys.cache.redis_names import entry_key, revisions_key
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import load_signing_key, load_verification_key

pytestmark = pytest.mark.django_db


def forget_memory() -> None:
    published._documents(os.getpid()).forget_memory()


def queries(read: Callable[[], object]) -> int:
    with platform_scope(), CaptureQueriesContext(connection) as captured:
        read()
    return len(captured)


def read_alpha() -> TenantDocument:
    with platform_scope():
        return tenant_document("alpha")


def test_a_document_is_read_once_and_again_after_the_next_revision(tenant_a: Tenant) -> None:
    publish_licence("alpha")
    assert [queries(read_alpha) for _ in range(3)] == [1, 0, 0]
    before = read_alpha().revision
    publish_licence("alpha", status="suspended")
    document = read_alpha()
    assert document.revision == before + 1
    assert document.licence is not None
    assert document.licence.status == "suspended"
    forget_memory()
    assert queries(read_alpha) == 0, "found in Redis"


def test_what_lies_in_redis_counts_only_with_the_relays_signature(tenant_a: Tenant) -> None:
    publish_licence("alpha")
    revision = read_alpha().revision
    client = redis.Redis.from_url(Configuration.from_environment().redis_url)
    key = entry_key(CACHE_OF_DOCUMENTS, Place("alpha", "document"))
    raw = client.get(key)
    assert isinstance(raw, bytes)
    assert b"active" in raw
    client.set(key, raw.replace(b"active", b"ACTIVE"))
    forget_memory()
    assert queries(lambda: tenant_document("alpha")) == 1
    assert read_alpha().revision == revision


def test_a_revision_that_is_announced_and_not_in_the_database_gives_nothing_rather_than_the_one_before(tenant_a: Tenant) -> None:
    publish_licence("alpha")
    published.announce("alpha", read_alpha().revision + 1)
    with pytest.raises(NothingPublished, match="newer revision"):
        read_alpha()


def test_a_tenant_without_a_document_has_none(tenant_a: Tenant, tenant_b: Tenant) -> None:
    publish_licence("alpha")
    with platform_scope(), pytest.raises(NothingPublished, match="is the relay running"):
        tenant_document("beta")


def test_the_relay_announces_with_the_publication(tenant_a: Tenant) -> None:
    publish_licence("alpha")
    read_alpha()
    configuration = Configuration.from_environment()
    with platform_scope():
        raw = PublishedSnapshot.objects.filter(name="alpha").order_by("-revision").values_list("signed_document", flat=True)[0]
    signed, _document = open_signed(raw, load_verification_key(configuration.snapshot_verification_key))
    relay = Relay(
        key=load_signing_key(configuration.snapshot_signing_key),
        redis_url=configuration.redis_url,
        database_url=configuration.database_url,
        stop=threading.Event(),
    )
    client = redis.Redis.from_url(configuration.redis_url)
    client.delete(revisions_key(CACHE_OF_DOCUMENTS))
    client.hdel("tradsys:snapshot-revisions", "alpha")
    relay._hold({"alpha": signed})
    relay._refresh_redis()
    assert client.hget(revisions_key(CACHE_OF_DOCUMENTS), "alpha") == str(signed.revision).encode()
    client.delete("tradsys:snapshot:alpha")
    client.hdel("tradsys:snapshot-revisions", "alpha")


def test_another_processs_announcement_is_heard(tenant_a: Tenant) -> None:
    publish_licence("alpha")
    revision = read_alpha().revision
    client = redis.Redis.from_url(Configuration.from_environment().redis_url)
    told = f'{{"scope": "alpha", "origin": "relay", "revision": {revision + 1}}}'
    deadline = time.monotonic() + 5
    while published._documents(os.getpid())._state.from_memory(Place("alpha", "document")) is not None:
        assert time.monotonic() < deadline
        client.publish(f"cache:{CACHE_OF_DOCUMENTS}:changes", told)
        time.sleep(0.01)
