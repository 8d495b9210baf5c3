"""``manage.py exchange_rules EGX --on 2026-03-01 --kind tick``: an exchange's dated rules, each with trust mark and sources."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from itertools import groupby
from typing import Any

from django.core.management.base import BaseCommand

from exchanges.dated_rules import RuleKind
from exchanges.management.exchange_argument import day_of, exchange_of
from exchanges.models import RuleRow
from exchanges.selectors import dated_rule, rules_for_display, signed_data_set_ids
from tenants.kernel.entry_points import platform_scope


class Command(BaseCommand):
    help = "Print every dated rule of an exchange: value, validity, whether it acts, trust mark, sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")
        parser.add_argument("--on", help="only what holds on this day, YYYY-MM-DD")
        parser.add_argument("--kind", choices=[kind.value for kind in RuleKind], help="only rules of this kind")

    def handle(self, *args: Any, **options: Any) -> None:
        day = day_of(options["on"]) if options["on"] else None
        with platform_scope():
            exchange = exchange_of(options["exchange"])
            rows = list(rules_for_display(exchange))
            signed = signed_data_set_ids()
        shown = [row for row in rows if (options["kind"] in (None, row.kind)) and (day is None or dated_rule(row).holds_on(day))]
        if not shown:
            self.stdout.write(f"{exchange.code} has no such rule")
        for kind, group in groupby(shown, key=lambda row: row.kind):
            self.stdout.write(f"{kind}")
            for row in group:
                for line in _lines(row, signed):
                    self.stdout.write(f"  {line}")


def _lines(row: RuleRow, signed: frozenset[int]) -> list[str]:
    acts = row.active and (row.data_set_id is None or row.data_set_id in signed)
    state = "acts" if acts else "signature does not count" if row.active else "not active"
    scope = f" ({row.scope})" if row.scope else ""
    lines = [
        f"{row.label}{scope}  [{row.trust}]  {row.valid_from or 'ever'} to {row.valid_to or 'further notice'}  {state}",
        f"    {json.dumps(row.value, ensure_ascii=False)}",
    ]
    lines.extend(f"    source {key}: {text}" for key, text in row.sources.items())
    if row.data_set is not None:
        lines.append(f"    source: signed data set {row.data_set}")
    elif not row.sources:
        lines.append("    source: none found")
    return [*lines, f"    note: {row.note}"] if row.note else lines
