"""``manage.py exchange_calendar EGX 2026-03``: a month of an exchange, day by day."""

from __future__ import annotations

import calendar
from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exchanges.calendar import DEMO_TABLE, LocalPhase, plan_day
from exchanges.dated_rules import RuleKind
from exchanges.models import Exchange
from exchanges.selectors import acting_rules
from tenants.kernel.entry_points import platform_scope


class Command(BaseCommand):
    help = "Print the trading calendar of a month: phases in local time, or why there is no session."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")
        parser.add_argument("month", help="YYYY-MM")
        parser.add_argument("--real", action="store_true", help="the real calendar, without demo sessions")

    def handle(self, *args: Any, **options: Any) -> None:
        year, month = _month(options["month"])
        with platform_scope():
            exchange = Exchange.objects.filter(code=options["exchange"]).first()
            if exchange is None:
                known = ", ".join(Exchange.objects.values_list("code", flat=True)) or "none; run load_reference_data"
                raise CommandError(f"there is no exchange {options['exchange']!r}; known: {known}")
            rules = acting_rules(exchange)
            unverified = list(exchange.rules.filter(kind=RuleKind.CLOSURE, active=False))
        if options["real"]:
            rules = [rule for rule in rules if not (rule.kind is RuleKind.SESSION and rule.scope == DEMO_TABLE)]
        for number in range(1, calendar.monthrange(year, month)[1] + 1):
            plan = plan_day(rules, date(year, month, number))
            line = f"{plan.day} {plan.day:%a}  {plan.reason}"
            if plan.phases:
                line += ": " + ", ".join(_phase(phase) for phase in plan.phases)
            # An unverified closure does not act, and is worth a look before the day.
            doubts = [row for row in unverified if row.valid_from and row.valid_to and row.valid_from <= plan.day <= row.valid_to]
            line += "".join(f"  [not active, {row.trust}: {row.label}]" for row in doubts)
            self.stdout.write(line)


def _month(text: str) -> tuple[int, int]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise CommandError(f"a month is YYYY-MM, not {text!r}") from error
    return first.year, first.month


def _phase(phase: LocalPhase) -> str:
    end = f"{phase.end:%H:%M}" if phase.end is not None else "24:00"
    return f"{phase.phase} {phase.start:%H:%M}-{end}"
