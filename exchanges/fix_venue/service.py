"""``ExchangeService`` over FIX: an order line and a market-data line to one venue, and what the exchange lists today."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from exchanges.api import AssetType, ExchangePlugin, OrderType, PluginError
from exchanges.calendar import phase_at
from exchanges.exchange_service import (
    Asset,
    AssetInfo,
    ExchangeConfig,
    ExchangeError,
    ExchangeInfo,
    ExchangeRefusal,
    MarketData,
    Order,
    OrderBook,
    OrderResult,
    OrderStatus,
    Ticker,
)
from exchanges.fix.clock import Clock, SystemClock
from exchanges.fix_venue.client import ExchangeClient, integer
from exchanges.fix_venue.market_data_watch import MarketDataWatch, order_book
from exchanges.fix_venue.order_line import OrderLine
from exchanges.market_data.subscriber import Instrument
from exchanges.market_data.venue_lines import VenueLine, look_each_second
from exchanges.prices import is_on_tick, price_to_text, tick_for
from exchanges.reference import VenueInstrument, VenueReference, load_venue_reference
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.service import (
    MEMBERS,
    SERVING,
    TRADER,
    Health,
    HealthStatus,
    LicenseRequirement,
    MethodRule,
    ServiceDependency,
    UnifiedService,
)

_TRADERS: Final = frozenset({TRADER})
LOGOUT_SECONDS: Final = 3
LONGEST_CLIENT_ORDER_ID: Final = 36
_POLL_SECONDS: Final = 0.02
_SECOND: Final = 1_000_000_000


class FixExchangeService(UnifiedService):
    """One exchange. Everything runs on one event loop; operations raise ``ExchangeError``.

    It is called within its process: orders of tenants go through the order worker, whose checks and journal this is not.
    """

    NAME = "tradsys.exchange"
    ABOUT = "An exchange over FIX: orders, market data and what it lists."
    METHODS = (
        MethodRule(name="GetExchangeInfo", about="Who the exchange is and what holds there now.", roles=MEMBERS),
        MethodRule(name="SubscribeMarketData", about="Books and trades as they change.", roles=MEMBERS, streaming=True),
        MethodRule(name="GetOrderBook", about="The levels of an instrument's book.", roles=MEMBERS),
        MethodRule(name="GetTicker", about="Best prices, last trade and volume of an instrument.", roles=MEMBERS),
        MethodRule(name="PlaceOrder", about="Send an order.", roles=_TRADERS, idempotent=False),
        MethodRule(name="CancelOrder", about="Cancel an open order.", roles=_TRADERS, idempotent=False),
        MethodRule(name="ReplaceOrder", about="Change quantity and price of an open order.", roles=_TRADERS, idempotent=False),
        MethodRule(name="GetOrderStatus", about="Ask where an order stands.", roles=_TRADERS),
        MethodRule(name="GetSupportedAssets", about="The asset types the exchange lists.", roles=MEMBERS),
        MethodRule(name="ValidateAsset", about="Whether the exchange lists an asset as said.", roles=MEMBERS),
        MethodRule(name="GetAssetInfo", about="What the exchange lists under a symbol.", roles=MEMBERS),
    )

    def __init__(self, plugin: ExchangePlugin, client: ExchangeClient, config: ExchangeConfig, clock: Clock | None = None) -> None:
        """Raises ``RuleError`` for an exchange whose reference data cannot be read, ``PluginError`` without an order address."""
        if not config.orders:
            raise PluginError(f"exchange plugin {plugin.id}: a service needs the address of its order line")
        self._plugin = plugin
        self._clock = clock or SystemClock()
        self._demo_market = config.demo_market
        self._connect_ms = integer(config.settings, "connect_ms")
        self._answer_ms = integer(config.settings, "answer_ms")
        self._reference = self._load_reference(datetime.fromtimestamp(self._clock.now() // _SECOND, UTC).date())
        # Numbers cannot go on from logon to logon where the messages behind them are kept in memory only.
        hosts = tuple((each.host, each.port) for each in config.orders)
        session = replace(client.orders.config(config.sender_comp_id, hosts), reset_on_logon=True)
        self._orders = OrderLine(plugin.id, plugin.mic, client.dialect, session, self._clock, answer_ms=self._answer_ms)
        self._watch = MarketDataWatch(self._clock.now)
        self._books: VenueLine | None = None
        if config.market_data is not None:
            self._books = VenueLine(
                plugin.id,
                config.market_data,
                self._clock,
                client=client,
                comp_id=config.market_data_comp_id,
                load=self._load_reference,
            )
            self._books.subscriber.listener = self._watch
        self._tasks: list[asyncio.Task[None]] = []

    # A service of the platform

    async def start(self) -> None:
        await self.connect()

    async def stop(self) -> None:
        await self.disconnect()

    def add_to(self, server: Any) -> None:
        """It is called within its process; gRPC clients have ``tradsys.v1.OrderService`` and the others."""

    def health(self) -> Health:
        down = [name for name, up in (("orders", self._orders_up), ("market data", self._market_data_up)) if not up]
        return SERVING if not down else Health(HealthStatus.NOT_SERVING, f"{self._plugin.id} is not logged on: {', '.join(down)}")

    def dependencies(self) -> tuple[ServiceDependency, ...]:
        return (ServiceDependency(name=f"venue:{self._plugin.id}", kind="resource"),)

    def license_requirements(self) -> tuple[LicenseRequirement, ...]:
        own = self._plugin.licence_requirements
        return tuple(
            LicenseRequirement(method=each.method, features=(*each.features, *own), meter=each.meter)
            for each in super().license_requirements()
        )

    def validate_license(self, tenant: str, operation: str, now: int) -> CallRefusal | None:
        refusal = super().validate_license(tenant, operation, now)
        if refusal is not None or self.license_gate is None:
            return refusal
        return self.license_gate.check(tenant, self._plugin.licence_requirements, "", now)

    # The line

    async def connect(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._orders.initiator.run(), name=f"{self._plugin.id} orders")]
            if self._books is not None:
                self._tasks.append(asyncio.create_task(self._books.initiator.run(), name=f"{self._plugin.id} market data"))
                self._tasks.append(asyncio.create_task(look_each_second([self._books]), name=f"{self._plugin.id} seconds"))
        try:
            async with asyncio.timeout(self._connect_ms / 1000):
                while not (self._orders_up and self._market_data_up):
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            figures = {"exchange": self._plugin.id, "orders_up": self._orders_up, "market_data_up": self._market_data_up}
            await self.disconnect()
            raise ExchangeError(ExchangeRefusal.CONNECT_TIMEOUT, **figures, waited_ms=self._connect_ms) from None

    async def disconnect(self) -> None:
        tasks, self._tasks = self._tasks, []
        if not tasks:
            return
        for initiator in [self._orders.initiator, *([self._books.initiator] if self._books is not None else [])]:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(initiator.stop(), LOGOUT_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def get_exchange_info(self) -> ExchangeInfo:
        now, reference = self._clock.now(), self._today()
        return ExchangeInfo(
            code=self._plugin.id,
            mic=self._plugin.mic,
            name=self._plugin.name,
            plugin_version=self._plugin.version,
            regions=self._plugin.regions,
            currency=reference.currency,
            time_zone=reference.time_zone,
            phase=phase_at(reference.intervals(reference.day - timedelta(days=1), 3), now).value,
            trading_day=reference.day.isoformat(),
            listed=len(reference.instruments),
            orders_up=self._orders_up,
            market_data_up=self._books is not None and self._market_data_up,
            compliance_level=self._plugin.compliance_level,
        )

    # Market data

    def subscribe_market_data(self, symbols: Sequence[str]) -> AsyncIterator[MarketData]:
        return self._watch.follow([self._instrument(symbol) for symbol in dict.fromkeys(symbols)])

    async def get_order_book(self, symbol: str, depth: int = 10) -> OrderBook:
        if depth < 1:
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, depth=depth, expected="1 or more")
        return order_book(await self._with_book(symbol), depth, self._clock.now())

    async def get_ticker(self, symbol: str) -> Ticker:
        instrument = await self._with_book(symbol)
        book = instrument.book
        bids, asks = book.levels(1)
        return Ticker(
            exchange=self._plugin.id,
            symbol=symbol,
            bid=bids[0][0] if bids else 0,
            ask=asks[0][0] if asks else 0,
            last_price=book.last_price,
            last_quantity=book.last_quantity,
            volume=book.volume,
            reference_price=instrument.previous or 0,
            stale=book.sequence is None,
            time=self._clock.now(),
        )

    # Orders

    async def place_order(self, order: Order) -> OrderResult:
        self._check(order.client_order_id, order.symbol, order.quantity, order.price, market=order.type is OrderType.MARKET)
        if not order.account:
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, client_order_id=order.client_order_id, account="missing")
        return await self._orders.place(order)

    async def cancel_order(self, order_id: str) -> OrderResult:
        return await self._orders.cancel(order_id)

    async def replace_order(self, order_id: str, *, quantity: int, price: int) -> OrderResult:
        order = self._orders.order(order_id)
        self._check(order_id, order.symbol, quantity, price, market=order.type is OrderType.MARKET)
        return await self._orders.replace(order_id, quantity, price)

    async def get_order_status(self, order_id: str) -> OrderStatus:
        return await self._orders.status(order_id)

    # Assets

    def get_supported_assets(self) -> frozenset[AssetType]:
        return self._plugin.assets

    async def validate_asset(self, asset: Asset) -> None:
        if asset.asset_type not in self._plugin.assets:
            raise ExchangeError(ExchangeRefusal.ASSET_TYPE_NOT_SUPPORTED, symbol=asset.symbol, asset_type=asset.asset_type)
        listed = self._listed(asset.symbol)
        for name, said, found in (
            ("asset_type", asset.asset_type.value, listed.asset_type.value),
            ("isin", asset.isin, listed.isin or ""),
            ("currency", asset.currency, listed.currency),
        ):
            if said and said != found:
                raise ExchangeError(ExchangeRefusal.ASSET_MISMATCH, symbol=asset.symbol, field=name, given=said, listed=found)

    async def get_asset_info(self, symbol: str) -> AssetInfo:
        listed = self._listed(symbol)
        return AssetInfo(
            exchange=listed.exchange,
            symbol=listed.symbol,
            isin=listed.isin or "",
            name=listed.name,
            name_ar=listed.name_ar,
            asset_type=listed.asset_type,
            currency=listed.currency,
            lot=listed.lot,
            tick=tick_for(listed.reference_price, listed.ticks),
            reference_price=listed.reference_price,
            band_low=listed.band_low,
            band_high=listed.band_high,
        )

    # Within

    @property
    def _orders_up(self) -> bool:
        return self._orders.initiator.logged_on

    @property
    def _market_data_up(self) -> bool:
        return self._books is None or self._books.subscriber.line_up

    def _load_reference(self, day: date) -> VenueReference:
        return load_venue_reference(self._plugin.id, day=day, demo=self._demo_market, plugin=self._plugin)

    def _today(self) -> VenueReference:
        """What the exchange is on its own present day."""
        today = datetime.fromtimestamp(self._clock.now() // _SECOND, ZoneInfo(self._reference.time_zone)).date()
        if today != self._reference.day:
            self._reference = self._load_reference(today)
        return self._reference

    def _listed(self, symbol: str) -> VenueInstrument:
        listed = self._today().instruments.get(symbol)
        if listed is None:
            raise ExchangeError(ExchangeRefusal.UNKNOWN_ASSET, exchange=self._plugin.id, symbol=symbol)
        return listed

    def _check(self, client_order_id: str, symbol: str, quantity: int, price: int, *, market: bool) -> None:
        """What can be said against an order without asking the venue."""
        if (
            not 0 < len(client_order_id) <= LONGEST_CLIENT_ORDER_ID
            or not client_order_id.isascii()
            or not client_order_id.isprintable()
        ):
            raise ExchangeError(
                ExchangeRefusal.INVALID_ORDER, client_order_id=client_order_id[:80], expected="1 to 36 printable ASCII characters"
            )
        listed = self._listed(symbol)
        if quantity <= 0 or quantity % listed.lot:
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, quantity=quantity, lot=listed.lot)
        if market:
            if price:
                raise ExchangeError(
                    ExchangeRefusal.INVALID_ORDER, price=price_to_text(price), expected="0: a market order has no price"
                )
            return
        if price <= 0 or not is_on_tick(price, listed.ticks):
            tick = price_to_text(tick_for(max(price, 0), listed.ticks))
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, price=price_to_text(price), tick=tick)
        if not listed.band_low <= price <= listed.band_high:
            band = f"{price_to_text(listed.band_low)} to {price_to_text(listed.band_high)}"
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, price=price_to_text(price), limits=band)

    def _instrument(self, symbol: str) -> Instrument:
        self._listed(symbol)
        instrument = None if self._books is None else self._books.subscriber.instruments.get(symbol)
        if instrument is None:
            raise ExchangeError(ExchangeRefusal.MARKET_DATA_UNAVAILABLE, exchange=self._plugin.id, symbol=symbol)
        return instrument

    async def _with_book(self, symbol: str) -> Instrument:
        """The instrument when its first snapshot is there; one whose line is down has its last book."""
        instrument = self._instrument(symbol)
        book = instrument.book
        deadline = asyncio.get_running_loop().time() + self._answer_ms / 1000
        while book.sequence is None and not (book.bids or book.asks or book.last_price):
            if not self._market_data_up or asyncio.get_running_loop().time() > deadline:
                raise ExchangeError(ExchangeRefusal.MARKET_DATA_UNAVAILABLE, exchange=self._plugin.id, symbol=symbol)
            await asyncio.sleep(_POLL_SECONDS)
        return instrument
