"""Gives documents their numbers and keeps them in PostgreSQL. What happens in Redis is the relay's."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction
from django.db.models import F

from tenants.kernel.entry_points import platform_scope
from trading_workers.models import PublishedSnapshot, SnapshotRevision
from trading_workers.snapshot.compile import Numbering
from trading_workers.snapshot.documents import SignedDocument
from trading_workers.snapshot.signing import AnyDocument, encode_signed, sign

KEPT_REVISIONS = 50


def publish(
    name: str,
    compile_document: Callable[[Numbering], AnyDocument],
    *,
    key: Ed25519PrivateKey,
    committed_at: int,
    lease_until: int,
) -> SignedDocument:
    """Compile, number, sign and store the document `name`. The caller's transaction decides whether it happened.

    The revision's row stays locked until then, so that two relays cannot give one number twice.
    """
    with platform_scope(), transaction.atomic():
        SnapshotRevision.objects.get_or_create(name=name)
        SnapshotRevision.objects.filter(name=name).update(revision=F("revision") + 1)
        revision = SnapshotRevision.objects.values_list("revision", flat=True).get(name=name)
        signed = sign(compile_document(Numbering(revision, committed_at, lease_until)), key)
        PublishedSnapshot.objects.create(
            name=name,
            revision=revision,
            signed_document=encode_signed(signed).decode(),
            committed_at=committed_at,
            lease_until=lease_until,
        )
        PublishedSnapshot.objects.filter(name=name, revision__lte=revision - KEPT_REVISIONS).delete()
    return signed
