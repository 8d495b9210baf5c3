"""The operator's page "Order routing": the rules in their order, and where an imagined order would go, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date, time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from exchanges.loading import load_reference_data
from exchanges.models import Exchange, Instrument, RoutingRule
from exchanges.services import delete_route, save_route, set_reference_price
from tenants.kernel.entry_points import platform_scope
from tenants.models import Tenant
from tests.integration.doors.test_query_counts import compare, statements
from tests.integration.operations.test_services_page import SeededRegistry, text
from tradsys.audit.models import AuditEvent
from tradsys.embedded.servers import EmbeddedServers

pytestmark = pytest.mark.django_db
PAGE = "/admin/routing/"


@pytest.fixture
def registry(servers: EmbeddedServers) -> Iterator[SeededRegistry]:
    seeded = SeededRegistry(servers.redis.url)
    seeded.clear()
    yield seeded
    seeded.clear()


@pytest.fixture
def rules(registry: SeededRegistry, tenant_a: Tenant) -> Iterator[Tenant]:
    with platform_scope():
        load_reference_data(actor="tester")
        for rule in RoutingRule.objects.all():
            delete_route(actor="tester", route=rule)
        yield tenant_a


def egx() -> Exchange:
    return Exchange.objects.get(code="EGX")


def add(priority: int, line: str, *fallback: str, **conditions: Any) -> RoutingRule:
    rule = RoutingRule(**{"priority": priority, "exchange": egx(), "line": line, "fallback": list(fallback), **conditions})
    return save_route(actor="tester", route=rule)


def question(asker: Tenant, *down: str, **changes: object) -> str:
    order = {
        "ask": 1, "exchange": "EGX", "symbol": "COMI", "tenant": asker.slug, "account": "ACC-1", "side": "BUY", "quantity": 10,
        "price": "100", "at": "2027-01-13T10:00", **changes,
    }  # fmt: skip
    return f"{PAGE}?{urlencode([*order.items(), *(('down', line) for line in down)])}"


def verdicts(page: str) -> dict[str, str]:
    return dict(re.findall(r'data-rule="([a-z0-9]+)" data-verdict="([a-z_]+)"', page))


def chosen(page: str) -> list[str]:
    return re.findall(r'class="figure chosen-line">([^<]+)<', page)


def test_a_stranger_is_sent_to_the_sign_in(client_on: Callable[..., Client], rules: Tenant) -> None:
    assert client_on("localhost").get(question(rules)).status_code == 302


def test_without_rules_the_page_says_what_happens_and_what_to_do(operator_client: Client, rules: Tenant) -> None:
    page = text(operator_client, PAGE)
    assert "No routing rule is active." in page
    assert "/admin/exchanges/routingrule/add/" in page
    page = text(operator_client, question(rules))
    assert (chosen(page), verdicts(page)) == (["EGX-1", "EGX-2"], {"default": "chosen"})
    assert "Which of these lines is its turn depends on the orders before it." in page


def test_every_rule_is_told_with_why_it_did_or_did_not_take_the_order(operator_client: Client, rules: Tenant) -> None:
    add(1, "EGX-2", min_quantity=500)
    add(2, "EGX-1", "EGX-2", symbol="COMI", note="large caps")
    add(3, "EGX")
    before = AuditEvent.objects.count()
    page = text(operator_client, question(rules))
    assert (chosen(page), verdicts(page)) == (
        ["EGX-1"], {"1": "not_matched", "2": "chosen", "3": "not_reached", "default": "not_reached"},
    )  # fmt: skip
    assert "It goes by rule 2." in page
    assert "large caps" in page
    assert re.search(r'class="missed"><span class="quiet">quantity</span> <bdi>from 500</bdi>', page)
    page = text(operator_client, question(rules, "EGX-1"))
    assert chosen(page) == ["EGX-2"]
    assert "It goes by rule 2, over a fallback." in page
    page = text(operator_client, question(rules, quantity=500))
    assert verdicts(page)["1"] == "chosen"
    rule = RoutingRule.objects.get(priority=2)
    assert f"/admin/exchanges/routingrule/{rule.pk}/change/" in page
    assert AuditEvent.objects.count() == before, "a question writes nothing"


def test_an_order_that_no_line_can_carry_would_be_refused(operator_client: Client, rules: Tenant) -> None:
    add(1, "EGX-2", "EGX-1", symbol="COMI")
    page = text(operator_client, question(rules, "EGX-1", "EGX-2"))
    assert chosen(page) == []
    assert verdicts(page) == {"1": "no_line_up", "default": "no_line_up"}
    assert "the order would be refused with NO_ROUTE" in page
    assert page.count("no line of it is up") == 3


def test_time_account_and_value_are_those_of_the_question(operator_client: Client, rules: Tenant) -> None:
    add(
        1,
        "EGX-2",
        from_time=time(10),
        until_time=time(11),
        weekdays=[3],
        tenant=rules.slug,
        account="ACC-1",
        min_value=1_000_000_000,
    )
    assert verdicts(text(operator_client, question(rules)))["1"] == "chosen"
    for changes in ({"at": "2027-01-13T11:00"}, {"at": "2027-01-14T10:00"}, {"account": "ACC-2"}, {"price": "99.99"}):
        assert verdicts(text(operator_client, question(rules, **changes)))["1"] == "not_matched", changes
    assert "Africa/Cairo" in text(operator_client, question(rules))


def test_a_market_order_counts_at_its_reference_price(operator_client: Client, rules: Tenant) -> None:
    add(1, "EGX-2", min_value=1_390_000_000, max_value=1_390_000_000)
    page = text(operator_client, question(rules, price=""))
    assert verdicts(page)["1"] == "not_matched"
    assert "the instrument has no reference price" in page
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    set_reference_price(actor="tester", instrument=comi, valid_from=date(2027, 1, 1), reference_price=139_000_000)
    page = text(operator_client, question(rules, price=""))
    assert verdicts(page)["1"] == "chosen"
    assert "at the reference price of 139.00" in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"symbol": "NOPE"}, "EGX has no instrument NOPE."),
        ({"quantity": "0"}, "greater than or equal to 1"),
        ({"price": "cheap"}, "A price is a decimal number"),
        ({"price": "-1"}, "A price is positive."),
        ({"exchange": "LSE"}, "Select a valid choice"),
        ({"tenant": "nobody"}, "Select a valid choice"),
        ({"account": ""}, "This field is required"),
        ({"at": "soon"}, "Enter a valid date/time"),
        ({"down": "EGX-9"}, "Please correct the fields"),
    ],
)
def test_a_wrong_question_is_answered_with_what_is_wrong(
    operator_client: Client, rules: Tenant, wrong: dict[str, str], said: str
) -> None:
    answer = operator_client.get(question(rules, **wrong))
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert verdicts(page) == {}


def test_the_lines_that_are_down_at_the_workers_are_imagined_down_at_first(
    operator_client: Client, rules: Tenant, registry: SeededRegistry
) -> None:
    assert "No order worker is registered" in text(operator_client, PAGE)
    registry.add("worker-1", lines={"EGX-1": "up", "EGX-2": "down", "ADX-1": "up"})
    registry.add("worker-2", lines={"EGX-1": "down", "EGX-2": "down", "ADX-1": "up"})
    page = text(operator_client, PAGE)
    boxes = dict(re.findall(r'value="([A-Z]+-\d)" id="[a-z0-9_]+"( checked)?', page))
    assert boxes == {"ADX-1": "", "ADX-2": " checked", "EGX-1": "", "EGX-2": " checked"}
    assert "up at worker-1, down at worker-2" in page
    assert "down at worker-1, worker-2" in page
    assert "opened by no worker" in page
    page = text(operator_client, question(rules))
    assert chosen(page) == ["EGX-1", "EGX-2"], "a question counts as it was asked"


def test_the_page_speaks_arabic_from_right_to_left(operator_client: Client, rules: Tenant) -> None:
    add(1, "EGX-2", symbol="COMI")
    page = text(operator_client, question(rules), "ar")
    assert 'dir="rtl"' in page
    assert "يذهب بالقاعدة 1." in page
    assert "takes the order" not in page


def test_the_page_takes_the_same_statements_for_many_rules_as_for_few(operator_client: Client, rules: Tenant) -> None:
    add(1, "EGX-2", min_quantity=500)
    few = statements(operator_client, question(rules))
    for priority in range(2, 20):
        add(priority, "EGX-2", min_quantity=500)
    assert statements(operator_client, question(rules)) == few
    compare({"operator: routing": few})
