"""The operator's pages of reference data: marks are visible, saves are audited, refusals are told on the form."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from exchanges.models import DataSet, ExchangeSwitch, Instrument, MarketReference, RoutingRule, RuleRow
from exchanges.reference import DEMO_MARKET_PATH
from exchanges.services import import_data_set, sign_data_set
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

DEMO = DEMO_MARKET_PATH.read_text(encoding="utf-8")
INLINES = ("equitydetail", "detail_versions", "distributions")
PAGES = ("exchange", "instrument", "rulerow", "marketreference", "signer", "dataset", "routingrule", "exchangeswitch")


@pytest.fixture
def demo_market(reference_data: None, operator: KeyHolder) -> None:
    import_data_set(actor="tester", document=DEMO, signature=sign_data_set(DEMO, operator.key), signer=operator.signer)


def rule_form(row: RuleRow, **changes: Any) -> dict[str, Any]:
    form = {
        "exchange": row.exchange_id,
        "kind": row.kind,
        "scope": row.scope,
        "valid_from": row.valid_from or "",
        "valid_to": row.valid_to or "",
        "value": json.dumps(row.value),
        "label": row.label,
        "trust": row.trust,
        "sources": json.dumps(row.sources),
        "note": row.note,
        "active": "on" if row.active else "",
        **changes,
    }
    return {name: value for name, value in form.items() if value != ""}


def page_of(row: Any) -> str:
    return f"/admin/exchanges/{row._meta.model_name}/{row.pk}/change/"


@pytest.mark.usefixtures("demo_market")
@pytest.mark.parametrize("language", ["en", "ar"])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(operator_client: Client, page: str, language: str) -> None:
    answer = operator_client.get(f"/admin/exchanges/{page}/", headers={"accept-language": language})
    assert answer.status_code == 200
    assert operator_client.get(f"/admin/exchanges/{page}/add/").status_code == (403 if page == "exchange" else 200)


@pytest.mark.usefixtures("demo_market")
def test_every_kind_of_row_has_a_page(operator_client: Client) -> None:
    for model in (Instrument, RuleRow, MarketReference, DataSet, RoutingRule, ExchangeSwitch):
        row = model.objects.first()  # type: ignore[attr-defined]
        assert operator_client.get(page_of(row)).status_code == 200
    exchange = RuleRow.objects.filter(exchange__code="EGX").first().exchange  # type: ignore[union-attr]
    assert "DEMO: always open" in operator_client.get(page_of(exchange)).content.decode()


@pytest.mark.usefixtures("demo_market")
def test_what_is_demo_and_what_is_unverified_is_marked(operator_client: Client) -> None:
    instruments = operator_client.get("/admin/exchanges/instrument/?q=COMI").content.decode()
    assert '139.00 <span class="trust trust-demo">DEMO</span>' in instruments
    rules = operator_client.get("/admin/exchanges/rulerow/?q=longer").content.decode()
    assert 'class="trust trust-unverified"' in rules
    assert "technotime.net/12664" in rules
    assert 'class="trust trust-demo"' in operator_client.get("/admin/exchanges/dataset/").content.decode()


@pytest.mark.usefixtures("demo_market")
def test_the_list_of_instruments_takes_the_same_statements_for_many_rows_as_for_few(
    operator_client: Client, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(10):
        assert operator_client.get("/admin/exchanges/instrument/").status_code == 200


def test_a_saved_instrument_is_audited_under_the_operators_name(operator_client: Client) -> None:
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    form = {
        "exchange": comi.exchange_id,
        **{name: getattr(comi, name) for name in ("symbol", "isin", "isin_status", "name", "name_ar", "asset_type", "sector")},
        **{name: getattr(comi, name) for name in ("currency", "tick_table", "board", "lot", "lot_status", "note")},
        "sharia_index": json.dumps(comi.sharia_index),
        "sources": json.dumps(comi.sources),
        # What is known of the share stands on the same page; here nothing is entered.
        **{f"{each}-{count}_FORMS": 0 for each in INLINES for count in ("TOTAL", "INITIAL")},
    }
    assert operator_client.post(page_of(comi), form).status_code == 302
    event = AuditEvent.objects.get(action="exchanges.instrument.saved")
    assert (event.actor, event.before["tradable"], event.after["tradable"]) == ("operator", True, False)


def test_an_overlap_is_told_on_the_form_and_nothing_is_saved(operator_client: Client) -> None:
    pending = RuleRow.objects.get(label="EGX longer hours 09:30 to 15:00")
    answer = operator_client.post(page_of(pending), rule_form(pending, active="on"))
    assert answer.status_code == 200
    assert "both hold on 2026-03-24" in answer.content.decode()
    pending.refresh_from_db()
    assert not pending.active


def test_an_unverified_rule_is_activated_by_the_operator_and_the_decision_is_recorded(operator_client: Client) -> None:
    pre_open = RuleRow.objects.get(exchange__code="EGX", scope="normal:pre-open")
    assert operator_client.post(page_of(pre_open), rule_form(pre_open, active="on")).status_code == 302
    event = AuditEvent.objects.get(action="exchanges.rule.saved")
    assert (event.actor, event.before["active"], event.after["active"], event.after["trust"]) == (
        "operator",
        False,
        True,
        "unverified",
    )


@pytest.mark.parametrize("value", ['{"zone": "Africa/Atlantis"}', "{}", "[]", '"Africa/Cairo"'])
def test_a_malformed_value_is_told_on_the_form(operator_client: Client, value: str) -> None:
    zone = RuleRow.objects.get(exchange__code="EGX", kind="time_zone")
    answer = operator_client.post(page_of(zone), rule_form(zone, value=value))
    assert answer.status_code == 200
    assert "errornote" in answer.content.decode()


@pytest.mark.usefixtures("demo_market")
def test_a_signed_row_keeps_its_content(operator_client: Client) -> None:
    row = RuleRow.objects.get(exchange__code="EGX", trust="demo", kind="session")
    answer = operator_client.post(page_of(row), rule_form(row, label="market hours"), follow=True)
    assert "can only be switched on and off" in answer.content.decode()
    row.refresh_from_db()
    assert row.label == "DEMO: always open"


def test_a_data_set_is_imported_with_its_signature_and_refused_without(operator_client: Client, operator: KeyHolder) -> None:
    def upload(document: bytes, signature: str) -> str:
        form = {
            "file": SimpleUploadedFile("demo.json", document),
            "signature": signature,
            "signer": operator.signer.pk,  # type: ignore[attr-defined]
        }
        return operator_client.post("/admin/exchanges/dataset/add/", form, follow=True).content.decode()

    right = sign_data_set(DEMO, operator.key)
    assert "DATA_SET_UNSIGNED" in upload(DEMO.encode(), "")
    assert "DATA_SET_SIGNATURE_INVALID" in upload(DEMO.replace("\n", "\r\n").encode(), right)
    assert "not UTF-8" in upload(b"\xff\xfe", right)
    assert not DataSet.objects.exists()
    assert "was added successfully" in upload(DEMO.encode(), right)
    assert DataSet.objects.get().imported_by == "operator"


@pytest.mark.parametrize(("price", "told"), [("139.0000001", "six decimal places"), ("free", "not a decimal"), ("0", "positive")])
def test_a_price_that_is_none_is_told_on_the_form(operator_client: Client, price: str, told: str) -> None:
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    form = {"instrument": comi.pk, "valid_from": "2026-11-01", "price": price, "lot": ""}
    answer = operator_client.post("/admin/exchanges/marketreference/add/", form)
    assert answer.status_code == 200
    assert told in answer.content.decode()


def test_a_typed_price_is_stored_exactly_and_unsigned(operator_client: Client) -> None:
    comi = Instrument.objects.get(exchange__code="EGX", symbol="COMI")
    form = {"instrument": comi.pk, "valid_from": "2026-11-01", "price": "139.01", "lot": ""}
    assert operator_client.post("/admin/exchanges/marketreference/add/", form).status_code == 302
    row = MarketReference.objects.get()
    assert (row.reference_price, row.data_set) == (139_010_000, None)


def test_stopping_an_exchange_needs_a_reason_and_is_audited(operator_client: Client) -> None:
    switch = ExchangeSwitch.objects.get(exchange__code="EGX")
    assert "Say why" in operator_client.post(page_of(switch), {"killed": "on", "reason": ""}).content.decode()
    assert operator_client.post(page_of(switch), {"killed": "on", "reason": "drill"}).status_code == 302
    assert AuditEvent.objects.get(action="exchanges.switch.set").actor == "operator"


def test_routes_are_deleted_through_the_service_and_other_rows_not_at_all(operator_client: Client) -> None:
    routes = list(RoutingRule.objects.values_list("pk", flat=True))
    form = {"action": "delete_selected", "_selected_action": routes, "post": "yes"}
    operator_client.post("/admin/exchanges/routingrule/", form)
    assert not RoutingRule.objects.exists()
    assert AuditEvent.objects.filter(action="exchanges.route.deleted").count() == len(routes)
    rule = RuleRow.objects.first()
    assert operator_client.post(f"/admin/exchanges/rulerow/{rule.pk}/delete/", {"post": "yes"}).status_code == 403  # type: ignore[union-attr]
