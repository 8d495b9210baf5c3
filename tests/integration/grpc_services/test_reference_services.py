"""ExchangeService and AssetService over gRPC, on the project's own reference data."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from django.db import OperationalError

from exchanges.assets.fixed_income_analytics import fixed_income_figures
from tests.integration.grpc_services.conftest import NOW, SECOND, World
from tests.mesh_calls import Refused, ServiceUnderTest, member, serving
from trading_workers.grpc_services.asset_service import AssetService
from trading_workers.grpc_services.exchange_service import ExchangeService
from trading_workers.grpc_services.known_assets import KnownAssets
from trading_workers.grpc_services.reference_facts import ReferenceFacts
from tradsys.v1 import assets_pb2, exchanges_pb2


@pytest.fixture
async def exchanges(world: World) -> AsyncIterator[ServiceUnderTest]:
    async with serving(ExchangeService(world.documents, world.facts, world.clock), world.gate) as under_test:
        yield under_test


@pytest.fixture
async def assets(world: World) -> AsyncIterator[ServiceUnderTest]:
    known = KnownAssets(world.documents, world.readers.asset, world.readers.asset_listings, world.clock)
    service = AssetService(world.documents, world.facts, known, fixed_income_figures, world.clock)
    async with serving(service, world.gate) as under_test:
        yield under_test


async def info(exchanges: ServiceUnderTest, exchange: str = "EGX") -> exchanges_pb2.ExchangeInfo:
    request = exchanges_pb2.GetExchangeInfoRequest(exchange=exchange)
    answer = await exchanges.called("GetExchangeInfo", request, exchanges_pb2.ExchangeInfo)
    assert isinstance(answer, exchanges_pb2.ExchangeInfo)
    return answer


async def test_exchanges_are_listed_with_their_phase_of_now(exchanges: ServiceUnderTest, world: World) -> None:
    request = exchanges_pb2.ListExchangesRequest()
    answer = await exchanges.called("ListExchanges", request, exchanges_pb2.ListExchangesResponse)
    assert [(each.code, each.mic, each.currency, each.time_zone, each.phase) for each in answer.exchanges] == [
        ("ADX", "XADS", "AED", "Asia/Dubai", "CONTINUOUS"),
        ("EGX", "XCAI", "EGP", "Africa/Cairo", "CONTINUOUS"),
    ]
    world.now = NOW + 10 * 3600 * SECOND
    answer = await exchanges.called("ListExchanges", request, exchanges_pb2.ListExchangesResponse)
    assert {each.phase for each in answer.exchanges} == {"CLOSED"}


async def test_an_exchange_says_what_holds_now_and_next_and_how_well_it_is_known(exchanges: ServiceUnderTest, world: World) -> None:
    answer = await info(exchanges)
    assert (answer.now.phase, answer.now.label, answer.now.trust) == ("CONTINUOUS", "EGX normal hours", "V")
    assert (answer.next.phase, answer.next.trust, answer.next.begins_at) == ("CLOSING_AUCTION", "1", answer.now.ends_at)
    assert (answer.settlement_cycle, answer.settlement_trust, answer.depository) == ("T+2", "V", "MCDR")
    assert (answer.investor_id_name, answer.killed) == ("Unified Code", False)
    world.now = NOW + 10 * 3600 * SECOND
    answer = await info(exchanges)
    assert (answer.now.phase, answer.now.ends_at, answer.next.phase) == ("CLOSED", answer.next.begins_at, "CONTINUOUS")
    assert answer.next.begins_at - answer.now.begins_at == 19 * 3600 * SECOND + 1800 * SECOND


async def test_a_calendar_has_sessions_reasons_and_what_is_not_verified(exchanges: ServiceUnderTest) -> None:
    request = exchanges_pb2.GetCalendarRequest(exchange="ADX", year=2026, month=12)
    answer = await exchanges.called("GetCalendar", request, exchanges_pb2.ExchangeCalendar)
    days = {each.date: each for each in answer.days}
    assert (len(days), days["2026-12-05"].reason, list(days["2026-12-05"].phases)) == (31, "weekend", [])
    assert [(each.phase, each.begins, each.ends) for each in days["2026-12-04"].phases][:2] == [
        ("PRE_OPEN", "09:30", "10:00"),
        ("CONTINUOUS", "10:00", "14:45"),
    ]
    assert list(days["2026-12-02"].unverified) == ["ADX closed: public holiday"]
    assert list(days["2026-12-04"].unverified) == []


async def test_a_calendar_of_nothing_is_refused(exchanges: ServiceUnderTest) -> None:
    for year, month, exchange, code in (
        (1999, 1, "EGX", "ARGUMENT_INVALID"),
        (2026, 0, "EGX", "ARGUMENT_INVALID"),
        (2026, 13, "EGX", "ARGUMENT_INVALID"),
        (2026, 1, "LSE", "NOT_FOUND"),
        (2026, 1, "", "ARGUMENT_INVALID"),
    ):
        request = exchanges_pb2.GetCalendarRequest(exchange=exchange, year=year, month=month)
        with pytest.raises(Refused, match=code):
            await exchanges.called("GetCalendar", request, exchanges_pb2.ExchangeCalendar)


async def test_facts_are_read_once_for_each_revision(
    exchanges: ServiceUnderTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    async def counted() -> ReferenceFacts:
        reads.append(world.documents.platform(NOW).revision)
        return await world.readers.reference_facts()

    monkeypatch.setattr(world.facts, "_read", counted)
    await info(exchanges)
    await info(exchanges)
    world.platform_again()
    await info(exchanges)
    assert reads == [1, 2]


async def test_without_the_database_new_facts_are_refused_and_held_ones_are_given(
    exchanges: ServiceUnderTest, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await info(exchanges)

    async def away(_question: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(world.readers, "_run", away)
    await info(exchanges)
    world.platform_again()
    with pytest.raises(Refused, match="DEPENDENCY_UNAVAILABLE"):
        await info(exchanges)


async def test_a_document_past_its_lease_is_not_told_on(
    exchanges: ServiceUnderTest, assets: ServiceUnderTest, world: World
) -> None:
    world.now = NOW + 25 * 3600 * SECOND
    with pytest.raises(Refused, match="CONFIGURATION_STALE"):
        await info(exchanges)
    with pytest.raises(Refused, match="CONFIGURATION_STALE"):
        await assets.called("ListAssetTypes", assets_pb2.ListAssetTypesRequest(), assets_pb2.ListAssetTypesResponse)


async def test_instruments_come_in_pages_and_by_kind(assets: ServiceUnderTest, world: World) -> None:
    seen: list[str] = []
    token = ""
    while True:
        request = assets_pb2.ListInstrumentsRequest(page_size=40, page_token=token)
        answer = await assets.called("ListInstruments", request, assets_pb2.ListInstrumentsResponse)
        seen += [f"{each.exchange}:{each.symbol}" for each in answer.instruments]
        token = answer.next_page_token
        if not token:
            break
    assert seen == sorted({each.key for each in world.documents.platform(NOW).instruments})
    request = assets_pb2.ListInstrumentsRequest(exchange="EGX", asset_type="reit")
    answer = await assets.called("ListInstruments", request, assets_pb2.ListInstrumentsResponse)
    assert {(each.exchange, each.asset_type) for each in answer.instruments} == {("EGX", "reit")}


async def test_an_instrument_tells_its_rules_and_what_nobody_has_signed(assets: ServiceUnderTest) -> None:
    request = assets_pb2.GetInstrumentRequest(exchange="EGX", symbol="COMI")
    answer = await assets.called("GetInstrument", request, assets_pb2.AssetInfo)
    assert (answer.summary.isin, answer.isin_status, answer.board) == ("EGS60121C018", "verified", "main")
    assert (answer.lot, answer.lot_signed, answer.reference_price, answer.reference_signed) == (1, False, 0, False)
    assert [(each.from_price, each.tick) for each in answer.ticks] == [(0, 1_000), (2_000_000, 10_000)]
    assert len(answer.sources) > 0


async def test_asset_types_name_their_licence_feature(assets: ServiceUnderTest) -> None:
    answer = await assets.called("ListAssetTypes", assets_pb2.ListAssetTypesRequest(), assets_pb2.ListAssetTypesResponse)
    by_type = {each.asset_type: each for each in answer.asset_types}
    assert (by_type["equity"].feature, by_type["equity"].instruments["EGX"] > 10) == ("asset:equity", True)


async def test_what_does_not_exist_is_refused_by_name(assets: ServiceUnderTest) -> None:
    known = assets_pb2.GetInstrumentRequest(exchange="EGX", symbol="COMI").SerializeToString()
    for method, request, code in (
        ("GetInstrument", assets_pb2.GetInstrumentRequest(exchange="EGX", symbol="NONE"), "NOT_FOUND"),
        ("GetInstrument", assets_pb2.GetInstrumentRequest(exchange="EGX"), "ARGUMENT_INVALID"),
        ("GetInstrument", b"\xff", "ARGUMENT_INVALID"),
        ("GetInstrument", known + b"\x7a\x01x", "ARGUMENT_INVALID"),
        ("ListInstruments", assets_pb2.ListInstrumentsRequest(exchange="LSE"), "NOT_FOUND"),
        ("ListInstruments", assets_pb2.ListInstrumentsRequest(asset_type="gold"), "ARGUMENT_INVALID"),
        ("ListInstruments", assets_pb2.ListInstrumentsRequest(page_size=501), "ARGUMENT_INVALID"),
        ("ListInstruments", assets_pb2.ListInstrumentsRequest(page_token="x" * 81), "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await assets.called(method, request, assets_pb2.AssetInfo)


async def test_reference_data_needs_a_licence_in_force(exchanges: ServiceUnderTest, world: World) -> None:
    with pytest.raises(Refused, match="CONFIGURATION_MISSING"):
        await exchanges.called(
            "ListExchanges", exchanges_pb2.ListExchangesRequest(), exchanges_pb2.ListExchangesResponse, by=member("gamma")
        )
