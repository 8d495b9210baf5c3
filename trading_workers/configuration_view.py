"""The platform's and a tenant's documents, compiled for look-ups in constant time.

Compiled once per revision and never changed afterwards; a new revision is a new view. What a document does not name is
answered by an entry that allows nothing, so that a forgotten check cannot let an order through.
"""

from __future__ import annotations

from bisect import bisect_right
from calendar import timegm
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from exchanges.api import Phase
from exchanges.routing.router import NO_ROUTES, InstrumentRoutes, Router
from trading_workers.limit_rows import LimitRow
from trading_workers.orders import OrderType, TimeInForce
from trading_workers.snapshot.documents import (
    AccountEntry,
    ExchangeEntry,
    InstrumentEntry,
    LicenceEntry,
    PhaseOrders,
    PlatformDocument,
    Route,
    TenantDocument,
    Verdict,
)
from tradsys.mesh.tokens import Claims

if TYPE_CHECKING:
    from trading_workers.checks.candidate import Candidate

_SECOND: Final = 1_000_000_000
_DAY: Final = timedelta(days=1)

OrderKind = tuple[OrderType, TimeInForce]

_TYPES: Final = {each.value: each for each in OrderType}
_TIMES: Final = {each.value: each for each in TimeInForce}


class PhaseView(NamedTuple):
    phase: str
    label: str
    enters: frozenset[OrderKind]
    """Empty for a phase in which the exchange takes no orders today."""


CLOSED: Final = PhaseView(Phase.CLOSED.value, "", frozenset())


class ExchangeView:
    """One exchange. ``trading_day`` and ``phase_at`` take int64 nanoseconds UTC."""

    __slots__ = (
        "_day_numbers", "_day_starts", "_ends", "_phases", "_starts", "_zone",
        "code", "feature", "investor_id_name", "killed", "mic",
    )  # fmt: skip

    def __init__(self, entry: ExchangeEntry, *, killed: bool, days_from: int, days_until: int) -> None:
        self.code = entry.code
        self.mic = entry.mic
        self.feature = f"exchange:{entry.code}"
        self.investor_id_name = entry.investor_id_name
        self.killed = killed
        self._starts = tuple(interval.start for interval in entry.intervals)
        self._ends = tuple(interval.end for interval in entry.intervals)
        enters = {each.phase: _order_kinds(each) for each in entry.order_types}
        self._phases = tuple(
            PhaseView(interval.phase, interval.label, enters.get(interval.phase, frozenset())) for interval in entry.intervals
        )
        self._zone = ZoneInfo(entry.time_zone)
        first, last = self._local_date(days_from) - _DAY, self._local_date(days_until) + _DAY
        days = [first + _DAY * number for number in range((last - first).days + 1)]
        self._day_starts = tuple(
            timegm(datetime(day.year, day.month, day.day, tzinfo=self._zone).utctimetuple()) * _SECOND for day in days
        )
        self._day_numbers = tuple(_day_number(day) for day in days)

    def phase_at(self, now: int) -> PhaseView:
        place = bisect_right(self._starts, now) - 1
        return self._phases[place] if place >= 0 and now < self._ends[place] else CLOSED

    def steady_from_to(self, now: int) -> tuple[int, int]:
        """The span around `now`, [from, to), in which neither phase nor trading day changes; empty where that is not known."""
        place, day = bisect_right(self._starts, now) - 1, bisect_right(self._day_starts, now) - 1
        if place < 0 or now >= self._ends[place] or not 0 <= day < len(self._day_starts) - 1:
            return now, now
        return max(self._starts[place], self._day_starts[day]), min(self._ends[place], self._day_starts[day + 1])

    def trading_day(self, now: int) -> int:
        """The exchange's local day as YYYYMMDD."""
        place = bisect_right(self._day_starts, now) - 1
        if 0 <= place < len(self._day_starts) - 1:
            return self._day_numbers[place]
        return _day_number(self._local_date(now))

    def _local_date(self, now: int) -> date:
        return datetime.fromtimestamp(now // _SECOND, self._zone).date()


def _order_kinds(orders: PhaseOrders) -> frozenset[OrderKind]:
    """A name that this version does not know is left out, and so refused."""
    return frozenset((_TYPES[kind], _TIMES[time]) for kind, time in orders.takes if kind in _TYPES and time in _TIMES)


def _day_number(day: date) -> int:
    return day.year * 10_000 + day.month * 100 + day.day


class InstrumentView:
    """One instrument with its exchange and the routes that its orders may take."""

    __slots__ = (
        "_tick_starts", "_ticks", "asset_feature", "band_high", "band_low", "currency", "exchange", "key",
        "lot", "lot_signed", "reference_price", "reference_signed", "routes", "symbol", "tradable",
    )  # fmt: skip

    def __init__(self, entry: InstrumentEntry, exchange: ExchangeView, routes: InstrumentRoutes) -> None:
        self.key = entry.key
        self.symbol = entry.symbol
        self.exchange = exchange
        self.routes = routes
        self.asset_feature = f"asset:{entry.asset_type}"
        self.currency = entry.currency
        self.tradable = entry.tradable
        self.lot = entry.lot
        self.lot_signed = entry.lot_signed
        self.reference_price = entry.reference_price
        self.band_low = entry.band_low
        self.band_high = entry.band_high
        self.reference_signed = entry.reference_signed
        ticks = sorted(entry.ticks, key=lambda band: band.from_price)
        self._tick_starts = tuple(band.from_price for band in ticks)
        self._ticks = tuple(band.tick for band in ticks)

    def tick_at(self, price: int) -> int:
        """The tick in micros, 0 when the table has none for this price."""
        place = bisect_right(self._tick_starts, price) - 1
        return self._ticks[place] if place >= 0 else 0

    def only_tick(self, low: int, high: int) -> int:
        """The tick of every price from `low` to `high`, 0 where it is not one."""
        same = bisect_right(self._tick_starts, low) == bisect_right(self._tick_starts, high)
        return self.tick_at(low) if same else 0


class PlatformView:
    __slots__ = ("_instruments", "exchanges", "killed", "lease_until", "revision")

    def __init__(self, document: PlatformDocument) -> None:
        """Raises ``ConfigurationError`` when the document names an exchange or a time zone that does not exist."""
        self.revision = document.revision
        self.lease_until = document.lease_until
        self.killed = document.killed
        try:
            self.exchanges: Mapping[str, ExchangeView] = {
                entry.code: ExchangeView(
                    entry,
                    killed=entry.code in document.killed_exchanges,
                    days_from=document.committed_at,
                    days_until=document.lease_until,
                )
                for entry in document.exchanges
            }
            router = router_of(document)
            self._instruments = {
                (entry.exchange, entry.symbol): InstrumentView(
                    entry, self.exchanges[entry.exchange], router.routes(entry.exchange, entry.symbol, entry.asset_type)
                )
                for entry in document.instruments
            }
        except (KeyError, ValueError, OverflowError) as error:
            raise ConfigurationError(f"platform document {document.revision} cannot be used: {error}") from error

    def instrument(self, exchange: str, symbol: str) -> InstrumentView:
        return self._instruments.get((exchange, symbol), UNKNOWN_INSTRUMENT)


class ConfigurationError(ValueError):
    """A document contradicts itself; the view in use stays."""


def router_of(document: PlatformDocument) -> Router:
    """The document's rules and pools, compiled. Raises ValueError for a time zone that does not exist."""
    rules = list(document.routes)
    if document.default_line is not None:
        last = max((rule.priority for rule in rules), default=0) + 1
        rules.append(Route(priority=last, exchange=None, symbol=None, asset_type=None, line=document.default_line, fallback=()))
    return Router(rules, document.pools, {entry.code: ZoneInfo(entry.time_zone) for entry in document.exchanges})


class TenantView:
    __slots__ = ("_accounts", "_revocations", "_verdicts", "features", "killed", "lease_until", "licence", "revision", "tenant")

    def __init__(self, document: TenantDocument) -> None:
        self.tenant = document.tenant
        self.revision = document.revision
        self.lease_until = document.lease_until
        self.killed = document.killed
        self.licence = document.licence if document.licence is not None else NO_LICENCE
        self.features = frozenset(self.licence.features)
        self._accounts = {account.code: account for account in document.accounts}
        self._verdicts = document.verdicts
        self._revocations = document.revocations

    def account(self, code: str) -> AccountEntry:
        return self._accounts.get(code, UNKNOWN_ACCOUNT)

    @property
    def accounts(self) -> Mapping[str, AccountEntry]:
        return MappingProxyType(self._accounts)

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the token of these claims, by its user, its own id or its API key, was issued until a revocation."""
        revocations = self._revocations
        if not revocations:
            return False
        issued = claims.issued_at
        return (
            revocations.get(claims.subject, 0) >= issued
            or revocations.get(f"jti:{claims.token_id}", 0) >= issued
            or (claims.api_key != "" and revocations.get(f"key:{claims.api_key}", 0) >= issued)
        )

    def verdict(self, board: str, instrument: str) -> Verdict | None:
        verdicts = self._verdicts.get(board)
        return None if verdicts is None else verdicts.get(instrument)


class ConfigurationView:
    """What one tenant's order is decided against, with the rows made from it.

    As neither document ever changes, a row holds while both leases and the licence do.
    """

    __slots__ = ("_rows", "_since", "_until", "platform", "tenant")

    def __init__(self, platform: PlatformView, tenant: TenantView) -> None:
        self.platform = platform
        self.tenant = tenant
        self._rows: dict[tuple[str, str, str, str], LimitRow] = {}
        self._since = tenant.licence.valid_from
        self._until = min(platform.lease_until, tenant.lease_until, tenant.licence.valid_until)

    def row(self, account: str, exchange: str, symbol: str, door: str, now: int) -> LimitRow | None:
        """The row that holds at `now`, if there is one."""
        row = self._rows.get((account, exchange, symbol, door))
        return row if row is not None and row.since <= now < row.until else None

    def keep_row(self, passed: Candidate) -> LimitRow:
        """The row of `passed`, which has passed every check. It is not kept where nothing says how long it holds."""
        since, until = passed.exchange.steady_from_to(passed.now)
        row = LimitRow(passed, max(since, self._since), min(until, self._until))
        if row.since <= passed.now < row.until:
            order = passed.order
            self._rows[order.account, order.exchange, order.symbol, passed.caller.door] = row
        return row


UNKNOWN_ACCOUNT: Final = AccountEntry(
    code="", name="", status="unknown", investor_ids={}, cash={}, shares={}, max_order_quantity=0, max_order_value=0,
    killed=True, sharia_board=None,
)  # fmt: skip
NO_LICENCE: Final = LicenceEntry(
    plan="", status="missing", valid_from=0, valid_until=0, features=(), orders_per_day_included=0, orders_per_day_cap=0,
    orders_per_second=0,
)  # fmt: skip
UNKNOWN_EXCHANGE: Final = ExchangeView(
    ExchangeEntry(code="", mic="", currency="", time_zone="UTC", intervals=(), investor_id_name=""),
    killed=True, days_from=0, days_until=0,
)  # fmt: skip
UNKNOWN_INSTRUMENT: Final = InstrumentView(
    InstrumentEntry(
        exchange="", symbol="", isin=None, name="", name_ar="", asset_type="", currency="", tradable=False, lot=0,
        lot_signed=False, ticks=(), reference_price=None, band_low=None, band_high=None, reference_signed=False,
    ),
    UNKNOWN_EXCHANGE,
    NO_ROUTES,
)  # fmt: skip
