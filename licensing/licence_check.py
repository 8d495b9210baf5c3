"""The licence check that every door uses: feature, quota and rate for one call, in memory, by a result code. Pure; no I/O.

Entitlements come in as documents (`apply`), quota as leases of units taken in advance (`QuotaLease`); the check reads and counts.
Everything unknown is denied: a tenant without a document, a feature that is not listed, a quota without a lease.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Protocol

from licensing.call_rates import CallRate
from tradsys.mesh.refusals import CallRefusal

API_CALLS: Final = "api_calls"
FOREVER: Final = 2**63 - 1


class Entitlement(Protocol):
    """The licence in a tenant's configuration document; times in nanoseconds UTC."""

    @property
    def plan(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def valid_from(self) -> int: ...
    @property
    def valid_until(self) -> int: ...
    @property
    def features(self) -> Collection[str]: ...
    @property
    def api_calls_per_month_cap(self) -> int | None: ...
    @property
    def api_calls_per_second(self) -> int | None: ...
    @property
    def billing_time_zone(self) -> str: ...


class QuotaLease:
    """Units of one capped meter that this process may use without asking: taken in blocks, spent one by one."""

    __slots__ = ("cap", "period_end", "remaining", "spent", "time_zone")

    def __init__(self, cap: int, time_zone: str) -> None:
        self.cap = cap
        """Of the whole period and all processes."""
        self.time_zone = time_zone
        """In which the tenant's billing period begins and ends."""
        self.remaining = 0
        self.period_end = 0
        """Nanoseconds UTC at which what remains counts no more; 0 before the first lease."""
        self.spent = 0


class MeterLimits:
    """What bounds one meter of one tenant. None: no such bound."""

    __slots__ = ("quota", "rate")

    def __init__(self, quota: QuotaLease | None, rate: CallRate | None) -> None:
        self.quota = quota
        self.rate = rate


class TenantLicence:
    """One tenant's entitlement, shaped for the check."""

    __slots__ = ("_allowed", "features", "meters", "plan", "revision", "since", "until", "why_not")

    def __init__(self, entitlement: Entitlement | None, *, revision: int, lease_until: int) -> None:
        self.revision = revision
        self.plan = "" if entitlement is None else entitlement.plan
        self.features = frozenset(() if entitlement is None else entitlement.features)
        self.meters: dict[str, MeterLimits] = {}
        """Only meters that something bounds."""
        self.since = self.until = 0
        """Half-open interval in which the licence counts, by this process's own clock."""
        self.why_not: tuple[tuple[int, int, CallRefusal], ...]
        """(from, until, refusal) of everything outside the interval."""
        self._allowed: set[tuple[str, ...]] = {()}
        forever = 2**63 - 1
        if entitlement is None:
            self.why_not = ((0, lease_until, CallRefusal.LICENSE_MISSING), (lease_until, forever, CallRefusal.CONFIGURATION_STALE))
            return
        if entitlement.status != "active":
            self.why_not = (
                (0, lease_until, CallRefusal.LICENSE_SUSPENDED),
                (lease_until, forever, CallRefusal.CONFIGURATION_STALE),
            )
            return
        self.since, self.until = entitlement.valid_from, min(entitlement.valid_until, lease_until)
        self.why_not = (
            (lease_until, forever, CallRefusal.CONFIGURATION_STALE),
            (0, entitlement.valid_from, CallRefusal.LICENSE_NOT_YET_VALID),
            (entitlement.valid_until, forever, CallRefusal.LICENSE_EXPIRED),
        )
        cap, per_second = entitlement.api_calls_per_month_cap, entitlement.api_calls_per_second
        if cap is not None or per_second is not None:
            self.meters[API_CALLS] = MeterLimits(
                None if cap is None else QuotaLease(cap, entitlement.billing_time_zone),
                None if per_second is None else CallRate(per_second),
            )

    def standing(self, now: int) -> CallRefusal | None:
        """Whether the licence counts at `now`, whatever is asked for."""
        if self.since <= now < self.until:
            return None
        return next((refusal for begin, end, refusal in self.why_not if begin <= now < end), CallRefusal.LICENSE_EXPIRED)

    def includes(self, features: tuple[str, ...]) -> bool:
        """Whether the licence lists every one of `features`; the answer for a tuple that passed is remembered."""
        if features in self._allowed:
            return True
        if not self.features.issuperset(features):
            return False
        self._allowed.add(features)
        return True


class LicenceCheck:
    """The entitlements that one process holds. One thread writes; reads are safe beside it."""

    def __init__(self) -> None:
        self._tenants: dict[str, TenantLicence] = {}

    def apply(self, tenant: str, entitlement: Entitlement | None, *, revision: int, lease_until: int) -> None:
        """Take over a tenant's newer document. A quota's lease goes on when its cap is still the same."""
        fresh = TenantLicence(entitlement, revision=revision, lease_until=lease_until)
        held = self._tenants.get(tenant)
        for meter, limits in fresh.meters.items():
            before = None if held is None else held.meters.get(meter)
            if before is None:
                continue
            if limits.quota and before.quota and before.quota.cap == limits.quota.cap:
                limits.quota = before.quota
            if limits.rate and before.rate and before.rate.per_second == limits.rate.per_second:
                limits.rate = before.rate
        self._tenants[tenant] = fresh

    def check(self, tenant: str, features: tuple[str, ...], meter: str, now: int) -> CallRefusal | None:
        """Feature, quota and rate for one call at `now` (ns UTC). None lets it pass and counts it; meter "" counts nothing."""
        licence = self._tenants.get(tenant)
        if licence is None:
            return CallRefusal.CONFIGURATION_MISSING
        if not licence.since <= now < licence.until:
            return licence.standing(now)
        if features not in licence._allowed and not licence.includes(features):
            return CallRefusal.FEATURE_NOT_LICENSED
        if not meter:
            return None
        limits = licence.meters.get(meter)
        if limits is None:
            return None
        rate, full_at = limits.rate, 0
        if rate is not None:
            full_at = rate.after(now)
            if not full_at:
                return CallRefusal.RATE_LIMIT_EXCEEDED
        quota = limits.quota
        if quota is not None:
            if quota.remaining <= 0 or now >= quota.period_end:
                return CallRefusal.QUOTA_EXCEEDED
            quota.remaining -= 1
            quota.spent += 1
        if rate is not None:
            rate.full_at = full_at
        return None

    def revision(self, tenant: str) -> int:
        """Of the document in use; 0 when there is none."""
        licence = self._tenants.get(tenant)
        return 0 if licence is None else licence.revision

    def licence(self, tenant: str) -> TenantLicence | None:
        return self._tenants.get(tenant)

    def quotas(self) -> Iterator[tuple[str, str, QuotaLease]]:
        """(tenant, meter, lease) of every capped meter."""
        for tenant, licence in list(self._tenants.items()):
            for meter, limits in licence.meters.items():
                if limits.quota is not None:
                    yield tenant, meter, limits.quota
