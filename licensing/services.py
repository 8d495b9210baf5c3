"""Writes of plans, prices and licences. Each is one transaction: the change, its audit row, its outbox rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from licensing.catalogue import features as known_features
from licensing.entitlements import OverridesInvalid, check_overrides, effective_terms
from licensing.models import Licence, LicenceChange, LicenceStatus, Plan, PlanPriceVersion
from licensing.price_terms import PriceTermsInvalid, decimal_from_text, read_terms
from licensing.selectors import price_in_force, terms_of
from tenants.models import Tenant, User
from tradsys.audit.services import record
from tradsys.outbox.services import enqueue

TENANT_CONFIG: Final = "tenant-config"


class LicensingRefused(ValueError):
    """A change that the rules of licensing do not allow; ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unchanged:
    """Marks an argument that was not given, where None has a meaning of its own."""


UNCHANGED: Final = Unchanged()


@transaction.atomic
def define_plan(
    *,
    actor: User | str,
    code: str,
    name: str,
    name_ar: str,
    features: Iterable[str],
    orders_per_second: int | None,
    position: int = 0,
    offered: bool = True,
) -> Plan:
    """Create the plan ``code`` or edit it; every tenant on it gets its new entitlements.

    Raises :class:`LicensingRefused` (FEATURE_UNKNOWN).
    """
    chosen = sorted(set(features))
    unknown = [each for each in chosen if each not in known_features()]
    if unknown:
        raise LicensingRefused("FEATURE_UNKNOWN", f"{unknown[0]!r} is not a feature of the catalogue")
    plan = Plan.objects.select_for_update().filter(code=code).first()
    before = None if plan is None else plan_figures(plan)
    if plan is None:
        plan = Plan(code=code)
    plan.name, plan.name_ar = name, name_ar
    plan.features, plan.orders_per_second = chosen, orders_per_second
    plan.position, plan.offered = position, offered
    after = plan_figures(plan)
    if before == after:
        return plan
    plan.full_clean()
    plan.save()
    record(actor=actor, action="plan.defined", subject=f"plan:{code}", before=before, after=after)
    slugs = Tenant.objects.filter(licence__plan=plan).order_by("slug").values_list("slug", flat=True)
    for slug in slugs:
        enqueue(topic=TENANT_CONFIG, key=slug)
    return plan


@transaction.atomic
def publish_price(
    *,
    actor: User | str,
    plan: Plan,
    currency: str,
    monthly_base: Decimal | str,
    allowances: list[dict[str, str | None]],
    effective_from: datetime | None = None,
) -> PlanPriceVersion:
    """Add the next price version of ``plan``. Licences keep the version they point at until they are changed.

    Raises :class:`LicensingRefused` (PRICE_INVALID).
    """
    # The plan's row is the lock under which version numbers are taken.
    Plan.objects.select_for_update().get(pk=plan.pk)
    latest = plan.price_versions.aggregate(Max("version"))["version__max"] or 0
    try:
        base = decimal_from_text(monthly_base, field="monthly base")
        read_terms(plan=plan.code, version=latest + 1, currency=currency, monthly_base=base, allowances=allowances)
    except PriceTermsInvalid as error:
        raise LicensingRefused("PRICE_INVALID", str(error)) from error
    price = PlanPriceVersion.objects.create(
        plan=plan,
        version=latest + 1,
        currency=currency,
        monthly_base=base,
        allowances=allowances,
        effective_from=timezone.now() if effective_from is None else effective_from,
    )
    after = {
        "plan": plan.code,
        "version": price.version,
        "currency": currency,
        "monthly_base": str(base),
        "allowances": allowances,
        "effective_from": price.effective_from.isoformat(),
    }
    record(actor=actor, action="price.published", subject=f"plan:{plan.code}", after=after)
    return price


def load_reference_plans(*, actor: User | str) -> list[Plan]:
    """Create those of the four reference tiers that do not exist. A plan that exists keeps the operator's edits."""
    document = json.loads(files("licensing").joinpath("data/reference_plans.json").read_text(encoding="utf-8"))
    rows = document["plans"]
    known = set(Plan.objects.values_list("code", flat=True))
    created = []
    for position, row in enumerate(rows, start=1):
        if row["code"] in known:
            continue
        with transaction.atomic():
            plan = define_plan(
                actor=actor,
                code=row["code"],
                name=row["name"],
                name_ar=row["name_ar"],
                features=row["features"],
                orders_per_second=row["orders_per_second"],
                position=position,
            )
            publish_price(actor=actor, plan=plan, **row["price"])
        created.append(plan)
    return created


@transaction.atomic
def grant_licence(
    *,
    actor: User | str,
    tenant: Tenant,
    plan: Plan,
    valid_from: datetime,
    valid_until: datetime,
    overrides: Mapping[str, object] | None = None,
    billing_time_zone: str = "UTC",
) -> Licence:
    """Give ``tenant`` its first licence.

    Raises :class:`LicensingRefused` (LICENCE_EXISTS, VALIDITY_INVALID, OVERRIDES_INVALID, PLAN_WITHOUT_PRICE,
    TIME_ZONE_UNKNOWN).
    """
    # The tenant's row is the lock: two grants at once give one licence and one clear refusal.
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    if Licence.objects.filter(tenant=tenant).exists():
        raise LicensingRefused("LICENCE_EXISTS", f"{tenant.slug} has a licence; change it instead")
    try:
        ZoneInfo(billing_time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise LicensingRefused("TIME_ZONE_UNKNOWN", f"{billing_time_zone!r} is not a time zone") from error
    licence = Licence(
        tenant=tenant,
        plan=plan,
        price_version=_price_to_sell(plan),
        status=LicenceStatus.ACTIVE,
        valid_from=valid_from,
        valid_until=valid_until,
        overrides=dict(overrides or {}),
        billing_time_zone=billing_time_zone,
    )
    _check(licence)
    licence.save()
    _publish(licence, actor=actor, action="licence.granted", before=None)
    return licence


@transaction.atomic
def change_licence(
    *,
    actor: User | str,
    tenant: Tenant,
    plan: Plan | Unchanged = UNCHANGED,
    status: LicenceStatus | Unchanged = UNCHANGED,
    valid_from: datetime | Unchanged = UNCHANGED,
    valid_until: datetime | Unchanged = UNCHANGED,
    overrides: Mapping[str, object] | Unchanged = UNCHANGED,
) -> Licence:
    """Change what is given of the tenant's licence. A change of plan takes the price now in force.

    A call that changes nothing writes nothing. Raises :class:`LicensingRefused` (LICENCE_MISSING and the
    codes of :func:`grant_licence`).
    """
    # The tenant first, then the licence: the order in which every service takes these locks.
    Tenant.objects.select_for_update().get(pk=tenant.pk)
    licence = (
        Licence.objects.select_for_update(of=("self",))
        .select_related("plan", "price_version", "price_version__plan")
        .filter(tenant=tenant)
        .first()
    )
    if licence is None:
        raise LicensingRefused("LICENCE_MISSING", f"{tenant.slug} has no licence")
    before = licence_figures(licence)
    if isinstance(plan, Plan) and plan.pk != licence.plan_id:
        licence.plan, licence.price_version = plan, _price_to_sell(plan)
    if not isinstance(status, Unchanged):
        licence.status = status
    if not isinstance(valid_from, Unchanged):
        licence.valid_from = valid_from
    if not isinstance(valid_until, Unchanged):
        licence.valid_until = valid_until
    if not isinstance(overrides, Unchanged):
        licence.overrides = dict(overrides)
    if licence_figures(licence) == before:
        return licence
    _check(licence)
    licence.save()
    _publish(licence, actor=actor, action="licence.changed", before=before)
    return licence


def suspend_licence(*, actor: User | str, tenant: Tenant) -> Licence:
    """Stop trading at once; the validity stays as it is. Raises as :func:`change_licence`."""
    return change_licence(actor=actor, tenant=tenant, status=LicenceStatus.SUSPENDED)


def reinstate_licence(*, actor: User | str, tenant: Tenant) -> Licence:
    """End a suspension. Raises as :func:`change_licence`."""
    return change_licence(actor=actor, tenant=tenant, status=LicenceStatus.ACTIVE)


def plan_figures(plan: Plan) -> dict[str, object]:
    """What of a plan is audited."""
    return {
        "code": plan.code,
        "name": plan.name,
        "name_ar": plan.name_ar,
        "features": sorted(plan.features),
        "orders_per_second": plan.orders_per_second,
        "position": plan.position,
        "offered": plan.offered,
    }


def licence_figures(licence: Licence) -> dict[str, object]:
    """What of a licence is audited."""
    return {
        "plan": licence.plan.code,
        "price_version": licence.price_version.version,
        "status": str(licence.status),
        "valid_from": licence.valid_from.isoformat(),
        "valid_until": licence.valid_until.isoformat(),
        "overrides": licence.overrides,
        "billing_time_zone": licence.billing_time_zone,
    }


def _price_to_sell(plan: Plan) -> PlanPriceVersion:
    price = price_in_force(plan, at=timezone.now())
    if price is None:
        raise LicensingRefused("PLAN_WITHOUT_PRICE", f"the plan {plan.code} has no price in force")
    return price


def _check(licence: Licence) -> None:
    if licence.valid_until <= licence.valid_from:
        raise LicensingRefused("VALIDITY_INVALID", "a licence ends after it begins")
    try:
        check_overrides(licence.overrides)
        effective_terms(terms_of(licence.price_version), licence.overrides)
    except OverridesInvalid as error:
        raise LicensingRefused("OVERRIDES_INVALID", str(error)) from error


def _publish(licence: Licence, *, actor: User | str, action: str, before: dict[str, object] | None) -> None:
    latest = licence.changes.aggregate(Max("sequence"))["sequence__max"] or 0
    LicenceChange.objects.create(
        licence=licence,
        sequence=latest + 1,
        effective_at=timezone.now(),
        plan=licence.plan,
        price_version=licence.price_version,
        status=licence.status,
        valid_from=licence.valid_from,
        valid_until=licence.valid_until,
        overrides=licence.overrides,
    )
    record(
        actor=actor,
        action=action,
        tenant=licence.tenant.slug,
        subject=f"licence:{licence.pk}",
        before=before,
        after=licence_figures(licence),
    )
    enqueue(topic=TENANT_CONFIG, key=licence.tenant.slug)
