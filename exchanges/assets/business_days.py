"""Which days an exchange's payments fall on: its trading week and closures, by the dated rows. Pure.

Session tables do not count, so a demonstration session that is always open changes nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on, rules_on

ISO_WEEKDAYS = frozenset(range(1, 8))
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessDays:
    """The closed days of an exchange between two days, both inclusive, as a weekend and what differs from it."""

    exchange: str
    weekend: frozenset[int]
    """ISO weekday numbers that are closed on the last day."""
    closed: frozenset[date]
    """Closed though their weekday is not in ``weekend``."""
    opened: frozenset[date]
    """Open though their weekday is in ``weekend``: an earlier trading week was another one."""
    known_to: date | None
    """The last day that any known closure covers; closures after it are not known yet."""

    def is_open(self, day: date) -> bool:
        """Right between the two days that this was made for."""
        return day in self.opened or (day.isoweekday() not in self.weekend and day not in self.closed)


def business_days(exchange: str, rules: Sequence[DatedRule], first: date, last: date) -> BusinessDays:
    """Return the business days from ``first`` to ``last``. Raises ``RuleError`` where no trading week holds."""
    weeks = [rule for rule in rules if rule.active and rule.kind is RuleKind.WEEKDAYS]
    newest = _week_on(exchange, weeks, last)
    closed: set[date] = set()
    opened: set[date] = set()
    if any(rule.valid_to is not None and first <= rule.valid_to < last for rule in weeks):
        for day in _days(first, last):
            now_open = day.isoweekday() in newest
            was_open = day.isoweekday() in _week_on(exchange, weeks, day)
            if was_open and not now_open:
                opened.add(day)
            elif now_open and not was_open:
                closed.add(day)
    closures = [rule for rule in rules if rule.active and rule.kind is RuleKind.CLOSURE and rule.valid_from and rule.valid_to]
    for rule in closures:
        assert rule.valid_from is not None and rule.valid_to is not None
        for day in _days(max(rule.valid_from, first), min(rule.valid_to, last)):
            if day in opened or day.isoweekday() in newest:
                closed.add(day)
            opened.discard(day)
    return BusinessDays(
        exchange=exchange,
        weekend=ISO_WEEKDAYS - newest,
        closed=frozenset(closed),
        opened=frozenset(opened),
        known_to=max((rule.valid_to for rule in closures if rule.valid_to), default=None),
    )


def is_business_day(rules: Sequence[DatedRule], day: date) -> bool:
    """Tell whether the exchange works on ``day``; a day without a known trading week is closed."""
    week = rule_on(rules, day, RuleKind.WEEKDAYS)
    return week is not None and day.isoweekday() in week.value["days"] and not rules_on(rules, day, RuleKind.CLOSURE)


def _week_on(exchange: str, weeks: Sequence[DatedRule], day: date) -> frozenset[int]:
    week = rule_on(weeks, day, RuleKind.WEEKDAYS)
    if week is None:
        raise RuleError(f"{exchange}: no trading week is known for {day}")
    return frozenset(week.value["days"])


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += _ONE_DAY
