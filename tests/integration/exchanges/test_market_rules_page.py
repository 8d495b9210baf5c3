"""The page "Market rules": every rule with trust and sources, for the signed-in people of a tenant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.test import Client

from exchanges.loading import load_reference_data
from exchanges.models import Exchange, RuleRow
from tenants.kernel.entry_points import platform_scope
from tests.integration.doors.test_query_counts import compare, statements

if TYPE_CHECKING:
    from tenants.models import Tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def rules(tenant_a: Tenant) -> None:
    with platform_scope():
        load_reference_data(actor="tester")


@pytest.fixture
def reader(client_on: Callable[..., Client], rules: None) -> Client:
    return client_on("alpha.localhost", "alpha-viewer")


def shown(client: Client, query: str = "", status: int = 200, **headers: str) -> str:
    answer = client.get(f"/market-rules{query}", headers=headers)
    assert answer.status_code == status
    return answer.content.decode()


def test_every_rule_of_an_exchange_is_shown_with_its_mark_and_sources(reader: Client) -> None:
    text = shown(reader, "?exchange=EGX")
    with platform_scope():
        labels = list(RuleRow.objects.filter(exchange__code="EGX").values_list("label", flat=True))
    for label in labels:
        assert label.replace("'", "&#x27;") in text
    assert "mondovisione.com EGX Ramadan hours (2024-03-07)" in text
    assert text.count('class="badge bad"') == sum(1 for _ in _unverified("EGX"))
    assert f"{len(labels)} of {len(labels)} rules" in text
    assert "EGX longer hours 09:30 to 15:00" in text


def _unverified(code: str) -> list[RuleRow]:
    with platform_scope():
        return list(RuleRow.objects.filter(exchange__code=code, trust="unverified"))


def test_the_first_exchange_is_shown_without_a_choice_and_the_page_is_in_the_bar(reader: Client) -> None:
    text = shown(reader)
    assert "ADX hours" in text
    assert 'href="/market-rules" aria-current="page"' in text


def test_rules_of_a_day_and_of_a_mark_can_be_chosen(reader: Client) -> None:
    text = shown(reader, "?exchange=ADX&on=2020-06-01")
    assert "by decree" in text
    assert "ADX trading week Monday to Friday" not in text
    single = shown(reader, "?exchange=ADX&trust=1")
    assert "ADX crosses" in single
    assert "ADX ticks" not in single


def test_it_is_read_in_arabic(reader: Client) -> None:
    text = shown(reader, "?exchange=EGX", **{"accept-language": "ar"})
    assert 'dir="rtl"' in text
    assert "قواعد السوق" in text
    assert "البورصة المصرية" in text


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("?exchange=DFM", 404, "There is no exchange DFM here."),
        ("?exchange=EGX&on=tomorrow", 200, "A day is written YYYY-MM-DD"),
        ("?exchange=EGX&trust=sure", 200, "No rule matches."),
        ("?exchange=%3Cscript%3E", 404, "&lt;script&gt;"),
    ],
)
def test_what_is_asked_wrongly_is_told(reader: Client, query: str, status: int, told: str) -> None:
    assert told in shown(reader, query, status)


def test_without_any_exchange_the_page_says_what_to_do(client_on: Callable[..., Client], tenant_a: Tenant) -> None:
    with platform_scope():
        assert not Exchange.objects.exists()
    assert "manage.py load_reference_data" in shown(client_on("alpha.localhost", "alpha-viewer"))


def test_nobody_reads_it_without_signing_in_and_nobody_writes_to_it(client_a: Client, reader: Client) -> None:
    assert client_a.get("/market-rules").status_code == 302
    assert reader.post("/market-rules").status_code == 405


def test_the_page_takes_as_many_statements_for_many_rules_as_for_few(reader: Client) -> None:
    few = statements(reader, "/market-rules?exchange=EGX")
    with platform_scope():
        exchange = Exchange.objects.get(code="EGX")
        for year in range(2031, 2051):
            day = date(year, 1, 7)
            RuleRow.objects.create(
                exchange=exchange, kind="closure", valid_from=day, valid_to=day, value={"reason": "x"}, label=f"closed {year}",
                trust="unverified",
            )  # fmt: skip
    assert statements(reader, "/market-rules?exchange=EGX") == few
    compare({"GET /market-rules": few})
