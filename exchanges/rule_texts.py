"""A rule's value as lines of (name, figure) for a person. Pure; the names are fields, the figures are data."""

from __future__ import annotations

from calendar import day_name
from collections.abc import Iterator, Mapping
from typing import Any

from exchanges.dated_rules import DatedRule, RuleKind


def told(rule: DatedRule) -> Iterator[tuple[str, str]]:
    """Yield what a value says; nothing for what no source states."""
    value = rule.value
    if rule.kind is RuleKind.SESSION:
        yield from ((_name(each["phase"].lower()), _hours(each)) for each in value.get("phases", ()))
    elif rule.kind is RuleKind.TICK:
        yield from ((f"from {each['from']}", each["tick"]) for each in value.get("bands", ()))
    elif rule.kind is RuleKind.ORDER_TYPES:
        for each in value.get("takes", ()):
            yield (
                " / ".join(map(_name, (*each["types"], *each["times_in_force"]))).lower(),
                ", ".join(_name(phase).lower() for phase in each["phases"]),
            )
        yield from ((name, "yes") for name in ("iceberg", "hidden") if value.get(name))
    elif rule.kind is RuleKind.PRICE_LIMIT:
        yield "up", percent(value["up_bp"])
        yield "down", percent(value["down_bp"])
    elif rule.kind is RuleKind.WEEKDAYS:
        yield "days", ", ".join(day_name[day - 1] for day in value["days"])
    else:
        yield from _lines(value)


def percent(basis_points: int) -> str:
    """``1050`` → ``10.5 %``."""
    whole, rest = divmod(basis_points, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %"


def _lines(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, figure in value.items():
        text = _text(name, figure)
        if text:
            yield _name(name.removesuffix("_bp").removesuffix("_percent")), text


def _text(name: str, figure: Any) -> str:
    if figure is None or figure == "" or figure == []:
        return ""
    if isinstance(figure, bool):
        return "yes" if figure else "no"
    if isinstance(figure, int) and name.endswith("_bp"):
        return percent(figure)
    if isinstance(figure, list):
        return "; ".join(text for text in (_text(name, each) for each in figure) if text)
    if isinstance(figure, Mapping):
        return ", ".join(f"{inner} {text}" for inner, text in _lines(figure))
    return f"{figure} %" if name.endswith("_percent") else str(figure)


def _hours(phase: Mapping[str, Any]) -> str:
    hours = f"{phase['start']}–{phase['end']}"
    if phase.get("random_end_from"):
        hours += f", ends at random {phase['random_end_from']}–{phase['random_end_to']}"
    return hours


def _name(field: str) -> str:
    return field.replace("_", " ")
