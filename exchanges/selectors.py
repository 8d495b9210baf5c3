"""Reads of reference data, among them what the platform document tells the order workers.

The entries have the fields of ``trading_workers.snapshot.documents``; this app does not know that
module, so the compiler of snapshots maps them name by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.models import F, QuerySet

from exchanges import settlement
from exchanges.api import AssetType, Trust
from exchanges.calendar import PhaseInterval, compile_intervals, time_zone_on
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on
from exchanges.models import DataSet, Exchange, ExchangeSwitch, Instrument, MarketReference, RoutingRule, RuleRow
from exchanges.order_types import order_types_on
from exchanges.prices import TickBand, band_limits
from exchanges.reference import price_limit_of, ticks_of
from exchanges.registry import registry
from exchanges.routing import rules as routing
from exchanges.routing.balancers import Balancer, LinePool
from exchanges.settlement import ForeignLimit, SettlementTerms
from exchanges.signatures import is_signed_by

HORIZON_DAYS = 14
"""Days of calendar that a platform document carries, counted from the day before."""


@dataclass(frozen=True, slots=True)
class PhaseOrders:
    """What a session phase takes: pairs of order type and time in force, by name."""

    phase: str
    takes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeEntry:
    code: str
    mic: str
    currency: str
    time_zone: str
    intervals: tuple[PhaseInterval, ...]
    investor_id_name: str
    order_types: tuple[PhaseOrders, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentEntry:
    """Prices in micros. ``tradable`` is false also where no tick table holds on the day."""

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
    ticks: tuple[TickBand, ...]
    reference_price: int | None
    band_low: int | None
    band_high: int | None
    reference_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformEntries:
    exchanges: tuple[ExchangeEntry, ...]
    instruments: tuple[InstrumentEntry, ...]
    routes: tuple[routing.RoutingRule, ...]
    pools: tuple[LinePool, ...]
    killed_exchanges: tuple[str, ...]
    killed: bool
    next_change_at: int
    """Nanoseconds UTC: the next midnight of one of the exchanges. Dated rows may differ from then on,
    so the document must be compiled again."""


def platform_entries(now: int) -> PlatformEntries:
    """Return what all tenants share at ``now`` (nanoseconds UTC).

    Rows of a data set count only while its signature is right and its signer active. Raises
    ``RuleError`` when the dated rows do not make a calendar; services keep such rows out.
    """
    signed = signed_data_set_ids()
    rules = _acting_rules(signed)
    moment = datetime.fromtimestamp(now // 1_000_000_000, UTC)
    exchanges: list[ExchangeEntry] = []
    days: dict[int, date] = {}
    changes: list[int] = []
    stored = list(Exchange.objects.all())
    for exchange in stored:
        exchange_rules = rules[exchange.pk]
        zone = time_zone_on(exchange_rules, moment.date())
        day = days[exchange.pk] = moment.astimezone(zone).date()
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=zone)
        changes.append(int(midnight.timestamp()) * 1_000_000_000)
        exchanges.append(
            ExchangeEntry(
                code=exchange.code,
                mic=exchange.mic,
                currency=_value(exchange, exchange_rules, day, RuleKind.CURRENCY, "currency"),
                time_zone=zone.key,
                intervals=compile_intervals(exchange_rules, day - timedelta(days=1), HORIZON_DAYS),
                investor_id_name=_value(exchange, exchange_rules, day, RuleKind.INVESTOR_ID, "name"),
                order_types=tuple(
                    PhaseOrders(phase.value, tuple(sorted((kind.value, time.value) for kind, time in rule.enters)))
                    for phase, rule in order_types_on(exchange_rules, day).items()
                    if rule.enters
                ),
            )
        )
    switches = ExchangeSwitch.objects.filter(killed=True).select_related("exchange")
    killed = [switch.exchange.code if switch.exchange else None for switch in switches]
    return PlatformEntries(
        exchanges=tuple(exchanges),
        instruments=_instruments(rules, days, signed),
        routes=routes(),
        pools=line_pools(stored),
        killed_exchanges=tuple(code for code in killed if code is not None),
        killed=None in killed,
        # With no exchange at all nothing can change by date.
        next_change_at=min(changes, default=2**63 - 1),
    )


def signed_data_set_ids() -> frozenset[int]:
    """Return the data sets whose signature holds now, checked against the signer's key, not remembered."""
    return frozenset(
        data_set.pk
        for data_set in DataSet.objects.select_related("signer")
        if data_set.signer.active and is_signed_by(data_set.document, data_set.signature, data_set.signer.public_key)
    )


def dated_rule(row: RuleRow) -> DatedRule:
    """Return the pure form of a stored row."""
    return DatedRule(
        kind=RuleKind(row.kind),
        scope=row.scope,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        value=row.value,
        label=row.label,
        trust=Trust(row.trust),
        sources=tuple(row.sources),
        active=row.active,
        note=row.note,
    )


def acting_rules(exchange: Exchange) -> list[DatedRule]:
    """Return the rows of an exchange that act: active, and signed where they come from a data set."""
    return _acting_rules(signed_data_set_ids())[exchange.pk]


def acting_rules_by_exchange() -> dict[int, list[DatedRule]]:
    """The rows that act of every exchange, by its primary key; see `acting_rules`."""
    return _acting_rules(signed_data_set_ids())


def rules_for_display(exchange: Exchange) -> QuerySet[RuleRow]:
    """Every rule of an exchange, acting or not, by kind and day; no further statement per row."""
    return exchange.rules.select_related("data_set").order_by("kind", "scope", F("valid_from").asc(nulls_first=True), "pk")


def settlement_of(instrument: Instrument, day: date) -> SettlementTerms:
    """How a trade of ``day`` in an instrument settles, and what its board allows. Raises ``NoSettlementDate``."""
    return settlement.settlement_of(acting_rules(instrument.exchange), instrument.symbol, AssetType(instrument.asset_type), day)


def foreign_limit_of(instrument: Instrument, day: date) -> ForeignLimit:
    """How much of an instrument foreigners may hold on ``day``, as far as its own row says so."""
    return settlement.foreign_limit(acting_rules(instrument.exchange), instrument.symbol, day)


def instruments_for_display() -> QuerySet[Instrument]:
    """Instruments with what lists of them show, without further statements per row."""
    return Instrument.objects.select_related("exchange").order_by("exchange__code", "symbol", "name")


def data_set_is_signed(data_set: DataSet) -> bool:
    """Tell whether what the data set says counts now."""
    return data_set.signer.active and is_signed_by(data_set.document, data_set.signature, data_set.signer.public_key)


def _acting_rules(signed: frozenset[int]) -> dict[int, list[DatedRule]]:
    rules: dict[int, list[DatedRule]] = defaultdict(list)
    for row in RuleRow.objects.filter(active=True):
        if row.data_set_id is None or row.data_set_id in signed:
            rules[row.exchange_id].append(dated_rule(row))
    return rules


def _instruments(rules: dict[int, list[DatedRule]], days: dict[int, date], signed: frozenset[int]) -> tuple[InstrumentEntry, ...]:
    references: dict[int, MarketReference] = {}
    for row in MarketReference.objects.filter(valid_from__lte=max(days.values(), default=date.min)).select_related("instrument"):
        if row.valid_from <= days[row.instrument.exchange_id]:
            held = references.get(row.instrument_id)
            if held is None or held.valid_from < row.valid_from:
                references[row.instrument_id] = row
    return tuple(
        _instrument(instrument, rules[instrument.exchange_id], days[instrument.exchange_id], references.get(instrument.pk), signed)
        for instrument in instruments_for_display()
        if instrument.symbol
    )


def _instrument(
    instrument: Instrument, rules: Sequence[DatedRule], day: date, row: MarketReference | None, signed: frozenset[int]
) -> InstrumentEntry:
    row_signed = row is not None and row.data_set_id in signed
    lot, lot_signed = instrument.lot, instrument.lot_status == Instrument.LotStatus.VERIFIED
    if row is not None and row.lot is not None and row_signed:
        lot, lot_signed = row.lot, True
    tick_rule = rule_on(rules, day, RuleKind.TICK, instrument.tick_table)
    limit_rule = rule_on(rules, day, RuleKind.PRICE_LIMIT, instrument.board)
    ticks = ticks_of(tick_rule) if tick_rule is not None else ()
    low = high = None
    if row is not None and ticks and limit_rule is not None:
        low, high = band_limits(row.reference_price, price_limit_of(limit_rule), ticks)
    return InstrumentEntry(
        exchange=instrument.exchange.code,
        symbol=instrument.symbol,
        isin=instrument.isin,
        name=instrument.name,
        name_ar=instrument.name_ar,
        asset_type=instrument.asset_type,
        currency=instrument.currency,
        tradable=instrument.tradable and bool(ticks),
        lot=lot,
        lot_signed=lot_signed,
        ticks=ticks,
        reference_price=row.reference_price if row is not None else None,
        band_low=low,
        band_high=high,
        reference_signed=row_signed,
    )


def routes() -> tuple[routing.RoutingRule, ...]:
    """The active routing rules by priority."""
    rows = RoutingRule.objects.filter(active=True).select_related("exchange").order_by("priority")
    return tuple(routing_rule(row) for row in rows)


def routing_rule(row: RoutingRule) -> routing.RoutingRule:
    """Return the pure form of a stored rule."""
    return routing.RoutingRule(
        id=row.pk or 0,
        priority=row.priority,
        exchange=row.exchange.code if row.exchange else None,
        symbol=row.symbol or None,
        asset_type=row.asset_type or None,
        tenant=row.tenant or None,
        account=row.account or None,
        min_quantity=row.min_quantity,
        max_quantity=row.max_quantity,
        min_value=row.min_value,
        max_value=row.max_value,
        from_time=_seconds(row.from_time),
        until_time=_seconds(row.until_time),
        weekdays=tuple(row.weekdays),
        line=row.line,
        fallback=tuple(row.fallback),
        balancer=Balancer(row.balancer) if row.balancer else None,
    )


def line_pools(exchanges: Iterable[Exchange] | None = None) -> tuple[LinePool, ...]:
    """A pool per exchange (of all, or of those given) with its plugin's lines; none for one whose plugin is not installed."""
    plugins = registry()
    return tuple(
        LinePool(
            name=exchange.code, exchange=exchange.code, lines=plugins.get(exchange.code).lines, balancer=Balancer(exchange.balancer)
        )
        for exchange in (Exchange.objects.all() if exchanges is None else exchanges)
        if exchange.code in plugins
    )


def _seconds(moment: time | None) -> int | None:
    return None if moment is None else moment.hour * 3600 + moment.minute * 60 + moment.second


def _value(exchange: Exchange, rules: Sequence[DatedRule], day: date, kind: RuleKind, field: str) -> str:
    rule = rule_on(rules, day, kind)
    if rule is None:
        raise RuleError(f"{exchange.code}: no {kind} holds on {day}")
    return str(rule.value[field])
