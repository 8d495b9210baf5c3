"""``manage.py exchange_calendar EGX 2026-03``: a month of an exchange, day by day."""

from __future__ import annotations

import calendar
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exchanges.api import Trust
from exchanges.calendar import DEMO_TABLE, DayPlan, LocalPhase, plan_day, time_zone_on
from exchanges.dated_rules import DatedRule, RuleKind, waits_for_confirmation
from exchanges.management.exchange_argument import exchange_of, mark
from exchanges.selectors import acting_rules, dated_rule
from tenants.kernel.entry_points import platform_scope

INDENT = " " * 16
TRUST_MEANING = (
    "V: stated by the exchange or its regulator, or by two sources that agree; 1: one source; "
    "unverified: kept, and acting only when an operator says so; demo: invented, from a labelled data set"
)


class Command(BaseCommand):
    help = "Print the trading calendar of a month: phases in local time or why there is no session, with trust mark and sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("exchange", help="exchange code, such as EGX")
        parser.add_argument("month", help="YYYY-MM")
        parser.add_argument("--real", action="store_true", help="the real calendar, without demo sessions")

    def handle(self, *args: Any, **options: Any) -> None:
        year, month = _month(options["month"])
        with platform_scope():
            exchange = exchange_of(options["exchange"])
            rules = acting_rules(exchange)
            rows = list(exchange.rules.filter(kind__in=(RuleKind.CLOSURE, RuleKind.SESSION, RuleKind.RAMADAN, RuleKind.EMERGENCY)))
            texts = {key: text for row in exchange.rules.all() for key, text in row.sources.items()}
        if options["real"]:
            rules = [rule for rule in rules if not (rule.kind is RuleKind.SESSION and rule.scope == DEMO_TABLE)]
        waiting = [dated_rule(row) for row in rows if row.kind == RuleKind.CLOSURE and not row.active]
        today = datetime.now(UTC).astimezone(time_zone_on(rules, date(year, month, 1))).date()
        used: dict[str, None] = {}
        for number in range(1, calendar.monthrange(year, month)[1] + 1):
            day = date(year, month, number)
            for line in _day(rules, day, waiting, today, used):
                self.stdout.write(line)
        self.stdout.write("")
        self.stdout.write(f"times: {time_zone_on(rules, date(year, month, 1)).key}")
        self.stdout.write(f"trust: {TRUST_MEANING}")
        for key in sorted(used):
            self.stdout.write(f"source {key}: {texts.get(key, '')}")


def _day(rules: Sequence[DatedRule], day: date, waiting: Sequence[DatedRule], today: date, used: dict[str, None]) -> Iterator[str]:
    plan = plan_day(rules, day)
    used.update(dict.fromkeys(key for rule in plan.rules for key in rule.sources))
    yield f"{day} {day:%a}  {_plan(plan)}{'  <- today' if day == today else ''}"
    if any(rule.trust is Trust.DEMO for rule in plan.rules):
        real = plan_day([rule for rule in rules if rule.trust is not Trust.DEMO], day)
        used.update(dict.fromkeys(key for rule in real.rules for key in rule.sources))
        yield f"{INDENT}= real calendar: {_plan(real)}"
    for rule in plan.rules:
        if rule.kind is RuleKind.EMERGENCY and plan.phases:
            yield f"{INDENT}! override {mark(rule)}: {_stop(rule, day)}  {rule.label}"
    for rule in waiting:
        # What does not act is worth a look before the day.
        if rule.holds_on(day):
            used.update(dict.fromkeys(rule.sources))
            kind = "conditional, not confirmed" if waits_for_confirmation(rule) else "not active"
            yield f"{INDENT}? {kind} {mark(rule)}: {rule.label}"


def _plan(plan: DayPlan) -> str:
    """Open or closed, by which row, and the phases."""
    decisive = {rule.label: rule for rule in reversed(plan.rules)}
    named = decisive.get(plan.reason, plan.rules[0] if plan.rules else None)
    why = plan.reason if named is None or named.label == plan.reason else f"{plan.reason}, {named.label}"
    text = f"{'open  ' if plan.phases else 'closed'}  {why}{f' {mark(named)}' if named else ''}"
    if plan.phases:
        text += ": " + ", ".join(_phase(phase, plan.rules) for phase in plan.phases)
    return text + "".join(f"  ({rule.label} {mark(rule)})" for rule in plan.rules if rule.kind is RuleKind.RAMADAN)


def _phase(phase: LocalPhase, rules: Sequence[DatedRule]) -> str:
    end = f"{phase.end:%H:%M}" if phase.end is not None else "24:00"
    text = f"{phase.phase} {phase.start:%H:%M}-{end}"
    # Parts of a table may be known less well than the table.
    weaker = [
        rule
        for rule in rules
        if rule.kind is RuleKind.SESSION
        and rule.trust is not rules[0].trust
        and any(entry["phase"] == phase.phase for entry in rule.value["phases"])
    ]
    return f"{text} {mark(weaker[0])}" if weaker else text


def _stop(rule: DatedRule, day: date) -> str:
    since = rule.value.get("since", "00:00") if day == rule.valid_from else "00:00"
    until = rule.value.get("until") if day == rule.valid_to else None
    return f"{since}-{until or '24:00'}"


def _month(text: str) -> tuple[int, int]:
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise CommandError(f"a month is YYYY-MM, not {text!r}") from error
    return first.year, first.month
