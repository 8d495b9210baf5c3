"""When a trade settles and what its board allows, by the dated rows of the exchange. Pure.

A demonstration session that is always open changes nothing here: the depository keeps the real calendar. A day counts as a
trading day when some phase of it is left; an emergency that takes the whole session therefore moves later dates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from exchanges.api import AssetType, Trust
from exchanges.calendar import DEMO_TABLE, plan_day
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on, rules_on
from exchanges.rule_values import Board, BoardMembers, Ownership, typed_value

NORMAL = "normal"
SAME_DAY = "same-day"
LONGEST_SEARCH_DAYS = 60
BOARDS_OF_ASSETS: Mapping[AssetType, str] = {AssetType.BOND: "corporate-bonds"}
"""Boards that an asset type has by itself; every other instrument is on a board that lists it by symbol."""
_CYCLE = re.compile(r"T\+([0-9])")
_ONE_DAY = timedelta(days=1)


class NoSettlementDate(RuleError):
    """The rows do not say when a trade of that day settles; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class BoardTerms:
    """What the board of an instrument allows on a day. Without a board that is known nothing is allowed."""

    board: str
    """Empty: no list that holds on the day names the instrument."""
    same_day: bool
    """Bought and sold on one day, settled T+0."""
    next_day_sale: bool
    margin_percent: str | None
    """Of the market value, as collateral; ``None``: not stated."""
    trust: Trust
    """The weaker mark of the board's row and of the list that names the instrument."""
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SettlementTerms:
    """How a trade of ``trade_day`` in an instrument settles."""

    trade_day: date
    cycle: str
    settles: date
    depository: str
    trust: Trust
    same_day_cycle: str | None
    """The cycle of a sale of what was bought the same day; ``None``: not allowed, or not known to be."""
    board: BoardTerms


@dataclass(frozen=True, slots=True)
class ForeignLimit:
    """How much of a line foreigners may hold. ``percent`` is ``None`` where no row of that line says so: it is not known, and
    whoever checks it must refuse to say that there is room."""

    percent: str | None
    trust: Trust
    label: str
    """The row, or why nothing is known."""


def settlement_rule(rules: Sequence[DatedRule], day: date, scope: str = NORMAL) -> DatedRule | None:
    """The row of a cycle that holds on ``day``; the usual one where no scope is given."""
    return rule_on(rules, day, RuleKind.SETTLEMENT, scope)


def is_trading_day(rules: Sequence[DatedRule], day: date) -> bool:
    return bool(plan_day(_without_demonstration(rules), day).phases)


def settlement_date(rules: Sequence[DatedRule], trade_day: date, scope: str = NORMAL) -> date:
    """The day on which a trade of ``trade_day`` settles: so many trading days later as its cycle says.

    Raises NoSettlementDate.
    """
    rule = settlement_rule(rules, trade_day, scope)
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
    """The earliest day whose trades are due on ``today`` or later. Raises NoSettlementDate."""
    earliest = today
    for _ in range(LONGEST_SEARCH_DAYS):
        before = earliest - _ONE_DAY
        if settlement_date(rules, before) < today:
            return earliest
        earliest = before
    raise NoSettlementDate(f"trades of the {LONGEST_SEARCH_DAYS} days before {today} would all be unsettled")


def board_terms(rules: Sequence[DatedRule], symbol: str, asset_type: AssetType, day: date) -> BoardTerms:
    """What the board of an instrument allows on ``day``."""
    board, lists = _board_of(rules, symbol, asset_type, day)
    rule = rule_on(rules, day, RuleKind.BOARD, board) if board else None
    if rule is None:
        return BoardTerms(board, False, False, None, Trust.UNVERIFIED, ())
    value = typed_value(rule.kind, rule.value)
    assert isinstance(value, Board)
    return BoardTerms(
        board=board,
        same_day=value.same_day is True,
        next_day_sale=value.next_day_sale is True,
        margin_percent=value.margin_percent,
        trust=_weakest(rule, *lists),
        sources=tuple(dict.fromkeys(key for row in (rule, *lists) for key in row.sources)),
    )


def settlement_of(rules: Sequence[DatedRule], symbol: str, asset_type: AssetType, day: date) -> SettlementTerms:
    """How a trade of ``day`` settles. Raises NoSettlementDate: no cycle or calendar is known, or ``day`` has no session."""
    rule = settlement_rule(rules, day)
    if rule is None:
        raise NoSettlementDate(f"no settlement cycle is known for {day}")
    if not is_trading_day(rules, day):
        raise NoSettlementDate(f"{day} is no trading day: {plan_day(_without_demonstration(rules), day).reason}")
    board = board_terms(rules, symbol, asset_type, day)
    same_day = settlement_rule(rules, day, SAME_DAY) if board.same_day else None
    return SettlementTerms(
        trade_day=day,
        cycle=str(rule.value["cycle"]),
        settles=settlement_date(rules, day),
        depository=str(rule.value.get("depository", "")),
        trust=rule.trust,
        same_day_cycle=None if same_day is None else str(same_day.value["cycle"]),
        board=board,
    )


def foreign_limit(rules: Sequence[DatedRule], symbol: str, day: date) -> ForeignLimit:
    """What is known of the foreign limit of a line: its own row counts, a range over all lines does not say its figure."""
    own = rule_on(rules, day, RuleKind.OWNERSHIP, symbol)
    if own is not None:
        value = typed_value(own.kind, own.value)
        assert isinstance(value, Ownership)
        if value.cap_percent is not None:
            return ForeignLimit(value.cap_percent, own.trust, own.label)
    general = rule_on(rules, day, RuleKind.OWNERSHIP)
    if general is not None:
        return ForeignLimit(None, general.trust, general.label)
    return ForeignLimit(None, Trust.UNVERIFIED, "no foreign limit is known")


def _board_of(rules: Sequence[DatedRule], symbol: str, asset_type: AssetType, day: date) -> tuple[str, list[DatedRule]]:
    """The board, and the list that says so. Listed on two boards at once it is on neither: one of the lists is wrong."""
    lists = []
    for row in rules_on(rules, day, RuleKind.BOARD_MEMBERS):
        value = typed_value(row.kind, row.value)
        assert isinstance(value, BoardMembers)
        if symbol in value.symbols:
            lists.append(row)
    if len(lists) > 1:
        return "", lists
    return (lists[0].scope, lists) if lists else (BOARDS_OF_ASSETS.get(asset_type, ""), [])


def _weakest(*rows: DatedRule) -> Trust:
    order = (Trust.VERIFIED, Trust.SINGLE_SOURCE, Trust.UNVERIFIED, Trust.DEMO)
    return max((row.trust for row in rows), key=order.index)


def _without_demonstration(rules: Sequence[DatedRule]) -> list[DatedRule]:
    return [each for each in rules if not (each.kind is RuleKind.SESSION and each.scope.partition(":")[0] == DEMO_TABLE)]
