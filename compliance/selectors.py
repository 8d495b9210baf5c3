"""Reads of boards, verdicts and profiles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone

from compliance.models import ComplianceProfile, Verdict
from exchanges.selectors import signed_data_set_ids
from tenants.kernel.context import TenantScope
from tenants.models import Tenant

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictEntry:
    """A verdict as it travels in a tenant's snapshot."""

    status: str
    verdict_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ruling:
    """A verdict as people read it, with both languages, its method and its date."""

    instrument: str
    status: str
    status_label: str
    reason: str
    reason_ar: str
    as_of: date
    verdict_id: str
    board: str
    rule_set: str
    demonstration: bool


def verdicts_in_force(board: str, *, at: datetime | None = None) -> QuerySet[Verdict]:
    """Verdicts of the board with code ``board`` that hold at ``at`` (now when not given).

    A verdict counts only while its data set's signature is right and its signer active. An unknown board has
    none, so whoever is bound to it may trade nothing.
    """
    at = timezone.now() if at is None else at
    return (
        Verdict.objects.select_related("instrument", "instrument__exchange", "rule_set", "board")
        .filter(board__code=board, data_set_id__in=signed_data_set_ids(), effective_from__lte=at)
        .filter(Q(effective_until__isnull=True) | Q(effective_until__gt=at))
    )


def verdict_entries(*, board: str, now: int) -> dict[str, VerdictEntry]:
    """Instrument key (``EGX:COMI``) to verdict at ``now`` (nanoseconds UTC); see `verdicts_in_force`."""
    at = EPOCH + timedelta(microseconds=now // 1000)
    return {
        verdict.instrument.key: VerdictEntry(status=verdict.status, verdict_id=verdict.verdict_id)
        for verdict in verdicts_in_force(board, at=at)
    }


def rulings_for(board: str, *, at: datetime | None = None) -> dict[str, Ruling]:
    """Instrument key to ruling with its reasons, in two statements; see `verdicts_in_force`."""
    return {verdict.instrument.key: _ruling(verdict) for verdict in verdicts_in_force(board, at=at)}


def ruling_of(verdict_id: str) -> Ruling | None:
    """The published verdict of this id, also when it has ended, or None."""
    found = Verdict.objects.select_related("instrument", "instrument__exchange", "rule_set", "board")
    verdict = found.filter(verdict_id=verdict_id).first()
    return None if verdict is None else _ruling(verdict)


def _ruling(verdict: Verdict) -> Ruling:
    return Ruling(
        instrument=verdict.instrument.key,
        status=verdict.status,
        status_label=verdict.get_status_display(),
        reason=verdict.reason,
        reason_ar=verdict.reason_ar,
        as_of=verdict.as_of,
        verdict_id=verdict.verdict_id,
        board=verdict.board.code,
        rule_set=str(verdict.rule_set),
        demonstration=verdict.board.demonstration,
    )


def reasons_of(verdict_ids: Iterable[str], *, language: str) -> dict[str, str]:
    """Verdict id to its reason in ``language`` (``ar…`` or anything else for English), in one statement.

    Ended verdicts are answered too, for orders that were placed under them.
    """
    column = "reason_ar" if language.startswith("ar") else "reason"
    return dict(Verdict.objects.filter(verdict_id__in=list(verdict_ids)).values_list("verdict_id", column))


def profile_of(tenant: Tenant | TenantScope) -> ComplianceProfile | None:
    """The tenant's profile with its board, or None when it follows no board."""
    tenant_id = tenant.tenant_id if isinstance(tenant, TenantScope) else tenant.pk
    return ComplianceProfile.objects.select_related("board").filter(tenant_id=tenant_id).first()


def enforced_board(tenant: Tenant | TenantScope) -> str | None:
    """Code of the board whose verdicts bind the tenant's orders, or None."""
    profile = profile_of(tenant)
    return profile.board.code if profile is not None and profile.enforced else None
