"""The list of instruments and the asset sheet, as a member of a tenant sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from tests.integration.doors.test_query_counts import compare, statements
from tests.integration.exchanges.conftest import make_signer

pytestmark = pytest.mark.django_db

PAGES = {
    "GET /instruments": "/instruments",
    "GET /instruments/{exchange}/{symbol}": "/instruments/EGX/DEMOFUND",
    "GET /instruments/{exchange}/{symbol}, sukuk": "/instruments/EGX/DEMOSUKUK",
}


@pytest.fixture
def assets(db: None) -> Iterator[None]:
    from exchanges.assets.data_set import DEMO_ASSETS_PATH
    from exchanges.assets.services import import_assets
    from exchanges.loading import load_reference_data
    from exchanges.services import sign_data_set
    from tenants.kernel.entry_points import platform_scope

    document = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
    with platform_scope():
        load_reference_data(actor="tester")
        holder = make_signer("demo operator", "operator")
        signature = sign_data_set(document, holder.key)
        import_assets(actor="tester", document=document, signature=signature, signer=holder.signer)  # type: ignore[arg-type]
    yield


@pytest.fixture
def member(assets: None, client_on: Callable[..., Client]) -> Client:
    return client_on("alpha.localhost", "alpha-viewer")


def page(client: Client, address: str, language: str = "en") -> str:
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200, address
    return answer.content.decode()


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_sheet_of_every_asset_type_opens_and_says_that_it_is_invented(member: Client, language: str) -> None:
    from exchanges.models import Instrument
    from tenants.kernel.entry_points import platform_scope

    with platform_scope():
        keys = [(each.exchange.code, each.symbol) for each in Instrument.objects.filter(symbol__startswith="DEMO")]
    assert len(keys) == 13
    for exchange, symbol in keys:
        assert 'class="badge trust-mark demo"' in page(member, f"/instruments/{exchange}/{symbol}", language), symbol


def test_a_bond_shows_its_figures_its_payments_and_their_picture(member: Client) -> None:
    shown = page(member, "/instruments/EGX/DEMOBOND?settlement=2026-11-30&price=97.85")
    for told in ("Yield to maturity", "22.2825 %", "8.0625000000", "105.9125", "Invented for demonstration", "Not all closures"):
        assert told in shown, told
    assert shown.count('<rect class="') == 14
    assert shown.count("<tr") > 15
    assert "moved" in shown


def test_sukuk_that_stand_for_a_debt_say_that_they_change_hands_at_par(member: Client) -> None:
    assert "at face value only" in page(member, "/instruments/EGX/DEMOPAR")
    assert "no price to deal at" in page(member, "/instruments/EGX/DEMOPAR?price=99")
    assert "no price to deal at" not in page(member, "/instruments/EGX/DEMOPAR")


def test_a_fund_shows_its_values_and_what_the_price_is_beside_them(member: Client) -> None:
    shown = page(member, "/instruments/EGX/DEMOREIT")
    for told in ("Distribution yield", "Discount to the value", "<polyline", 'class="level"', "Ex-date"):
        assert told in shown, told


def test_what_is_not_known_is_said_and_not_computed(member: Client) -> None:
    shown = page(member, "/instruments/EGX/EGBKRSK01CV")
    assert "Not enough is known to compute figures." in shown
    assert "Not known:" in shown
    assert 'id="figures"' not in shown
    share = page(member, "/instruments/EGX/COMI")
    assert "No details are known." in share and "administration" in share


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("price=cheap", "A price is a decimal"),
        ("price=0", "A price is positive."),
        ("settlement=soon", "A day is written"),
        ("settlement=2040-01-01", "The settlement day lies"),
    ],
)
def test_what_cannot_be_computed_is_told_beside_the_form(member: Client, query: str, told: str) -> None:
    shown = page(member, f"/instruments/EGX/DEMOBOND?{query}")
    assert told in shown
    assert 'id="figures"' not in shown


def test_the_list_is_filtered_by_type_and_says_what_to_do_when_it_is_empty(
    member: Client, client_on: Callable[..., Client]
) -> None:
    from exchanges.models import Instrument
    from tenants.kernel.entry_points import platform_scope

    shown = page(member, "/instruments?type=bond")
    assert "DEMOBOND" in shown and "DEMOSUKUK" not in shown
    assert "COMI" in page(member, "/instruments?type=gold")
    with platform_scope():
        Instrument.objects.update(symbol="", tradable=False)
    assert "ask the operator" in page(member, "/instruments")


def test_nobody_outside_sees_them_and_nothing_unknown_is_shown(member: Client, client_on: Callable[..., Client]) -> None:
    assert member.get("/instruments/EGX/NONE").status_code == 404
    assert member.get("/instruments/LSE/COMI").status_code == 404
    assert member.post("/instruments").status_code == 405
    stranger = client_on("alpha.localhost")
    for address in PAGES.values():
        assert stranger.get(address).status_code == 302


def test_pages_take_a_committed_number_of_statements_for_many_rows_as_for_few(member: Client) -> None:
    from exchanges.assets.models import NavValue
    from exchanges.models import Instrument
    from tenants.kernel.entry_points import platform_scope

    found = {name: statements(member, address) for name, address in PAGES.items()}
    with platform_scope():
        kept = NavValue.objects.filter(instrument__symbol="DEMOFUND").values_list("pk", flat=True)[:2]
        NavValue.objects.exclude(pk__in=list(kept)).delete()
        few = Instrument.objects.filter(symbol__in=("DEMOFUND", "DEMOSUKUK"))
        Instrument.objects.exclude(pk__in=[each.pk for each in few]).update(symbol="", tradable=False)
    assert {name: statements(member, address) for name, address in PAGES.items()} == found
    compare(found)
