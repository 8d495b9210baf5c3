"""Reference data from the project's files: for the venue simulators and the market-data worker,
which run without a database, and for the loader that fills the database from the same files.

Pure apart from reading the files. Raises ``ReferenceDataError`` (a ``RuleError``) naming file and row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from exchanges.api import AssetType, ExchangePlugin, Phase, PhaseRule, Trust
from exchanges.calendar import PhaseInterval, compile_intervals, time_zone_on, validate_emergency, validate_session
from exchanges.dated_rules import (
    DatedRule,
    RuleError,
    RuleKind,
    rule_from_document,
    rule_on,
    validate_rules,
    waits_for_confirmation,
)
from exchanges.isin import is_valid_isin
from exchanges.order_types import order_types_on, taken_by
from exchanges.prices import PriceError, PriceLimit, TickBand, band_limits, is_on_tick, text_to_price, validate_ticks
from exchanges.rule_values import typed_value

INSTRUMENTS_PATH = Path(__file__).with_name("data") / "instruments.json"
DEMO_MARKET_PATH = Path(__file__).with_name("data") / "demo_market.json"


class ReferenceDataError(RuleError):
    """A reference data file cannot be used; the message names the file and the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """A plugin's rule file: names of the exchange, its sources by key, its dated rows."""

    name: str
    name_ar: str
    country: str
    sources: Mapping[str, str]
    rules: tuple[DatedRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentRecord:
    """An instrument as published facts have it: a lot here is not yet signed by anybody."""

    exchange: str
    symbol: str
    """Empty where none is known; such an instrument cannot be traded."""
    isin: str | None
    isin_status: str
    name: str
    name_ar: str
    asset_type: AssetType
    sector: str
    currency: str
    tick_table: str | None
    board: str
    lot: int
    lot_status: str
    sharia_index: Mapping[str, Any] | None
    sources: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class MarketRecord:
    """A row of a market data set: from ``valid_from`` on, this reference price (micros) and lot."""

    exchange: str
    symbol: str
    valid_from: date
    reference_price: int
    lot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketDataSet:
    """A labelled set of reference prices, lots and session rows; ``rules`` are (exchange, row)."""

    name: str
    label: str
    kind: str
    instruments: tuple[MarketRecord, ...]
    rules: tuple[tuple[str, DatedRule], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueInstrument:
    """What a venue needs of an instrument it lists. Prices in micros, limits inclusive."""

    exchange: str
    symbol: str
    isin: str | None
    name: str
    name_ar: str
    asset_type: AssetType
    currency: str
    lot: int
    ticks: tuple[TickBand, ...]
    reference_price: int
    band_low: int
    band_high: int

    @property
    def key(self) -> str:
        return f"{self.exchange}:{self.symbol}"


@dataclass(frozen=True, kw_only=True)
class VenueReference:
    """An exchange on a day: who it is, what it lists, and its calendar."""

    exchange: str
    mic: str
    name: str
    currency: str
    time_zone: str
    day: date
    instruments: Mapping[str, VenueInstrument]
    """By symbol: the instruments that have a tick table and a reference price on ``day``."""
    rules: tuple[DatedRule, ...]

    @cached_property
    def phase_rules(self) -> Mapping[Phase, PhaseRule]:
        """What each session phase takes on ``day``; see ``exchanges.order_types``."""
        return order_types_on(self.rules, self.day)

    def intervals(self, from_day: date, days: int) -> tuple[PhaseInterval, ...]:
        """Return the phase intervals of ``days`` days; see ``exchanges.calendar``."""
        return compile_intervals(self.rules, from_day, days)


def load_venue_reference(exchange: str, *, day: date, demo: bool = True, plugin: ExchangePlugin | None = None) -> VenueReference:
    """Return what the venue ``exchange`` is on ``day``, from the files alone.

    With ``demo`` the labelled demo data set gives reference prices, lots and the session that is
    always open. Without it no instrument is listed, as no verified reference price is known.
    Raises ``PluginError`` for an unknown exchange, ``ReferenceDataError`` for a bad file.
    """
    if plugin is None:
        # The registry reads plugins' files by this module before it takes them.
        from exchanges.registry import registry

        plugin = registry().get(exchange)
    rule_file = load_rule_file(plugin.rules_path)
    market = demo_market_of(plugin) if demo else None
    rules = rule_file.rules + tuple(rule for code, rule in (market.rules if market else ()) if code == exchange)
    validate_rules(rules)
    currency = rule_on(rules, day, RuleKind.CURRENCY)
    zone = rule_on(rules, day, RuleKind.TIME_ZONE)
    if currency is None or zone is None:
        raise ReferenceDataError(f"{exchange}: no currency or time zone holds on {day}")
    latest: dict[str, MarketRecord] = {}
    for record in sorted(market.instruments if market else (), key=lambda row: row.valid_from):
        if record.exchange == exchange and record.valid_from <= day:
            latest[record.symbol] = record
    listed: dict[str, VenueInstrument] = {}
    for instrument in instruments_of(plugin):
        quote = latest.get(instrument.symbol)
        if quote is not None:
            listed[instrument.symbol] = _venue_instrument(instrument, quote, rules, day)
    return VenueReference(
        exchange=exchange,
        mic=plugin.mic,
        name=plugin.name,
        currency=currency.value["currency"],
        time_zone=zone.value["zone"],
        day=day,
        instruments=listed,
        rules=rules,
    )


def load_rule_file(path: Path) -> RuleFile:
    """Read and check a plugin's dated rows. Raises ``ReferenceDataError``."""
    document = _read(path)
    try:
        sources: dict[str, str] = document["sources"]
        rules = tuple(rule_from_document(row) for row in document["rows"])
        validate_rules(rules)
        keys = Counter((rule.kind, rule.scope, rule.valid_from) for rule in rules)
        for (kind, scope, first), count in keys.items():
            if count > 1:
                raise RuleError(f"{kind} {scope!r} from {first or 'ever'}: {count} rows; a row is known by these three")
        for rule in rules:
            if rule.trust is Trust.DEMO:
                raise RuleError(f"{rule.label}: demo rows belong in a signed data set")
            if unknown := set(rule.sources) - set(sources):
                raise RuleError(f"{rule.label}: sources without an entry: {', '.join(sorted(unknown))}")
            validate_value(rule)
        exchange = document["exchange"]
        return RuleFile(
            name=exchange["name"],
            name_ar=exchange["name_ar"],
            country=exchange["country"],
            sources=sources,
            rules=rules,
        )
    except KeyError as error:
        raise ReferenceDataError(f"{path.name}: the field {error.args[0]} is missing") from error
    except RuleError as error:
        raise ReferenceDataError(f"{path.parent.name}/{path.name}: {error}") from error


def check_files(plugin: ExchangePlugin) -> None:
    """Read every file of a plugin once. Raises ``ReferenceDataError`` naming file and row."""
    load_rule_file(plugin.rules_path)
    instruments_of(plugin)
    demo_market_of(plugin)


def load_instruments(path: Path = INSTRUMENTS_PATH) -> tuple[InstrumentRecord, ...]:
    """Read the instruments of all exchanges. Raises ``ReferenceDataError`` for a wrong ISIN, a repeated
    symbol or a malformed row."""
    instruments: list[InstrumentRecord] = []
    seen: set[tuple[str, str]] = set()
    for row in _read(path).get("instruments", ()):
        label = f"{path.name}: {row.get('exchange')}:{row.get('symbol') or row.get('name')}"
        try:
            instrument = InstrumentRecord(**{**row, "asset_type": AssetType(row["asset_type"]), "sources": tuple(row["sources"])})
        except (KeyError, TypeError, ValueError) as error:
            raise ReferenceDataError(f"{label}: {error}") from error
        if instrument.isin is not None and not is_valid_isin(instrument.isin):
            raise ReferenceDataError(f"{label}: {instrument.isin} is no ISIN")
        key = (instrument.exchange, instrument.symbol or instrument.name)
        if key in seen:
            raise ReferenceDataError(f"{label}: listed twice")
        seen.add(key)
        instruments.append(instrument)
    return tuple(instruments)


def instruments_of(plugin: ExchangePlugin) -> tuple[InstrumentRecord, ...]:
    """What the plugin's exchange lists: from its own file, which may speak of no other exchange, or from the project's.

    Raises ``ReferenceDataError``.
    """
    instruments = load_instruments(plugin.instruments_path or INSTRUMENTS_PATH)
    if plugin.instruments_path is not None:
        _require_own(plugin, plugin.instruments_path, (each.exchange for each in instruments))
    return tuple(each for each in instruments if each.exchange == plugin.id)


def demo_market_of(plugin: ExchangePlugin) -> MarketDataSet:
    """The labelled demonstration prices that hold at the plugin's exchange; as ``instruments_of``."""
    market = load_demo_market(plugin.demo_market_path or DEMO_MARKET_PATH)
    if plugin.demo_market_path is not None:
        named = [each.exchange for each in market.instruments] + [exchange for exchange, _ in market.rules]
        _require_own(plugin, plugin.demo_market_path, named)
    return market


def load_demo_market(path: Path = DEMO_MARKET_PATH) -> MarketDataSet:
    """Read the labelled demo market data set."""
    return parse_market_data_set(path.read_text(encoding="utf-8"))


def parse_market_data_set(text: str) -> MarketDataSet:
    """Parse a market data set. Raises ``ReferenceDataError`` naming the row."""
    try:
        document = json.loads(text)
        return MarketDataSet(
            name=document["name"],
            label=document["label"],
            kind=document["kind"],
            instruments=tuple(
                MarketRecord(
                    exchange=row["exchange"],
                    symbol=row["symbol"],
                    valid_from=date.fromisoformat(row["valid_from"]),
                    reference_price=_positive(text_to_price(row["reference_price"])),
                    lot=_positive(row["lot"]),
                )
                for row in document["instruments"]
            ),
            rules=tuple(
                (row["exchange"], rule_from_document({key: row[key] for key in row if key != "exchange"}))
                for row in document["rules"]
            ),
        )
    except KeyError as error:
        raise ReferenceDataError(f"market data set: the field {error.args[0]} is missing") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise ReferenceDataError(f"market data set: {error}") from error


def validate_value(rule: DatedRule) -> None:
    """Raise ``RuleError`` when the value of a row is not of its kind's shape, or contradicts itself."""
    try:
        typed_value(rule.kind, rule.value)
        if rule.kind is RuleKind.SESSION:
            validate_session(rule)
        elif rule.kind is RuleKind.EMERGENCY:
            validate_emergency(rule)
        elif rule.kind is RuleKind.TICK:
            ticks_of(rule)
        elif rule.kind is RuleKind.ORDER_TYPES:
            taken_by(rule)
        elif rule.kind is RuleKind.PRICE_LIMIT:
            band_limits(1_000_000_000, price_limit_of(rule), (TickBand(0, 1),))
        elif rule.kind is RuleKind.TIME_ZONE:
            time_zone_on((replace(rule, active=True, valid_from=None, valid_to=None),), date(2000, 1, 1))
        elif rule.active and waits_for_confirmation(rule):
            raise RuleError("a conditional closure is not active before somebody confirms it")
        elif rule.active and rule.kind is RuleKind.CLAIM:
            raise RuleError("a claim that was not believed is never active")
    except (KeyError, TypeError, AttributeError, PriceError, RuleError) as error:
        raise RuleError(f"{rule.label}: {error}") from error


def ticks_of(rule: DatedRule) -> tuple[TickBand, ...]:
    """Return the tick table of a ``tick`` row. Raises ``PriceError`` when it is malformed."""
    bands = tuple(TickBand(text_to_price(row["from"]), text_to_price(row["tick"])) for row in rule.value["bands"])
    validate_ticks(bands)
    return bands


def price_limit_of(rule: DatedRule) -> PriceLimit:
    """Return the daily limit of a ``price_limit`` row."""
    return PriceLimit(up_bp=int(rule.value["up_bp"]), down_bp=int(rule.value["down_bp"]))


def _venue_instrument(instrument: InstrumentRecord, quote: MarketRecord, rules: Sequence[DatedRule], day: date) -> VenueInstrument:
    label = f"{instrument.exchange}:{instrument.symbol}"
    tick_rule = rule_on(rules, day, RuleKind.TICK, instrument.tick_table or "none")
    limit_rule = rule_on(rules, day, RuleKind.PRICE_LIMIT, instrument.board)
    if tick_rule is None or limit_rule is None:
        raise ReferenceDataError(f"{label}: no tick table or price limit holds on {day}")
    ticks = ticks_of(tick_rule)
    if not is_on_tick(quote.reference_price, ticks):
        raise ReferenceDataError(f"{label}: the reference price is off tick")
    low, high = band_limits(quote.reference_price, price_limit_of(limit_rule), ticks)
    return VenueInstrument(
        exchange=instrument.exchange,
        symbol=instrument.symbol,
        isin=instrument.isin,
        name=instrument.name,
        name_ar=instrument.name_ar,
        asset_type=instrument.asset_type,
        currency=instrument.currency,
        lot=quote.lot,
        ticks=ticks,
        reference_price=quote.reference_price,
        band_low=low,
        band_high=high,
    )


def _require_own(plugin: ExchangePlugin, path: Path, exchanges: Iterable[str]) -> None:
    if others := {each for each in exchanges if each != plugin.id}:
        names = ", ".join(sorted(others))
        raise ReferenceDataError(f"exchange plugin {plugin.id}: {path.name} speaks of {names}; a plugin brings its own rows only")


def _positive(number: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise ValueError(f"expected a positive whole number, not {number!r}")
    return number


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ReferenceDataError(f"{path.name}: {error}") from error
    if not isinstance(document, dict):
        raise ReferenceDataError(f"{path.name}: the document is an object")
    return document
