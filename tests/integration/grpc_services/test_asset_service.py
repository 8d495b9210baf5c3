"""AssetService over gRPC on the demonstration's assets: details with their trust, validation, and figures."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import OperationalError
from google.protobuf.descriptor import FieldDescriptor

from exchanges.api import AssetType
from exchanges.assets.details import DETAILS, CountForm, field_rules
from exchanges.assets.fixed_income_analytics import fixed_income_figures
from tests.integration.grpc_services import conftest
from tests.integration.grpc_services.conftest import World
from tests.mesh_calls import Refused, ServiceUnderTest, member, serving
from trading_workers.grpc_services.asset_service import AssetService
from trading_workers.grpc_services.known_assets import KnownAssets
from tradsys.mesh.service import OPERATOR
from tradsys.v1 import assets_pb2 as pb

SETTLEMENT = "2026-11-30"


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """What the other services' tests stand on, and the demonstration's assets, signed."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        conftest._fill()
        _import_demo()
        with django_db_blocker.block():
            yield
        transaction.set_rollback(True)


def _import_demo() -> None:
    from exchanges.assets.data_set import DEMO_ASSETS_PATH
    from exchanges.assets.services import import_assets
    from exchanges.models import Signer
    from exchanges.services import save_signer, sign_data_set
    from exchanges.signatures import public_key_text
    from tenants.kernel.entry_points import platform_scope

    key = Ed25519PrivateKey.generate()
    document = DEMO_ASSETS_PATH.read_text(encoding="utf-8")
    with platform_scope():
        row = Signer(name="assets", kind="operator", public_key=public_key_text(key))
        signer = save_signer(actor="tester", signer=row)
        import_assets(actor="tester", document=document, signature=sign_data_set(document, key), signer=signer)


@pytest.fixture
async def assets(world: World) -> AsyncIterator[ServiceUnderTest]:
    known = KnownAssets(world.documents, world.readers.asset, world.readers.asset_listings, world.clock)
    service = AssetService(world.documents, world.facts, known, fixed_income_figures, world.clock)
    async with serving(service, world.gate) as under_test:
        yield under_test


async def asset(assets: ServiceUnderTest, key: str) -> pb.Asset:
    exchange, symbol = key.split(":")
    answer = await assets.called("GetAsset", pb.GetAssetRequest(exchange=exchange, symbol=symbol), pb.Asset)
    assert isinstance(answer, pb.Asset)
    return answer


async def figures(
    assets: ServiceUnderTest, method: str, symbol: str, exchange: str = "EGX", **basis: Any
) -> pb.FixedIncomeAnalytics:
    request = pb.FixedIncomeRequest(exchange=exchange, symbol=symbol, settlement_date=SETTLEMENT, **basis)
    answer = await assets.called(method, request, pb.FixedIncomeAnalytics)
    assert isinstance(answer, pb.FixedIncomeAnalytics)
    return answer


def test_messages_have_the_fields_of_the_records() -> None:
    for asset_type, kind in DETAILS.items():
        message = pb.AssetDetails.DESCRIPTOR.fields_by_name[asset_type.value].message_type
        rules = field_rules(kind)
        assert (message.name, [each.name for each in message.fields]) == (kind.__name__, [rule.name for rule in rules])
        counts = {rule.name for rule in rules if isinstance(rule.form, CountForm)}
        assert {each.name for each in message.fields if each.type == FieldDescriptor.TYPE_INT64} == counts


async def test_every_asset_type_is_told_with_its_details_and_their_trust(assets: ServiceUnderTest) -> None:
    listed = await assets.called("ListAssets", pb.ListAssetsRequest(page_size=500), pb.ListAssetsResponse)
    demo = [each for each in listed.assets if each.trust == "demo"]
    assert {each.summary.asset_type for each in demo} == set(AssetType)
    for each in demo:
        found = await asset(assets, f"{each.summary.exchange}:{each.summary.symbol}")
        assert found.details.WhichOneof("details") == each.summary.asset_type
        assert (found.provenance.trust, found.provenance.data_set[:4], list(found.missing)) == ("demo", "DEMO", [])
        assert not found.summary.tradable and each.complete


async def test_real_assets_say_only_what_sources_say_and_how_well_it_is_known(assets: ServiceUnderTest) -> None:
    sukuk = await asset(assets, "EGX:EGBKRSK01CV")
    assert (sukuk.details.sukuk.structure, sukuk.details.sukuk.maturity_date) == ("mudaraba", "")
    assert (sukuk.provenance.trust, "maturity_date" in sukuk.missing, len(sukuk.provenance.sources) > 0) == ("1", True, True)
    share = await asset(assets, "EGX:COMI")
    assert (share.details.WhichOneof("details"), share.sector, len(share.navs)) == (None, "Banks", 0)
    fund = await asset(assets, "EGX:EGX30ETF")
    assert (fund.details.etf.benchmark, fund.provenance.trust) == ("EGX30", "unverified")


async def test_assets_come_in_pages_and_by_type(assets: ServiceUnderTest) -> None:
    request = pb.ListAssetsRequest(exchange="EGX", asset_types=["sukuk", "bond"], page_size=3)
    first = await assets.called("ListAssets", request, pb.ListAssetsResponse)
    request.page_token = first.next_page_token
    second = await assets.called("ListAssets", request, pb.ListAssetsResponse)
    symbols = [each.summary.symbol for each in (*first.assets, *second.assets)]
    assert symbols == ["DEMOBILL", "DEMOBOND", "DEMOPAR", "DEMOSUKUK", "EGBKRSK01CV"]
    assert second.next_page_token == ""
    for wrong, code in (
        (pb.ListAssetsRequest(exchange="LSE"), "NOT_FOUND"),
        (pb.ListAssetsRequest(asset_types=["gold"]), "ARGUMENT_INVALID"),
        (pb.ListAssetsRequest(page_size=501), "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await assets.called("ListAssets", wrong, pb.ListAssetsResponse)


async def test_a_price_gives_a_yield_and_the_yield_gives_the_price(assets: ServiceUnderTest) -> None:
    by_price = await figures(assets, "GetBondAnalytics", "DEMOBOND", clean_price=97_850_000)
    by_yield = await figures(assets, "GetBondAnalytics", "DEMOBOND", yield_percent=by_price.yield_percent)
    assert by_yield.clean_price == 97_850_000
    # 138 of 184 days of the half year from 15 July have passed.
    assert Decimal(by_price.accrued) == (Decimal("10.75") * 138 / 184).quantize(Decimal("1e-10"))
    assert by_price.dirty_price == 97_850_000 + round(Decimal(by_price.accrued) * 1_000_000)
    assert Decimal(by_price.yield_percent) > Decimal("21.5")
    assert 0 < Decimal(by_price.modified_duration) < Decimal(by_price.macaulay_duration) < 5
    assert (by_price.next_payment.due_date, by_price.next_payment.payment_date) == ("2027-01-15", "2027-01-17")
    assert len(by_price.flows) == 15 and by_price.flows[-1].kind == "redemption"
    assert (by_price.trust, "DEMO_FIGURES" in by_price.notices, "CLOSURES_NOT_KNOWN" in by_price.notices) == ("demo", True, True)
    by_reference = await figures(assets, "GetBondAnalytics", "DEMOBOND")
    assert by_reference.yield_percent == by_price.yield_percent


async def test_sukuk_have_their_profit_schedule_and_their_own_calendar(assets: ServiceUnderTest) -> None:
    ijara = await figures(assets, "GetSukukAnalytics", "DEMOSUKUK")
    assert (ijara.tradability, "PAR_ONLY" in ijara.notices) == ("any_price", False)
    assert {each.amount for each in ijara.flows if each.kind == "coupon"} == {"4.6875000000"}
    dirham = await figures(assets, "GetSukukAnalytics", "DEMOSUKUK", "ADX")
    # 22 April 2028 is a Saturday; Abu Dhabi works again on Monday.
    payment = next(each for each in dirham.flows if each.due_date == "2028-04-22")
    assert payment.payment_date == "2028-04-24"


async def test_sukuk_that_trade_at_par_only_say_so_and_another_price_is_marked(assets: ServiceUnderTest) -> None:
    at_par = await figures(assets, "GetSukukAnalytics", "DEMOPAR", clean_price=100_000_000)
    assert (at_par.tradability, "PAR_ONLY" in at_par.notices, "PRICE_OFF_PAR" in at_par.notices) == ("par_only", True, False)
    off_par = await figures(assets, "GetSukukAnalytics", "DEMOPAR", clean_price=99_000_000)
    assert "PRICE_OFF_PAR" in off_par.notices


async def test_a_bill_grows_to_its_face(assets: ServiceUnderTest) -> None:
    bill = await figures(assets, "GetBondAnalytics", "DEMOBILL")
    assert (Decimal(bill.accrued), len(bill.flows), Decimal(bill.macaulay_duration)) == (0, 1, 1)
    years = Decimal((date(2027, 11, 30) - date(2026, 11, 30)).days) / 365
    expected = ((100 / Decimal("82.4")) ** (1 / years) - 1) * 100
    assert abs(Decimal(bill.yield_percent) - expected) < Decimal("0.00000001")


async def test_funds_tell_premium_and_age_of_their_value(assets: ServiceUnderTest) -> None:
    request = pb.UnitAnalyticsRequest(exchange="EGX", symbol="DEMOFUND")
    fund = await assets.called("GetFundAnalytics", request, pb.FundAnalytics)
    expected = Decimal((fund.price - fund.nav) * 10_000) / fund.nav
    assert abs(Decimal(fund.premium_bp) - expected) <= Decimal("0.005")
    assert (fund.valued_on, fund.stale, fund.trust) == ("2026-11-19", False, "demo")
    request.price = fund.nav
    at_value = await assets.called("GetFundAnalytics", request, pb.FundAnalytics)
    assert Decimal(at_value.premium_bp) == 0


async def test_a_value_gets_old(assets: ServiceUnderTest, world: World) -> None:
    world.now += 12 * 3_600 * 1_000_000_000
    request = pb.UnitAnalyticsRequest(exchange="EGX", symbol="DEMOETF")
    fresh = await assets.called("GetFundAnalytics", request, pb.FundAnalytics)
    assert (fresh.stale, "NAV_STALE" in fresh.notices) == (False, False)
    world.now = conftest.NOW + 8 * 86_400 * 1_000_000_000
    world.platform_again()
    for tenant in ("alpha", "beta"):
        world.compiled_again(tenant)
    old = await assets.called("GetFundAnalytics", request, pb.FundAnalytics)
    assert (old.stale, "NAV_STALE" in old.notices) == (True, True)


async def test_real_estate_funds_tell_yield_and_leverage(assets: ServiceUnderTest) -> None:
    request = pb.UnitAnalyticsRequest(exchange="EGX", symbol="DEMOREIT")
    reit = await assets.called("GetReitAnalytics", request, pb.ReitAnalytics)
    # From 26 November 2025 to 25 November 2026: 0.27 + 0.28 + 0.28 + 0.29.
    assert Decimal(reit.trailing_distributions) == Decimal("1.12")
    assert Decimal(reit.distribution_yield_percent) == (Decimal(112) / Decimal("12.40")).quantize(Decimal("1e-4"))
    assert (Decimal(reit.leverage_percent), reit.nav > 0, reit.premium_bp != "") == (Decimal("27.4"), True, True)


async def test_rights_are_computed_from_their_share(assets: ServiceUnderTest) -> None:
    request = pb.RightAnalyticsRequest(exchange="EGX", symbol="DEMORIGHT")
    right = await assets.called("GetRightAnalytics", request, pb.RightAnalytics)
    assert (right.share_price, right.ex_rights_price, right.value_of_a_right) == (11_000_000, 10_000_000, 1_000_000)
    request.share_price = 5_000_000
    worthless = await assets.called("GetRightAnalytics", request, pb.RightAnalytics)
    assert (worthless.value_of_a_right, worthless.intrinsic_value) == (0, 0)


async def test_receipts_need_a_currency_rate_with_a_source(assets: ServiceUnderTest) -> None:
    source = "a bank's sheet of today"
    request = pb.ReceiptAnalyticsRequest(exchange="EGX", symbol="DEMODR", currency_rate="13.25", rate_source=source)
    receipt = await assets.called("GetReceiptAnalytics", request, pb.ReceiptAnalytics)
    assert (receipt.parity_price, receipt.rate_source) == (92_750_000, source)
    assert Decimal(receipt.premium_bp) == (Decimal(4_500) / Decimal("92.75")).quantize(Decimal("0.01"))
    for change in ({"rate_source": ""}, {"currency_rate": ""}, {"currency_rate": "0"}, {"currency_rate": "1e3"}):
        wrong = pb.ReceiptAnalyticsRequest(exchange="EGX", symbol="DEMODR", currency_rate="13.25", rate_source="x")
        for name, value in change.items():
            setattr(wrong, name, value)
        with pytest.raises(Refused, match="ARGUMENT_INVALID"):
            await assets.called("GetReceiptAnalytics", wrong, pb.ReceiptAnalytics)


async def test_what_cannot_be_computed_is_refused_with_its_problem(assets: ServiceUnderTest) -> None:
    matured = {"settlement_date": "2031-01-15"}
    for method, request, code, problem in (
        ("GetSukukAnalytics", {"symbol": "EGBKRSK01CV"}, "NOT_FOUND", "TERMS_INCOMPLETE"),
        ("GetBondAnalytics", {"symbol": "DEMOSUKUK"}, "ARGUMENT_INVALID", "ASSET_TYPE_DIFFERS"),
        (
            "GetBondAnalytics",
            {"symbol": "DEMOBOND", **matured},
            "ARGUMENT_INVALID",
            "SETTLEMENT_OUTSIDE_LIFE",
        ),
        ("GetBondAnalytics", {"symbol": "DEMOBOND", "clean_price": 0}, "ARGUMENT_INVALID", "PRICE_NOT_POSITIVE"),
        ("GetBondAnalytics", {"symbol": "DEMOBOND", "yield_percent": "2000"}, "ARGUMENT_INVALID", "YIELD_OUT_OF_RANGE"),
        ("GetBondAnalytics", {"symbol": "DEMOBOND", "yield_percent": "NaN"}, "ARGUMENT_INVALID", ""),
        ("GetBondAnalytics", {"symbol": "DEMOBOND", "settlement_date": "soon"}, "ARGUMENT_INVALID", ""),
        ("GetBondAnalytics", {"symbol": "NONE"}, "NOT_FOUND", ""),
        ("GetBondAnalytics", {"symbol": "DEMOBOND", "exchange": "LSE"}, "NOT_FOUND", ""),
    ):
        with pytest.raises(Refused, match=code) as refused:
            await assets.called(method, pb.FixedIncomeRequest(**{"exchange": "EGX", **request}), pb.FixedIncomeAnalytics)
        assert refused.value.figures.get("problem", "") == problem, request
    for symbol, code, problem in (
        ("COMI", "NOT_FOUND", "DETAILS_UNKNOWN"),
        ("EGX30ETF", "NOT_FOUND", "NAV_UNKNOWN"),
        ("DEMOBOND", "ARGUMENT_INVALID", "ASSET_TYPE_DIFFERS"),
    ):
        with pytest.raises(Refused, match=code) as refused:
            await assets.called("GetFundAnalytics", pb.UnitAnalyticsRequest(exchange="EGX", symbol=symbol), pb.FundAnalytics)
        assert refused.value.figures["problem"] == problem


async def test_figures_need_the_licence_of_their_asset_type(assets: ServiceUnderTest) -> None:
    beta = member("beta")
    for method, request in (
        ("GetBondAnalytics", pb.FixedIncomeRequest(exchange="EGX", symbol="DEMOBOND")),
        ("GetSukukAnalytics", pb.FixedIncomeRequest(exchange="EGX", symbol="DEMOSUKUK")),
        ("GetFundAnalytics", pb.UnitAnalyticsRequest(exchange="ADX", symbol="DEMOISLAMIC")),
    ):
        with pytest.raises(Refused, match="FEATURE_NOT_LICENSED"):
            await assets.called(method, request, pb.FundAnalytics, by=beta)
    request = pb.UnitAnalyticsRequest(exchange="EGX", symbol="DEMOFUND")
    assert (await assets.called("GetFundAnalytics", request, pb.FundAnalytics, by=beta)).nav > 0
    with pytest.raises(Refused, match="METHOD_NOT_PERMITTED"):
        await assets.called("GetFundAnalytics", request, pb.FundAnalytics, by=member("beta", role=OPERATOR))


async def test_validation_tells_every_fault_at_once(assets: ServiceUnderTest) -> None:
    bond = pb.BondDetails(issuer="x", face_value="free", rate_kind="fixed", payments_per_year=3, issue_date="2026-01-01")
    request = pb.ValidateAssetRequest(asset_type="bond", details=pb.AssetDetails(bond=bond))
    found = await assets.called("ValidateAsset", request, pb.AssetValidation)
    assert not found.valid
    assert {(each.field, each.problem) for each in found.problems} == {
        ("face_value", "NOT_A_DECIMAL"),
        ("payments_per_year", "OUT_OF_RANGE"),
        ("rate_percent", "FIELD_REQUIRED"),
        ("day_count", "FIELD_REQUIRED"),
        ("payment_convention", "FIELD_REQUIRED"),
        ("maturity_date", "FIELD_REQUIRED"),
    }
    known = await asset(assets, "EGX:DEMOBILL")
    again = pb.ValidateAssetRequest(exchange="EGX", symbol="DEMOBILL", asset_type="bond", details=known.details)
    assert (await assets.called("ValidateAsset", again, pb.AssetValidation)).valid
    own = pb.AssetDetails(right=pb.RightDetails(underlying="EGX:DEMORIGHT", new_shares=1))
    request = pb.ValidateAssetRequest(exchange="EGX", symbol="DEMORIGHT", asset_type="right", details=own)
    found = await assets.called("ValidateAsset", request, pb.AssetValidation)
    assert ("underlying", "UNDERLYING_IS_ITSELF") in {(each.field, each.problem) for each in found.problems}
    unknown = await assets.called("ValidateAsset", pb.ValidateAssetRequest(asset_type="gold"), pb.AssetValidation)
    assert [each.problem for each in unknown.problems] == ["ASSET_TYPE_UNKNOWN"]
    with pytest.raises(Refused, match="ARGUMENT_INVALID"):
        mixed = pb.ValidateAssetRequest(asset_type="sukuk", details=pb.AssetDetails(bond=bond))
        await assets.called("ValidateAsset", mixed, pb.AssetValidation)


async def test_assets_are_read_once_for_each_revision_and_held_without_the_database(
    assets: ServiceUnderTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asset(assets, "EGX:DEMOBOND")

    async def away(_question: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(world.readers, "_run", away)
    assert (await asset(assets, "EGX:DEMOBOND")).details.bond.rate_percent == "21.5"
    world.platform_again()
    with pytest.raises(Refused, match="DEPENDENCY_UNAVAILABLE"):
        await asset(assets, "EGX:DEMOBOND")
