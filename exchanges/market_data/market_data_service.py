"""``tradsys.v1.MarketDataService``: quotes, books, tickers and candles from memory, and a stream of their changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from exchanges.market_data.book_side import BookOrder
from exchanges.market_data.candles import KEPT, Candle
from exchanges.market_data.history_reader import CandleHistory, HistoryUnavailable
from exchanges.market_data.intervals import Interval
from exchanges.market_data.live_updates import LiveUpdates, indicative_message, levels, notice_message, status_message
from exchanges.market_data.payloads import change_text
from exchanges.market_data.subscriber import Instrument, MarketDataSubscriber
from tradsys.mesh.handlers import HandledService, ServerStream, Unary, code, invalid
from tradsys.mesh.pages import page_of
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.server_streams import OutgoingStream
from tradsys.mesh.service import MEMBERS, SERVING, Health, HealthStatus, MethodRule, ServiceDependency
from tradsys.v1 import market_data_pb2 as pb

REALTIME: Final = "quotes:realtime"
USUAL_DEPTH: Final = 10
LARGEST_DEPTH: Final = 50
MOST_INSTRUMENTS: Final = 100
SECOND: Final = 1_000_000_000
LATEST: Final = 2**63 - 1
LATEST_MOMENT: Final = 7_258_118_400 * SECOND
"""The year 2200: beyond it nobody trades, and calendars end."""
INTERVALS: Final = {each.value: each for each in Interval}


class MarketDataService(HandledService):
    NAME = "tradsys.v1.MarketDataService"
    ABOUT = "Live quotes, books, tickers and candles of the venues, from the books in memory."
    METHODS = (
        MethodRule(name="GetQuote", about="Best bid and offer and the last trade of an instrument.", roles=MEMBERS),
        MethodRule(name="GetOrderBook", about="The levels of both sides of an instrument's book.", roles=MEMBERS),
        MethodRule(name="GetTicker", about="Last trade, volume and change of the day of an instrument.", roles=MEMBERS),
        MethodRule(name="ListTickers", about="The tickers of an exchange, in pages.", roles=MEMBERS),
        MethodRule(name="GetCandles", about="Candles of an instrument, of the last minutes or of the history.", roles=MEMBERS),
        MethodRule(name="ListNotices", about="Halts, resumptions, corporate actions and news of an exchange.", roles=MEMBERS),
        MethodRule(
            name="StreamMarketData",
            about="A snapshot of up to 100 instruments, then every change of their books and trades.",
            roles=MEMBERS,
            streaming=True,
        ),
    )
    DEPENDENCIES = (ServiceDependency(name="market-data lines", required=False, kind="resource"),)

    def __init__(
        self,
        subscribers: Sequence[MarketDataSubscriber],
        updates: LiveUpdates,
        now: Callable[[], int],
        history: CandleHistory | None = None,
    ) -> None:
        super().__init__(now)
        self._history = history
        self._updates = updates
        self._subscribers: Mapping[str, MarketDataSubscriber] = {each.exchange: each for each in subscribers}
        for each in subscribers:
            each.listener = updates

    def handled(self) -> Mapping[str, Unary | ServerStream]:
        return {
            "GetQuote": Unary(pb.GetQuoteRequest, self.get_quote),
            "GetOrderBook": Unary(pb.GetOrderBookRequest, self.get_order_book),
            "GetTicker": Unary(pb.GetTickerRequest, self.get_ticker),
            "ListTickers": Unary(pb.ListTickersRequest, self.list_tickers),
            "GetCandles": Unary(pb.GetCandlesRequest, self.get_candles),
            "ListNotices": Unary(pb.ListNoticesRequest, self.list_notices),
            "StreamMarketData": ServerStream(pb.StreamMarketDataRequest, self.stream_market_data),
        }

    def health(self) -> Health:
        """Books that stand still are marked stale; with no line at all there is nothing to serve."""
        if any(each.line_up for each in self._subscribers.values()):
            return SERVING
        return Health(HealthStatus.NOT_SERVING, "no market-data line is up")

    async def get_quote(self, request: pb.GetQuoteRequest) -> pb.Quote:
        instrument = self._licensed(request.exchange, request.symbol)
        book = instrument.book
        bids, asks = book.levels(1)
        bid, ask = bids[0] if bids else (0, 0, 0), asks[0] if asks else (0, 0, 0)
        return pb.Quote(
            exchange=request.exchange,
            symbol=book.symbol,
            bid_price=bid[0],
            bid_quantity=bid[1],
            ask_price=ask[0],
            ask_quantity=ask[1],
            last_price=book.last_price,
            last_quantity=book.last_quantity,
            time=self.now(),
            stale=book.sequence is None,
            status=status_message(instrument.status),
            indicative=indicative_message(instrument),
        )

    async def get_order_book(self, request: pb.GetOrderBookRequest) -> pb.OrderBook:
        if not 0 <= request.depth <= LARGEST_DEPTH:
            raise invalid("depth", f"0 to {LARGEST_DEPTH}", request.depth)
        book = self._licensed(request.exchange, request.symbol).book
        depth = request.depth or USUAL_DEPTH
        bids, asks = book.levels(depth)
        bid_orders, ask_orders = book.orders(depth) if request.by_order else ((), ())
        return pb.OrderBook(
            exchange=request.exchange,
            symbol=book.symbol,
            bids=levels(bids),
            asks=levels(asks),
            time=self.now(),
            stale=book.sequence is None,
            by_order=book.by_order,
            bid_orders=_orders(bid_orders),
            ask_orders=_orders(ask_orders),
        )

    async def get_ticker(self, request: pb.GetTickerRequest) -> pb.Ticker:
        return self._ticker(self._licensed(request.exchange, request.symbol))

    async def list_tickers(self, request: pb.ListTickersRequest) -> pb.ListTickersResponse:
        self._require_exchange(request.exchange)
        instruments = list(self._subscribers[request.exchange].instruments.values())
        page, token = page_of(instruments, lambda each: each.book.symbol, size=request.page_size, token=request.page_token)
        return pb.ListTickersResponse(tickers=[self._ticker(each) for each in page], next_page_token=token)

    async def get_candles(self, request: pb.GetCandlesRequest) -> pb.GetCandlesResponse:
        if not 0 <= request.limit <= KEPT:
            raise invalid("limit", f"0 to {KEPT}", request.limit)
        instrument = self._licensed(request.exchange, request.symbol)
        limit = request.limit or KEPT
        if not (request.from_time or request.to_time or request.interval or request.page_token):
            return pb.GetCandlesResponse(candles=[_candle(each) for each in instrument.candles.candles[-limit:]])
        interval, first, end = _span(request, self.now())
        if self._history is None:
            raise CallRefused(CallRefusal.DEPENDENCY_UNAVAILABLE, dependency="postgresql", problem="no history is configured")
        try:
            found = await self._history.candles(request.exchange, request.symbol, interval, first, end, limit + 1)
        except HistoryUnavailable as error:
            raise CallRefused(CallRefusal.DEPENDENCY_UNAVAILABLE, dependency="postgresql", problem=str(error)) from error
        page = found[:limit]
        token = str(page[-1].time) if len(found) > limit else ""
        return pb.GetCandlesResponse(candles=[_candle(each) for each in page], next_page_token=token)

    async def list_notices(self, request: pb.ListNoticesRequest) -> pb.ListNoticesResponse:
        self._require_exchange(request.exchange)
        if request.symbol:
            self._instrument(request.exchange, request.symbol)
        found = [
            each
            for each in self._subscribers[request.exchange].notices
            if not request.symbol or not each.symbols or request.symbol in each.symbols
        ]
        # The newest first: pages go by rising key.
        page, token = page_of(
            found,
            lambda each: f"{LATEST - each.time:020d}-{each.notice_id}",
            size=request.page_size,
            token=request.page_token,
        )
        return pb.ListNoticesResponse(notices=[notice_message(each) for each in page], next_page_token=token)

    async def stream_market_data(self, request: pb.StreamMarketDataRequest, stream: OutgoingStream) -> None:
        if not 0 < len(request.instruments) <= MOST_INSTRUMENTS:
            raise invalid("instruments", f"1 to {MOST_INSTRUMENTS}", len(request.instruments))
        exchanges = sorted({each.exchange for each in request.instruments})
        for exchange in exchanges:
            self._require_exchange(exchange)
        stream.features = (*(f"exchange:{each}" for each in exchanges), REALTIME)
        instruments = {(each.exchange, each.symbol): self._instrument(each.exchange, each.symbol) for each in request.instruments}
        self._updates.subscribe(stream, instruments.values())
        try:
            await asyncio.get_running_loop().create_future()  # updates are put by the lines until the call ends
        finally:
            self._updates.unsubscribe(stream, instruments.values())

    def _licensed(self, exchange: str, symbol: str) -> Instrument:
        self._require_exchange(exchange)
        return self._instrument(exchange, symbol)

    def _require_exchange(self, exchange: str) -> None:
        if exchange not in self._subscribers:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=code("exchange", exchange), served=", ".join(self._subscribers))
        self.require(f"exchange:{exchange}")
        # Plans without it are promised quotes that are 15 minutes old, and no such feed exists yet.
        self.require(REALTIME, delayed="quotes of 15 minutes ago are not served yet")

    def _instrument(self, exchange: str, symbol: str) -> Instrument:
        instrument = self._subscribers[exchange].instruments.get(symbol)
        if instrument is None:
            raise CallRefused(CallRefusal.NOT_FOUND, exchange=exchange, symbol=code("symbol", symbol))
        return instrument

    def _ticker(self, instrument: Instrument) -> pb.Ticker:
        book, trade = instrument.book, instrument.last_trade
        return pb.Ticker(
            exchange=instrument.exchange,
            symbol=book.symbol,
            last_price=book.last_price,
            last_quantity=book.last_quantity,
            last_time=0 if trade is None else trade.time,
            volume=book.volume,
            reference_price=instrument.previous or 0,
            change_percent=change_text(book.last_price or None, instrument.previous) or "",
            time=self.now(),
            stale=book.sequence is None,
        )


def _candle(each: Candle) -> pb.Candle:
    return pb.Candle(time=each.time * SECOND, open=each.open, high=each.high, low=each.low, close=each.close, volume=each.volume)


def _orders(rows: Sequence[BookOrder]) -> list[pb.BookOrder]:
    return [
        pb.BookOrder(order_id=order_id.decode("utf-8", "replace"), price=price, quantity=quantity)
        for order_id, price, quantity in rows
    ]


def _span(request: pb.GetCandlesRequest, now: int) -> tuple[Interval, int, int]:
    """Interval, first second and end of what is asked for. Raises CallRefused (ARGUMENT_INVALID)."""
    interval = INTERVALS.get(request.interval or Interval.MINUTE.value)
    if interval is None:
        raise invalid("interval", ", ".join(INTERVALS), request.interval)
    first, end = request.from_time, request.to_time or now
    if not 0 <= first < LATEST_MOMENT:
        raise invalid("from_time", "nanoseconds UTC from 1970 to 2200", first)
    if not first < end < LATEST_MOMENT:
        raise invalid("to_time", "nanoseconds UTC after from_time", end)
    first_second = first // SECOND
    if request.page_token:
        if not request.page_token.isdecimal() or len(request.page_token) > 12:
            raise invalid("page_token", "a token of this list", request.page_token)
        first_second = max(first_second, int(request.page_token) + interval.seconds)
    return interval, first_second, -(-end // SECOND)
