"""Fills the shared tables from the plugins' rule files and the instrument file; repeatable.

A row that an operator edited is left alone; every other row follows its file, and goes when the file no longer has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction

from exchanges.api import ExchangePlugin
from exchanges.assets.services import load_published_details
from exchanges.models import Exchange, ExchangeSwitch, Instrument, RoutingRule, RuleRow
from exchanges.reference import InstrumentRecord, RuleFile, instruments_of, load_rule_file
from exchanges.registry import PluginRegistry, registry
from exchanges.services import Actor, check_rules, publish_platform_change, rule_columns, rule_key

DEFAULT_ROUTE_PRIORITY = 1000
"""Priority of the first exchange's default line: operators' own rules have room before it."""


@dataclass(slots=True)
class LoadCounts:
    """Rows created or changed by a load, and those kept because an operator edited them."""

    exchanges: int = 0
    rules: int = 0
    instruments: int = 0
    routes: int = 0
    kept: int = 0

    @property
    def changed(self) -> bool:
        return any((self.exchanges, self.rules, self.instruments, self.routes))


@transaction.atomic
def load_reference_data(*, actor: Actor, plugins: PluginRegistry | None = None) -> LoadCounts:
    """Load all plugins' exchanges and rules, and the instruments, in one transaction.

    Raises ``ReferenceDataError`` or ``RuleError``, with nothing changed, when a file is wrong or its
    rows contradict rows that an operator edited.
    """
    counts = LoadCounts()
    for position, plugin in enumerate(plugins or registry()):
        rule_file = load_rule_file(plugin.rules_path)
        exchange, created = Exchange.objects.get_or_create(
            code=plugin.id,
            defaults={
                "mic": plugin.mic,
                "name": rule_file.name,
                "name_ar": rule_file.name_ar,
                "country": rule_file.country,
            },
        )
        counts.exchanges += created
        _load_rules(exchange, plugin, rule_file, counts)
        check_rules(exchange)
        _load_instruments(exchange, instruments_of(plugin), counts)
        _open_routes(exchange, plugin, position, counts)
    load_published_details(actor=actor)
    if counts.changed:
        publish_platform_change(
            actor=actor, action="exchanges.reference_data.loaded", subject="reference_data", before=None, after=asdict(counts)
        )
    return counts


def _load_rules(exchange: Exchange, plugin: ExchangePlugin, rule_file: RuleFile, counts: LoadCounts) -> None:
    stored = {row.file_key: row for row in exchange.rules.filter(data_set=None).exclude(file_key=None)}
    keys = {rule_key(rule, origin=plugin.id): rule for rule in rule_file.rules}
    gone = [row.pk for key, row in stored.items() if key not in keys and not row.edited]
    counts.rules += RuleRow.objects.filter(pk__in=gone).delete()[0]
    for key, rule in keys.items():
        columns = rule_columns(rule, sources=rule_file.sources)
        row = stored.get(key)
        if row is None:
            RuleRow.objects.create(exchange=exchange, file_key=key, **columns)
            counts.rules += 1
        elif row.edited:
            counts.kept += 1
        else:
            counts.rules += _follow(row, columns)


def _load_instruments(exchange: Exchange, records: Sequence[InstrumentRecord], counts: LoadCounts) -> None:
    by_symbol = {row.symbol: row for row in exchange.instruments.exclude(symbol="")}
    by_name = {row.name: row for row in exchange.instruments.filter(symbol="")}
    for record in records:
        columns = instrument_columns(record)
        row = by_symbol.get(record.symbol) if record.symbol else by_name.get(record.name)
        if row is None:
            Instrument.objects.create(exchange=exchange, **columns)
            counts.instruments += 1
        elif row.edited:
            counts.kept += 1
        else:
            counts.instruments += _follow(row, columns)


def instrument_columns(record: InstrumentRecord) -> dict[str, Any]:
    """Return the columns of a stored instrument. Without a symbol or a tick table it is not tradable."""
    columns = asdict(record)
    del columns["exchange"]
    columns["asset_type"] = record.asset_type.value
    columns["tick_table"] = record.tick_table or ""
    columns["sources"] = list(record.sources)
    columns["tradable"] = bool(record.symbol and record.tick_table)
    return columns


def _open_routes(exchange: Exchange, plugin: ExchangePlugin, position: int, counts: LoadCounts) -> None:
    ExchangeSwitch.objects.get_or_create(exchange=exchange)
    ExchangeSwitch.objects.get_or_create(exchange=None)
    if not exchange.routes.exists():
        priority = DEFAULT_ROUTE_PRIORITY + 10 * position
        while RoutingRule.objects.filter(priority=priority).exists():
            priority += 1
        RoutingRule.objects.create(priority=priority, exchange=exchange, line=plugin.id, note=f"{plugin.id} by default")
        counts.routes += 1


def _follow(row: RuleRow | Instrument, columns: dict[str, Any]) -> bool:
    """Bring a row in line with its file; tell whether it changed."""
    changed = [column for column, value in columns.items() if getattr(row, column) != value]
    for column in changed:
        setattr(row, column, columns[column])
    if changed:
        row.save(update_fields=changed)
    return bool(changed)
