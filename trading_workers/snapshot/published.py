"""The newest published documents, for pages and doors of the web: they show what the workers act on, not something similar.

Held in a multi-level cache: memory, Redis, PostgreSQL. The relay announces each revision together with the document, so a process
of the web drops the one before within milliseconds; while Redis is away a document is read again after `MEMORY_TTL_MS`. What lies
in Redis is the signed text, and its signature is verified whenever it is read.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from functools import cache

from trading_workers.models import PublishedSnapshot
from trading_workers.snapshot.documents import PLATFORM, PlatformDocument, TenantDocument
from trading_workers.snapshot.redis_keys import CACHE_OF_DOCUMENTS
from trading_workers.snapshot.signing import AnyDocument, DocumentRefused, open_signed
from tradsys.cache.blocking_cache import BlockingCache
from tradsys.cache.entries import Fetched
from tradsys.cache.settings import CacheSettings, Codec, ValueUnreadable
from tradsys.cache.state import FetchedTooOld
from tradsys.configuration import Configuration
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.tokens import load_verification_key

MEMORY_TTL_MS = 2_000
_SETTINGS = CacheSettings(
    name=CACHE_OF_DOCUMENTS, format=1, memory_entries=2_000, memory_ttl_ms=MEMORY_TTL_MS, redis_ttl_ms=60_000, jitter_percent=20
)
_KEY = "document"
_closing = threading.Event()


class NothingPublished(LookupError):
    """No document of this name has been published yet."""


def platform_document() -> PlatformDocument:
    """No query, one after a change. Raises NothingPublished."""
    document = _newest(PLATFORM)
    assert isinstance(document, PlatformDocument)
    return document


def tenant_document(slug: str) -> TenantDocument:
    """No query, one after a change. Raises NothingPublished."""
    document = _newest(slug)
    assert isinstance(document, TenantDocument)
    return document


def announce(name: str, revision: int) -> None:
    """The document `name` is committed in `revision`. The relay says so itself, with the publication."""
    _documents(os.getpid()).at_least(name, revision)


def close_documents() -> None:
    """At the process's end: announcements are followed no longer."""
    _closing.set()


@dataclass(frozen=True, slots=True)
class _Opened:
    raw: str
    document: AnyDocument


@cache
def _documents(pid: int) -> BlockingCache[_Opened]:
    """Of the process `pid`: after a fork the parent's listener is not there."""
    configuration = Configuration.from_environment()
    key = load_verification_key(configuration.snapshot_verification_key)

    def decode(raw: bytes) -> _Opened:
        try:
            _signed, document = open_signed(raw, key)
        except DocumentRefused as error:
            raise ValueUnreadable(str(error)) from error
        return _Opened(raw.decode(), document)

    documents = BlockingCache(
        _SETTINGS,
        Codec(lambda opened: opened.raw.encode(), decode),
        redis_url=configuration.redis_url,
        now=time.time_ns,
        report=METRICS.cache_level,
    )
    listener = threading.Thread(target=documents.listen, args=[_closing], name="published documents", daemon=True)
    listener.start()
    return documents


def _newest(name: str) -> AnyDocument:
    try:
        opened = _documents(os.getpid()).get(name, _KEY, lambda: _stored(name))
    except FetchedTooOld as error:
        raise NothingPublished(f"{name!r} is announced in a newer revision than the database holds: {error}") from error
    if opened is None:
        raise NothingPublished(f"nothing has been published for {name!r}: is the relay running?")
    return opened.document


def _stored(name: str) -> Fetched[_Opened]:
    raw = PublishedSnapshot.objects.filter(name=name).order_by("-revision").values_list("signed_document", flat=True).first()
    if raw is None:
        return Fetched(None)
    key = load_verification_key(Configuration.from_environment().snapshot_verification_key)
    signed, document = open_signed(raw, key, name=name)
    return Fetched(_Opened(raw, document), signed.revision)
