"""``/api/v1/tokens``: who gets an order token, what it can do, and who may end it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tenants.kernel.directory import directory
from tenants.kernel.entry_points import platform_scope
from tenants.models import Membership, Tenant, TokenRevocation
from tests.integration.doors.test_query_counts import compare
from trading_workers.configuration_view import TenantView
from trading_workers.snapshot.compile import Numbering, compile_tenant
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import Claims, TokenRevoked, TokenVerifier, load_verification_key

pytestmark = pytest.mark.django_db
ClientOn = Callable[..., Client]
TOKENS = "/api/v1/tokens"


@pytest.fixture
def trader(client_on: ClientOn, tenant_a: Tenant) -> Client:
    return client_on("alpha.localhost", "alpha-trader")


def post(client: Client, body: object = None, **headers: str) -> HttpResponse:
    text = "" if body is None else json.dumps(body)
    return client.post(TOKENS, text, content_type="application/json", headers=headers)


def issued(answer: HttpResponse) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    assert found.keys() == {"token", "token_id", "expires_at"}
    return found


def verified(token: str) -> Claims:
    view = TenantView(compile_tenant("alpha", Numbering(1, 1, 1), now=time.time_ns()))
    key = load_verification_key(Configuration.from_environment().token_verification_key)
    return TokenVerifier(key, revoked=view.is_revoked).verify(token, now=time.time_ns())


def refused(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    found: dict[str, Any] = answer.json()
    assert found["code"] == code
    return found


def revocations() -> int:
    with platform_scope():
        return TokenRevocation.objects.count()


def test_a_session_gets_a_token_for_itself_and_ends_it(trader: Client) -> None:
    answer = post(trader, {"lifetime_seconds": 60})
    found = issued(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    claims = verified(found["token"])
    assert (claims.subject, claims.tenant, claims.role, claims.token_id) == ("alpha-trader", "alpha", "trader", found["token_id"])
    assert datetime.fromisoformat(found["expires_at"]).timestamp() * 1e9 == claims.expires_at
    assert claims.expires_at - time.time_ns() <= 60 * 1_000_000_000
    for _ in range(2):
        assert trader.delete(f"{TOKENS}/{found['token_id']}").status_code == 204
        with pytest.raises(TokenRevoked):
            verified(found["token"])


def test_a_program_gets_a_token_from_its_key_that_names_the_key(
    client_on: ClientOn, tenant_a: Tenant, issue_key: Callable[..., Any]
) -> None:
    key, text = issue_key(tenant_a, "alpha-trader")
    program = client_on("alpha.localhost")
    found = issued(post(program, Authorization=f"Api-Key {text}"))
    assert verified(found["token"]).api_key == key.prefix
    assert verified(found["token"]).expires_at - time.time_ns() > 590 * 1_000_000_000
    assert program.delete(f"{TOKENS}/{found['token_id']}", headers={"Authorization": f"Api-Key {text}"}).status_code == 204


def test_every_role_gets_a_token_with_its_own_rights_and_no_more(client_on: ClientOn, tenant_a: Tenant) -> None:
    for role in ("viewer", "trader"):
        client = client_on("alpha.localhost", f"alpha-{role}")
        assert verified(issued(post(client))["token"]).role == role
    with platform_scope():
        Membership.objects.filter(user__username="alpha-viewer").update(accounts=["ALPHA-9"])
    assert verified(issued(post(client_on("alpha.localhost", "alpha-viewer")))["token"]).accounts == {"ALPHA-9"}


def test_nobody_ends_a_token_of_somebody_else_but_an_administrator(client_on: ClientOn, trader: Client) -> None:
    found = issued(post(trader))
    viewer = client_on("alpha.localhost", "alpha-viewer")
    refused(viewer.delete(f"{TOKENS}/{found['token_id']}"), 404, "NOT_FOUND")
    refused(trader.delete(f"{TOKENS}/{'0' * 32}"), 404, "NOT_FOUND")
    refused(trader.delete(f"{TOKENS}/{found['token_id'].upper()}x"), 404, "NOT_FOUND")
    assert revocations() == 0
    assert verified(found["token"]).subject == "alpha-trader"
    with platform_scope():
        Membership.objects.filter(user__username="alpha-viewer").update(role="administrator")
    assert viewer.delete(f"{TOKENS}/{found['token_id']}").status_code == 204
    with pytest.raises(TokenRevoked):
        verified(found["token"])


def test_a_token_a_key_and_a_session_of_one_tenant_are_worth_nothing_on_anothers_host(
    client_on: ClientOn, trader: Client, tenant_b: Tenant, tenant_a: Tenant, issue_key: Callable[..., Any]
) -> None:
    found = issued(post(trader))
    _, text = issue_key(tenant_a, "alpha-trader")
    carried = client_on("beta.localhost")
    carried.cookies = trader.cookies
    assert post(carried).status_code in (401, 403)
    stranger = client_on("beta.localhost")
    refused(post(stranger, Authorization=f"Api-Key {text}"), 401, "UNAUTHENTICATED")
    refused(post(stranger, Authorization=f"Bearer {found['token']}"), 401, "UNAUTHENTICATED")
    theirs = client_on("beta.localhost", "beta-trader")
    refused(theirs.delete(f"{TOKENS}/{found['token_id']}"), 404, "NOT_FOUND")
    assert revocations() == 0
    assert verified(found["token"]).tenant == "alpha"


def test_an_order_token_is_no_key_to_more_tokens(client_on: ClientOn, trader: Client) -> None:
    found = issued(post(trader))
    refused(post(client_on("alpha.localhost"), Authorization=f"Bearer {found['token']}"), 401, "UNAUTHENTICATED")


def test_a_revoked_or_missing_key_and_a_signed_out_person_get_nothing(client_on: ClientOn, tenant_a: Tenant) -> None:
    stranger = client_on("alpha.localhost")
    refused(post(stranger), 401, "UNAUTHENTICATED")
    refused(post(stranger, Authorization="Api-Key tsk_00000000_x"), 401, "UNAUTHENTICATED")
    refused(stranger.delete(f"{TOKENS}/{'0' * 32}"), 401, "UNAUTHENTICATED")
    refused(stranger.get(TOKENS), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("lifetime", [0, -1, 601, 1.5, "60", True, [], {}])
def test_a_lifetime_outside_the_configuration_is_refused_with_what_is_allowed(trader: Client, lifetime: object) -> None:
    found = refused(post(trader, {"lifetime_seconds": lifetime}), 400, "MALFORMED_REQUEST")
    assert found["figures"]["expected"] == "a whole number from 1 to 600"


def test_a_field_that_is_not_known_is_refused(trader: Client) -> None:
    assert refused(post(trader, {"role": "administrator"}), 400, "UNKNOWN_FIELD")["figures"]["field"] == "role"


def test_tokens_take_no_more_statements_than_committed(trader: Client) -> None:
    found = issued(post(trader))
    directory.forget()
    trader.get("/api/v1/schema")
    with CaptureQueriesContext(connection) as to_issue:
        assert post(trader).status_code == 201
    with CaptureQueriesContext(connection) as to_revoke:
        assert trader.delete(f"{TOKENS}/{found['token_id']}").status_code == 204
    compare({"POST /api/v1/tokens": len(to_issue), "DELETE /api/v1/tokens/{token_id}": len(to_revoke)})
    assert revocations() == 1
