"""The host decides: operator's site, a tenant's, or none; over HTTP and over WebSocket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from tenants.kernel.context import scope_or_none
from tenants.kernel.entry_points import platform_scope
from tenants.kernel.websocket import TenantWebSocket
from tenants.models import Tenant
from tenants.services import add_domain, create_tenant, remove_domain, resume_tenant, suspend_tenant

ClientOn = Callable[..., Client]


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["alpha.localhost", "ALPHA.localhost:8000", "alpha.localhost."])
def test_a_tenants_host_is_served_in_any_spelling(client_on: ClientOn, host: str) -> None:
    assert client_on(host).get("/sign-in/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["gamma.localhost", "127.0.0.1:8000", "alpha.localhost.example.com", "x_y", "[::1]:8000", "a b"])
def test_an_unknown_host_gets_a_clear_404_on_every_address(client_on: ClientOn, host: str) -> None:
    for address in ("/", "/sign-in/", "/admin/", "/api/v1/orders"):
        answer = client_on(host).get(address)
        assert answer.status_code == 404
        assert b"No one answers here" in answer.content


@pytest.mark.django_db
def test_only_the_operators_host_has_the_admin_and_only_tenants_have_a_trading_site(client_on: ClientOn) -> None:
    assert client_on("localhost").get("/admin/login/").status_code == 200
    assert client_on("localhost:8000").get("/").headers["location"] == "/admin/"
    assert client_on("localhost").get("/sign-in/").status_code == 404
    for slug in ("alpha", "beta"):
        assert client_on(f"{slug}.localhost").get("/admin/").status_code == 404
        assert client_on(f"{slug}.localhost").get("/admin/login/").status_code == 404


@pytest.mark.django_db
def test_a_request_leaves_no_scope_behind(client_on: ClientOn) -> None:
    client_on("alpha.localhost").get("/sign-in/")
    assert scope_or_none() is None


@pytest.mark.django_db
def test_finding_the_tenant_of_a_known_host_costs_no_statement(client_on: ClientOn, django_assert_num_queries: Callable) -> None:
    client = client_on("alpha.localhost")
    client.get("/sign-out/")
    with django_assert_num_queries(0):
        assert client.get("/sign-out/").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_a_new_tenant_a_new_domain_and_a_removed_one_count_at_once(client_on: ClientOn) -> None:
    assert client_on("gamma.localhost").get("/sign-in/").status_code == 404
    with platform_scope():
        gamma = create_tenant(actor="tester", slug="gamma", name="Gamma", country="EG", domain="gamma.localhost")
        assert client_on("gamma.localhost").get("/sign-in/").status_code == 200
        second = add_domain(actor="tester", tenant=gamma, domain="Trade.Gamma.localhost")
        assert client_on("trade.gamma.localhost").get("/sign-in/").status_code == 200
        remove_domain(actor="tester", domain=second)
    assert client_on("trade.gamma.localhost").get("/sign-in/").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_suspended_tenant_answers_403_until_it_is_resumed(client_on: ClientOn) -> None:
    client = client_on("alpha.localhost", "alpha-trader")
    with platform_scope():
        alpha = Tenant.objects.get(slug="alpha")
        suspend_tenant(actor="tester", tenant=alpha)
    for address in ("/", "/sign-in/", "/api/v1/orders"):
        assert client.get(address).status_code == 403
    assert client_on("beta.localhost").get("/sign-in/").status_code == 200
    with platform_scope():
        resume_tenant(actor="tester", tenant=alpha)
    assert client.get("/sign-in/").status_code == 302


@pytest.mark.django_db
def test_pages_forbid_foreign_and_inline_scripts(client_on: ClientOn) -> None:
    for host, address in (("alpha.localhost", "/sign-in/"), ("localhost", "/admin/login/")):
        policy = client_on(host).get(address).headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


@pytest.mark.django_db
def test_a_form_posted_from_another_tenants_page_is_refused(client_on: ClientOn) -> None:
    client = client_on("alpha.localhost", enforce_csrf_checks=True)
    client.get("/sign-in/")
    token = client.cookies["tradsys_csrf"].value
    person = {"username": "alpha-trader", "password": "alpha-trader-secret", "csrfmiddlewaretoken": token}
    foreign = client.post("/sign-in/", person, headers={"origin": "http://beta.localhost"})
    assert foreign.status_code == 403
    assert client.post("/sign-in/", person, headers={"origin": "http://alpha.localhost"}).status_code == 302


async def whoami(scope: dict, receive: Callable, send: Callable) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{scope['tenant'].slug} {scope_or_none().schema_name}"})


async def handshake(host: str, origin: str | None = None) -> ApplicationCommunicator:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin else [])
    connection = ApplicationCommunicator(TenantWebSocket(whoami), {"type": "websocket", "path": "/", "headers": headers})
    await connection.send_input({"type": "websocket.connect"})
    return connection


@pytest.mark.django_db(transaction=True)
async def test_a_websocket_lives_in_its_hosts_tenant() -> None:
    for slug in ("alpha", "beta"):
        for origin in (None, f"http://{slug}.localhost:8000"):
            connection = await handshake(f"{slug}.localhost:8000", origin)
            assert (await connection.receive_output())["type"] == "websocket.accept"
            assert (await connection.receive_output())["text"] == f"{slug} t_{slug}"


@pytest.mark.django_db(transaction=True)
async def test_a_suspended_tenants_websocket_is_refused() -> None:
    def suspend() -> None:
        with platform_scope():
            suspend_tenant(actor="tester", tenant=Tenant.objects.get(slug="alpha"))

    await sync_to_async(suspend)()
    connection = await handshake("alpha.localhost")
    assert await connection.receive_output() == {"type": "websocket.close", "code": 4404}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("alpha.localhost", "http://beta.localhost", 4403),
        ("alpha.localhost:8000", "http://alpha.localhost:9000", 4403),
        ("alpha.localhost", "null", 4403),
        ("gamma.localhost", None, 4404),
        ("localhost", None, 4404),
        ("", None, 4404),
    ],
)
async def test_a_websocket_of_a_foreign_page_or_an_unknown_host_is_refused(host: str, origin: str | None, code: int) -> None:
    connection = await handshake(host, origin)
    assert await connection.receive_output() == {"type": "websocket.close", "code": code}
    assert await connection.receive_nothing()
