"""A person is somebody on the sites he belongs to and nobody on every other."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from tenants.access import permission_required, user_may
from tenants.authentication import may_be_here
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Membership, User
from tenants.roles import Permission, Role
from tenants.selectors import api_key_presented, member_by_name, members
from tenants.services import issue_api_key, remove_membership, revoke_api_key, set_membership, update_user
from tests.database import password_of

pytestmark = pytest.mark.django_db
ClientOn = Callable[..., Client]
CSRF_VALUE = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"')


def attempt(client: Client, username: str, password: str) -> tuple[int, bytes]:
    """Status and page of a sign-in, without what differs in every answer and without the name that was typed."""
    answer = client.post("/sign-in/", {"username": username, "password": password})
    return answer.status_code, CSRF_VALUE.sub(b"", answer.content).replace(username.encode(), b"NAME")


def signed_in(client: Client) -> bool:
    """Whether the host knows the person: its sign-in page sends him on."""
    return client.get("/sign-in/").status_code == 302


@pytest.mark.parametrize("role", Role)
def test_a_member_signs_in_on_his_own_tenants_host_and_out_again(client_on: ClientOn, role: str) -> None:
    client = client_on("alpha.localhost", f"alpha-{role}")
    assert signed_in(client)
    assert client.post("/sign-out/").headers["location"] == "/sign-in/"
    assert not signed_in(client)


def test_another_tenants_member_an_operator_and_a_wrong_password_get_the_same_answer(client_on: ClientOn) -> None:
    with platform_scope():
        update_user(actor="tester", user=User.objects.get(username="alpha-viewer"), changes={"is_active": False})
    client = client_on("alpha.localhost")
    wrong_password = attempt(client, "alpha-trader", "wrong")
    assert wrong_password[0] == 200
    for username in ("beta-trader", "beta-administrator", "operator", "alpha-viewer", "nobody"):
        assert attempt(client, username, password_of(username)) == wrong_password
        assert not signed_in(client)


def test_a_session_cookie_carried_to_another_host_is_worth_nothing_there(client_on: ClientOn) -> None:
    # `both-trader` is a member of both, so only the session itself can refuse.
    for username in ("alpha-trader", "both-trader"):
        cookies = client_on("alpha.localhost", username).cookies
        for host in ("beta.localhost", "localhost"):
            stranger = client_on(host)
            stranger.cookies = cookies
            address = "/admin/login/" if host == "localhost" else "/sign-in/"
            assert stranger.get(address).status_code == 200
        assert signed_in(client_with(client_on("alpha.localhost"), cookies))


def client_with(client: Client, cookies: object) -> Client:
    client.cookies = cookies
    return client


def test_a_membership_that_ends_ends_the_session(client_on: ClientOn) -> None:
    client = client_on("alpha.localhost", "alpha-trader")
    assert signed_in(client)
    with platform_scope():
        remove_membership(actor="tester", membership=Membership.objects.get(user__username="alpha-trader"))
    assert not signed_in(client)


def test_a_person_who_is_deactivated_is_signed_out_everywhere(client_on: ClientOn) -> None:
    browsers = [client_on("alpha.localhost", "both-trader"), client_on("beta.localhost", "both-trader")]
    with platform_scope():
        update_user(actor="tester", user=User.objects.get(username="both-trader"), changes={"is_active": False})
    assert not any(signed_in(client) for client in browsers)


def test_only_an_active_operator_is_anybody_in_the_platforms_scope_and_nobody_is_outside_every_scope() -> None:
    with platform_scope():
        operator = User.objects.get(username="operator")
        assert authenticate(username="operator", password=password_of("operator")) == operator
        assert authenticate(username="alpha-trader", password=password_of("alpha-trader")) is None
        assert may_be_here(operator)
    assert not may_be_here(operator)
    with enter_for_command("alpha"):
        assert not may_be_here(operator)
        assert authenticate(username="operator", password=password_of("operator")) is None


def test_the_admin_knows_operators_only(client_on: ClientOn) -> None:
    client = client_on("localhost")
    for username in ("alpha-administrator", "both-trader"):
        assert client.post("/admin/login/", {"username": username, "password": password_of(username)}).status_code == 200
        assert client.get("/admin/").status_code == 302
    assert client_on("localhost", "operator").get("/admin/").status_code == 200


@permission_required(Permission.PLACE_ORDERS)
def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse("placed")


def ask(user: User | AnonymousUser) -> HttpResponse:
    request = RequestFactory().post("/")
    request.user = user
    return guarded(request)


@pytest.mark.parametrize(("role", "allowed"), [(Role.ADMINISTRATOR, False), (Role.TRADER, True), (Role.VIEWER, False)])
def test_a_guarded_view_serves_the_roles_that_hold_the_permission(tenant_a: object, role: str, allowed: bool) -> None:
    with enter_for_command("alpha"):
        user = User.objects.get(username=f"alpha-{role}")
        assert user_may(user, Permission.PLACE_ORDERS) is allowed
        if allowed:
            assert ask(user).content == b"placed"
        else:
            with pytest.raises(PermissionDenied):
                ask(user)


def test_a_guarded_view_serves_neither_strangers_nor_members_of_another_tenant(tenant_a: object) -> None:
    with platform_scope():
        people = list(User.objects.filter(username__in=["beta-administrator", "operator"]))
        assert not any(user_may(user, Permission.SEE_MARKET) for user in people)
    with enter_for_command("alpha"):
        assert ask(AnonymousUser()).status_code == 302
        for user in people:
            with pytest.raises(PermissionDenied):
                ask(user)


def test_members_are_those_of_the_current_tenant(tenant_a: object) -> None:
    with enter_for_command("beta"):
        names = {membership.user.username for membership in members()}
        assert names == {"beta-administrator", "beta-trader", "beta-viewer", "both-trader"}
        assert member_by_name(username="alpha-trader") is None


def test_an_api_key_counts_in_its_tenant_only_until_it_expires_or_is_revoked(tenant_a, tenant_b) -> None:
    from datetime import UTC, datetime, timedelta

    now = datetime(2026, 3, 1, tzinfo=UTC)
    with platform_scope():
        user = User.objects.get(username="both-trader")
        key, text = issue_api_key(actor=user, tenant=tenant_a, user=user, name="algo", expires_at=now + timedelta(days=1))
        assert text.encode() not in bytes(key.digest)
    with enter_for_command("alpha"):
        assert api_key_presented(presented=text, now=now) == key
        assert api_key_presented(presented=text, now=now + timedelta(days=1)) is None
        for wrong in ("", "tsk_", text[:-1], text + "x", text.replace("tsk", "key"), key.prefix):
            assert api_key_presented(presented=wrong, now=now) is None
    with enter_for_command("beta"):
        assert api_key_presented(presented=text, now=now) is None
    with platform_scope():
        revoke_api_key(actor=user, key=key, now=now)
    with enter_for_command("alpha"):
        assert api_key_presented(presented=text, now=now) is None


def test_a_changed_role_is_felt_by_the_next_question(tenant_a) -> None:
    with platform_scope():
        user = User.objects.get(username="alpha-viewer")
        set_membership(actor="tester", tenant=tenant_a, user=user, role=Role.TRADER)
    with enter_for_command("alpha"):
        assert user_may(user, Permission.PLACE_ORDERS)
