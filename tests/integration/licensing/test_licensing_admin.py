"""The operator's pages of plans and licences: they open in both languages, and what they save goes through the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from licensing.models import Licence, Plan
from tenants.models import Tenant
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

Grant = Callable[..., Licence]
INLINES = {"changes-TOTAL_FORMS": 0, "changes-INITIAL_FORMS": 0, "price_versions-TOTAL_FORMS": 0, "price_versions-INITIAL_FORMS": 0}


def licence_form(licence: Licence, **changes: Any) -> dict[str, Any]:
    return {
        "plan": licence.plan_id,
        "status": licence.status,
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00:00",
        "valid_until_0": "2027-01-01",
        "valid_until_1": "00:00:00",
        "overrides": "{}",
        **INLINES,
        **changes,
    }


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("page", ["plan", "planpriceversion", "licence"])
def test_every_page_opens(operator_client: Client, licensed: Grant, page: str, language: str) -> None:
    licensed()
    assert operator_client.get(f"/admin/licensing/{page}/", headers={"accept-language": language}).status_code == 200
    assert operator_client.get(f"/admin/licensing/{page}/add/").status_code == 200


def test_the_rows_have_pages(operator_client: Client, licensed: Grant, plans: dict[str, Plan]) -> None:
    licence = licensed()
    page = operator_client.get(f"/admin/licensing/licence/{licence.pk}/change/").content.decode()
    assert "professional v1" in page
    assert operator_client.get(f"/admin/licensing/plan/{plans['basic'].pk}/change/").status_code == 200


def test_ending_a_licence_on_the_page_is_audited_and_published(operator_client: Client, licensed: Grant) -> None:
    licence = licensed()
    waiting = OutboxMessage.objects.count()
    form = licence_form(licence, valid_until_0="2026-02-01")
    assert operator_client.post(f"/admin/licensing/licence/{licence.pk}/change/", form).status_code == 302
    licence.refresh_from_db()
    assert licence.valid_until.isoformat() == "2026-02-01T00:00:00+00:00"
    assert AuditEvent.objects.get(action="licence.changed").actor == "operator"
    assert [row.key for row in OutboxMessage.objects.order_by("id")[waiting:]] == ["alpha"]


def test_suspending_on_the_list_is_audited_and_published(operator_client: Client, licensed: Grant) -> None:
    licence = licensed()
    answer = operator_client.post("/admin/licensing/licence/", {"action": "suspend", "_selected_action": [licence.pk]}, follow=True)
    assert answer.status_code == 200
    licence.refresh_from_db()
    assert licence.status == "suspended"
    assert AuditEvent.objects.filter(action="licence.changed").count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_until_0": "2025-01-01"},
        {"valid_until_0": "tomorrow"},
        {"overrides": '{"surprise": 1}'},
        {"overrides": "[1]"},
        {"overrides": "{"},
    ],
)
def test_a_bad_licence_is_refused_on_the_form(operator_client: Client, licensed: Grant, changes: dict[str, Any]) -> None:
    licence = licensed()
    answer = operator_client.post(f"/admin/licensing/licence/{licence.pk}/change/", licence_form(licence, **changes))
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode()
    assert not AuditEvent.objects.filter(action="licence.changed").exists()


def test_a_licence_is_granted_on_the_page(operator_client: Client, plans: dict[str, Plan], tenant_b: Tenant) -> None:
    form = {
        "tenant": tenant_b.pk,
        "plan": plans["basic"].pk,
        "valid_from_0": "2026-01-01",
        "valid_from_1": "00:00:00",
        "valid_until_0": "2027-01-01",
        "valid_until_1": "00:00:00",
        "overrides": "{}",
        "billing_time_zone": "Asia/Dubai",
        **INLINES,
    }
    assert operator_client.post("/admin/licensing/licence/add/", form).status_code == 302
    assert Licence.objects.get(tenant=tenant_b).plan.code == "basic"
    refused = operator_client.post("/admin/licensing/licence/add/", {**form, "tenant": tenant_b.pk})
    assert refused.status_code == 200
    assert Licence.objects.count() == 1


def test_a_plan_is_edited_on_the_page(operator_client: Client, licensed: Grant, plans: dict[str, Plan]) -> None:
    licensed("basic")
    basic = plans["basic"]
    form = {
        "name": "Starter",
        "name_ar": "البداية",
        "features": ["exchange:EGX", "asset:equity"],
        "orders_per_second": 5,
        "position": 1,
        "offered": "on",
        **INLINES,
    }
    assert operator_client.post(f"/admin/licensing/plan/{basic.pk}/change/", form).status_code == 302
    basic.refresh_from_db()
    assert (basic.code, basic.name, basic.features) == ("basic", "Starter", ["asset:equity", "exchange:EGX"])
    assert OutboxMessage.objects.filter(key="alpha").order_by("-id").first() is not None


def test_a_price_is_published_on_the_page_and_then_only_read(operator_client: Client, plans: dict[str, Plan]) -> None:
    form = {
        "plan": plans["basic"].pk,
        "currency": "USD",
        "monthly_base": "109.50",
        "allowances": '[{"meter": "orders", "period": "day", "included": "100", "overage_price": null}]',
        "effective_from_0": "2026-01-01",
        "effective_from_1": "00:00:00",
    }
    assert operator_client.post("/admin/licensing/planpriceversion/add/", form).status_code == 302
    price = plans["basic"].price_versions.get(version=2)
    assert operator_client.post(f"/admin/licensing/planpriceversion/{price.pk}/change/", form).status_code == 403
    bad = {**form, "allowances": '[{"meter": "orders"}]'}
    assert operator_client.post("/admin/licensing/planpriceversion/add/", bad).status_code == 200
    assert plans["basic"].price_versions.count() == 2


def test_nothing_of_licensing_can_be_deleted_on_the_pages(operator_client: Client, licensed: Grant) -> None:
    licence = licensed()
    assert operator_client.post(f"/admin/licensing/licence/{licence.pk}/delete/", {"post": "yes"}).status_code == 403
