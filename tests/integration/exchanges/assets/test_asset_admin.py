"""The operator edits details, values and distributions on an instrument's page; saves are audited and what is signed stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from exchanges.assets.data_set import DEMO_ASSETS_PATH
from exchanges.assets.models import BondDetail, DetailVersion, EquityDetail, NavValue, RightDetail
from exchanges.models import Instrument
from exchanges.services import sign_data_set
from tests.integration.exchanges.conftest import KeyHolder
from tradsys.audit.models import AuditEvent

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("reference_data")]

DETAIL_COLUMNS = {"as_of": "2026-03-01", "trust": "1", "sources": '["a filing"]', "note": ""}


def instrument(symbol: str) -> Instrument:
    return Instrument.objects.get(exchange__code="EGX", symbol=symbol)


def form_of(row: Instrument, inlines: dict[str, list[dict[str, Any]]], stored: dict[str, int] | None = None) -> dict[str, Any]:
    """The form of an instrument as it is, and rows of inlines by their prefix; of some ``stored`` says how many are there."""
    columns = ("symbol", "isin", "isin_status", "name", "name_ar", "asset_type", "sector", "currency", "tick_table", "board")
    form: dict[str, Any] = {name: getattr(row, name) or "" for name in (*columns, "lot", "lot_status", "note")}
    form |= {"exchange": row.exchange_id, "sharia_index": json.dumps(row.sharia_index), "sources": json.dumps(row.sources)}
    form |= {"detail_versions-TOTAL_FORMS": 0, "detail_versions-INITIAL_FORMS": 0}
    if row.tradable:
        form["tradable"] = "on"
    for prefix, rows in inlines.items():
        form |= {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": (stored or {}).get(prefix, 0)}
        for place, given in enumerate(rows):
            form |= {f"{prefix}-{place}-{name}": value for name, value in {"instrument": row.pk, **given}.items()}
    return form


def posted(client: Client, row: Instrument, form: dict[str, Any]) -> str:
    return client.post(f"/admin/exchanges/instrument/{row.pk}/change/", form, follow=True).content.decode()


@pytest.mark.usefixtures("demo_assets")
@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_page_of_every_asset_type_opens(operator_client: Client, language: str) -> None:
    for row in Instrument.objects.filter(symbol__startswith="DEMO"):
        answer = operator_client.get(f"/admin/exchanges/instrument/{row.pk}/change/", headers={"accept-language": language})
        assert answer.status_code == 200, row
    assert operator_client.get("/admin/exchanges/instrument/add/").status_code == 200


def test_details_are_entered_and_their_earlier_version_is_kept(operator_client: Client) -> None:
    share = instrument("COMI")
    empty: dict[str, list[dict[str, Any]]] = {"distributions": []}
    details = {**DETAIL_COLUMNS, "share_class": "ordinary", "free_float_percent": "30"}
    posted(operator_client, share, form_of(share, {"equitydetail": [details], **empty}))
    event = AuditEvent.objects.get(action="assets.equitydetail.saved")
    assert (event.actor, event.after["free_float_percent"], event.after["sources"]) == ("operator", "30", ["a filing"])
    later = {**details, "as_of": "2026-06-01", "free_float_percent": "33"}
    posted(operator_client, share, form_of(share, {"equitydetail": [later], **empty}, {"equitydetail": 1}))
    assert EquityDetail.objects.get().free_float_percent == 33
    version = DetailVersion.objects.get()
    assert (version.fields["free_float_percent"], version.replaced_by) == ("30", "operator")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"free_float_percent": "130"}, "equity_detail_free_float_percent"),
        ({"trust": "demo"}, "only with a signed data set"),
        ({"sources": "[]"}, "names its sources"),
        ({"as_of": "2100-01-01"}, "today at the latest"),
        ({"sources": '"a filing"'}, "list of texts"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_is_saved(operator_client: Client, change: dict[str, str], told: str) -> None:
    share = instrument("COMI")
    events = AuditEvent.objects.count()
    details = {**DETAIL_COLUMNS, "share_class": "ordinary", **change}
    answer = posted(operator_client, share, form_of(share, {"equitydetail": [details], "distributions": []}))
    assert told in answer
    assert not EquityDetail.objects.exists()
    assert AuditEvent.objects.count() == events


def test_values_are_typed_as_decimals_and_stored_exactly(operator_client: Client) -> None:
    fund = instrument("EGREF")
    value = {"valued_on": "2026-09-30", "nav": "12.345678", "trust": "1", "sources": '["a report"]'}
    rows: dict[str, list[dict[str, Any]]] = {"reitdetail": [], "nav_values": [value], "distributions": []}
    posted(operator_client, fund, form_of(fund, rows))
    stored = NavValue.objects.get()
    assert (stored.nav, stored.asset_type) == (12_345_678, "reit")
    assert "12.345678" in operator_client.get(f"/admin/exchanges/instrument/{fund.pk}/change/").content.decode()
    rows["nav_values"] = [{**value, "valued_on": "2026-10-31", "nav": "12.3456789"}]
    assert "six decimal places" in posted(operator_client, fund, form_of(fund, rows))
    assert NavValue.objects.count() == 1


def test_a_right_takes_its_share_and_its_price(operator_client: Client) -> None:
    right = instrument("LUTS_r1")
    details = {**DETAIL_COLUMNS, "underlying": instrument("COMI").pk, "new_shares": "1", "held_shares": "4"}
    posted(operator_client, right, form_of(right, {"rightdetail": [{**details, "subscription_price": "6.5"}]}))
    stored = RightDetail.objects.get()
    assert (stored.underlying.symbol, stored.subscription_price) == ("COMI", 6_500_000)  # type: ignore[union-attr]


@pytest.mark.usefixtures("demo_assets")
def test_details_of_a_signed_data_set_stay(operator_client: Client) -> None:
    bond = instrument("DEMOBOND")
    stored = BondDetail.objects.get(instrument=bond)
    columns = ("issuer", "face_value", "rate_kind", "payments_per_year", "day_count", "payment_convention")
    details = {**{name: getattr(stored, name) for name in columns}, "issue_date": "2024-01-15", "maturity_date": "2031-01-15"}
    details |= {"as_of": "2026-01-01", "trust": "demo", "sources": json.dumps(stored.sources), "note": "", "rate_percent": "5"}
    answer = posted(operator_client, bond, form_of(bond, {"bonddetail": [details]}, {"bonddetail": 1}))
    assert "only with its import" in answer
    stored.refresh_from_db()
    assert stored.rate_percent == 21.5


def test_a_data_set_of_assets_is_imported_and_applied(operator_client: Client, operator: KeyHolder) -> None:
    document = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
    form = {
        "file": SimpleUploadedFile("assets.json", document.encode()),
        "signature": sign_data_set(document, operator.key),
        "signer": operator.signer.pk,  # type: ignore[attr-defined]
    }
    answer = operator_client.post("/admin/exchanges/dataset/add/", form, follow=True).content.decode()
    assert "was added successfully" in answer
    assert BondDetail.objects.filter(instrument__symbol="DEMOBOND").exists()
