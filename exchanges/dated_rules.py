"""Dated rows: every rule of a market holds from a day to a day, with its source and its trust mark.

Pure. Two active rows of one kind and scope never hold on the same day; the database has the same
rule as an exclusion constraint.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise
from typing import Any

from exchanges.api import Trust


class RuleError(ValueError):
    """A dated row is malformed, or two of them contradict each other; the message names them."""


class RuleKind(StrEnum):
    """What a row is about. The shape of its value is in ``exchanges.rule_values``. Kinds marked data are kept for people and
    later checks."""

    TIME_ZONE = "time_zone"
    WEEKDAYS = "weekdays"
    SESSION = "session"
    """scope: table, or table:part"""
    RAMADAN = "ramadan"
    """The days on which the ``ramadan`` session table replaces the ``normal`` one."""
    CLOSURE = "closure"
    """Days without a session."""
    EMERGENCY = "emergency"
    """Closed at once, demonstration included; scope: the time at which it began, as one day may have several."""
    TICK = "tick"
    """scope: name of the tick table"""
    PRICE_LIMIT = "price_limit"
    """scope: the board"""
    CURRENCY = "currency"
    INVESTOR_ID = "investor_id"
    SETTLEMENT = "settlement"
    """scope: ``normal``, ``same-day``, or an asset type"""
    DEPOSITORY = "depository"
    """data"""
    HALT = "halt"
    ORDER_TYPES = "order_types"
    """See ``exchanges.order_types``."""
    BOARD = "board"
    """scope: the board. Same-day trading and sale before settlement; see ``exchanges.settlement``."""
    BOARD_MEMBERS = "board_members"
    """scope: the board"""
    SIDE_SESSION = "side_session"
    """data: block, allocation and over-the-counter hours"""
    LOT = "lot"
    """data: what is said of the exchange. A lot counts when it is signed with its instrument."""
    REFERENCE_PRICE = "reference_price"
    """data"""
    FIRST_DAY = "first_day"
    """data"""
    BLOCK_TRADE = "block_trade"
    """data"""
    CROSS = "cross"
    """data"""
    MARGIN = "margin"
    """data"""
    OWNERSHIP = "ownership"
    """data; scope: empty for the exchange, or a symbol"""
    SHORT_SALE = "short_sale"
    """data"""
    CLIENT_CAP = "client_cap"
    """data"""
    CLIENT_BAN = "client_ban"
    """data"""
    PRE_TRADE_CHECK = "pre_trade_check"
    """data; scope: what is checked"""
    DUTY = "duty"
    """data; scope: the duty"""
    FEE = "fee"
    """data; scope: who takes it"""
    CLAIM = "claim"
    """data: sayings that were not believed, never active"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedRule:
    """A row. ``None`` leaves the range open; ``valid_to`` is the last day on which it holds."""

    kind: RuleKind
    scope: str
    valid_from: date | None
    valid_to: date | None
    value: Mapping[str, Any]
    label: str
    trust: Trust
    sources: tuple[str, ...]
    active: bool
    note: str = ""

    def holds_on(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def overlaps(self, other: DatedRule) -> bool:
        """Tell whether some day lies in both ranges."""
        starts = max(self.valid_from or date.min, other.valid_from or date.min)
        return starts <= min(self.valid_to or date.max, other.valid_to or date.max)


def rules_on(rules: Iterable[DatedRule], day: date, kind: RuleKind) -> list[DatedRule]:
    """Return the active rows of ``kind`` that hold on ``day``, in the order given."""
    return [rule for rule in rules if rule.active and rule.kind == kind and rule.holds_on(day)]


def rule_on(rules: Iterable[DatedRule], day: date, kind: RuleKind, scope: str = "") -> DatedRule | None:
    """Return the active row of ``kind`` and ``scope`` on ``day``, or ``None``."""
    return next((rule for rule in rules_on(rules, day, kind) if rule.scope == scope), None)


def waits_for_confirmation(rule: DatedRule) -> bool:
    """Tell whether ``rule`` is a closure that hangs on something nobody has confirmed yet."""
    return rule.kind is RuleKind.CLOSURE and bool(rule.value.get("conditional")) and not rule.value.get("confirmed")


def validate_rules(rules: Iterable[DatedRule]) -> None:
    """Raise ``RuleError`` when a range is empty, or active rows of one kind and scope share a day."""
    series: dict[tuple[RuleKind, str], list[DatedRule]] = defaultdict(list)
    for rule in rules:
        if rule.valid_from and rule.valid_to and rule.valid_to < rule.valid_from:
            raise RuleError(f"{rule.label}: ends on {rule.valid_to}, before it starts on {rule.valid_from}")
        if rule.active:
            series[rule.kind, rule.scope].append(rule)
    for (kind, scope), rows in series.items():
        rows.sort(key=lambda rule: rule.valid_from or date.min)
        for earlier, later in pairwise(rows):
            if earlier.overlaps(later):
                raise RuleError(
                    f"{kind}{f' of {scope}' if scope else ''}: {earlier.label!r} and {later.label!r} "
                    f"both hold on {later.valid_from or earlier.valid_to or 'every day'}"
                )


def rule_from_document(document: Mapping[str, Any]) -> DatedRule:
    """Build a row from its JSON form. Raises ``RuleError`` naming the missing or malformed field.

    A row whose trust is ``unverified`` is refused when it says ``active``: activating one is a
    decision of an operator, taken and recorded in the admin, never of a data file.
    """
    known = {"kind", "scope", "valid_from", "valid_to", "value", "label", "trust", "sources", "active", "note"}
    label = str(document.get("label", "a row without a label"))
    if unknown := set(document) - known:
        raise RuleError(f"{label}: unknown fields {', '.join(sorted(unknown))}")
    try:
        rule = DatedRule(
            kind=RuleKind(document["kind"]),
            scope=document.get("scope", ""),
            valid_from=date.fromisoformat(document["valid_from"]) if document.get("valid_from") else None,
            valid_to=date.fromisoformat(document["valid_to"]) if document.get("valid_to") else None,
            value=document["value"],
            label=document["label"],
            trust=Trust(document["trust"]),
            sources=tuple(document.get("sources", ())),
            active=document["active"],
            note=document.get("note", ""),
        )
    except KeyError as error:
        raise RuleError(f"{label}: the field {error.args[0]} is missing") from error
    except (TypeError, ValueError) as error:
        raise RuleError(f"{label}: {error}") from error
    if not isinstance(rule.value, Mapping) or not isinstance(rule.active, bool):
        raise RuleError(f"{label}: value is an object and active is true or false")
    if rule.active and rule.trust is Trust.UNVERIFIED:
        raise RuleError(f"{label}: an unverified row cannot be active in a data file")
    if rule.active and waits_for_confirmation(rule):
        raise RuleError(f"{label}: a conditional closure cannot be active in a data file before it is confirmed")
    return rule
