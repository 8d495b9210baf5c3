"""MarketDataService over gRPC: what it answers from the books, whom it refuses, and how a stream goes on and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from exchanges.fix.clock import SystemClock
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data import market_data_service as module
from exchanges.market_data.live_updates import LiveUpdates
from exchanges.market_data.market_data_service import MarketDataService
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from tests.mesh_calls import Gate, Refused, ServiceUnderTest, end_of, member, message_of, serving
from tests.unit.market_data.test_books_of_the_feed import increment, snapshot
from tradsys.v1 import market_data_pb2 as pb

EGX = {"exchange:EGX", "quotes:realtime"}
COMI = pb.InstrumentKey(exchange="EGX", symbol="COMI")


class Feed:
    """The EGX line of a service, with COMI's book filled."""

    def __init__(self) -> None:
        self.subscriber = MarketDataSubscriber("EGX", SystemClock())
        self.subscriber.list_instruments([Listing("COMI", 139_000_000), Listing("TMGH")])
        config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX")
        self.session = Session(config, self.subscriber, MemoryStore(), SystemClock())
        self.subscriber.line_up = True
        self.number = 7
        self.subscriber.on_application_message(self.session, snapshot(7, [("138.90", 100), ("138.80", 50)], [("139.10", 70)]))

    def hear(self, *changes: tuple[bytes, bytes, str, int]) -> None:
        self.number += 1
        message = increment(self.number, list(changes))
        self.subscriber.on_application_message(self.session, message)
        self.subscriber.on_read_complete(self.session)


@pytest.fixture
def feed() -> Feed:
    return Feed()


@pytest.fixture
def gate() -> Gate:
    return Gate({"alpha": set(EGX), "beta": {"exchange:ADX", "quotes:realtime"}, "delayed": {"exchange:EGX"}})


@pytest.fixture
async def service(feed: Feed, gate: Gate) -> AsyncIterator[ServiceUnderTest]:
    async with serving(MarketDataService([feed.subscriber], LiveUpdates(time.time_ns), time.time_ns), gate) as under_test:
        yield under_test


async def updates(stream: grpc.aio.UnaryStreamCall, count: int) -> list[pb.MarketDataUpdate]:
    return [await message_of(stream, pb.MarketDataUpdate) for _ in range(count)]


async def test_quote_book_ticker_and_candles_are_those_of_the_book(feed: Feed, service: ServiceUnderTest) -> None:
    feed.hear((b"0", b"2", "139.695", 40), (b"0", b"1", "139.00", 5))
    quote = await service.called("GetQuote", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), pb.Quote)
    assert (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity) == (138_900_000, 100, 139_000_000, 5)
    assert (quote.last_price, quote.stale) == (139_695_000, False)
    book = await service.called("GetOrderBook", pb.GetOrderBookRequest(exchange="EGX", symbol="COMI", depth=1), pb.OrderBook)
    assert [(each.price, each.quantity, each.orders) for each in book.bids] == [(138_900_000, 100, 1)]
    ticker = await service.called("GetTicker", pb.GetTickerRequest(exchange="EGX", symbol="COMI"), pb.Ticker)
    assert (ticker.reference_price, ticker.change_percent, ticker.volume) == (139_000_000, "0.50", 500)
    candles = await service.called("GetCandles", pb.GetCandlesRequest(exchange="EGX", symbol="COMI"), pb.GetCandlesResponse)
    assert [(each.open, each.volume) for each in candles.candles] == [(139_695_000, 40)]


async def test_tickers_come_in_pages(service: ServiceUnderTest) -> None:
    first = await service.called("ListTickers", pb.ListTickersRequest(exchange="EGX", page_size=1), pb.ListTickersResponse)
    second = await service.called(
        "ListTickers",
        pb.ListTickersRequest(exchange="EGX", page_size=1, page_token=first.next_page_token),
        pb.ListTickersResponse,
    )
    assert ([each.symbol for each in (*first.tickers, *second.tickers)], second.next_page_token) == (["COMI", "TMGH"], "")


async def test_a_book_whose_line_is_down_is_marked_and_the_service_says_so(feed: Feed, service: ServiceUnderTest) -> None:
    feed.subscriber.on_logout(feed.session)
    quote = await service.called("GetQuote", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), pb.Quote)
    assert (quote.stale, quote.bid_price) == (True, 138_900_000)
    assert (service.service.health().serving, service.service.health().reason) == (False, "no market-data line is up")


@pytest.mark.parametrize(
    ("tenant", "request_", "code"),
    [
        ("beta", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), "FEATURE_NOT_LICENSED"),
        ("delayed", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), "FEATURE_NOT_LICENSED"),
        ("nobody", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), "CONFIGURATION_MISSING"),
        ("alpha", pb.GetQuoteRequest(exchange="EGX", symbol="NONE"), "NOT_FOUND"),
        ("alpha", pb.GetQuoteRequest(exchange="LSE", symbol="COMI"), "NOT_FOUND"),
        ("alpha", pb.GetQuoteRequest(exchange="", symbol="COMI"), "ARGUMENT_INVALID"),
        ("alpha", b"\xff\xff\xff", "ARGUMENT_INVALID"),
        ("alpha", b"\x7a\x01x", "ARGUMENT_INVALID"),
    ],
)
async def test_who_or_what_is_not_served_is_told_why(
    service: ServiceUnderTest, tenant: str, request_: pb.GetQuoteRequest | bytes, code: str
) -> None:
    with pytest.raises(Refused) as told:
        await service.called("GetQuote", request_, pb.Quote, by=member(tenant))
    assert told.value.code == code


async def test_a_plan_with_delayed_quotes_is_told_that_no_delayed_feed_exists(service: ServiceUnderTest) -> None:
    with pytest.raises(Refused) as told:
        await service.called("GetTicker", pb.GetTickerRequest(exchange="EGX", symbol="COMI"), pb.Ticker, by=member("delayed"))
    assert told.value.figures["feature"] == "quotes:realtime"
    assert "not served yet" in told.value.figures["delayed"]


@pytest.mark.parametrize(("depth", "limit"), [(-1, 501), (51, -1)])
async def test_sizes_beyond_their_limits_are_refused(service: ServiceUnderTest, depth: int, limit: int) -> None:
    for method, request in (
        ("GetOrderBook", pb.GetOrderBookRequest(exchange="EGX", symbol="COMI", depth=depth)),
        ("GetCandles", pb.GetCandlesRequest(exchange="EGX", symbol="COMI", limit=limit)),
        ("ListTickers", pb.ListTickersRequest(exchange="EGX", page_size=limit)),
    ):
        with pytest.raises(Refused, match="ARGUMENT_INVALID"):
            await service.called(method, request, pb.OrderBook)


async def test_a_stream_gives_a_snapshot_and_then_numbered_changes(feed: Feed, service: ServiceUnderTest) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]))
    [first] = await updates(stream, 1)
    assert (first.snapshot, [each.price for each in first.bids]) == (True, [138_900_000, 138_800_000])
    feed.hear((b"1", b"0", "138.90", 60))
    feed.hear((b"0", b"2", "139.00", 40), (b"2", b"0", "138.80", 0))
    changes = await updates(stream, 2)
    assert [each.sequence for each in changes] == [first.sequence + 1, first.sequence + 2]
    assert [(each.price, each.quantity) for each in changes[1].trades] == [(139_000_000, 40)]
    assert [each.quantity for each in changes[1].bids] == [60]
    feed.subscriber.on_logout(feed.session)
    [stopped] = await updates(stream, 1)
    assert stopped.stale
    stream.cancel()
    async with asyncio.timeout(5):
        while service.service.streams:
            await asyncio.sleep(0.01)
    feed.subscriber.listener.changed(feed.subscriber.instruments["COMI"], ())  # type: ignore[union-attr]
    assert feed.subscriber.listener._changed == {}, "a stream that has ended is forgotten"  # type: ignore[union-attr]


async def test_one_stream_hears_only_of_what_it_asked_for(feed: Feed, service: ServiceUnderTest) -> None:
    stream = service.stream(
        "StreamMarketData", pb.StreamMarketDataRequest(instruments=[pb.InstrumentKey(exchange="EGX", symbol="TMGH")])
    )
    await updates(stream, 1)
    feed.hear((b"1", b"0", "138.90", 60))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await stream.read()


async def test_a_reader_that_does_not_read_is_told_and_cut(
    feed: Feed, service: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]))
    await updates(stream, 1)
    for _ in range(12):  # far more than the flow-control window and the queue hold
        for _ in range(400):
            feed.hear((b"1", b"0", "138.90", 60))
        await asyncio.sleep(0)
    assert (await end_of(stream)).code == "SLOW_READER"


async def test_a_stream_ends_when_the_licence_no_longer_covers_it(service: ServiceUnderTest, gate: Gate) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]))
    await updates(stream, 1)
    gate.features["alpha"] = {"exchange:ADX"}
    gate.revisions["alpha"] = 2
    assert (await end_of(stream)).code == "FEATURE_NOT_LICENSED"


async def test_a_stream_ends_in_order_with_its_token_and_with_a_code_when_the_service_stops(service: ServiceUnderTest) -> None:
    request = pb.StreamMarketDataRequest(instruments=[COMI])
    short = service.stream("StreamMarketData", request, by=member(expires_at=time.time_ns() + 100_000_000))
    await updates(short, 1)
    async with asyncio.timeout(5):
        assert await short.read() is grpc.aio.EOF  # type: ignore[attr-defined]
        assert await short.code() is grpc.StatusCode.OK
    stream = service.stream("StreamMarketData", request, by=member())
    await updates(stream, 1)
    service.service.drain()
    assert (await end_of(stream)).code == "SERVICE_DRAINING"


@pytest.mark.parametrize("count", [0, module.MOST_INSTRUMENTS + 1])
async def test_a_stream_is_for_1_to_100_instruments(service: ServiceUnderTest, count: int) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI] * count))
    assert (await end_of(stream)).code == "ARGUMENT_INVALID"


async def test_a_stream_of_another_exchange_is_refused_at_its_opening(service: ServiceUnderTest) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]), by=member("beta"))
    assert (await end_of(stream)).code == "FEATURE_NOT_LICENSED"
