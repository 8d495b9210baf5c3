"""Which orders a session phase takes on a day, from the exchange's dated rows. Pure.

What a phase is (whether it matches at once, whether an order in it can be cancelled) is in its definition. What may be
entered in it is the exchange's rule: the union of its active ``order_types`` rows. Whatever no row names is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date

from exchanges.api import PHASE_RULES, OrderType, Phase, PhaseRule, TimeInForce
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rules_on

Combination = tuple[OrderType, TimeInForce]


def order_types_on(rules: Iterable[DatedRule], day: date) -> Mapping[Phase, PhaseRule]:
    """Return what each phase takes on ``day``; a phase without a row takes no order. Raises ``RuleError``."""
    enters: dict[Phase, set[Combination]] = {phase: set() for phase in Phase}
    for row in rules_on(rules, day, RuleKind.ORDER_TYPES):
        for phase, combinations in taken_by(row).items():
            enters[phase] |= combinations
    return {phase: replace(PHASE_RULES[phase], enters=frozenset(taken)) for phase, taken in enters.items()}


def taken_by(row: DatedRule) -> Mapping[Phase, frozenset[Combination]]:
    """Return what one row allows, by phase. Raises ``RuleError`` for a name that does not exist and for CLOSED."""
    allowed: dict[Phase, frozenset[Combination]] = {}
    try:
        for entry in row.value.get("takes", ()):
            combinations = frozenset(
                (OrderType(kind), TimeInForce(time)) for kind in entry["types"] for time in entry["times_in_force"]
            )
            for phase in map(Phase, entry["phases"]):
                if phase is Phase.CLOSED:
                    raise RuleError(f"{row.label}: a closed session takes no orders")
                allowed[phase] = allowed.get(phase, frozenset()) | combinations
    except (KeyError, TypeError, ValueError) as error:
        raise RuleError(f"{row.label}: takes has types, times_in_force and phases ({error})") from error
    return allowed
