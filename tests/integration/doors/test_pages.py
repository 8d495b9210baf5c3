"""The trading page's parts: before anything is published, without an order worker, and whose orders they show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tenants.models import Tenant
from tests.integration.doors.rows import add_orders
from trading_workers.client import gateway
from tradsys.embedded.ports import any_free_port

pytestmark = pytest.mark.django_db


@pytest.fixture
def trader(client_on: Callable[..., Client], tenant_a: Tenant) -> Client:
    return client_on("alpha.localhost", "alpha-trader")


def test_before_anything_is_published_the_page_says_that_it_is_not_ready(trader: Client) -> None:
    assert trader.get("/trade").status_code == 503
    answer = trader.get("/trade/candles", {"instrument": "EGX:COMI"})
    assert (answer.status_code, answer.json()["code"]) == (503, "CONFIGURATION_MISSING")


def test_candles_of_a_listed_instrument_only(trader: Client, publish_alpha: Callable[[], None]) -> None:
    publish_alpha()
    assert trader.get("/trade/candles", {"instrument": "EGX:COMI"}).json() == {"interval": 60, "candles": []}
    for unknown in ("", "EGX:NOSUCH", "tenant:beta", "\x00"):
        assert trader.get("/trade/candles", {"instrument": unknown}).status_code == 404


def test_the_blotter_shows_the_tenants_own_orders(trader: Client, tenant_b: Tenant) -> None:
    add_orders("alpha", 2)
    add_orders("beta", 2)
    page = trader.get("/trade/blotter").content.decode()
    assert "alpha-order-1" in page
    assert "beta-order" not in page


def test_a_ticket_that_cannot_be_read_shows_its_code(trader: Client) -> None:
    answer = trader.post("/trade/orders", {"instrument": "EGX", "quantity": "many"})
    assert answer.status_code == 200
    assert "MALFORMED_REQUEST" in answer.content.decode()


def test_a_viewer_cannot_post_a_ticket(client_on: Callable[..., Client], tenant_a: Tenant) -> None:
    viewer = client_on("alpha.localhost", "alpha-viewer")
    assert viewer.post("/trade/orders", {}).status_code == 403
    assert viewer.post("/trade/orders/cancel", {}).status_code == 403


def test_without_an_order_worker_the_ticket_says_that_the_outcome_is_unknown(
    trader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "DEADLINE_SECONDS", 0.3)
    ticket = {"account": "ALPHA-1", "instrument": "EGX:COMI", "side": "BUY", "order_type": "LIMIT", "time_in_force": "DAY"}
    for workers in (f"worker-1=127.0.0.1:{any_free_port()}", ","):
        monkeypatch.setenv("TRADSYS_ORDER_WORKERS", workers)
        answer = trader.post("/trade/orders", ticket | {"quantity": "10", "price": "139.50"})
        assert answer.status_code == 200
        assert "OUTCOME_UNKNOWN" in answer.content.decode()
