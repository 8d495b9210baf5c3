"""What the customer sees: usage against quota, day by day, and the month's cost so far."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from licensing.catalogue import Meter
from licensing.metering.events import ReportedUsage
from licensing.metering.services import record_usage
from licensing.models import Licence
from licensing.rating import LineKind
from licensing.selectors import usage_dashboard
from tenants.kernel.entry_points import enter_for_command
from tenants.models import Tenant

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
Grant = Callable[..., Licence]


def use(meter: Meter, day: int, quantity: int) -> None:
    event_time = datetime(2026, 11, day, 10, tzinfo=UTC)
    event = ReportedUsage(source="test", event_id=f"{meter}-{day}", meter=meter, quantity=quantity, event_time=event_time)
    assert record_usage(events=[event], now=NOW)[0].status == "accepted"


def test_usage_quota_and_cost_of_the_month(licensed: Grant, tenant_a: Tenant) -> None:
    licensed("professional")
    with enter_for_command("alpha"):
        use(Meter.ORDERS, 2, 1500)
        use(Meter.ORDERS, 23, 40)
        use(Meter.API_CALLS, 3, 100_010)
        shown = usage_dashboard(tenant_a, date(2026, 11, 9), now=NOW)
    orders = next(each for each in shown.meters if each.meter is Meter.ORDERS)
    assert (orders.included, orders.cap, orders.used, orders.used_today, orders.beyond) == (1000, None, 1540, 40, 500)
    assert len(orders.by_day) == 30
    assert orders.by_day[1] == (date(2026, 11, 2), Decimal(1500))
    assert orders.by_day[0] == (date(2026, 11, 1), Decimal(0))
    assert {(line.kind, line.meter): line.amount for line in shown.lines} == {
        (LineKind.BASE, None): Decimal("299.00"),
        (LineKind.OVERAGE, Meter.ORDERS): Decimal("50.00"),
        (LineKind.OVERAGE, Meter.API_CALLS): Decimal("0.01"),
        (LineKind.OVERAGE, Meter.ACTIVE_USERS): Decimal("0.00"),
    }
    assert (shown.total, shown.currency, shown.state) == (Decimal("349.01"), "USD", "active")


def test_a_capped_plan_shows_its_cap_and_costs_its_base(licensed: Grant, tenant_a: Tenant) -> None:
    licensed("basic")
    with enter_for_command("alpha"):
        use(Meter.ORDERS, 23, 100)
        shown = usage_dashboard(tenant_a, now=NOW)
    orders = next(each for each in shown.meters if each.meter is Meter.ORDERS)
    assert (orders.cap, orders.used_today) == (Decimal(100), Decimal(100))
    assert shown.total == Decimal("99.00")


def test_an_overridden_quota_is_rated_as_it_is_enforced(licensed: Grant, tenant_a: Tenant) -> None:
    licensed("professional", overrides={"orders_per_day_included": 10})
    with enter_for_command("alpha"):
        use(Meter.ORDERS, 23, 15)
        shown = usage_dashboard(tenant_a, now=NOW)
    assert shown.entry is not None and shown.entry.orders_per_day_included == 10
    assert shown.total == Decimal("299.50")


def test_another_month_has_no_today(licensed: Grant, tenant_a: Tenant) -> None:
    licensed()
    with enter_for_command("alpha"):
        shown = usage_dashboard(tenant_a, date(2026, 2, 28), now=NOW)
    assert [each.used_today for each in shown.meters] == [None, None, None]
    assert len(shown.meters[0].by_day) == 28


def test_the_current_month_is_that_of_the_billing_time_zone(licensed: Grant, tenant_a: Tenant) -> None:
    licensed(billing_time_zone="Asia/Dubai")
    with enter_for_command("alpha"):
        shown = usage_dashboard(tenant_a, now=datetime(2026, 10, 31, 20, 0, tzinfo=UTC))
    assert shown.month == date(2026, 11, 1)


def test_a_tenant_without_a_licence_sees_that_it_is_missing(tenant_b: Tenant) -> None:
    with enter_for_command("beta"):
        shown = usage_dashboard(tenant_b, now=NOW)
    assert (shown.state, shown.meters, shown.total) == ("missing", (), Decimal(0))


def test_the_dashboard_of_another_tenant_is_refused(licensed: Grant, tenant_a: Tenant, tenant_b: Tenant) -> None:
    licensed()
    with enter_for_command("beta"), pytest.raises(ValueError, match="alpha was asked for inside beta"):
        usage_dashboard(tenant_a, now=NOW)


def test_the_dashboard_takes_two_statements(licensed: Grant, tenant_a: Tenant) -> None:
    licensed()
    with enter_for_command("alpha"):
        use(Meter.ORDERS, 2, 1)
        with CaptureQueriesContext(connection) as statements:
            usage_dashboard(tenant_a, now=NOW + timedelta(hours=1))
    assert len([each for each in statements if "SELECT" in each["sql"]]) == 2
