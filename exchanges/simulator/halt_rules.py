"""From the dated ``halt`` rows of an exchange to the rules that hold on one day.

Pure. A row whose scope, trigger or shape is not known here is refused by name: a halt that is silently left out would let the
venue trade where the exchange stands still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Final

from exchanges.api import Phase
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rules_on
from exchanges.prices import BASIS_POINTS

MINUTE: Final = 60_000_000_000
"""Nanoseconds."""

_CONTINUOUS: Final = frozenset({Phase.CONTINUOUS})


class HaltRuleError(RuleError):
    """A ``halt`` row cannot be applied; the message names the row and what is wrong with it."""


class HaltKind(Enum):
    """What happens to trading during a halt."""

    SUSPENSION = "suspension"
    """Nothing trades."""
    AUCTION = "auction"
    """Orders are collected; an uncross ends the halt."""


class Measure(Enum):
    """What is compared with the previous close."""

    MOVING_VWAP = "moving_vwap"
    LAST_PRICE = "last_price"


@dataclass(frozen=True, slots=True)
class HaltLevel:
    """A distance from the previous close in basis points, and the halt that it brings."""

    move_bp: int
    kind: HaltKind
    duration: int | None
    """Nanoseconds; None for the rest of the session."""


@dataclass(frozen=True, slots=True)
class StockHaltRule:
    """Halts of single instruments."""

    label: str
    measure: Measure
    both_ways: bool
    """Whether a rise halts as a fall does."""
    levels: tuple[HaltLevel, ...]
    """From the nearest to the farthest."""
    phases: frozenset[Phase]
    """Where a trade can start a halt."""
    vwap_window: int
    """Nanoseconds; 0 when the last price is measured."""


@dataclass(frozen=True, slots=True)
class MarketHaltRule:
    """Halts of the whole market by the fall of an index."""

    label: str
    index: str
    levels: tuple[HaltLevel, ...]
    phases: frozenset[Phase]


@dataclass(frozen=True, slots=True)
class AuctionCollar:
    """How far from the moving average an auction may trade."""

    label: str
    move_bp: int
    vwap_window: int


@dataclass(frozen=True, slots=True)
class HaltRules:
    """The halts of one exchange on one day; None where it has none."""

    stock: StockHaltRule | None = None
    market: MarketHaltRule | None = None
    collar: AuctionCollar | None = None


def halt_rules_on(rules: Sequence[DatedRule], day: date, *, vwap_window: int) -> HaltRules:
    """Return the halts of ``day``. ``vwap_window`` (ns) is for rows that do not say how long their moving average is.

    A row without ``phases`` halts in continuous trading alone. Raises ``HaltRuleError``.
    """
    stock: StockHaltRule | None = None
    market: MarketHaltRule | None = None
    collar: AuctionCollar | None = None
    for row in rules_on(rules, day, RuleKind.HALT):
        try:
            if row.scope == "stock":
                stock = _stock(row.label, row.value, vwap_window)
            elif row.scope == "market":
                market = _market(row.label, row.value)
            elif row.scope == "auction":
                collar = _collar(row.label, row.value, vwap_window)
            else:
                raise HaltRuleError(f"the scope of a halt is stock, market or auction, not {row.scope!r}")
        except (HaltRuleError, TypeError, ValueError) as error:
            raise HaltRuleError(f"{row.label}: {error}") from error
    return HaltRules(stock, market, collar)


def _stock(label: str, value: Mapping[str, Any], vwap_window: int) -> StockHaltRule:
    if "trigger" in value:
        _fields(value, {"trigger", "move_bp", "minutes", "action"}, {"window_minutes", "phases"})
        _text(value, "trigger", "moving VWAP away from the previous close")
        _text(value, "action", "suspension")
        level = HaltLevel(_basis_points(value["move_bp"]), HaltKind.SUSPENSION, _minutes(value["minutes"]))
        return StockHaltRule(label, Measure.MOVING_VWAP, True, (level,), _phases(value), _window(value, vwap_window))
    _fields(value, {"levels", "once_per_day"}, {"phases"})
    if value["once_per_day"] is not True:
        raise HaltRuleError("a level halts once per day; once_per_day is true")
    levels: list[HaltLevel] = []
    for level in value["levels"]:
        _fields(level, {"fall_bp", "auction_minutes"})
        levels.append(HaltLevel(_basis_points(level["fall_bp"]), HaltKind.AUCTION, _minutes(level["auction_minutes"])))
    return StockHaltRule(label, Measure.LAST_PRICE, False, _rising(levels), _phases(value), 0)


def _market(label: str, value: Mapping[str, Any]) -> MarketHaltRule:
    _fields(value, {"index", "levels"}, {"phases"})
    levels: list[HaltLevel] = []
    for level in value["levels"]:
        duration: int | None = None
        if "action" in level:
            _fields(level, {"fall_bp", "action"})
            _text(level, "action", "rest of the session")
        else:
            _fields(level, {"fall_bp", "minutes"})
            duration = _minutes(level["minutes"])
        levels.append(HaltLevel(_basis_points(level["fall_bp"]), HaltKind.SUSPENSION, duration))
    return MarketHaltRule(label, str(value["index"]), _rising(levels), _phases(value))


def _collar(label: str, value: Mapping[str, Any], vwap_window: int) -> AuctionCollar:
    _fields(value, {"trigger", "move_bp"}, {"window_minutes"})
    _text(value, "trigger", "moving VWAP")
    return AuctionCollar(label, _basis_points(value["move_bp"]), _window(value, vwap_window))


def _fields(value: Mapping[str, Any], needed: Set[str], allowed: Set[str] = frozenset()) -> None:
    if missing := needed - set(value):
        raise HaltRuleError(f"the fields {', '.join(sorted(missing))} are missing")
    if unknown := set(value) - needed - allowed:
        raise HaltRuleError(f"unknown fields {', '.join(sorted(unknown))}")


def _text(value: Mapping[str, Any], field: str, known: str) -> None:
    if value[field] != known:
        raise HaltRuleError(f"the {field} {value[field]!r} is not known; the known one is {known!r}")


def _rising(levels: list[HaltLevel]) -> tuple[HaltLevel, ...]:
    moves = [level.move_bp for level in levels]
    if not moves or moves != sorted(set(moves)):
        raise HaltRuleError(f"levels rise from the nearest to the farthest, not {moves}")
    return tuple(levels)


def _basis_points(number: object) -> int:
    points = _positive(number, "basis points")
    if points >= BASIS_POINTS:
        raise HaltRuleError(f"a move of {points} basis points is the whole price or more")
    return points


def _minutes(number: object) -> int:
    return _positive(number, "minutes") * MINUTE


def _positive(number: object, name: str) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise HaltRuleError(f"{name} are a positive whole number, not {number!r}")
    return number


def _phases(value: Mapping[str, Any]) -> frozenset[Phase]:
    return frozenset(Phase(name) for name in value["phases"]) if "phases" in value else _CONTINUOUS


def _window(value: Mapping[str, Any], vwap_window: int) -> int:
    return _minutes(value["window_minutes"]) if "window_minutes" in value else vwap_window
