"""Statements per page: a committed figure for each, the same for one row as for twenty.

``RECORD_QUERY_COUNTS=1`` writes the figures found into ``tests/query_counts.json`` instead of comparing them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from exchanges.models import Exchange, Instrument
from licensing.metering.events import ReportedUsage
from licensing.metering.services import record_usage
from licensing.models import Plan
from licensing.services import grant_licence
from tenants.kernel.directory import directory
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Domain, Tenant
from tests.integration.doors.rows import add_orders, publish_documents

pytestmark = pytest.mark.django_db
COMMITTED = Path(__file__).resolve().parents[2] / "query_counts.json"
# Without the platform's prefix: the run clears those variables before it collects.
RECORDING = os.environ.get("RECORD_QUERY_COUNTS") == "1"
FEW, MANY = 1, 20

PAGES = {
    "GET /api/v1/orders": "/api/v1/orders",
    "GET /api/v1/orders/{account}/{client_order_id}": "/api/v1/orders/ALPHA-1/alpha-order-0",
    "GET /trade": "/trade",
    "GET /trade/blotter": "/trade/blotter",
    "GET /usage": "/usage",
}
ADMIN_PAGES = {
    "operator: tenants": "/admin/tenants/tenant/",
    "operator: licences": "/admin/licensing/licence/",
    "operator: instruments": "/admin/exchanges/instrument/",
}


def statements(client: Client, address: str) -> int:
    """Of the second visit: the first one reads what the process then remembers."""
    # The map of hosts is read again every few seconds; now, so that it is not in the second visit.
    directory.forget()
    assert client.get(address).status_code == 200, address
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200, address
    return len(captured)


def report_usage(first: int, count: int) -> None:
    now = timezone.now()
    events = [
        ReportedUsage(source="test", event_id=f"use-{number}", meter="orders", quantity=1, event_time=now)
        for number in range(first, first + count)
    ]
    with enter_for_command("alpha"):
        assert {each.status for each in record_usage(events=events, now=now)} == {"accepted"}


def add_tenants(first: int, count: int) -> None:
    """Rows alone: their schemas are not what the lists read, and making one takes a second."""
    now = timezone.now()
    with platform_scope():
        plan, exchange = Plan.objects.get(code="basic"), Exchange.objects.get(code="EGX")
        for number in range(first, first + count):
            row = Tenant(slug=f"row-{number}", schema_name=f"t_row_{number}", name=f"Row {number}", country="EG")
            tenant = Tenant.objects.bulk_create([row])[0]
            Domain.objects.create(tenant=tenant, domain=f"row-{number}.localhost", is_primary=True)
            grant_licence(actor="tester", tenant=tenant, plan=plan, valid_from=now, valid_until=now + timedelta(days=30))
            text = f"ROW{number}"
            Instrument.objects.create(
                exchange=exchange,
                symbol=text,
                isin_status="not found",
                name=text,
                asset_type="equity",
                currency="EGP",
                tradable=False,
            )


def compare(found: dict[str, int]) -> None:
    committed = json.loads(COMMITTED.read_text(encoding="utf-8")) if COMMITTED.exists() else {}
    if RECORDING:
        COMMITTED.write_text(json.dumps(dict(sorted({**committed, **found}.items())), indent=2) + "\n", encoding="utf-8")
        return
    assert found == {page: committed.get(page) for page in found}, "more or fewer statements than tests/query_counts.json says"


def test_pages_of_a_tenant_take_as_many_statements_for_many_rows_as_for_one(
    client_on: Callable[..., Client], publish_alpha: Callable[[], None]
) -> None:
    publish_alpha()
    client = client_on("alpha.localhost", "alpha-trader")
    add_orders("alpha", FEW)
    report_usage(0, FEW)
    few = {page: statements(client, address) for page, address in PAGES.items()}
    add_orders("alpha", MANY - FEW)
    report_usage(FEW, MANY - FEW)
    publish_documents("alpha")
    many = {page: statements(client, address) for page, address in PAGES.items()}
    assert many == few
    compare(few)


def test_lists_of_the_operator_take_as_many_statements_for_many_rows_as_for_one(
    operator_client: Client, publish_alpha: Callable[[], None]
) -> None:
    publish_alpha()
    add_tenants(0, FEW)
    few = {page: statements(operator_client, address) for page, address in ADMIN_PAGES.items()}
    add_tenants(FEW, MANY - FEW)
    many = {page: statements(operator_client, address) for page, address in ADMIN_PAGES.items()}
    assert many == few
    compare(few)
