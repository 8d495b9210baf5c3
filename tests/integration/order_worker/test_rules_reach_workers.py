"""A change of a market rule reaches a running worker within the session: what was accepted is refused, and the time is told."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis

from tests.order_platform import PRICE, configuration_of, limit_order, new_id, token, wait_for
from tests.smoke.platform import Platform
from trading_workers.client.errors import OrderRefused
from trading_workers.client.gateway import OrderGateway
from trading_workers.snapshot.documents import PLATFORM
from trading_workers.snapshot.redis_keys import acks_key
from tradsys.v1 import orders_pb2 as pb

NARROW = """
from exchanges.models import Exchange, RuleRow
from exchanges.services import end_rule
from tenants.kernel.entry_points import platform_scope
from datetime import date, timedelta
with platform_scope():
    egx = Exchange.objects.get(code="EGX")
    present = egx.rules.get(kind="price_limit", scope="main", valid_to=None)
    # The day is that of Cairo, which may be ahead of the day in UTC: both then have the new limit.
    first = date.today() - timedelta(days=1)
    successor = RuleRow(exchange=egx, kind="price_limit", scope="main", valid_from=first, value={"up_bp": 500, "down_bp": 500},
        label="EGX daily limit by decree", trust="1", sources={"test": "decree"}, active=True)
    end_rule(actor="tester", rule=present, last_day=first - timedelta(days=1), successor=successor)
"""
WITHOUT_IMMEDIATE = """
from exchanges.models import RuleRow
from exchanges.services import save_rule
from tenants.kernel.entry_points import platform_scope
with platform_scope():
    row = RuleRow.objects.get(exchange__code="EGX", kind="order_types", scope="demo")
    row.active = False
    save_rule(actor="tester", rule=row)
"""


@pytest.fixture
def gateway(platform: Platform) -> OrderGateway:
    return OrderGateway(platform.worker_door, token(platform), door="rest")


def held(platform: Platform) -> dict[str, Any]:
    """Revision of the platform document at worker-1, and milliseconds from the commit to it."""
    with redis.Redis.from_url(configuration_of(platform).redis_url) as client:
        raw = client.hget(acks_key("worker-1"), PLATFORM)
    found: dict[str, Any] = json.loads(raw) if raw else {"revision": 0}
    return found


def changed(platform: Platform, *command: str) -> int:
    """Run a command that changes a rule; milliseconds from its commit until the worker acts on it."""
    before = held(platform)["revision"]
    platform.manage(*command)
    wait_for(lambda: held(platform)["revision"] > before, what="the new revision at the worker")
    lag: int = held(platform)["lag_ms"]
    return lag


def refusal(gateway: OrderGateway, order: pb.NewOrder) -> tuple[str, dict[str, str]]:
    with pytest.raises(OrderRefused) as refused:
        gateway.place(order)
    return refused.value.code, dict(refused.value.figures)


def far(price: int = PRICE) -> pb.NewOrder:
    """A buy that meets nobody."""
    return limit_order(pb.BUY, 1, price=price - price // 10)


def test_a_changed_limit_an_order_type_and_an_emergency_reach_the_worker_in_the_session(
    platform: Platform, gateway: OrderGateway, record_property: Any
) -> None:
    figures = {}
    price = far().price
    assert gateway.place(far()).order_id
    figures["limit"] = changed(platform, "shell", "-c", NARROW)
    code, told = refusal(gateway, far())
    assert (code, told["low"], told["price"]) == ("PRICE_OUTSIDE_BAND", "132.05", f"{price / 1e6:.2f}")

    order = limit_order(pb.BUY, 1, price=PRICE)
    order.time_in_force = pb.IMMEDIATE_OR_CANCEL
    assert gateway.place(order).order_id
    figures["order type"] = changed(platform, "shell", "-c", WITHOUT_IMMEDIATE)
    order.client_order_id = new_id()
    code, told = refusal(gateway, order)
    assert (code, told["time_in_force"]) == ("ORDER_TYPE_NOT_ALLOWED", "IMMEDIATE_OR_CANCEL")

    figures["emergency"] = changed(platform, "close_exchange", "EGX", "--reason", "telecom fire")
    code, told = refusal(gateway, limit_order(pb.BUY, 1))
    assert (code, told["phase"], told["session"]) == ("SESSION_CLOSED", "CLOSED", "EGX closed: telecom fire")
    time.sleep(1.0)
    figures["reopening"] = changed(platform, "reopen_exchange", "EGX")
    assert gateway.place(limit_order(pb.BUY, 1, price=PRICE - PRICE // 100)).order_id
    print("milliseconds from the commit to the worker:", figures)
    record_property("rule_change_lag_ms", figures)
    assert max(figures.values()) < 5_000
