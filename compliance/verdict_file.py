"""The document in which a board publishes verdicts. Pure: text in, typed rows or one clear refusal out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

VERDICTS = "verdicts"
"""The kind of data set that this app applies."""

STATUSES = frozenset({"compliant", "compliant_by_exception", "non_compliant", "doubtful", "undetermined", "not_covered"})
HEADING = {"name", "label", "kind", "board", "rule_set", "as_of", "verdicts"}
ROW = {"instrument", "status", "verdict_id", "reason", "reason_ar"}
VERDICT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


class VerdictFileInvalid(ValueError):
    """The document cannot be read; the message names the row and the field."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictRow:
    instrument: str
    """``EGX:COMI``"""
    status: str
    verdict_id: str
    reason: str
    reason_ar: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VerdictFile:
    board: str
    rule_set: str
    rule_set_version: int
    as_of: date
    verdicts: tuple[VerdictRow, ...]


def read_verdict_file(document: str) -> VerdictFile:
    """Read a board's document. Raises :class:`VerdictFileInvalid`; no row is skipped or guessed."""
    try:
        content = json.loads(document)
    except ValueError as error:
        raise VerdictFileInvalid(f"not JSON: {error}") from error
    _exact_fields(content, HEADING, "the document")
    rule_set = content["rule_set"]
    _exact_fields(rule_set, {"name", "version"}, "rule_set")
    if type(rule_set["version"]) is not int:
        raise VerdictFileInvalid("rule_set: the version is a whole number")
    try:
        as_of = date.fromisoformat(content["as_of"])
    except (TypeError, ValueError) as error:
        raise VerdictFileInvalid(f"as_of: {error}") from error
    if not isinstance(content["verdicts"], list) or not content["verdicts"]:
        raise VerdictFileInvalid("verdicts: a list with at least one row")
    rows = tuple(_row(row, number) for number, row in enumerate(content["verdicts"], start=1))
    for what, values in (
        ("instrument", [row.instrument for row in rows]),
        ("verdict id", [row.verdict_id for row in rows]),
    ):
        repeated = next((value for value in values if values.count(value) > 1), None)
        if repeated is not None:
            raise VerdictFileInvalid(f"the {what} {repeated} comes twice")
    return VerdictFile(
        board=_text(content, "board", "the document"),
        rule_set=_text(rule_set, "name", "rule_set"),
        rule_set_version=rule_set["version"],
        as_of=as_of,
        verdicts=rows,
    )


def _row(row: Any, number: int) -> VerdictRow:
    where = f"verdict {number}"
    _exact_fields(row, ROW, where)
    texts = {field: _text(row, field, where) for field in ROW}
    if texts["status"] not in STATUSES:
        raise VerdictFileInvalid(f"{where}: {texts['status']!r} is not a status")
    if VERDICT_ID.fullmatch(texts["verdict_id"]) is None:
        raise VerdictFileInvalid(f"{where}: {texts['verdict_id']!r} is not a verdict id")
    return VerdictRow(**texts)


def _exact_fields(value: Any, fields: set[str], where: str) -> None:
    if not isinstance(value, dict) or set(value) != fields:
        raise VerdictFileInvalid(f"{where} has exactly the fields {', '.join(sorted(fields))}")


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row[field]
    if not isinstance(value, str) or not value.strip():
        raise VerdictFileInvalid(f"{where}: {field} is empty or not text")
    return value
