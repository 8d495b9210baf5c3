"""``ExchangeService`` of EGX over real sockets with the simulated venue as its own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from exchanges.api import AssetType, OrderType, PluginError, TimeInForce
from exchanges.exchange_service import (
    Asset,
    ExchangeConfig,
    ExchangeError,
    ExchangeRefusal,
    ExchangeService,
    MarketData,
    Order,
    OrderState,
    Side,
)
from exchanges.registry import registry
from tests.integration.simulator.venue_process import VenueProcess, free_port
from tradsys.configuration import Address
from tradsys.mesh.refusals import CallRefusal

MICROS = 1_000_000


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    venue = VenueProcess(tmp_path / "log")
    venue.start()
    yield venue
    venue.stop()


def service_of(venue: VenueProcess, comp_id: str, *, market_data: bool = False, **settings: object) -> ExchangeService:
    address = Address("127.0.0.1", venue.port)
    return registry().create_service(
        ExchangeConfig(
            exchange=venue.exchange,
            orders=(address,),
            market_data=address if market_data else None,
            sender_comp_id=comp_id,
            settings=settings,
        )
    )


@pytest.fixture
async def services(venue: VenueProcess) -> AsyncIterator[tuple[ExchangeService, ExchangeService]]:
    pair = service_of(venue, "TRADSYS-W1", market_data=True), service_of(venue, "TRADSYS-W2")
    for each in pair:
        await each.initialize()
        await each.start()
    yield pair
    for each in pair:
        await each.stop()


def order(name: str, side: Side = Side.BUY, quantity: int = 10, price: int = 139 * MICROS, **changes: object) -> Order:
    terms = {
        "client_order_id": name,
        "account": "ACC-1",
        "symbol": "COMI",
        "side": side,
        "type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "quantity": quantity,
        "price": price,
    }
    return Order(**{**terms, **changes})  # type: ignore[arg-type]


async def refusal(operation: object) -> ExchangeError:
    with pytest.raises(ExchangeError) as refused:
        await operation  # type: ignore[misc]
    return refused.value


async def test_an_order_rests_then_fills_and_its_status_follows_the_venue(
    venue: VenueProcess, services: tuple[ExchangeService, ExchangeService]
) -> None:
    buyer, seller = services
    resting = await buyer.place_order(order("b1", quantity=30))
    assert (resting.state, resting.cumulative, resting.leaves) == (OrderState.NEW, 0, 30)
    sold = await seller.place_order(order("s1", Side.SELL, 20, 138 * MICROS))
    # The answer comes with everything that the venue sent together with it: the fill too.
    assert (sold.state, sold.cumulative, sold.leaves) == (OrderState.FILLED, 20, 0)
    status = await buyer.get_order_status("b1")
    assert (status.state, status.cumulative, status.leaves, status.average_price) == (
        OrderState.PARTIALLY_FILLED,
        20,
        10,
        139 * MICROS,
    )
    assert (status.symbol, status.side, status.quantity, status.price) == ("COMI", Side.BUY, 30, 139 * MICROS)
    assert status.venue_order_id == resting.venue_order_id != ""
    canceled = await buyer.cancel_order("b1")
    assert (canceled.state, canceled.cumulative, canceled.leaves) == (OrderState.CANCELED, 20, 0)
    fills = await asyncio.to_thread(venue.page, "/fills")
    assert [(fill["quantity"], fill["price_text"]) for fill in fills] == [(20, "139.00")]
    assert (await asyncio.to_thread(venue.page, "/state"))["open_orders"] == 0


async def test_market_and_immediate_orders_are_taken_and_what_finds_no_partner_is_told_as_expired(
    services: tuple[ExchangeService, ExchangeService],
) -> None:
    buyer, seller = services
    await buyer.place_order(order("b1", quantity=5))
    sold = await seller.place_order(
        order("s1", Side.SELL, 5, 0, type=OrderType.MARKET, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    )
    assert (sold.state, sold.cumulative) == (OrderState.FILLED, 5)
    alone = await seller.place_order(order("s2", Side.SELL, 5, 139 * MICROS, time_in_force=TimeInForce.FILL_OR_KILL))
    assert (alone.state, alone.cumulative) == (OrderState.EXPIRED, 0)


async def test_a_hundred_orders_at_once_get_an_answer_each(services: tuple[ExchangeService, ExchangeService]) -> None:
    buyer, _ = services
    results = await asyncio.gather(*(buyer.place_order(order(f"b{number}")) for number in range(100)))
    assert [each.client_order_id for each in results] == [f"b{number}" for number in range(100)]
    assert {each.state for each in results} == {OrderState.NEW}
    canceled = await asyncio.gather(*(buyer.cancel_order(f"b{number}") for number in range(100)))
    assert {each.state for each in canceled} == {OrderState.CANCELED}


async def test_refusals_are_coded_and_leave_nothing_at_the_venue(
    venue: VenueProcess, services: tuple[ExchangeService, ExchangeService]
) -> None:
    buyer, _ = services
    for wrong, code, figure in (
        (order("x", symbol="NOSUCH"), ExchangeRefusal.UNKNOWN_ASSET, {"symbol": "NOSUCH"}),
        (order("x", quantity=0), ExchangeRefusal.INVALID_ORDER, {"quantity": "0"}),
        (order("x", price=139_001_000), ExchangeRefusal.INVALID_ORDER, {"price": "139.001", "tick": "0.01"}),
        (order("x", price=500 * MICROS), ExchangeRefusal.INVALID_ORDER, {"price": "500.00"}),
        (order("x", price=0), ExchangeRefusal.INVALID_ORDER, {"price": "0.00"}),
        (order("x", type=OrderType.MARKET), ExchangeRefusal.INVALID_ORDER, {"price": "139.00"}),
        (order("x", account=""), ExchangeRefusal.INVALID_ORDER, {"account": "missing"}),
        (order("x" * 37), ExchangeRefusal.INVALID_ORDER, {"client_order_id": "x" * 37}),
        (order("x\x0110=1"), ExchangeRefusal.INVALID_ORDER, {}),
        (order("x", account="A\x0155=TMGH"), ExchangeRefusal.INVALID_ORDER, {"client_order_id": "x"}),
    ):
        refused = await refusal(buyer.place_order(wrong))
        assert refused.code is code, refused
        assert figure.items() <= refused.figures.items(), refused
    assert await asyncio.to_thread(venue.page, "/orders") == []
    await buyer.place_order(order("b1"))
    assert (await refusal(buyer.place_order(order("b1")))).code is ExchangeRefusal.DUPLICATE_ORDER
    assert (await refusal(buyer.cancel_order("b2"))).code is ExchangeRefusal.UNKNOWN_ORDER
    assert (await refusal(buyer.get_order_status("b2"))).code is ExchangeRefusal.UNKNOWN_ORDER
    await buyer.cancel_order("b1")
    assert (await refusal(buyer.cancel_order("b1"))).code is ExchangeRefusal.TOO_LATE
    assert len(await asyncio.to_thread(venue.page, "/orders")) == 1


async def test_an_id_that_the_venue_knows_from_before_is_refused_as_a_duplicate(venue: VenueProcess) -> None:
    first = service_of(venue, "TRADSYS-W1")
    await first.connect()
    await first.place_order(order("b1"))
    await first.disconnect()
    again = service_of(venue, "TRADSYS-W1")
    await again.connect()
    refused = await refusal(again.place_order(order("b1")))
    assert (refused.code, refused.figures["text"]) == (ExchangeRefusal.DUPLICATE_ORDER, "duplicate ClOrdID")
    assert len(await asyncio.to_thread(venue.page, "/orders")) == 1
    assert (await again.place_order(order("b2"))).state is OrderState.NEW
    await again.disconnect()


async def test_books_tickers_and_the_stream_show_what_happens(services: tuple[ExchangeService, ExchangeService]) -> None:
    buyer, seller = services
    told: list[MarketData] = []

    async def follow() -> None:
        async for each in buyer.subscribe_market_data(["COMI", "TMGH"]):
            told.append(each)

    following = asyncio.create_task(follow())
    await buyer.place_order(order("b1", quantity=30))
    await seller.place_order(order("s1", Side.SELL, 40, 139 * MICROS))
    async with asyncio.timeout(5):
        while not any(each.trades for each in told):
            await asyncio.sleep(0.01)
    [traded] = [each for each in told if each.trades]
    assert [(each.price, each.quantity) for each in traded.trades] == [(139 * MICROS, 30)]
    assert (traded.volume, traded.last_price, traded.trades_missed) == (30, 139 * MICROS, 0)
    assert {each.book.symbol for each in told} == {"COMI", "TMGH"}
    book = await buyer.get_order_book("COMI")
    assert [(each.price, each.quantity, each.orders) for each in book.asks] == [(139 * MICROS, 10, 1)]
    assert (book.bids, book.stale) == ((), False)
    ticker = await buyer.get_ticker("COMI")
    assert (ticker.bid, ticker.ask, ticker.last_price, ticker.volume) == (0, 139 * MICROS, 139 * MICROS, 30)
    assert ticker.reference_price == 139 * MICROS
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    with pytest.raises(ExchangeError, match="UNKNOWN_ASSET: exchange=EGX, symbol=NOSUCH"):
        buyer.subscribe_market_data(["NOSUCH"])
    assert (await refusal(seller.get_order_book("COMI"))).code is ExchangeRefusal.MARKET_DATA_UNAVAILABLE


async def test_a_reader_that_is_slow_gets_the_present_book_and_the_trades_in_between(
    services: tuple[ExchangeService, ExchangeService],
) -> None:
    buyer, seller = services
    stream = buyer.subscribe_market_data(["COMI"])
    first = await anext(stream)
    assert first.trades == ()
    for number in range(130):
        await buyer.place_order(order(f"b{number}", quantity=1))
        await seller.place_order(order(f"s{number}", Side.SELL, 1))
    async with asyncio.timeout(5):
        while (await buyer.get_ticker("COMI")).volume < 130:
            await asyncio.sleep(0.02)
    late = await anext(stream)
    assert (late.volume, len(late.trades), late.trades_missed) == (130, 100, 30)
    await stream.aclose()  # type: ignore[attr-defined]


async def test_it_says_who_the_exchange_is_and_what_it_lists(services: tuple[ExchangeService, ExchangeService]) -> None:
    service, _ = services
    info = service.get_exchange_info()
    assert (info.code, info.mic, info.currency, info.time_zone, info.phase) == ("EGX", "XCAI", "EGP", "Africa/Cairo", "CONTINUOUS")
    assert (info.orders_up, info.market_data_up, info.listed) == (True, True, 19)
    assert AssetType.SUKUK in service.get_supported_assets()
    listed = await service.get_asset_info("COMI")
    assert (listed.reference_price, listed.tick, listed.lot, listed.isin) == (139 * MICROS, 10_000, 1, "EGS60121C018")
    await service.validate_asset(Asset(symbol="COMI", asset_type=AssetType.EQUITY, isin="EGS60121C018", currency="EGP"))
    for asset, code in (
        (Asset(symbol="NOSUCH", asset_type=AssetType.EQUITY), ExchangeRefusal.UNKNOWN_ASSET),
        (Asset(symbol="COMI", asset_type=AssetType.SUKUK), ExchangeRefusal.ASSET_MISMATCH),
        (Asset(symbol="COMI", asset_type=AssetType.EQUITY, isin="EGS000000000"), ExchangeRefusal.ASSET_MISMATCH),
        (Asset(symbol="COMI", asset_type=AssetType.EQUITY, currency="AED"), ExchangeRefusal.ASSET_MISMATCH),
    ):
        assert (await refusal(service.validate_asset(asset))).code is code


async def test_it_is_a_service_like_every_other(services: tuple[ExchangeService, ExchangeService]) -> None:
    service, _ = services
    assert isinstance(service, ExchangeService)
    assert service.health().serving
    assert {"PlaceOrder", "CancelOrder", "ReplaceOrder", "SubscribeMarketData"} <= {each.method for each in service.capabilities()}
    assert {each.features for each in service.license_requirements()} == {("exchange:EGX",)}
    assert [each.name for each in service.dependencies()] == ["venue:EGX"]
    assert service.validate_license("nile", "PlaceOrder", time.time_ns()) is CallRefusal.CONFIGURATION_MISSING
    assert service.validate_license("nile", "NoSuchMethod", time.time_ns()) is CallRefusal.METHOD_NOT_PERMITTED


async def test_a_venue_that_dies_makes_the_service_unhealthy_and_comes_back_by_itself(
    venue: VenueProcess, services: tuple[ExchangeService, ExchangeService]
) -> None:
    service, _ = services
    await service.place_order(order("b1"))
    async with asyncio.timeout(5):
        while not (await service.get_order_book("COMI")).bids:
            await asyncio.sleep(0.02)
    await asyncio.to_thread(venue.kill)
    async with asyncio.timeout(5):
        while service.health().serving:
            await asyncio.sleep(0.02)
    assert service.health().reason == "EGX is not logged on: orders, market data"
    refused = await refusal(service.place_order(order("b2")))
    assert (refused.code, refused.figures) == (ExchangeRefusal.NOT_CONNECTED, {"exchange": "EGX"})
    assert (await service.get_order_book("COMI")).stale
    await asyncio.to_thread(venue.start)
    async with asyncio.timeout(15):
        while not service.health().serving:
            await asyncio.sleep(0.05)
    assert (await service.get_order_status("b1")).state is OrderState.NEW
    assert (await service.place_order(order("b2"))).state is OrderState.NEW


async def test_a_venue_that_is_not_there_ends_in_a_deadline_and_nothing_goes_on_trying(tmp_path: Path) -> None:
    nobody = VenueProcess(tmp_path)
    service = service_of(nobody, "TRADSYS-W1", connect_ms=300)
    refused = await refusal(service.connect())
    assert refused.code is ExchangeRefusal.CONNECT_TIMEOUT
    assert refused.figures == {"exchange": "EGX", "orders_up": "False", "market_data_up": "True", "waited_ms": "300"}
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("EGX")]
    await service.disconnect()


def test_settings_against_the_schema_and_a_missing_address_are_refused_by_the_plugins_name() -> None:
    nowhere = (Address("127.0.0.1", free_port()),)
    for settings, text in (
        ({"answer_ms": 0}, "exchange plugin EGX: settings are refused: answer_ms: 0 is less than the minimum of 50"),
        ({"nonsense": 1}, "nonsense"),
    ):
        with pytest.raises(PluginError, match=text):
            registry().create_service(ExchangeConfig(exchange="EGX", orders=nowhere, settings=settings))
    with pytest.raises(PluginError, match=r"exchange plugin EGX: create_service failed: .*address of its order line"):
        registry().create_service(ExchangeConfig(exchange="EGX"))
