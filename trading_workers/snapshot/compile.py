"""Compiles configuration documents from the database: the platform's, and one per tenant.

The apps give entries of their own with the same field names; here they become the documents' types. Runs in the control plane only.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

import msgspec

from compliance import selectors as compliance
from exchanges import selectors as exchanges
from licensing import selectors as licensing
from tenants.kernel.entry_points import enter_for_worker, platform_scope
from tenants.selectors import tenant_by_slug, tenants, token_revocations
from trading_workers.blotter import selectors as blotter
from trading_workers.snapshot.documents import (
    ExchangeEntry,
    InstrumentEntry,
    LicenceEntry,
    PlatformDocument,
    TenantDocument,
    Verdict,
)

T = TypeVar("T")
REVOCATIONS_KEPT = timedelta(minutes=15)
"""Longer than any token may live, with the clocks' difference: what is older revokes nothing that has not expired."""
_NS = 1_000


class Numbering(NamedTuple):
    """What a document says of itself. Times in nanoseconds UTC."""

    revision: int
    committed_at: int
    lease_until: int


class CompiledPlatform(NamedTuple):
    document: PlatformDocument
    next_change_at: int
    """When dated rows may say something else, though nobody changed anything."""


def tenant_slugs() -> list[str]:
    """Every tenant that gets a document."""
    with platform_scope():
        return list(tenants().values_list("slug", flat=True))


def compile_platform(numbering: Numbering, *, now: int) -> CompiledPlatform:
    """What all tenants share, as it holds at `now`. Raises exchanges.dated_rules.RuleError."""
    with platform_scope():
        entries = exchanges.platform_entries(now)
    document = PlatformDocument(
        revision=numbering.revision,
        committed_at=numbering.committed_at,
        lease_until=numbering.lease_until,
        exchanges=_as(entries.exchanges, tuple[ExchangeEntry, ...]),
        instruments=_as(entries.instruments, tuple[InstrumentEntry, ...]),
        routes=entries.routes,
        pools=entries.pools,
        killed_exchanges=entries.killed_exchanges,
        killed=entries.killed,
    )
    return CompiledPlatform(document, entries.next_change_at)


def compile_tenant(slug: str, numbering: Numbering, *, now: int) -> TenantDocument:
    """One tenant's licence, accounts and verdicts. A suspended tenant's kill switch is on. Raises UnknownTenant."""
    with platform_scope():
        suspended = tenant_by_slug(slug=slug).is_suspended
    with enter_for_worker(slug) as scope:
        # The tenant's enforced board binds every account that names none of its own.
        board_of_tenant = compliance.enforced_board(scope)
        accounts = tuple(
            each if each.sharia_board is not None else msgspec.structs.replace(each, sharia_board=board_of_tenant)
            for each in blotter.account_entries()
        )
        boards = sorted({each.sharia_board for each in accounts if each.sharia_board is not None})
        licence = licensing.licence_entry(scope)
        verdicts = {board: compliance.verdict_entries(board=board, now=now) for board in boards}
        revoked = token_revocations(since=datetime.fromtimestamp(now // 1_000_000_000, UTC) - REVOCATIONS_KEPT)
    return TenantDocument(
        revision=numbering.revision,
        committed_at=numbering.committed_at,
        lease_until=numbering.lease_until,
        tenant=slug,
        schema=scope.schema_name,
        killed=suspended,
        licence=None if licence is None else _as(licence, LicenceEntry),
        accounts=accounts,
        verdicts={
            board: {key: Verdict(status=each.status, verdict_id=each.verdict_id) for key, each in found.items()}
            for board, found in verdicts.items()
        },
        revocations={key: _end_of_microsecond(at) for key, at in revoked.items()},
    )


def _end_of_microsecond(time: datetime) -> int:
    """The database keeps microseconds; a token issued within the same one, before the revocation, is among the revoked."""
    since = time - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) * _NS + _NS - 1


def _as(entries: object, kind: type[T]) -> T:
    return msgspec.convert(entries, kind, from_attributes=True)
