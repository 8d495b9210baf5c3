"""Enough of PromQL to say which metrics and labels an expression asks for, and which labels its answer has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
  | (?P<duration>\[\s*\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*\s*(?::\s*(?:\d+(?:ms|[smhdwy]))?\s*)?\])
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)
  | (?P<operator>=~|!~|==|!=|<=|>=|[-+*/%^=<>(){},])
)""",
    re.VERBOSE,
)
AGGREGATIONS = frozenset({"sum", "min", "max", "avg", "count", "topk", "bottomk", "quantile", "stddev", "group"})
FUNCTIONS = frozenset(
    {"rate", "increase", "histogram_quantile", "absent", "time", "vector", "clamp_min", "changes", "delta", "irate"}
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_SET_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})


class QueryInvalid(ValueError):
    """The expression is no PromQL that this reader knows; the text says where."""


@dataclass(slots=True)
class Selector:
    metric: str
    matchers: list[tuple[str, str, str]] = field(default_factory=list)
    """(label, operator, value)."""


@dataclass(slots=True)
class Query:
    selectors: list[Selector]
    grouping: list[str]
    """Labels named behind ``by``."""
    grouped: bool
    """Whether an aggregation stands outermost, so that its answer has the labels of `grouping` only."""


def parse(text: str) -> Query:
    """Raises QueryInvalid."""
    tokens = _tokens(text)
    selectors: list[Selector] = []
    grouping: list[str] = []
    depth, place = 0, 0
    while place < len(tokens):
        kind, word = tokens[place]
        following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if kind == "operator":
            depth += {"(": 1, ")": -1}.get(word, 0)
            if depth < 0 or word in "{}":
                raise QueryInvalid(f"{word!r} is out of place in {text!r}")
        if kind != "name" or word in _SET_OPERATORS:
            continue
        if word in _GROUPING:
            names, place = _list(tokens, place, text)
            if word == "by":
                grouping += names
        elif word in AGGREGATIONS:
            if following not in ("(", "by", "without"):
                raise QueryInvalid(f"{word} aggregates nothing in {text!r}")
        elif following == "(":
            if word not in FUNCTIONS:
                raise QueryInvalid(f"{word} is no function that is used here: {text!r}")
        else:
            matchers, place = _matchers(tokens, place, text) if following == "{" else ([], place)
            selectors.append(Selector(word, matchers))
    if depth:
        raise QueryInvalid(f"a bracket is not closed in {text!r}")
    return Query(selectors, grouping, bool(grouping) or any(word in AGGREGATIONS for _, word in tokens))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    text = text.strip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise QueryInvalid(f"{text[place : place + 20]!r} cannot be read in {text!r}")
        assert match.lastgroup is not None
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


def _list(tokens: list[tuple[str, str]], place: int, text: str) -> tuple[list[str], int]:
    if place >= len(tokens) or tokens[place][1] != "(":
        raise QueryInvalid(f"a list of labels is missing in {text!r}")
    names = []
    place += 1
    while place < len(tokens) and tokens[place][1] != ")":
        if tokens[place][0] == "name":
            names.append(tokens[place][1])
        place += 1
    return names, place + 1


def _matchers(tokens: list[tuple[str, str]], place: int, text: str) -> tuple[list[tuple[str, str, str]], int]:
    found = []
    place += 1
    while place < len(tokens) and tokens[place][1] != "}":
        if tokens[place][1] == ",":
            place += 1
            continue
        try:
            (kind, label), (_, operator), (quoted, value) = tokens[place : place + 3]
        except ValueError:
            raise QueryInvalid(f"a matcher is not finished in {text!r}") from None
        if kind != "name" or operator not in ("=", "!=", "=~", "!~") or quoted != "string":
            raise QueryInvalid(f"{label}{operator}{value} is no matcher in {text!r}")
        found.append((label, operator, value[1:-1]))
        place += 3
    if place >= len(tokens):
        raise QueryInvalid(f"a brace is not closed in {text!r}")
    return found, place + 1
