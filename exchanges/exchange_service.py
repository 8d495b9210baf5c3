"""What an exchange is to the rest of the platform: ``ExchangeService``, the values that go through it, and its refusals.

Pure types. Prices are int64 micros (millionths of the currency unit), quantities int64 shares, times int64 nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from exchanges.api import AssetType, OrderType, TimeInForce
from tradsys.configuration import Address
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.service import Capability, Health, LicenseRequirement, ServiceDependency, ServiceInfo


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderState(StrEnum):
    """FIX 4.4 names (OrdStatus, tag 39)."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    PENDING_CANCEL = "PENDING_CANCEL"
    PENDING_REPLACE = "PENDING_REPLACE"

    @property
    def is_final(self) -> bool:
        return self in (OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED)


class ExchangeRefusal(StrEnum):
    """Every reason for which an ``ExchangeService`` refuses. Above ANSWER_LATE nothing has been sent."""

    NOT_CONNECTED = "NOT_CONNECTED"
    """The line is not logged on: connect, or wait until it is up again."""
    CONNECT_TIMEOUT = "CONNECT_TIMEOUT"
    """The venue did not log the line on in time; the service has stopped trying."""
    NOT_SUPPORTED = "NOT_SUPPORTED"
    """The venue, or what the plugin knows of it, has no such operation."""
    MARKET_DATA_UNAVAILABLE = "MARKET_DATA_UNAVAILABLE"
    """No market-data line is configured, or no book has arrived yet."""
    INVALID_ORDER = "INVALID_ORDER"
    """A field is outside its form; ``figures`` name it."""
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    """A client order id stands for one order."""
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    UNKNOWN_ASSET = "UNKNOWN_ASSET"
    """The exchange does not list it today."""
    ASSET_TYPE_NOT_SUPPORTED = "ASSET_TYPE_NOT_SUPPORTED"
    ASSET_MISMATCH = "ASSET_MISMATCH"
    """What is said of the asset is not what the exchange lists; ``figures`` hold both."""
    ANSWER_LATE = "ANSWER_LATE"
    """No answer within the deadline: what became of it is not known. Ask for the order's status."""
    LINE_LOST = "LINE_LOST"
    """The line went down before the answer: what became of it is not known. Ask for the order's status when it is up again."""
    ORDER_REJECTED = "ORDER_REJECTED"
    """By the venue; ``figures`` hold its reason and text."""
    CANCEL_REJECTED = "CANCEL_REJECTED"
    REPLACE_REJECTED = "REPLACE_REJECTED"
    TOO_LATE = "TOO_LATE"
    """The order has ended already."""
    MESSAGE_REJECTED = "MESSAGE_REJECTED"
    """The venue refused the message as such: the plugin's dialect is not the venue's."""


class ExchangeError(Exception):
    """An operation was refused; ``code`` says why, ``figures`` (texts) with what."""

    def __init__(self, code: ExchangeRefusal, **figures: object) -> None:
        self.code = code
        self.figures: Mapping[str, str] = {name: str(value) for name, value in figures.items()}
        shown = ", ".join(f"{name}={value}" for name, value in self.figures.items())
        super().__init__(f"{code.value}: {shown}" if shown else code.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as a member sends it. ``price`` is 0 for a market order; ``client_order_id`` is unique for the trading day."""

    client_order_id: str
    account: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int
    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderResult:
    """What the venue answered to an instruction. ``client_order_id`` is the id under which the order goes on."""

    client_order_id: str
    venue_order_id: str
    state: OrderState
    cumulative: int
    leaves: int
    text: str
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatus:
    """Where an order stands, as the venue says. ``average_price`` is 0 before the first fill."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    state: OrderState
    quantity: int
    price: int
    cumulative: int
    leaves: int
    average_price: int
    text: str
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeInfo:
    """Who the exchange is, what holds there now, and how the service stands to it."""

    code: str
    mic: str
    name: str
    plugin_version: str
    regions: tuple[str, ...]
    currency: str
    time_zone: str
    phase: str
    """A value of ``exchanges.api.Phase``."""
    trading_day: str
    """The exchange's local day, YYYY-MM-DD."""
    listed: int
    orders_up: bool
    market_data_up: bool
    compliance_level: str


@dataclass(frozen=True, slots=True)
class BookLevel:
    price: int
    quantity: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Aggregated levels, best first. ``stale``: the line is down or lost its place; the levels stand still."""

    exchange: str
    symbol: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    stale: bool
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """Prices are 0 where there is none."""

    exchange: str
    symbol: str
    bid: int
    ask: int
    last_price: int
    last_quantity: int
    volume: int
    reference_price: int
    stale: bool
    time: int


@dataclass(frozen=True, slots=True)
class Trade:
    price: int
    quantity: int
    time: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketData:
    """The present book of an instrument, and the trades since the previous ``MarketData`` of it on the same subscription.

    A reader that is slow gets fewer of them, never an old book; ``trades_missed`` counts trades that were left out for it.
    """

    book: OrderBook
    trades: tuple[Trade, ...]
    trades_missed: int
    last_price: int
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """What somebody says of an asset, to be compared with what the exchange lists. Empty texts are not compared."""

    symbol: str
    asset_type: AssetType
    isin: str = ""
    currency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetInfo:
    """What the exchange lists under a symbol today. Limits are inclusive."""

    exchange: str
    symbol: str
    isin: str
    """Empty where none is known."""
    name: str
    name_ar: str
    asset_type: AssetType
    currency: str
    lot: int
    tick: int
    """At the reference price."""
    reference_price: int
    band_low: int
    band_high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """What a plugin's factories get. ``settings`` have been checked against the plugin's schema, its defaults filled in."""

    exchange: str
    mic: str = ""
    """The plugin's; filled in by the registry."""
    orders: tuple[Address, ...] = ()
    """Where the order line connects to, tried in turn."""
    market_data: Address | None = None
    """Where the market-data line connects to; None: there is none."""
    sender_comp_id: str = "TRADSYS-W1"
    """Our name on the order line."""
    market_data_comp_id: str = "TRADSYS-MD"
    settings: Mapping[str, object] = field(default_factory=dict)
    demo_market: bool = True
    """Whether the labelled demonstration prices count. Without them nothing is listed until verified prices exist."""


@runtime_checkable
class ExchangeService(Protocol):
    """One exchange. The first methods are those of ``tradsys.mesh.service.UnifiedService``, from which an implementation
    inherits them; operations raise ``ExchangeError``.
    """

    # A service of the platform

    async def initialize(self) -> None: ...

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Disconnect."""
        ...

    def health(self) -> Health: ...

    def service_info(self) -> ServiceInfo: ...

    def capabilities(self) -> tuple[Capability, ...]: ...

    def dependencies(self) -> tuple[ServiceDependency, ...]: ...

    def license_requirements(self) -> tuple[LicenseRequirement, ...]: ...

    def validate_license(self, tenant: str, operation: str, now: int) -> CallRefusal | None: ...

    # The line

    async def connect(self) -> None:
        """Return when orders and market data are logged on. CONNECT_TIMEOUT."""
        ...

    async def disconnect(self) -> None:
        """Log out in order. Instructions without an answer end with LINE_LOST."""
        ...

    def get_exchange_info(self) -> ExchangeInfo: ...

    # Market data

    def subscribe_market_data(self, symbols: Sequence[str]) -> AsyncIterator[MarketData]:
        """The present book of each symbol, then every change. UNKNOWN_ASSET, MARKET_DATA_UNAVAILABLE."""
        ...

    async def get_order_book(self, symbol: str, depth: int = 10) -> OrderBook: ...

    async def get_ticker(self, symbol: str) -> Ticker: ...

    # Orders

    async def place_order(self, order: Order) -> OrderResult:
        """Return with the venue's first answer: the order is in the book, or has traded."""
        ...

    async def cancel_order(self, order_id: str) -> OrderResult:
        """Cancel by client order id; return when the venue has cancelled."""
        ...

    async def replace_order(self, order_id: str, *, quantity: int, price: int) -> OrderResult:
        """Change quantity and price of an open order; the result has the order's new client order id."""
        ...

    async def get_order_status(self, order_id: str) -> OrderStatus:
        """Ask the venue where the order with this client order id stands."""
        ...

    # Assets

    def get_supported_assets(self) -> frozenset[AssetType]: ...

    async def validate_asset(self, asset: Asset) -> None:
        """Return when the exchange lists this asset so. UNKNOWN_ASSET, ASSET_TYPE_NOT_SUPPORTED, ASSET_MISMATCH."""
        ...

    async def get_asset_info(self, symbol: str) -> AssetInfo: ...
