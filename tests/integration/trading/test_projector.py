"""The projector on a real journal: rows, cash, shares and usage, once each whatever happens in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from licensing.metering.models import UsageEvent
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from trading_workers.blotter.models import AccountCash, AccountPosition, Execution, Order
from trading_workers.journal import records
from trading_workers.journal.recovery import recover
from trading_workers.journal.writer import JournalWriter
from trading_workers.models import ProjectionCheckpoint
from trading_workers.orders import ExecutionKind, OrderState, OrderType, Side, TimeInForce
from trading_workers.projector.projector import AnotherProjector, Projector
from trading_workers.projector.rows import ProjectionRefused
from tradsys.configuration import Configuration
from tradsys.embedded.servers import EmbeddedServers

NOW = 1_795_000_000_000_000_000


def accepted(order_id: int, *, side: Side = Side.BUY, tenant: str = "alpha") -> records.OrderAccepted:
    return records.OrderAccepted(
        tenant=tenant,
        account="ALP-001",
        client_order_id=f"C{order_id}",
        order_id=order_id,
        exchange="EGX",
        symbol="COMI",
        side=side,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=100,
        price=139_000_000,
        line="EGX-1",
        user="alpha-trader",
        door="rest",
        trace_id="",
        platform_revision=1,
        tenant_revision=1,
        verdict_id="",
        currency="EGP",
        reserve_price=139_000_000,
        reserved_cash=0,
        reserved_shares=0,
        trading_day=20261124,
    )


def fill(order_id: int, number: int, quantity: int, cumulative: int, *, tenant: str = "alpha") -> records.Execution:
    return records.Execution(
        tenant=tenant,
        account="ALP-001",
        order_id=order_id,
        exec_id=f"X{number}",
        kind=ExecutionKind.TRADE,
        state=OrderState.FILLED if cumulative == 100 else OrderState.PARTIALLY_FILLED,
        last_quantity=quantity,
        last_price=139_250_000,
        cumulative=cumulative,
        leaves=100 - cumulative,
        venue_order_id="V-1",
        text="",
        transact_time=NOW + 5,
        line="EGX-1",
        fix_number=number,
    )


def denied(client_order_id: str, figures: dict[str, str]) -> records.OrderDenied:
    return records.OrderDenied(
        tenant="alpha",
        account="NOBODY",
        client_order_id=client_order_id,
        exchange="EGX",
        symbol="COMI",
        side=Side.UNSPECIFIED,
        type=OrderType.UNSPECIFIED,
        time_in_force=TimeInForce.DAY,
        quantity=-(2**63),
        price=2**63 - 1,
        code="MALFORMED_REQUEST",
        rule="A field is missing.",
        figures=figures,
        user="alpha-trader",
        door="grpc",
        trace_id="",
        platform_revision=0,
        tenant_revision=0,
        takes_id=False,
    )


@pytest.fixture
def var(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def write(var: Path) -> Callable[..., None]:
    def append(*payloads: records.AnyPayload) -> None:
        directory = var / "worker-1" / "journal"
        writer = JournalWriter(directory, recover(directory))
        writer.append([records.encode(payload) for payload in payloads], NOW)
        writer.close()

    return append


@pytest.fixture
def projector(var: Path, servers: EmbeddedServers) -> Projector:
    return new_projector(var)


def new_projector(var: Path) -> Projector:
    return Projector(var=var, redis_url=Configuration.from_environment().redis_url, stop=threading.Event())


def test_an_order_and_its_fills_become_rows_cash_shares_and_one_usage_event(
    tenant_a: Tenant, projector: Projector, write: Callable[..., None]
) -> None:
    write(accepted(1), fill(1, 1, 60, 60))
    write(fill(1, 2, 40, 100), accepted(2, side=Side.SELL), fill(2, 3, 100, 100))
    while projector.project_all():
        pass
    with enter_for_command("alpha"):
        order = Order.objects.get(order_id=1)
        assert (order.state, order.cumulative, order.leaves, order.average_price) == ("FILLED", 100, 0, Decimal("139.25"))
        assert (order.epoch, order.sequence, order.venue_order_id) == (1, 1, "V-1")
        assert list(order.executions.values_list("exec_id", "quantity", "price")) == [
            ("X1", 60, 139_250_000),
            ("X2", 40, 139_250_000),
        ]
        assert AccountCash.objects.get().from_fills == 0
        assert AccountPosition.objects.get().from_fills == 0
        assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["worker-1:1:1", "worker-1:2:4"]


def test_a_projector_that_starts_again_repeats_nothing(tenant_a: Tenant, var: Path, write: Callable[..., None]) -> None:
    write(accepted(1), fill(1, 1, 60, 60))
    assert new_projector(var).project_all()
    assert not new_projector(var).project_all()
    write(fill(1, 2, 40, 100))
    assert new_projector(var).project_all()
    with enter_for_command("alpha"):
        assert Execution.objects.count() == 2
        assert AccountCash.objects.get().from_fills == Decimal("-13925")
        assert UsageEvent.objects.count() == 1


def test_two_projectors_never_project_the_same_records(tenant_a: Tenant, var: Path, write: Callable[..., None]) -> None:
    first, second = new_projector(var), new_projector(var)
    write(accepted(1))
    assert first.project_all()
    assert not second.project_all()
    write(accepted(2))
    assert first.project_all()
    with pytest.raises(AnotherProjector):
        second.project_all()
    with enter_for_command("alpha"):
        assert Order.objects.count() == 2


def test_a_record_that_contradicts_the_rows_changes_nothing_at_all(
    tenant_a: Tenant, projector: Projector, write: Callable[..., None]
) -> None:
    write(accepted(1), fill(99, 1, 10, 10))
    with pytest.raises(ProjectionRefused, match="order 99"):
        projector.project_all()
    with enter_for_command("alpha"):
        assert not Order.objects.exists()
        assert not UsageEvent.objects.exists()
    with platform_scope():
        assert not ProjectionCheckpoint.objects.filter(sequence__gt=0).exists()


def test_a_denied_order_is_a_row_whatever_it_contained(tenant_a: Tenant, projector: Projector, write: Callable[..., None]) -> None:
    write(denied("nul\0 and \ud7ff" + "x" * 100, {"field": "side\0", "found": "y" * 500}))
    assert projector.project_all()
    with enter_for_command("alpha"):
        order = Order.objects.get()
        assert (order.state, order.order_id, order.denied_code) == ("DENIED", None, "MALFORMED_REQUEST")
        assert not UsageEvent.objects.exists()


def test_each_tenant_gets_its_own_rows(
    tenant_a: Tenant, tenant_b: Tenant, projector: Projector, write: Callable[..., None]
) -> None:
    write(accepted(1), accepted(2, tenant="beta"), fill(2, 1, 100, 100, tenant="beta"))
    assert projector.project_all()
    with enter_for_command("alpha"):
        assert list(Order.objects.values_list("order_id", flat=True)) == [1]
        assert not Execution.objects.exists()
    with enter_for_command("beta"):
        assert list(Order.objects.values_list("order_id", "state")) == [(2, "FILLED")]


def test_people_hear_of_each_changed_order_once_in_a_batch(
    tenant_a: Tenant, projector: Projector, write: Callable[..., None]
) -> None:
    listener = redis.Redis.from_url(Configuration.from_environment().redis_url).pubsub(ignore_subscribe_messages=True)
    listener.subscribe("tenant:alpha:orders")
    listener.get_message(timeout=1)
    write(accepted(1), fill(1, 1, 60, 60), fill(1, 2, 40, 100))
    projector.project_all()
    message = listener.get_message(timeout=5)
    assert message is not None
    event = json.loads(message["data"])
    assert (event["order_id"], event["state"], event["cumulative"], event["seq"]) == (1, "FILLED", 100, 3)
    assert listener.get_message(timeout=0.2) is None
    listener.close()
