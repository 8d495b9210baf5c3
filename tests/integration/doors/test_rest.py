"""The REST door: what it lists, whom it refuses, and that every refusal is a problem with a code."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Membership, Tenant
from tenants.services import revoke_api_key, set_membership
from tests.integration.doors.rows import FIRST_ORDER_ID, add_orders, publish_licence
from trading_workers.client import gateway
from tradsys.configuration import Configuration
from tradsys.embedded.ports import any_free_port
from tradsys.mesh.usage import EVENT_FIELD, STREAM, CallUsage, decode

pytestmark = pytest.mark.django_db
ClientOn = Callable[..., Client]
ORDERS = "/api/v1/orders"
BUY = {"account": "ALPHA-1", "exchange": "EGX", "symbol": "COMI", "side": "BUY", "quantity": 10, "price": "139.50"}


@pytest.fixture(autouse=True)
def licensed(tenant_a: Tenant, tenant_b: Tenant) -> None:
    """Both tenants have a licence in force."""
    publish_licence("alpha")
    publish_licence("beta")


@pytest.fixture
def trader(client_on: ClientOn, tenant_a: Tenant) -> Client:
    return client_on("alpha.localhost", "alpha-trader")


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order workers' address is a port where nobody listens, and the door gives up soon."""
    monkeypatch.setenv("TRADSYS_ORDER_WORKERS", f"worker-1=127.0.0.1:{any_free_port()}")
    monkeypatch.setattr(gateway, "DEADLINE_SECONDS", 0.3)


def post(client: Client, body: object, path: str = ORDERS, **headers: str) -> HttpResponse:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(path, text, content_type="application/json", headers=headers)


def problem(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(answer.content)
    assert {"type", "title", "status", "code", "detail", "figures"} <= found.keys()
    assert (found["status"], found["code"]) == (status, code)
    assert found["type"] == f"/docs/reason-codes#{code.lower()}"
    assert found["detail"]
    assert all(isinstance(text, str) for text in found["figures"].values())
    return found


def test_the_list_is_the_tenants_own_newest_first_with_exact_figures(trader: Client, tenant_b: Tenant) -> None:
    add_orders("alpha", 3)
    add_orders("beta", 2)
    answer = trader.get(ORDERS)
    assert answer.status_code == 200
    found = answer.json()
    assert [row["client_order_id"] for row in found["results"]] == ["alpha-order-2", "alpha-order-1", "alpha-order-0"]
    assert (found["next"], found["previous"]) == (None, None)
    part = found["results"][1]
    assert (part["order_id"], part["price"], part["average_price"]) == (FIRST_ORDER_ID + 1, "139.50", "139.500000")
    assert (part["state"], part["cumulative"], part["leaves"]) == ("PARTIALLY_FILLED", 4, 6)
    assert b"beta" not in answer.content.lower()


def test_the_list_is_empty_where_nobody_has_traded(trader: Client) -> None:
    assert trader.get(ORDERS).json() == {"next": None, "previous": None, "results": []}


def test_open_orders_only(trader: Client) -> None:
    first, second = add_orders("alpha", 2)
    with enter_for_command("alpha"):
        type(first).objects.filter(pk=first.pk).update(state="CANCELED")
    names = [row["client_order_id"] for row in trader.get(ORDERS, {"open": "true"}).json()["results"]]
    assert names == [second.client_order_id]


@pytest.mark.parametrize("same_time", [False, True])
def test_the_cursor_walks_through_every_order_once_and_back(trader: Client, same_time: bool) -> None:
    add_orders("alpha", 7, same_time=same_time)
    pages, address = [], f"{ORDERS}?page_size=3"
    while address:
        found = trader.get(address).json()
        pages.append([row["client_order_id"] for row in found["results"]])
        address, before = found["next"], found["previous"]
    assert [name for page in pages for name in page] == [f"alpha-order-{number}" for number in range(6, -1, -1)]
    assert [len(page) for page in pages] == [3, 3, 1]
    if not same_time:
        assert [row["client_order_id"] for row in trader.get(before).json()["results"]] == pages[1]


@pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD0lMDA=", "bz0tMQ==", "8J+Yig=="])
def test_a_cursor_that_nobody_gave_out_is_a_problem(trader: Client, cursor: str) -> None:
    add_orders("alpha", 2)
    problem(trader.get(ORDERS, {"cursor": cursor}), 404, "NOT_FOUND")


def test_a_member_of_some_accounts_sees_those_only(client_on: ClientOn, tenant_a: Tenant) -> None:
    add_orders("alpha", 2, account="ALPHA-1")
    add_orders("alpha", 1, account="ALPHA-2")
    with platform_scope():
        user = Membership.objects.get(user__username="alpha-viewer", tenant=tenant_a).user
        set_membership(actor="tester", tenant=tenant_a, user=user, role="viewer", accounts=["ALPHA-2"])
    viewer = client_on("alpha.localhost", "alpha-viewer")
    assert [row["account"] for row in viewer.get(ORDERS).json()["results"]] == ["ALPHA-2"]
    assert viewer.get(f"{ORDERS}/ALPHA-2/alpha-order-2").status_code == 200
    problem(viewer.get(f"{ORDERS}/ALPHA-1/alpha-order-0"), 404, "NOT_FOUND")


def test_one_order_is_found_by_account_and_client_order_id(trader: Client) -> None:
    add_orders("alpha", 2)
    found = trader.get(f"{ORDERS}/ALPHA-1/alpha-order-1").json()
    assert (found["client_order_id"], found["account"], found["door"]) == ("alpha-order-1", "ALPHA-1", "rest")


@pytest.mark.parametrize(
    "path", ["ALPHA-1/nothing", "ALPHA-2/alpha-order-0", "ALPHA-1/%00", "%00/alpha-order-0", "%ff/%d8", "BETA-1/beta-order-0"]
)
def test_an_order_that_is_not_there_is_a_problem(trader: Client, tenant_b: Tenant, path: str) -> None:
    add_orders("alpha", 1)
    add_orders("beta", 1)
    problem(trader.get(f"{ORDERS}/{path}"), 404, "NOT_FOUND")


def test_signed_out_is_401_on_every_address(client_a: Client) -> None:
    for answer in (
        client_a.get(ORDERS),
        client_a.get(f"{ORDERS}/ALPHA-1/x"),
        post(client_a, BUY),
        post(client_a, {}, f"{ORDERS}/ALPHA-1/x/cancel"),
    ):
        problem(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["WWW-Authenticate"] == "Api-Key"


def test_another_tenants_session_gets_401_and_no_sign_of_the_tenant(client_on: ClientOn, trader: Client, tenant_b: Tenant) -> None:
    add_orders("beta", 2)
    stranger = client_on("beta.localhost")
    stranger.cookies = trader.cookies
    for answer in (stranger.get(ORDERS), stranger.get(f"{ORDERS}/BETA-1/beta-order-0"), post(stranger, BUY)):
        problem(answer, 401, "UNAUTHENTICATED")
        assert b"beta-order" not in answer.content
        assert b"BETA-1" not in answer.content


@pytest.mark.parametrize("role", ["viewer", "administrator"])
def test_only_a_trader_places_and_cancels(client_on: ClientOn, tenant_a: Tenant, role: str) -> None:
    client = client_on("alpha.localhost", f"alpha-{role}")
    problem(post(client, BUY), 403, "ROLE_NOT_PERMITTED")
    problem(post(client, {}, f"{ORDERS}/ALPHA-1/x/cancel"), 403, "ROLE_NOT_PERMITTED")
    assert client.get(ORDERS).status_code == 200


def test_a_form_of_another_site_cannot_use_a_persons_session(client_on: ClientOn, tenant_a: Tenant) -> None:
    client = client_on("alpha.localhost", "alpha-trader")
    client.handler.enforce_csrf_checks = True
    found = problem(post(client, BUY), 403, "CSRF_FAILED")
    assert "CSRF" in found["detail"]


def test_an_api_key_acts_as_its_user_in_its_tenant_only(client_on: ClientOn, issue_key, tenant_a: Tenant, tenant_b: Tenant) -> None:
    add_orders("alpha", 1)
    add_orders("beta", 1)
    key, text = issue_key(tenant_a, "both-trader")
    answer = client_on("alpha.localhost").get(ORDERS, headers={"Authorization": f"Api-Key {text}"})
    assert [row["client_order_id"] for row in answer.json()["results"]] == ["alpha-order-0"]
    # Its user is a member there as well; the key is not.
    answer = client_on("beta.localhost").get(ORDERS, headers={"Authorization": f"Api-Key {text}"})
    problem(answer, 401, "UNAUTHENTICATED")
    assert b"beta-order" not in answer.content
    with platform_scope():
        revoke_api_key(actor="tester", key=key, now=timezone.now())
    problem(client_on("alpha.localhost").get(ORDERS, headers={"Authorization": f"Api-Key {text}"}), 401, "UNAUTHENTICATED")


def test_a_viewers_key_may_not_place(client_on: ClientOn, issue_key, tenant_a: Tenant) -> None:
    _key, text = issue_key(tenant_a, "alpha-viewer")
    problem(post(client_on("alpha.localhost"), BUY, Authorization=f"Api-Key {text}"), 403, "ROLE_NOT_PERMITTED")


@pytest.mark.parametrize(
    "presented",
    ["Api-Key", "Api-Key tsk_00000000_wrong", "Bearer abc", "Basic YTpi", "Api-Key tsk_\x01\x01\x01\x01\x01\x01\x01\x01_é"],
)
def test_a_wrong_key_is_refused_even_beside_a_good_session(trader: Client, presented: str) -> None:
    problem(trader.get(ORDERS, headers={"Authorization": presented}), 401, "UNAUTHENTICATED")


MALFORMED: list[tuple[str, object, str]] = [
    ("a price as a JSON number", BUY | {"price": 139.5}, "price"),
    ("a price as a whole JSON number", BUY | {"price": 139}, "price"),
    ("a price with an exponent", BUY | {"price": "1e5"}, "price"),
    ("a price with seven decimals", BUY | {"price": "1.0000001"}, "price"),
    ("a price beyond int64", BUY | {"price": "9" * 30}, "price"),
    ("a price that is not a number", BUY | {"price": "NaN"}, "price"),
    ("an absurd quantity", BUY | {"quantity": 10**12 + 1}, "quantity"),
    ("a quantity of a thousand digits", BUY | {"quantity": 10**1000}, "quantity"),
    ("a fractional quantity", BUY | {"quantity": 1.5}, "quantity"),
    ("a quantity that is true", BUY | {"quantity": True}, "quantity"),
    ("a quantity in Arabic digits", BUY | {"quantity": "١٢"}, "quantity"),
    ("no quantity", {name: value for name, value in BUY.items() if name != "quantity"}, "quantity"),
    ("an account that is a list", BUY | {"account": ["ALPHA-1"]}, "account"),
    ("an account that is null", BUY | {"account": None}, "account"),
    ("an account with a NUL", BUY | {"account": "A\x00"}, "account"),
    ("a symbol with half a character", BUY | {"symbol": "\ud800"}, "symbol"),
    ("a symbol too long", BUY | {"symbol": "C" * 33}, "symbol"),
    ("a side that does not exist", BUY | {"side": "HOLD"}, "side"),
    ("a side that is an object", BUY | {"side": {}}, "side"),
    ("an unspecified side", BUY | {"side": "SIDE_UNSPECIFIED"}, "side"),
    ("a type that does not exist", BUY | {"type": "STOP"}, "type"),
    ("an empty client order id", BUY | {"client_order_id": ""}, "client_order_id"),
    ("a body that is a list", [BUY], "body"),
    ("a body that is a text", '"order"', "body"),
    ("a body that is null", "null", "body"),
]


@pytest.mark.parametrize(("body", "field"), [case[1:] for case in MALFORMED], ids=[case[0] for case in MALFORMED])
def test_a_field_that_cannot_be_read_is_named(trader: Client, no_worker: None, body: object, field: str) -> None:
    assert problem(post(trader, body), 400, "MALFORMED_REQUEST")["figures"]["field"] == field


@pytest.mark.parametrize(
    "text",
    ["{", "", "{'a': 1}", '{"quantity": NaN}', b"\xff\xfe", "[" * 60_000, '{"quantity": ' + "1" * 5000 + "}", b'{"a": "\xc3"}'],
)
def test_a_body_that_is_no_json_is_malformed(trader: Client, no_worker: None, text: str | bytes) -> None:
    problem(post(trader, text), 400, "MALFORMED_REQUEST")


def test_a_body_that_is_far_too_long_is_refused_unread(trader: Client, no_worker: None) -> None:
    problem(post(trader, BUY | {"account": "A" * 1_000_000}), 413, "MALFORMED_REQUEST")


@pytest.mark.parametrize("name", ["colour", "Price", "", "\ud800", "order_id", "x" * 10_000])
def test_an_unknown_field_is_refused_by_name(trader: Client, no_worker: None, name: str) -> None:
    found = problem(post(trader, BUY | {name: 1}), 400, "UNKNOWN_FIELD")
    assert "client_order_id" in found["figures"]["known"]


@pytest.mark.parametrize("name", ["account", "orig_client_order_id", "quantity"])
def test_a_cancel_takes_its_order_from_the_address_alone(trader: Client, no_worker: None, name: str) -> None:
    problem(post(trader, {name: "ALPHA-2"}, f"{ORDERS}/ALPHA-1/x/cancel"), 400, "UNKNOWN_FIELD")


def test_another_media_type_method_or_address_is_a_problem_too(trader: Client) -> None:
    problem(trader.post(ORDERS, "a=b", content_type="application/x-www-form-urlencoded"), 415, "UNSUPPORTED_MEDIA_TYPE")
    problem(trader.delete(ORDERS), 405, "METHOD_NOT_ALLOWED")
    problem(trader.get(ORDERS, headers={"Accept": "application/xml"}), 406, "NOT_ACCEPTABLE")
    for address in ("/api/v1/nothing", "/api/v2/orders", "/api/v1/orders/"):
        problem(trader.get(address), 404, "NOT_FOUND")


def test_without_an_order_worker_the_outcome_is_unknown_and_said_so(trader: Client, no_worker: None) -> None:
    begun = time.monotonic()
    problem(post(trader, BUY), 503, "OUTCOME_UNKNOWN")
    problem(post(trader, {}, f"{ORDERS}/ALPHA-1/x/cancel"), 503, "OUTCOME_UNKNOWN")
    problem(trader.generic("POST", f"{ORDERS}/ALPHA-1/x/cancel"), 503, "OUTCOME_UNKNOWN")
    assert time.monotonic() - begun < 5


def test_without_a_configured_order_worker_likewise(trader: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADSYS_ORDER_WORKERS", ",")
    problem(post(trader, BUY), 503, "OUTCOME_UNKNOWN")


def test_the_schema_lists_the_operations(client_a: Client) -> None:
    answer = client_a.get("/api/v1/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert answer.status_code == 200
    document = json.loads(answer.content)
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    orders, tokens = {"list_orders", "place_order", "get_order", "cancel_order"}, {"issue_token", "revoke_token"}
    assert operations == orders | tokens | {"list_candles", "list_notices"}
    place = document["paths"]["/api/v1/orders"]["post"]
    assert place["responses"].keys() >= {"200", "201", "422"}
    assert {"apiKey": []} in place["security"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"status": "suspended"}, 402, "LICENSE_SUSPENDED"),
        ({"valid_until": 1}, 402, "LICENSE_EXPIRED"),
        ({"api_calls_per_month_cap": 0}, 429, "QUOTA_EXCEEDED"),
        ({"api_calls_per_second": 0}, 429, "RATE_LIMIT_EXCEEDED"),
    ],
)
def test_a_request_needs_what_every_door_needs_and_is_refused_with_the_same_code(
    trader: Client, changes: dict[str, Any], status: int, code: str
) -> None:
    add_orders("alpha", 1)
    assert trader.get(ORDERS).status_code == 200
    publish_licence("alpha", **changes)
    problem(trader.get(ORDERS), status, code)
    publish_licence("alpha")
    assert trader.get(ORDERS).status_code == 200


def test_a_capped_tenants_first_request_finds_its_lease_and_counts_once(trader: Client) -> None:
    # A month that nobody else counts in: the tenant's clock is half a day ahead of everybody's.
    publish_licence("alpha", api_calls_per_month_cap=100, billing_time_zone="Pacific/Kiritimati")
    with redis.Redis.from_url(Configuration.from_environment().redis_url) as server:
        server.delete("nothing", *server.keys("tradsys:quota:alpha:*"))
        began, deadline = time.time_ns(), time.monotonic() + 5
        assert [trader.get(ORDERS).status_code for _ in range(3)] == [200] * 3

        def counted() -> list[CallUsage]:
            events = [decode(fields[EVENT_FIELD]) for _, fields in server.xrange(STREAM)]
            return [each for each in events if each.time >= began]

        while len(events := counted()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert [(each.tenant, each.operation, each.door, each.success) for each in events] == [
        ("alpha", "rest/OrdersView", "rest", True)
    ] * 3
    assert len({each.event_id for each in events}) == 3
