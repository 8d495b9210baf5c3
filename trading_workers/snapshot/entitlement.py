"""The licence in a tenant's document as the licence check takes it."""

from __future__ import annotations

import msgspec

from trading_workers.snapshot.documents import LicenceEntry, TenantDocument


def entitlement_of(document: TenantDocument) -> LicenceEntry | None:
    """What counts now: a suspended tenant has no licence in force."""
    licence = document.licence
    return msgspec.structs.replace(licence, status="suspended") if licence is not None and document.killed else licence
