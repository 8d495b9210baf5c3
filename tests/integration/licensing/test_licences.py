"""Plans, prices and licences in PostgreSQL: every change is audited and published, and refusals change nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from licensing import services
from licensing.models import Licence, LicenceChange, LicenceStatus, Plan, PlanPriceVersion
from licensing.selectors import licence_entry, licence_state, price_in_force
from tenants.models import Tenant
from tests.integration.licensing.conftest import END, START
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

Grant = Callable[..., Licence]


def published() -> list[str]:
    return list(OutboxMessage.objects.filter(topic="tenant-config").order_by("id").values_list("key", flat=True))


def audited(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


def test_the_reference_plans_have_the_published_prices(plans: dict[str, Plan]) -> None:
    from django.utils import timezone

    prices = {code: price_in_force(plan, at=timezone.now()) for code, plan in plans.items()}
    assert {code: price.monthly_base for code, price in prices.items() if price} == {
        "basic": Decimal(99),
        "professional": Decimal(299),
        "islamic": Decimal(399),
        "enterprise": Decimal(999),
    }


def test_loading_the_plans_again_keeps_the_operators_edits(plans: dict[str, Plan]) -> None:
    services.define_plan(
        actor="tester", code="basic", name="Small", name_ar="صغيرة", features=["exchange:EGX"], orders_per_second=1
    )
    assert services.load_reference_plans(actor="tester") == []
    basic = Plan.objects.get(code="basic")
    assert (basic.name, basic.features, basic.orders_per_second) == ("Small", ["exchange:EGX"], 1)


def test_a_price_version_can_neither_be_changed_nor_removed(plans: dict[str, Plan]) -> None:
    price = plans["basic"].price_versions.get()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        PlanPriceVersion.objects.filter(pk=price.pk).update(monthly_base=1)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        PlanPriceVersion.objects.filter(pk=price.pk).delete()
    assert PlanPriceVersion.objects.get(pk=price.pk).monthly_base == Decimal(99)


def test_a_malformed_price_is_refused_and_not_numbered(plans: dict[str, Plan]) -> None:
    with pytest.raises(services.LicensingRefused) as refusal:
        services.publish_price(actor="tester", plan=plans["basic"], currency="USD", monthly_base="1,5", allowances=[])
    assert refusal.value.code == "PRICE_INVALID"
    assert plans["basic"].price_versions.count() == 1


def test_a_new_price_reaches_a_licence_only_when_the_plan_is_chosen_again(
    plans: dict[str, Plan], licensed: Grant, tenant_a: Tenant
) -> None:
    licence = licensed("basic")
    dearer = services.publish_price(actor="tester", plan=plans["basic"], currency="USD", monthly_base=Decimal(120), allowances=[])
    assert dearer.version == 2
    services.change_licence(actor="tester", tenant=tenant_a, valid_until=END + timedelta(days=1))
    licence.refresh_from_db()
    assert licence.price_version.version == 1
    services.change_licence(actor="tester", tenant=tenant_a, plan=plans["enterprise"])
    services.change_licence(actor="tester", tenant=tenant_a, plan=plans["basic"])
    licence.refresh_from_db()
    assert licence.price_version == dearer


def test_a_grant_is_audited_published_and_first_in_the_time_line(licensed: Grant, tenant_a: Tenant) -> None:
    before = published()
    licence = licensed("basic")
    assert published() == [*before, "alpha"]
    event = AuditEvent.objects.get(action="licence.granted")
    assert (event.tenant, event.actor, event.after["plan"]) == ("alpha", "tester", "basic")
    assert [(row.sequence, row.status) for row in licence.changes.all()] == [(1, "active")]


def test_the_entry_says_what_the_snapshot_needs(licensed: Grant, tenant_a: Tenant) -> None:
    licensed("basic", overrides={"features_added": ["exchange:ADX"], "orders_per_second": None})
    entry = licence_entry(tenant_a)
    assert entry is not None
    assert (entry.plan, entry.status) == ("basic", "active")
    assert (entry.orders_per_day_included, entry.orders_per_day_cap, entry.orders_per_second) == (100, 100, None)
    assert "exchange:ADX" in entry.features and "sharia" not in entry.features
    assert entry.valid_from == 1767225600 * 10**9
    assert entry.valid_until - entry.valid_from == 365 * 86400 * 10**9


def test_a_tenant_without_a_licence_is_entitled_to_nothing(platform: None, tenant_a: Tenant) -> None:
    assert licence_entry(tenant_a) is None
    assert licence_state(None, at=START) == "missing"


def test_a_second_grant_is_refused(licensed: Grant) -> None:
    licensed("basic")
    with pytest.raises(services.LicensingRefused) as refusal:
        licensed("enterprise")
    assert refusal.value.code == "LICENCE_EXISTS"
    assert Licence.objects.get().plan.code == "basic"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid_until": START}, "VALIDITY_INVALID"),
        ({"overrides": {"surprise": 1}}, "OVERRIDES_INVALID"),
    ],
)
def test_a_refused_change_leaves_everything_as_it_was(
    licensed: Grant, tenant_a: Tenant, changes: dict[str, object], code: str
) -> None:
    licence = licensed()
    waiting, events = published(), AuditEvent.objects.count()
    with pytest.raises(services.LicensingRefused) as refusal:
        services.change_licence(actor="tester", tenant=tenant_a, **changes)  # type: ignore[arg-type]
    assert refusal.value.code == code
    licence.refresh_from_db()
    assert (licence.valid_until, licence.overrides) == (END, {})
    assert (published(), AuditEvent.objects.count(), licence.changes.count()) == (waiting, events, 1)


def test_a_change_that_changes_nothing_writes_nothing(licensed: Grant, tenant_a: Tenant) -> None:
    licensed()
    waiting = published()
    services.change_licence(actor="tester", tenant=tenant_a, valid_until=END, status=LicenceStatus.ACTIVE)
    assert (published(), audited("licence.changed")) == (waiting, 0)


def test_suspension_and_reinstatement_are_two_published_changes(licensed: Grant, tenant_a: Tenant) -> None:
    licence = licensed()
    waiting = published()
    services.suspend_licence(actor="tester", tenant=tenant_a)
    entry = licence_entry(tenant_a)
    assert entry is not None and entry.status == "suspended"
    services.reinstate_licence(actor="tester", tenant=tenant_a)
    assert published() == [*waiting, "alpha", "alpha"]
    assert [row.status for row in licence.changes.order_by("sequence")] == ["active", "suspended", "active"]


def test_changing_a_licence_that_is_not_there_is_refused(platform: None, tenant_b: Tenant) -> None:
    with pytest.raises(services.LicensingRefused) as refusal:
        services.suspend_licence(actor="tester", tenant=tenant_b)
    assert refusal.value.code == "LICENCE_MISSING"


def test_editing_a_plan_publishes_every_tenant_on_it(plans: dict[str, Plan], licensed: Grant) -> None:
    licensed("basic")
    waiting = published()
    basic = plans["basic"]
    options = {"name": basic.name, "name_ar": basic.name_ar, "orders_per_second": 10, "position": basic.position}
    services.define_plan(actor="tester", code="basic", features=basic.features, **options)  # type: ignore[arg-type]
    assert published() == waiting
    services.define_plan(actor="tester", code="basic", features=["exchange:EGX"], **options)  # type: ignore[arg-type]
    assert published() == [*waiting, "alpha"]


def test_a_plan_with_an_unknown_feature_is_refused(platform: None) -> None:
    with pytest.raises(services.LicensingRefused) as refusal:
        services.define_plan(
            actor="tester", code="odd", name="Odd", name_ar="غريبة", features=["exchange:NYSE"], orders_per_second=None
        )
    assert refusal.value.code == "FEATURE_UNKNOWN"
    assert not Plan.objects.filter(code="odd").exists()


def test_a_plan_without_a_price_cannot_be_sold(platform: None, tenant_a: Tenant) -> None:
    plan = services.define_plan(actor="tester", code="free", name="Free", name_ar="مجانية", features=[], orders_per_second=None)
    with pytest.raises(services.LicensingRefused) as refusal:
        services.grant_licence(actor="tester", tenant=tenant_a, plan=plan, valid_from=START, valid_until=END)
    assert refusal.value.code == "PLAN_WITHOUT_PRICE"


def test_the_time_line_cannot_be_rewritten(licensed: Grant) -> None:
    licence = licensed()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        LicenceChange.objects.filter(licence=licence).update(status="suspended")


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (START - timedelta(microseconds=1), "not_yet_valid"),
        (START, "active"),
        (END - timedelta(microseconds=1), "active"),
        (END, "expired"),
    ],
)
def test_a_licence_is_valid_from_its_first_instant_until_just_before_its_last(licensed: Grant, moment: object, state: str) -> None:
    assert licence_state(licensed(), at=moment) == state  # type: ignore[arg-type]


def test_the_database_itself_refuses_a_validity_that_ends_before_it_begins(licensed: Grant) -> None:
    licence = licensed()
    with pytest.raises(IntegrityError, match="licensing_licence_validity"), transaction.atomic():
        Licence.objects.filter(pk=licence.pk).update(valid_until=START)
    assert connection.is_usable()
