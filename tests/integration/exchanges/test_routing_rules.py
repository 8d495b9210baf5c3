"""Routing rules as operators keep them: what is wrong is refused by field and changes nothing, what is right is published."""

from __future__ import annotations

import time
from datetime import time as clock
from importlib import import_module
from typing import Any

import msgspec
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client

from exchanges.models import BalancerChoice, Exchange, RoutingRule
from exchanges.routing.balancers import Balancer
from exchanges.selectors import line_pools, platform_entries, routes
from exchanges.services import save_exchange, save_route
from tenants.models import Tenant
from tests.integration.exchanges.test_reference_admin import page_of
from trading_workers.configuration_view import PlatformView
from trading_workers.snapshot.compile import Numbering, compile_platform
from trading_workers.snapshot.documents import PlatformDocument
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

MICROS = 1_000_000


def egx() -> Exchange:
    return Exchange.objects.get(code="EGX")


def rule(**changes: Any) -> RoutingRule:
    return RoutingRule(**{"priority": 5, "exchange": egx(), "line": "EGX-2", "fallback": ["EGX-1"], **changes})


def whole(tenant: Tenant) -> RoutingRule:
    return rule(
        symbol="COMI", asset_type="equity", tenant=tenant.slug, account="ACC-1", min_quantity=1, max_quantity=500, min_value=MICROS,
        max_value=2_000 * MICROS, from_time=clock(10), until_time=clock(14, 30), weekdays=[4, 7, 1], balancer="lowest_latency",
    )  # fmt: skip


def test_every_condition_reaches_the_workers_document(tenant_a: Tenant) -> None:
    saved = save_route(actor="tester", route=whole(tenant_a))
    document = compile_platform(Numbering(1, 2, 3), now=time.time_ns()).document
    again = msgspec.json.decode(msgspec.json.encode(document), type=PlatformDocument)
    (sent,) = [route for route in again.routes if route.id == saved.pk]
    assert msgspec.structs.asdict(sent) == {
        "priority": 5, "exchange": "EGX", "symbol": "COMI", "asset_type": "equity", "line": "EGX-2", "fallback": ("EGX-1",),
        "id": saved.pk, "tenant": tenant_a.slug, "account": "ACC-1", "min_quantity": 1, "max_quantity": 500, "min_value": MICROS,
        "max_value": 2_000 * MICROS, "from_time": 36_000, "until_time": 52_200, "weekdays": (1, 4, 7),
        "balancer": Balancer.LOWEST_LATENCY,
    }  # fmt: skip
    assert [pool.lines for pool in again.pools] == [("ADX-1", "ADX-2"), ("EGX-1", "EGX-2")]
    assert PlatformView(again).instrument("EGX", "COMI").routes is not PlatformView(again).instrument("EGX", "SWDY").routes


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"line": "EGX-9"}, "line", "No line and no pool is called EGX-9; known: EGX, EGX-1, EGX-2."),
        ({"line": "ADX-1"}, "line", "ADX-1 leads to another exchange than the rule's; to this one lead: EGX, EGX-1, EGX-2."),
        ({"fallback": ["ADX"]}, "fallback", "ADX leads to another exchange"),
        ({"exchange": None, "fallback": ["ADX-1"]}, "fallback", "lead to one exchange; ADX-1 leads to another"),
        ({"fallback": ["EGX-2"]}, "fallback", "EGX-2 is named twice."),
        ({"fallback": ["EGX-1", 7]}, "fallback", "a list of names"),
        ({"symbol": "NOPE"}, "symbol", "has no instrument NOPE"),
        ({"tenant": "nobody"}, "tenant", "No tenant is called nobody; known: "),
        ({"account": "ACC-1"}, "account", "only with its tenant"),
        ({"min_quantity": 9, "max_quantity": 8}, "max_quantity", "not above the largest"),
        ({"min_value": 9, "max_value": 8}, "max_value", "not above the largest"),
        ({"from_time": clock(12), "until_time": clock(12)}, "until_time", "begins before it ends"),
        ({"weekdays": [1, 8]}, "weekdays", "1 (Monday) to 7 (Sunday)"),
    ],
)
def test_a_wrong_rule_is_refused_by_field_and_nothing_changes(wrong: dict[str, Any], field: str, said: str) -> None:
    before = RoutingRule.objects.count(), AuditEvent.objects.count(), OutboxMessage.objects.count()
    with pytest.raises(ValidationError) as refused:
        save_route(actor="tester", route=rule(**wrong))
    assert said in " ".join(refused.value.message_dict[field])
    assert (RoutingRule.objects.count(), AuditEvent.objects.count(), OutboxMessage.objects.count()) == before


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"account": "ACC-1"}, "route_account_needs_tenant"),
        ({"min_quantity": 9, "max_quantity": 8}, "route_quantity_range"),
        ({"min_quantity": 0}, "route_quantity_range"),
        ({"max_value": 0}, "route_value_range"),
        ({"from_time": clock(12), "until_time": clock(12)}, "route_time_range"),
        ({"weekdays": [0]}, "route_weekdays"),
        ({"balancer": "by_chance"}, "route_balancer"),
        ({"exchange": None, "symbol": "COMI"}, "route_symbol_needs_exchange"),
        ({"priority": 1000}, "exchanges_routingrule_priority"),
    ],
)
def test_the_database_itself_refuses_what_no_service_should_save(wrong: dict[str, Any], constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        rule(**wrong).save()


def test_the_balancing_of_an_exchange_is_audited_and_published_at_once() -> None:
    exchange = egx()
    exchange.balancer = "least_in_flight"
    save_exchange(actor="tester", exchange=exchange)
    event = AuditEvent.objects.filter(action="exchanges.exchange.saved").latest("id")
    assert (event.before["balancer"], event.after["balancer"]) == ("round_robin", "least_in_flight")
    assert OutboxMessage.objects.latest("id").topic == "platform-config"
    assert {pool.name: pool.balancer for pool in platform_entries(time.time_ns()).pools}["EGX"] is Balancer.LEAST_IN_FLIGHT
    exchange.balancer = "by_chance"
    with pytest.raises(ValidationError):
        save_exchange(actor="tester", exchange=exchange)


def test_the_choices_are_those_of_the_balancers() -> None:
    assert BalancerChoice.values == list(Balancer)


def test_an_exchange_whose_plugin_is_gone_has_no_pool_and_no_default() -> None:
    Exchange.objects.create(code="OLD", mic="XOLD", name="Old", country="EG")
    assert [pool.name for pool in line_pools()] == ["ADX", "EGX"]


def test_the_rule_that_loading_once_made_for_a_line_goes_to_the_pool_and_an_operators_own_stays() -> None:
    to_pools = import_module("exchanges.migrations.0002_routing_conditions").Migration.operations[-1]
    RoutingRule.objects.all().delete()
    old = rule(priority=1010, line="EGX-1", fallback=[], note="EGX by default")
    own = rule(priority=5, line="EGX-1", fallback=[], note="large caps")
    with_fallback = rule(priority=6, line="EGX-1", note="EGX by default")
    RoutingRule.objects.bulk_create([old, own, with_fallback])
    with connection.schema_editor(atomic=False) as editor:
        to_pools.database_forwards("exchanges", editor, None, None)
    assert dict(RoutingRule.objects.values_list("priority", "line")) == {5: "EGX-1", 6: "EGX-1", 1010: "EGX"}
    with connection.schema_editor(atomic=False) as editor:
        to_pools.database_backwards("exchanges", editor, None, None)
    assert dict(RoutingRule.objects.values_list("priority", "line")) == {5: "EGX-1", 6: "EGX-1", 1010: "EGX-1"}


# The form


def form(**changes: Any) -> dict[str, Any]:
    return {
        "priority": "7",
        "exchange": egx().pk,
        "line": "EGX-2",
        "fallback_0": "EGX-1",
        "fallback_1": "EGX",
        "active": "on",
        **changes,
    }


def test_a_rule_is_typed_in_with_its_fallbacks_in_their_order(operator_client: Client, tenant_a: Tenant) -> None:
    conditions = {
        "symbol": "COMI", "tenant": tenant_a.slug, "account": "ACC-1", "min_quantity": "5", "least_value": "1000.50",
        "from_time": "10:00", "weekdays": ["7", "1"],
    }  # fmt: skip
    answer = operator_client.post("/admin/exchanges/routingrule/add/", form(**conditions))
    assert answer.status_code == 302, answer.content.decode()
    (saved,) = [each for each in routes() if each.priority == 7]
    assert (saved.line, saved.fallback, saved.min_value, saved.weekdays) == ("EGX-2", ("EGX-1", "EGX"), 1_000_500_000, (1, 7))
    page = operator_client.get(page_of(RoutingRule.objects.get(priority=7))).content.decode()
    assert 'value="1000.50"' in page
    assert '<option value="EGX-2" selected>EGX-2</option>' in page
    assert AuditEvent.objects.filter(action="exchanges.route.saved").latest("id").actor == "operator"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"line": "EGX-9"}, "Select a valid choice"),
        ({"line": "ADX-1"}, "leads to another exchange than the rule&#x27;s"),
        ({"least_value": "a lot"}, "least_value"),
        ({"least_value": "-1"}, "positive"),
        ({"least_value": "5", "largest_value": "4"}, "not above the largest"),
        ({"tenant": "nobody"}, "Select a valid choice"),
        ({"account": "ACC-1"}, "only with its tenant"),
        ({"priority": "1000"}, "already exists"),
    ],
)
def test_what_is_wrong_is_said_on_the_form(operator_client: Client, wrong: dict[str, str], said: str) -> None:
    before = RoutingRule.objects.count()
    answer = operator_client.post("/admin/exchanges/routingrule/add/", form(**wrong))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert 'class="errorlist' in page
    assert said in page
    assert RoutingRule.objects.count() == before


def test_the_form_offers_the_registrys_lines_and_shows_one_that_is_gone(operator_client: Client) -> None:
    page = operator_client.get("/admin/exchanges/routingrule/add/").content.decode()
    for name in ("EGX-1", "EGX-2", "ADX-1", "ADX-2"):
        assert f'<option value="{name}">{name}</option>' in page
    assert "EGX: the whole pool" in page
    RoutingRule.objects.create(priority=8, line="GONE-1")
    page = operator_client.get(page_of(RoutingRule.objects.get(priority=8))).content.decode()
    assert "no longer known" in page
    assert '<option value="GONE-1" selected>GONE-1</option>' in page


def test_the_balancing_is_chosen_on_the_page_of_the_exchange(operator_client: Client) -> None:
    exchange = egx()
    answer = operator_client.post(
        page_of(exchange), {"name": exchange.name, "name_ar": exchange.name_ar, "balancer": "lowest_latency"}
    )
    assert answer.status_code == 302
    assert egx().balancer == "lowest_latency"
    assert "EGX-1, EGX-2" in operator_client.get(page_of(exchange)).content.decode()
