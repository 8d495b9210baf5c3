"""MarketDataService over gRPC: what it answers from the books, whom it refuses, and how a stream goes on and ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from exchanges.fix.clock import SystemClock
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.market_data import market_data_service as module
from exchanges.market_data.candles import Candle
from exchanges.market_data.history_reader import HistoryUnavailable
from exchanges.market_data.intervals import Interval
from exchanges.market_data.live_updates import LiveUpdates
from exchanges.market_data.market_data_service import MarketDataService
from exchanges.market_data.subscriber import Listing, MarketDataSubscriber
from tests.mesh_calls import Gate, Refused, ServiceUnderTest, end_of, member, message_of, serving
from tests.unit.market_data.feed_messages import full, message
from tests.unit.market_data.test_books_of_the_feed import increment, snapshot
from tradsys.v1 import market_data_pb2 as pb

EGX = {"exchange:EGX", "quotes:realtime"}
SECOND = 1_000_000_000
COMI = pb.InstrumentKey(exchange="EGX", symbol="COMI")


class Feed:
    """The EGX line of a service, with COMI's book filled."""

    def __init__(self, *, by_order: bool = False) -> None:
        self.subscriber = MarketDataSubscriber("EGX", SystemClock(), by_order=by_order)
        self.subscriber.list_instruments([Listing("COMI", 139_000_000), Listing("TMGH")])
        config = SessionConfig(sender_comp_id="TRADSYS-MD", target_comp_id="EGX")
        self.session = Session(config, self.subscriber, MemoryStore(), SystemClock())
        self.subscriber.line_up = True
        self.number = 7
        if by_order:
            self.tell(
                full(
                    7,
                    [(269, 0), (270, "138.90"), (271, 100), (278, "A")],
                    [(269, 0), (270, "138.90"), (271, 30), (278, "B")],
                    [(269, 1), (270, "139.10"), (271, 70), (278, "C")],
                )
            )
        else:
            self.tell(snapshot(7, [("138.90", 100), ("138.80", 50)], [("139.10", 70)]))

    def tell(self, *messages: Message) -> None:
        for each in messages:
            self.subscriber.on_application_message(self.session, each)
        self.subscriber.on_read_complete(self.session)

    def hear(self, *changes: tuple[bytes, bytes, str, int]) -> None:
        self.number += 1
        self.tell(increment(self.number, list(changes)))


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


async def test_a_halt_is_in_the_quote_and_in_the_stream_with_its_notice(feed: Feed, service: ServiceUnderTest) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]))
    [first] = await updates(stream, 1)
    assert (first.status.state, list(first.notices)) == (pb.TRADING_STATE_UNSPECIFIED, [])
    feed.tell(message("f", (55, "COMI"), (326, 2), (327, "P"), (58, "why")))
    [update] = await updates(stream, 1)
    assert (update.sequence, update.status.state, update.status.reason) == (1, pb.TRADING_STATE_HALTED, "NEWS_PENDING")
    assert [(each.kind, list(each.symbols), each.text) for each in update.notices] == [(pb.NOTICE_KIND_HALT, ["COMI"], "why")]
    quote = await service.called("GetQuote", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), pb.Quote)
    assert quote.status == update.status
    feed.tell(
        message("B", (148, "To all"), (33, 1), (58, "x")),
        message("B", (148, "Not ours"), (33, 1), (58, "x"), (146, 1), (55, "TMGH")),
    )
    [update] = await updates(stream, 1)
    assert [each.headline for each in update.notices] == ["To all"]
    stream.cancel()


async def test_an_auction_has_its_indicative_price_in_quote_and_stream(feed: Feed, service: ServiceUnderTest) -> None:
    stream = service.stream("StreamMarketData", pb.StreamMarketDataRequest(instruments=[COMI]))
    await updates(stream, 1)
    feed.tell(message("h", (336, "OPENING_AUCTION"), (340, 4)))
    feed.hear((b"0", b"Q", "139.00", 70))
    [phase, update] = await updates(stream, 2)
    assert (phase.status.state, phase.status.phase) == (pb.TRADING_STATE_AUCTION, "OPENING_AUCTION")
    assert (update.indicative.price, update.indicative.quantity) == (139_000_000, 70)
    quote = await service.called("GetQuote", pb.GetQuoteRequest(exchange="EGX", symbol="COMI"), pb.Quote)
    assert quote.indicative == update.indicative
    stream.cancel()


async def test_notices_come_in_pages_the_newest_first(feed: Feed, service: ServiceUnderTest) -> None:
    for hour in range(8, 11):
        feed.tell(message("B", (42, f"20260923-{hour:02}:00:00.000"), (148, f"at {hour}"), (33, 1), (58, "x")))
    feed.tell(message("B", (42, "20260923-12:00:00.000"), (148, "TMGH's"), (33, 1), (58, "x"), (146, 1), (55, "TMGH")))
    request = pb.ListNoticesRequest(exchange="EGX", page_size=3)
    first = await service.called("ListNotices", request, pb.ListNoticesResponse)
    request.page_token = first.next_page_token
    second = await service.called("ListNotices", request, pb.ListNoticesResponse)
    assert [each.headline for each in (*first.notices, *second.notices)] == ["TMGH's", "at 10", "at 9", "at 8"]
    assert second.next_page_token == ""
    own = await service.called("ListNotices", pb.ListNoticesRequest(exchange="EGX", symbol="COMI"), pb.ListNoticesResponse)
    assert [each.headline for each in own.notices] == ["at 10", "at 9", "at 8"]
    for refused, code in (
        (pb.ListNoticesRequest(exchange="EGX", symbol="NONE"), "NOT_FOUND"),
        (pb.ListNoticesRequest(), "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await service.called("ListNotices", refused, pb.ListNoticesResponse)
    with pytest.raises(Refused, match="FEATURE_NOT_LICENSED"):
        await service.called("ListNotices", pb.ListNoticesRequest(exchange="EGX"), pb.ListNoticesResponse, by=member("beta"))


async def test_a_book_by_order_gives_its_orders_where_asked(gate: Gate) -> None:
    feed = Feed(by_order=True)
    async with serving(MarketDataService([feed.subscriber], LiveUpdates(time.time_ns), time.time_ns), gate) as service:
        request = pb.GetOrderBookRequest(exchange="EGX", symbol="COMI")
        book = await service.called("GetOrderBook", request, pb.OrderBook)
        assert (book.by_order, list(book.bid_orders)) == (True, [])
        request.by_order = True
        book = await service.called("GetOrderBook", request, pb.OrderBook)
        assert [(each.price, each.quantity, each.orders) for each in book.bids] == [(138_900_000, 130, 2)]
        orders = [(each.order_id, each.price, each.quantity) for each in book.bid_orders]
        assert orders == [("A", 138_900_000, 100), ("B", 138_900_000, 30)]
        assert [each.order_id for each in book.ask_orders] == ["C"]


class Past:
    """A history of one candle per minute, all of them alike."""

    def __init__(self) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.away = False

    async def candles(self, *asked: object) -> list[Candle]:
        if self.away:
            raise HistoryUnavailable("OperationalError")
        self.asked.append(asked)
        _, _, interval, first, end, limit = asked
        return [Candle(time, 1, 1, 1, 1, 1) for time in range(first, end, interval.seconds)][:limit]  # type: ignore[attr-defined,call-overload]


async def test_older_candles_come_from_the_history_in_pages(feed: Feed, gate: Gate) -> None:
    past = Past()
    async with serving(MarketDataService([feed.subscriber], LiveUpdates(time.time_ns), time.time_ns, past), gate) as service:
        request = pb.GetCandlesRequest(
            exchange="EGX", symbol="COMI", limit=3, from_time=600 * SECOND, to_time=2_100 * SECOND, interval="5m"
        )
        first = await service.called("GetCandles", request, pb.GetCandlesResponse)
        request.page_token = first.next_page_token
        second = await service.called("GetCandles", request, pb.GetCandlesResponse)
        times = [each.time // SECOND for each in (*first.candles, *second.candles)]
        assert (times, second.next_page_token) == ([600, 900, 1_200, 1_500, 1_800], "")
        assert past.asked[0] == ("EGX", "COMI", Interval.FIVE_MINUTES, 600, 2_100, 4)
        for wrong in (
            {"interval": "2m"},
            {"from_time": -1},
            {"from_time": 5, "to_time": 5},
            {"to_time": 2**63 - 1},
            {"interval": "1m", "page_token": "x"},
        ):
            asked = pb.GetCandlesRequest(exchange="EGX", symbol="COMI", **wrong)  # type: ignore[arg-type]
            with pytest.raises(Refused, match="ARGUMENT_INVALID"):
                await service.called("GetCandles", asked, pb.GetCandlesResponse)
        assert len(past.asked) == 2
        past.away = True
        with pytest.raises(Refused) as told:
            await service.called("GetCandles", request, pb.GetCandlesResponse)
        assert (told.value.code, told.value.figures["dependency"]) == ("DEPENDENCY_UNAVAILABLE", "postgresql")
        live = await service.called("GetCandles", pb.GetCandlesRequest(exchange="EGX", symbol="COMI"), pb.GetCandlesResponse)
        assert list(live.candles) == [], "what is in memory needs no database"


async def test_one_update_is_encoded_once_for_all_its_readers(feed: Feed) -> None:
    class Reader:
        def __init__(self) -> None:
            self.got: list[bytes] = []

        def put(self, raw: bytes) -> None:
            self.got.append(raw)

    updates = LiveUpdates(time.time_ns)
    feed.subscriber.listener = updates
    readers = [Reader() for _ in range(50)]
    for reader in readers:
        updates.subscribe(reader, [feed.subscriber.instruments["COMI"]])
        reader.got.clear()
    feed.hear((b"1", b"0", "138.90", 60))
    assert {id(raw) for reader in readers for raw in reader.got} == {id(readers[0].got[0])}
    assert [len(reader.got) for reader in readers] == [1] * 50


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
