"""When a trade is due at the depository, by the dated settlement cycle and the exchange's own calendar. Pure.

A demonstration session that is always open changes nothing here: the depository keeps the real calendar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from exchanges.calendar import DEMO_TABLE, plan_day
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on

NORMAL = "normal"
LONGEST_SEARCH_DAYS = 60
_CYCLE = re.compile(r"T\+([0-9])")
_ONE_DAY = timedelta(days=1)


class NoSettlementDate(RuleError):
    """The rows do not say when a trade of that day settles; the text says what is missing."""


def settlement_rule(rules: Sequence[DatedRule], day: date) -> DatedRule | None:
    """The row of the usual cycle that holds on `day`."""
    return rule_on(rules, day, RuleKind.SETTLEMENT, NORMAL)


def is_trading_day(rules: Sequence[DatedRule], day: date) -> bool:
    return bool(plan_day(_without_demonstration(rules), day).phases)


def settlement_date(rules: Sequence[DatedRule], trade_day: date) -> date:
    """The day on which a trade of `trade_day` settles: so many trading days later as its cycle says.

    Raises NoSettlementDate.
    """
    rule = settlement_rule(rules, trade_day)
    if rule is None:
        raise NoSettlementDate(f"no settlement cycle is known for {trade_day}")
    match = _CYCLE.fullmatch(str(rule.value.get("cycle", "")))
    if match is None:
        raise NoSettlementDate(f"{rule.label}: the cycle is not T+ and a number of days")
    left, day = int(match[1]), trade_day
    real = _without_demonstration(rules)
    for _ in range(LONGEST_SEARCH_DAYS):
        if not left:
            return day
        day += _ONE_DAY
        if plan_day(real, day).phases:
            left -= 1
    raise NoSettlementDate(f"no settlement date within {LONGEST_SEARCH_DAYS} days of {trade_day}")


def first_unsettled_day(rules: Sequence[DatedRule], today: date) -> date:
    """The earliest day whose trades are due on `today` or later. Raises NoSettlementDate."""
    earliest = today
    for _ in range(LONGEST_SEARCH_DAYS):
        before = earliest - _ONE_DAY
        if settlement_date(rules, before) < today:
            return earliest
        earliest = before
    raise NoSettlementDate(f"trades of the {LONGEST_SEARCH_DAYS} days before {today} would all be unsettled")


def _without_demonstration(rules: Sequence[DatedRule]) -> list[DatedRule]:
    return [each for each in rules if not (each.kind is RuleKind.SESSION and each.scope.partition(":")[0] == DEMO_TABLE)]
