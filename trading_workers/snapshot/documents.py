"""The documents that carry configuration from the control plane to the workers.

One platform document holds what all tenants share; one tenant document per tenant holds the rest.
Both are immutable, numbered and signed; JSON on the wire. Prices are int64 millionths of the
currency unit, times int64 nanoseconds UTC, cash is int64 millionths.
"""

from __future__ import annotations

import msgspec

from exchanges.routing.balancers import LinePool
from exchanges.routing.rules import RoutingRule

PLATFORM = "_platform"
"""The name under which the platform document is published, beside the tenants' slugs."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What every document has: its number, and how long a holder may go on using it."""

    revision: int
    committed_at: int
    """When the change that led to this revision was committed."""
    lease_until: int
    """After this instant a holder that heard nothing newer must refuse (CONFIGURATION_STALE)."""


class PhaseInterval(msgspec.Struct, frozen=True, array_like=True):
    """A half-open interval [start, end) in which a session phase holds."""

    start: int
    end: int
    phase: str
    """A value of ``exchanges.api.Phase``."""
    label: str
    """The dated row it comes from, e.g. "EGX normal hours" or "DEMO: always open"."""


class TickBand(msgspec.Struct, frozen=True, array_like=True):
    """``tick`` applies from ``from_price`` (inclusive) up to the next row's."""

    from_price: int
    tick: int


class PhaseOrders(msgspec.Struct, frozen=True, array_like=True):
    """What a session phase takes."""

    phase: str
    takes: tuple[tuple[str, str], ...]
    """Pairs of order type and time in force, by the names of ``exchanges.api``."""


class ExchangeEntry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    mic: str
    currency: str
    time_zone: str
    intervals: tuple[PhaseInterval, ...]
    """In order, without overlap. Outside all of them the session is closed."""
    investor_id_name: str
    """``Unified Code`` or ``NIN``: the number an account needs to trade here."""
    order_types: tuple[PhaseOrders, ...] = ()
    """By the dated rows of the day on which the document was compiled. A phase that is not named takes no order, and so does every
    phase of a document written before there were such rows."""


class InstrumentEntry(msgspec.Struct, frozen=True, kw_only=True):
    exchange: str
    symbol: str
    isin: str | None
    name: str
    name_ar: str
    asset_type: str
    currency: str
    tradable: bool
    lot: int
    lot_signed: bool
    """False: the lot is unverified and nobody has signed it, so orders are refused."""
    ticks: tuple[TickBand, ...]
    reference_price: int | None
    band_low: int | None
    band_high: int | None
    reference_signed: bool

    @property
    def key(self) -> str:
        return f"{self.exchange}:{self.symbol}"


Route = RoutingRule
"""The rules travel as the router takes them."""


class PlatformDocument(Document, frozen=True, kw_only=True, tag="platform"):
    exchanges: tuple[ExchangeEntry, ...]
    instruments: tuple[InstrumentEntry, ...]
    routes: tuple[Route, ...]
    default_line: str | None = None
    """Only in documents written before there were pools: the line of the orders for which no rule holds."""
    killed_exchanges: tuple[str, ...]
    killed: bool
    pools: tuple[LinePool, ...] = ()
    """The order lines to each exchange, in a pool called like it. Documents written before there were pools have none."""


class LicenceEntry(msgspec.Struct, frozen=True, kw_only=True):
    plan: str
    status: str
    """active, suspended"""
    valid_from: int
    valid_until: int
    features: tuple[str, ...]
    """e.g. "exchange:EGX", "asset:equity", "door:grpc-stream", "sharia"."""
    orders_per_day_included: int | None
    orders_per_day_cap: int | None
    """A hard cap; None where overage is billed instead."""
    orders_per_second: int | None
    api_calls_per_month_cap: int | None = None
    """A hard cap; None where overage is billed instead."""
    api_calls_per_second: int | None = None
    billing_time_zone: str = "UTC"
    """In which the months of the cap begin."""


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    name: str
    status: str
    """active, suspended"""
    investor_ids: dict[str, str]
    """Exchange code → Unified Code or NIN."""
    cash: dict[str, int]
    """Currency → endowment and deposits in millionths: the ledger at the start of the worker's journal."""
    shares: dict[str, int]
    """Instrument key ("EGX:COMI") → shares deposited."""
    max_order_quantity: int
    max_order_value: int
    """In millionths of the instrument's currency."""
    killed: bool
    sharia_board: str | None
    """The board whose verdicts bind this account; None: no screening."""


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    status: str
    """compliant, compliant_by_exception, non_compliant, doubtful, undetermined, not_covered"""
    verdict_id: str


class TenantDocument(Document, frozen=True, kw_only=True, tag="tenant"):
    tenant: str
    """The slug, as in tokens and channels."""
    schema: str
    killed: bool
    licence: LicenceEntry | None
    accounts: tuple[AccountEntry, ...]
    verdicts: dict[str, dict[str, Verdict]]
    """Board → instrument key → verdict, for the boards that the tenant's accounts name."""
    revocations: dict[str, int] = {}
    """User name, ``jti:<token id>`` or ``key:<API key prefix>`` → tokens issued until this instant count no more. What is older
    than the longest life of a token is left out. Documents written before there were revocations have none."""


class SignedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What travels: the document's exact bytes (as text) and an Ed25519 signature over them."""

    name: str
    """A tenant's slug, or ``PLATFORM``."""
    revision: int
    document: str
    signature: str
    """Base64 of the signature over ``name + "\\n" + document`` in UTF-8."""
