"""The relay: turns outbox rows into published documents, and keeps Redis and the leases fresh.

One process, blocking. PostgreSQL away: nothing changes, workers go on with what they hold. Redis away: documents are stored, and
Redis gets them when it is back, or after it lost them.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from datetime import UTC, datetime

import psycopg
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import Error as DatabaseError
from django.db import close_old_connections, transaction
from redis.exceptions import RedisError

from exchanges.dated_rules import RuleError
from tenants.kernel.directory import UnknownTenant
from tenants.kernel.entry_points import platform_scope
from tenants.models import Tenant
from trading_workers.snapshot import compile as compiler
from trading_workers.snapshot.documents import PLATFORM, SignedDocument
from trading_workers.snapshot.publication import publish
from trading_workers.snapshot.redis_keys import CACHE_OF_DOCUMENTS, CHANNEL, REVISIONS, document_key
from trading_workers.snapshot.signing import AnyDocument, encode_signed
from tradsys.cache.redis_link import queue_revision
from tradsys.cache.redis_names import Change
from tradsys.outbox.models import CHANNEL as OUTBOX_CHANNEL
from tradsys.outbox.selectors import claim_waiting
from tradsys.outbox.services import mark_published

log = logging.getLogger("trading_workers.relay")

NS = 1_000_000_000
LEASE_NS = 24 * 3600 * NS
POLL_SECONDS = 0.1
REDIS_CHECK_SECONDS = 1.0
RETRY_NS = 5 * NS
LONGEST_WAIT_SECONDS = 5.0
CLAIMED_AT_ONCE = 1000

TENANT_CONFIG = "tenant-config"
PLATFORM_CONFIG = "platform-config"


class Relay:
    """`run` until `stop` is set. `database_url` serves the notifications only; all else goes through Django's connection."""

    def __init__(self, *, key: Ed25519PrivateKey, redis_url: str, database_url: str, stop: threading.Event) -> None:
        self._key = key
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._database_url = database_url
        self._stop = stop
        self._listener: psycopg.Connection | None = None
        self._published: dict[str, SignedDocument] = {}
        self._due: dict[str, tuple[int, int]] = {}
        """When a document is compiled again (ns UTC), and the commit time of the change that waits for it, 0 for a mere renewal."""
        self._redis_is_current = False

    def run(self) -> None:
        wait = POLL_SECONDS
        started = False
        next_check = 0.0
        while not self._stop.is_set():
            try:
                if not started:
                    self._publish_all()
                    started = True
                    print("relay is ready", flush=True)
                self._publish_changes()
                self._publish_due()
                wait = POLL_SECONDS
            except (DatabaseError, psycopg.Error, OSError) as error:
                log.warning("PostgreSQL is away: %s; trying again in %.1f s", _short(error), wait)
                self._drop_listener()
                close_old_connections()
                self._stop.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            if not self._redis_is_current or time.monotonic() >= next_check:
                self._refresh_redis()
                next_check = time.monotonic() + REDIS_CHECK_SECONDS
            self._wait_for_notification()
        self._drop_listener()

    def _publish_all(self) -> None:
        now = time.time_ns()
        for name in [PLATFORM, *compiler.tenant_slugs()]:
            self._publish(name, committed_at=now)

    def _publish_changes(self) -> None:
        """Claimed rows, their documents and the closing of the rows are one transaction: a crash publishes them again."""
        with platform_scope(), transaction.atomic():
            messages = claim_waiting(limit=CLAIMED_AT_ONCE)
            if not messages:
                return
            touched: dict[str, int] = {}
            for message in messages:
                name = PLATFORM if message.topic == PLATFORM_CONFIG else message.key
                if message.topic not in (TENANT_CONFIG, PLATFORM_CONFIG) or not name:
                    log.error("the outbox row %d of topic %r, key %r is of no known kind", message.pk, message.topic, message.key)
                    continue
                touched[name] = max(touched.get(name, 0), _nanoseconds(message.enqueued_at))
            done = {name: self._compiled(name, committed_at=committed_at) for name, committed_at in touched.items()}
            mark_published(messages=messages, now=datetime.now(UTC))
        self._hold(done)

    def _publish_due(self) -> None:
        """Leases that are half over, dated rows that changed with the day, and documents that failed before."""
        now = time.time_ns()
        for name, (due, committed_at) in list(self._due.items()):
            if now >= due:
                self._publish(name, committed_at=committed_at or now)

    def _publish(self, name: str, *, committed_at: int) -> None:
        with platform_scope(), transaction.atomic():
            signed = self._compiled(name, committed_at=committed_at)
        self._hold({name: signed})

    def _compiled(self, name: str, *, committed_at: int) -> SignedDocument | None:
        """The stored document, or None when it cannot be compiled; it is then tried again, and workers keep the one they have."""
        now = time.time_ns()
        next_change = now + LEASE_NS

        def compile_document(numbering: compiler.Numbering) -> AnyDocument:
            nonlocal next_change
            if name != PLATFORM:
                return compiler.compile_tenant(name, numbering, now=now)
            document, next_change = compiler.compile_platform(numbering, now=now)
            return document

        try:
            signed = publish(name, compile_document, key=self._key, committed_at=committed_at, lease_until=now + LEASE_NS)
        except (UnknownTenant, Tenant.DoesNotExist) as error:
            log.error("no document for %s: %s", name, error)
            self._due.pop(name, None)
            return None
        except (RuleError, ValueError) as error:
            log.error("the document %s cannot be compiled, workers keep the one before: %s", name, error)
            self._due[name] = (now + RETRY_NS, committed_at)
            return None
        self._due[name] = (min(now + LEASE_NS // 2, max(next_change, now + NS)), 0)
        return signed

    def _hold(self, documents: dict[str, SignedDocument | None]) -> None:
        """What is committed goes to Redis next."""
        for name, signed in documents.items():
            if signed is not None:
                self._published[name] = signed
                self._redis_is_current = False
                log.info("configuration %s revision %d is stored", name, signed.revision)

    def _refresh_redis(self) -> None:
        """Set and announce every document that Redis does not have in its newest revision."""
        try:
            known = {name.decode(): int(revision) for name, revision in self._redis.hgetall(REVISIONS).items()}
            present = set(self._redis.scan_iter(match=document_key("*"), count=1000))
            missing = [
                signed
                for name, signed in self._published.items()
                if known.get(name) != signed.revision or document_key(name).encode() not in present
            ]
            if missing:
                pipeline = self._redis.pipeline(transaction=True)
                for signed in missing:
                    pipeline.set(document_key(signed.name), encode_signed(signed))
                    pipeline.hset(REVISIONS, signed.name, signed.revision)
                    queue_revision(pipeline, CACHE_OF_DOCUMENTS, Change(signed.name, "relay", signed.revision))
                    pipeline.publish(CHANNEL, json.dumps({"name": signed.name, "revision": signed.revision}))
                pipeline.execute()
                log.info("announced %s", ", ".join(f"{signed.name} {signed.revision}" for signed in missing))
            self._redis_is_current = True
        except (RedisError, OSError) as error:
            log.warning("Redis is away: %s", _short(error))
            self._stop.wait(POLL_SECONDS)

    def _wait_for_notification(self) -> None:
        """Return at the next commit that wrote to the outbox, or after POLL_SECONDS."""
        try:
            if self._listener is None:
                self._listener = psycopg.connect(self._database_url, autocommit=True, connect_timeout=2)
                self._listener.execute(f"LISTEN {OUTBOX_CHANNEL}")
            for _ in self._listener.notifies(timeout=POLL_SECONDS, stop_after=1):
                return
        except (psycopg.Error, OSError):
            self._drop_listener()
            self._stop.wait(POLL_SECONDS)

    def _drop_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None


def _nanoseconds(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // datetime.resolution * 1000


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
