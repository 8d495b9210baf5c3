"""The operator's pages: every change made there is in the audit log and on its way to the workers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import ApiKey, Domain, Membership, Tenant, User
from tenants.services import issue_api_key
from tests.integration.tenancy.support import codes
from tradsys.audit.models import AuditEvent
from tradsys.audit.selectors import events
from tradsys.outbox.models import OutboxMessage

pytestmark = pytest.mark.django_db

PAGES = ("tenants/tenant", "tenants/domain", "tenants/membership", "tenants/user", "tenants/apikey", "audit/auditevent")


@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("page", PAGES)
def test_each_list_opens_in_both_languages(operator_client: Client, page: str, language: str) -> None:
    answer = operator_client.get(f"/admin/{page}/", headers={"accept-language": language})
    assert answer.status_code == 200
    direction = "rtl" if language == "ar" else "ltr"
    assert f'lang="{language}" dir="{direction}"' in answer.content.decode()


@pytest.mark.parametrize("page", PAGES)
def test_a_row_of_each_list_opens_and_its_new_form_where_there_is_one(operator_client: Client, page: str) -> None:
    with platform_scope():
        models = {model._meta.model_name: model for model in (Tenant, Domain, Membership, User, ApiKey, AuditEvent)}
        tenant, user = Tenant.objects.get(slug="alpha"), User.objects.get(username="alpha-trader")
        issue_api_key(actor="tester", tenant=tenant, user=user, name="algo", expires_at=timezone.now() + timedelta(days=1))
        key = models[page.rpartition("/")[2]].objects.first().pk
    assert operator_client.get(f"/admin/{page}/{key}/change/").status_code == 200
    read_only = page in ("tenants/apikey", "audit/auditevent")
    assert operator_client.get(f"/admin/{page}/add/").status_code == (403 if read_only else 200)


def test_the_language_button_turns_the_admin_to_arabic_and_keeps_it(operator_client: Client) -> None:
    assert b"/language/setlang/" in operator_client.get("/admin/").content
    operator_client.post("/language/setlang/", {"language": "ar", "next": "/admin/"})
    page = operator_client.get("/admin/").content.decode()
    assert 'dir="rtl"' in page
    assert "الشركات" in page


def test_an_operator_creates_a_tenant_that_works(operator_client: Client, client_on: Callable[..., Client]) -> None:
    row = {"slug": "gamma", "name": "Gamma", "name_ar": "جاما", "country": "AE", "domain": "Gamma.localhost"}
    answer = operator_client.post("/admin/tenants/tenant/add/", row)
    assert answer.status_code == 302
    assert {(event.action, event.actor) for event in audited("gamma")} == {
        ("tenant.created", "operator"),
        ("domain.added", "operator"),
    }
    assert waiting("gamma")
    with enter_for_command("gamma"):
        assert codes() == []
    assert client_on("gamma.localhost").get("/sign-in/").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"), [("slug", "alpha"), ("slug", "Not A Slug"), ("domain", "ALPHA.localhost"), ("country", "XX")]
)
def test_a_bad_tenant_is_shown_on_the_form_and_nothing_is_made(operator_client: Client, field: str, value: str) -> None:
    row = {"slug": "gamma", "name": "Gamma", "country": "AE", "domain": "gamma.localhost", field: value}
    answer = operator_client.post("/admin/tenants/tenant/add/", row)
    assert answer.status_code == 200
    assert answer.context["adminform"].form.errors.keys() == {field}
    with platform_scope():
        assert Tenant.objects.count() == 2
    assert not audited("gamma")


def test_an_operator_suspends_a_tenant(operator_client: Client, tenant_a: Tenant) -> None:
    assert submit(operator_client, f"/admin/tenants/tenant/{tenant_a.pk}/change/", state="suspended") == 302
    (event,) = [event for event in audited("alpha") if event.action == "tenant.changed"]
    assert (event.actor, event.before["state"], event.after["state"]) == ("operator", "active", "suspended")
    assert waiting("alpha")


def test_an_operator_sets_changes_and_ends_a_membership(operator_client: Client, tenant_a: Tenant) -> None:
    with platform_scope():
        user = User.objects.get(username="beta-viewer")
    row = {"tenant": tenant_a.pk, "user": user.pk, "role": "viewer", "accounts": "*"}
    assert operator_client.post("/admin/tenants/membership/add/", row).status_code == 302
    with platform_scope():
        made = Membership.objects.get(tenant=tenant_a, user=user)
    address = f"/admin/tenants/membership/{made.pk}"
    assert operator_client.post(f"{address}/change/", {"role": "trader", "accounts": "A-1,A-2"}).status_code == 302
    with platform_scope():
        made.refresh_from_db()
        assert (made.role, made.accounts) == ("trader", ["A-1", "A-2"])
    assert operator_client.post(f"{address}/delete/", {"post": "yes"}).status_code == 302
    assert [event.action for event in audited("alpha", "user:beta-viewer")] == [
        "tokens.revoked",
        "membership.removed",
        "tokens.revoked",  # every account became two
        "membership.set",
        "membership.set",
    ]


def test_an_operator_adds_a_domain_and_the_only_one_cannot_be_removed(operator_client: Client, tenant_a: Tenant) -> None:
    with platform_scope():
        first = Domain.objects.get(tenant=tenant_a)
    assert operator_client.post(f"/admin/tenants/domain/{first.pk}/delete/", {"post": "yes"}).status_code == 403
    row = {"tenant": tenant_a.pk, "domain": "second.localhost"}
    assert operator_client.post("/admin/tenants/domain/add/", row).status_code == 302
    assert operator_client.post(f"/admin/tenants/domain/{first.pk}/delete/", {"post": "yes"}).status_code == 302
    with platform_scope():
        assert Domain.objects.get(tenant=tenant_a).domain == "second.localhost"


def test_an_operator_makes_changes_and_gives_a_new_password_to_a_person(operator_client: Client) -> None:
    row = {"username": "gamma-trader", "usable_password": "true", "password1": "long-enough-71", "password2": "long-enough-71"}
    assert operator_client.post("/admin/tenants/user/add/", row).status_code == 302
    with platform_scope():
        user = User.objects.get(username="gamma-trader")
        assert user.check_password("long-enough-71")
    assert submit(operator_client, f"/admin/tenants/user/{user.pk}/change/", first_name="Gamal") == 302
    password = {"usable_password": "true", "password1": "longer-still-72", "password2": "longer-still-72"}
    assert operator_client.post(f"/admin/tenants/user/{user.pk}/password/", password).status_code == 302
    with platform_scope():
        user.refresh_from_db()
        assert user.first_name == "Gamal"
        assert user.check_password("longer-still-72")
        actions = [event.action for event in events(subject="user:gamma-trader")]
    assert actions == ["user.password-set", "user.changed", "user.created"]


def test_an_operator_revokes_keys(operator_client: Client, tenant_a: Tenant) -> None:
    with platform_scope():
        user = User.objects.get(username="alpha-trader")
        expires = timezone.now() + timedelta(days=1)
        key, _ = issue_api_key(actor="tester", tenant=tenant_a, user=user, name="algo", expires_at=expires)
    answer = operator_client.post("/admin/tenants/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert answer.status_code == 302
    with platform_scope():
        key.refresh_from_db()
    assert key.revoked_at is not None
    assert [event.action for event in audited("alpha", f"api-key:{key.prefix}")] == [
        "tokens.revoked",
        "api-key.revoked",
        "api-key.issued",
    ]


def test_the_log_and_the_tenants_cannot_be_deleted_from_the_pages(operator_client: Client, tenant_a: Tenant) -> None:
    with platform_scope():
        event = AuditEvent.objects.first()
    for address in (f"tenants/tenant/{tenant_a.pk}", f"audit/auditevent/{event.pk}"):
        assert operator_client.post(f"/admin/{address}/delete/", {"post": "yes"}).status_code == 403
    assert operator_client.post(f"/admin/audit/auditevent/{event.pk}/change/", {"actor": "x"}).status_code == 403


def submit(client: Client, address: str, **changes: str) -> int:
    """Status of sending the form at `address` as a browser fills it, with `changes`."""
    page = client.get(address)
    form = page.context["adminform"].form
    data = {
        name: value for name in form.fields if (value := form.get_initial_for_field(form.fields[name], name)) not in (None, False)
    }
    for inline in page.context["inline_admin_formsets"]:
        management = inline.formset.management_form
        data |= {management.add_prefix(name): management.initial[name] for name in management.fields}
        data |= {form.add_prefix("id"): form.instance.pk for form in inline.formset.initial_forms}
    return client.post(address, data | changes).status_code


def audited(slug: str, subject: str | None = None) -> list[AuditEvent]:
    with platform_scope():
        return [event for event in events(tenant=slug, subject=subject) if event.actor != "test-setup"]


def waiting(slug: str) -> bool:
    with platform_scope():
        return OutboxMessage.objects.filter(topic="tenant-config", key=slug, published_at=None).exists()
