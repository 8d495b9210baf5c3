"""The newest published documents, for pages and doors of the web: they show what the workers act on, not something similar.

A document is read and verified once per revision and process.
"""

from __future__ import annotations

import threading

from trading_workers.models import PublishedSnapshot
from trading_workers.snapshot.documents import PLATFORM, PlatformDocument, TenantDocument
from trading_workers.snapshot.signing import AnyDocument, open_signed
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import load_verification_key

_opened: dict[str, AnyDocument] = {}
_lock = threading.Lock()


class NothingPublished(LookupError):
    """No document of this name has been published yet."""


def platform_document() -> PlatformDocument:
    """One query, two after a change. Raises NothingPublished."""
    document = _newest(PLATFORM)
    assert isinstance(document, PlatformDocument)
    return document


def tenant_document(slug: str) -> TenantDocument:
    """One query, two after a change. Raises NothingPublished."""
    document = _newest(slug)
    assert isinstance(document, TenantDocument)
    return document


def _newest(name: str) -> AnyDocument:
    rows = PublishedSnapshot.objects.filter(name=name).order_by("-revision")
    revision = rows.values_list("revision", flat=True).first()
    if revision is None:
        raise NothingPublished(f"nothing has been published for {name!r}: is the relay running?")
    held = _opened.get(name)
    if held is not None and held.revision >= revision:
        return held
    raw = rows.values_list("signed_document", flat=True).first()
    assert raw is not None
    key = load_verification_key(Configuration.from_environment().snapshot_verification_key)
    _signed, document = open_signed(raw, key, name=name)
    with _lock:
        _opened[name] = document
    return document
