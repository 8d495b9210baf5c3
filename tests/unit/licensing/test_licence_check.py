"""The licence check of every door: what is not allowed is refused by its code, and nothing is used up by a refusal."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from licensing.licence_check import API_CALLS, LicenceCheck, QuotaLease
from licensing.quota_leases import block_of, month_of
from tradsys.mesh.refusals import CallRefusal

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND


@dataclass(frozen=True)
class Licence:
    plan: str = "Test"
    status: str = "active"
    valid_from: int = NOW - SECOND
    valid_until: int = NOW + 10 * SECOND
    features: tuple[str, ...] = ("exchange:EGX", "door:grpc-stream")
    api_calls_per_month_cap: int | None = None
    api_calls_per_second: int | None = None
    billing_time_zone: str = "Africa/Cairo"


def holding(licence: Licence | None = None, *, lease_until: int = NOW + 100 * SECOND) -> LicenceCheck:
    check = LicenceCheck()
    check.apply("nile", licence, revision=7, lease_until=lease_until)
    return check


def quota(check: LicenceCheck) -> QuotaLease:
    [(_, _, lease)] = list(check.quotas())
    return lease


def test_a_licensed_call_passes_and_the_revision_is_known() -> None:
    check = holding(Licence())
    assert check.check("nile", ("exchange:EGX",), API_CALLS, NOW) is None
    assert check.revision("nile") == 7


def test_a_tenant_without_any_document_is_denied() -> None:
    assert LicenceCheck().check("nile", (), "", NOW) is CallRefusal.CONFIGURATION_MISSING
    assert LicenceCheck().revision("nile") == 0


@pytest.mark.parametrize(
    ("licence", "at", "code"),
    [
        (None, NOW, CallRefusal.LICENSE_MISSING),
        (Licence(status="suspended"), NOW, CallRefusal.LICENSE_SUSPENDED),
        (Licence(status="something new"), NOW, CallRefusal.LICENSE_SUSPENDED),
        (Licence(), NOW - SECOND - 1, CallRefusal.LICENSE_NOT_YET_VALID),
        (Licence(), NOW - SECOND, None),
        (Licence(), NOW + 10 * SECOND - 1, None),
        (Licence(), NOW + 10 * SECOND, CallRefusal.LICENSE_EXPIRED),
        (Licence(valid_until=NOW + 1000 * SECOND), NOW + 100 * SECOND, CallRefusal.CONFIGURATION_STALE),
        (Licence(valid_until=NOW + 1000 * SECOND), NOW + 100 * SECOND - 1, None),
    ],
)
def test_the_licence_counts_within_its_own_and_the_documents_time(
    licence: Licence | None, at: int, code: CallRefusal | None
) -> None:
    assert holding(licence).check("nile", (), API_CALLS, at) is code


def test_every_feature_that_is_asked_for_must_be_listed_also_after_another_call_passed() -> None:
    check = holding(Licence())
    assert check.check("nile", ("exchange:EGX",), "", NOW) is None
    assert check.check("nile", ("exchange:EGX", "exchange:ADX"), "", NOW) is CallRefusal.FEATURE_NOT_LICENSED
    assert check.check("nile", ("exchange:EGX",), "", NOW) is None


def test_a_capped_meter_without_a_lease_is_denied() -> None:
    check = holding(Licence(api_calls_per_month_cap=1_000))
    assert check.check("nile", (), API_CALLS, NOW) is CallRefusal.QUOTA_EXCEEDED
    assert check.check("nile", (), "", NOW) is None, "asking without a meter uses nothing"


def test_a_lease_is_spent_one_by_one_and_ends_with_its_period() -> None:
    check = holding(Licence(api_calls_per_month_cap=1_000))
    lease = quota(check)
    lease.remaining, lease.period_end = 2, NOW + SECOND
    assert [check.check("nile", (), API_CALLS, NOW) for _ in range(3)] == [None, None, CallRefusal.QUOTA_EXCEEDED]
    lease.remaining = 5
    assert check.check("nile", (), API_CALLS, NOW + SECOND) is CallRefusal.QUOTA_EXCEEDED
    assert lease.remaining == 5


def test_a_refused_feature_or_rate_uses_up_no_quota() -> None:
    check = holding(Licence(api_calls_per_month_cap=1_000, api_calls_per_second=1))
    lease = quota(check)
    lease.remaining, lease.period_end = 10, NOW + 10 * SECOND
    assert check.check("nile", ("sharia",), API_CALLS, NOW) is CallRefusal.FEATURE_NOT_LICENSED
    assert check.check("nile", (), API_CALLS, NOW) is None
    assert check.check("nile", (), API_CALLS, NOW) is CallRefusal.RATE_LIMIT_EXCEEDED
    assert (lease.remaining, lease.spent) == (9, 1)
    assert check.check("nile", (), API_CALLS, NOW + SECOND) is None


def test_a_quota_that_is_used_up_does_not_use_the_rate() -> None:
    check = holding(Licence(api_calls_per_month_cap=1_000, api_calls_per_second=1))
    assert check.check("nile", (), API_CALLS, NOW) is CallRefusal.QUOTA_EXCEEDED
    lease = quota(check)
    lease.remaining, lease.period_end = 1, NOW + SECOND
    assert check.check("nile", (), API_CALLS, NOW) is None


def test_a_newer_document_keeps_the_lease_while_the_cap_is_the_same() -> None:
    licence = Licence(api_calls_per_month_cap=1_000)
    check = holding(licence)
    lease = quota(check)
    lease.remaining, lease.period_end = 50, NOW + SECOND
    check.apply("nile", replace(licence, features=()), revision=8, lease_until=NOW + SECOND)
    assert quota(check) is lease
    assert check.check("nile", ("exchange:EGX",), "", NOW) is CallRefusal.FEATURE_NOT_LICENSED
    check.apply("nile", replace(licence, api_calls_per_month_cap=10), revision=9, lease_until=NOW + SECOND)
    assert quota(check).remaining == 0


def test_a_block_is_a_hundredth_of_the_cap_within_bounds() -> None:
    assert [block_of(cap) for cap in (0, 1, 99, 10_000, 10**9)] == [20, 20, 20, 100, 1_000]


def test_a_billing_month_begins_at_local_midnight() -> None:
    # 2026-11-30 22:30 UTC is 2026-12-01 00:30 in Cairo.
    late = 1_796_077_800 * SECOND
    assert month_of(late, "Africa/Cairo")[0] == "2026-12"
    month, end = month_of(late, "UTC")
    assert month == "2026-11" and end == late + 1800 * SECOND + 3600 * SECOND
