"""Reads of plans and licences, and the figures of the usage dashboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone

from licensing.catalogue import Meter, Period
from licensing.entitlements import LicenceEntry, compile_entry, effective_terms
from licensing.metering import selectors as metering
from licensing.models import Licence, LicenceStatus, Plan, PlanPriceVersion
from licensing.price_terms import read_terms
from licensing.rating import Allowance, CostLine, PriceTerms, beyond, rate
from tenants.kernel.context import TenantScope, current_tenant
from tenants.models import Tenant


def terms_of(price_version: PlanPriceVersion) -> PriceTerms:
    """The terms that rating reads, of one stored price version."""
    return read_terms(
        plan=price_version.plan.code,
        version=price_version.version,
        currency=price_version.currency,
        monthly_base=price_version.monthly_base,
        allowances=price_version.allowances,
    )


def price_in_force(plan: Plan, *, at: datetime) -> PlanPriceVersion | None:
    """The newest price version of ``plan`` that is effective at ``at``, or None."""
    return plan.price_versions.filter(effective_from__lte=at).order_by("-version").first()


def licence_of(tenant: Tenant | TenantScope) -> Licence | None:
    """The current licence of ``tenant`` with plan and price version, or None."""
    tenant_id = tenant.tenant_id if isinstance(tenant, TenantScope) else tenant.pk
    return Licence.objects.select_related("plan", "price_version", "price_version__plan").filter(tenant_id=tenant_id).first()


def entry_of(licence: Licence) -> LicenceEntry:
    """What ``licence`` entitles to, as it travels in the tenant's snapshot."""
    return compile_entry(
        plan=licence.plan.code,
        status=licence.status,
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        plan_features=licence.plan.features,
        orders_per_second=licence.plan.orders_per_second,
        terms=terms_of(licence.price_version),
        overrides=licence.overrides,
        billing_time_zone=licence.billing_time_zone,
    )


def licence_entry(tenant: Tenant | TenantScope) -> LicenceEntry | None:
    """What ``tenant`` is entitled to, or None when it was never granted a licence."""
    licence = licence_of(tenant)
    return None if licence is None else entry_of(licence)


def licence_state(licence: Licence | None, *, at: datetime) -> str:
    """``missing``, ``suspended``, ``not_yet_valid``, ``expired`` or ``active`` at the instant ``at``."""
    if licence is None:
        return "missing"
    if licence.status == LicenceStatus.SUSPENDED:
        return "suspended"
    if at < licence.valid_from:
        return "not_yet_valid"
    if at >= licence.valid_until:
        return "expired"
    return "active"


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterUsage:
    """One meter's month: what is included, what was used, and the series of days."""

    meter: Meter
    period: Period
    included: Decimal | None
    """Of one period (a day or the month); None: unlimited."""
    cap: Decimal | None
    """Of one period; beyond it is refused. None: overage is billed, or the meter is unlimited."""
    used: Decimal
    """Of the whole month."""
    used_today: Decimal | None
    """None when the month shown is not the current one."""
    beyond: Decimal
    """Units of the month beyond the allowance."""
    by_day: tuple[tuple[date, Decimal], ...]
    """Every day of the month, in order, days without usage as zero."""


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageDashboard:
    tenant: str
    month: date
    time_zone: str
    state: str
    """As :func:`licence_state` says it."""
    licence: Licence | None
    entry: LicenceEntry | None
    currency: str
    meters: tuple[MeterUsage, ...]
    lines: tuple[CostLine, ...]
    total: Decimal
    """The month's cost so far: the full monthly base and the overage known now."""


def usage_dashboard(tenant: Tenant | TenantScope, month: date | None = None, *, now: datetime | None = None) -> UsageDashboard:
    """Quota, usage per day and cost so far of the month that contains the date ``month``, in two statements.

    Without ``month`` it is the current month of the tenant's billing time zone.

    Raises ``ValueError`` unless ``tenant`` is the activated one, for usage lies in the tenant's schema.
    A tenant without a licence gets an empty dashboard with the state ``missing``.
    """
    scope = current_tenant()
    if tenant.slug != scope.slug:
        raise ValueError(f"the usage of {tenant.slug} was asked for inside {scope.slug}")
    now = timezone.now() if now is None else now
    licence = licence_of(tenant)
    if licence is None:
        return UsageDashboard(
            tenant=tenant.slug,
            month=(month or now.date()).replace(day=1),
            time_zone="UTC",
            state=licence_state(None, at=now),
            licence=None,
            entry=None,
            currency="",
            meters=(),
            lines=(),
            total=Decimal(0),
        )
    terms = effective_terms(terms_of(licence.price_version), licence.overrides)
    today = metering.day_of(now, licence.billing_time_zone)
    span = metering.month_span(month or today, licence.billing_time_zone)
    usage = metering.usage_by_day(span)
    rated = rate(terms, usage)
    entry = entry_of(licence)
    return UsageDashboard(
        tenant=tenant.slug,
        month=span.first_day,
        time_zone=licence.billing_time_zone,
        state=licence_state(licence, at=now),
        licence=licence,
        entry=entry,
        currency=terms.currency,
        meters=tuple(
            meter_usage(allowance, usage.get(allowance.meter, {}), entry=entry, span=span, today=today)
            for allowance in terms.allowances
        ),
        lines=rated.lines,
        total=rated.total,
    )


def meter_usage(
    allowance: Allowance,
    by_day: Mapping[date, Decimal],
    *,
    entry: LicenceEntry,
    span: metering.MonthSpan,
    today: date,
) -> MeterUsage:
    """One meter of the dashboard. Orders are capped by what the licence says, with its overrides."""
    cap = allowance.included if allowance.overage_price is None else None
    if allowance.meter is Meter.ORDERS:
        cap = None if entry.orders_per_day_cap is None else Decimal(entry.orders_per_day_cap)
    return MeterUsage(
        meter=allowance.meter,
        period=allowance.period,
        included=allowance.included,
        cap=cap,
        used=sum(by_day.values(), Decimal(0)),
        used_today=by_day.get(today, Decimal(0)) if span.contains(today) else None,
        beyond=beyond(by_day, period=allowance.period, included=allowance.included),
        by_day=tuple((day, by_day.get(day, Decimal(0))) for day in span.days),
    )
