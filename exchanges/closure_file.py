"""A file of holidays, CSV or JSON: rows of from, to, reason, trust, source, conditional.

Pure. Everything that is wrong is told at once, each with its line, and then nothing of the file is taken.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from exchanges.api import Trust

FIELDS = ("from", "to", "reason", "trust", "source", "conditional")
REQUIRED = ("from", "reason", "trust")
LONGEST_DAYS = 92
"""A closure of more days is taken for a mistyped date."""
LONGEST_REASON = 100
LARGEST_FILE = 1_000_000
_YES_NO = {"": False, "no": False, "false": False, "0": False, "yes": True, "true": True, "1": True}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the row that begins on ``line``; 0 is the file as a whole."""

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


class ClosureFileRefused(ValueError):
    """The file was not taken, and nothing changed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class ClosureRecord:
    """A closure as the file has it; both days are closed."""

    line: int
    first: date
    last: date
    reason: str
    trust: Trust
    source: str
    conditional: bool


def parse_closures(text: str, *, json_file: bool) -> tuple[ClosureRecord, ...]:
    """Read the rows of a file. Raises ``ClosureFileRefused`` with all problems."""
    if len(text) > LARGEST_FILE:
        raise ClosureFileRefused([Problem(0, f"the file has more than {LARGEST_FILE} characters")])
    problems: list[Problem] = []
    records: list[ClosureRecord] = []
    try:
        for line, row in _json_rows(text) if json_file else _csv_rows(text):
            found = _record(line, row)
            if isinstance(found, ClosureRecord):
                records.append(found)
            else:
                problems.extend(found)
    except _Unreadable as error:
        problems.append(error.problem)
    problems.extend(_overlaps(records))
    if not records and not problems:
        problems.append(Problem(0, "the file has no closure"))
    if problems:
        raise ClosureFileRefused(sorted(problems, key=lambda problem: problem.line))
    return tuple(records)


class _Unreadable(Exception):
    """Nothing after this can be read."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(line, text)


def _csv_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    header: list[str] | None = None
    begins = 1
    try:
        for row in reader:
            line, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in row):
                continue
            cells = [cell.strip() for cell in row]
            if header is None:
                header = [cell.lower() for cell in cells]
                if twice := sorted({name for name in header if header.count(name) > 1}):
                    raise _Unreadable(line, f"columns named twice: {', '.join(twice)}")
                if not set(REQUIRED) <= set(header):
                    raise _Unreadable(line, f"the first line names the columns {','.join(FIELDS)}")
                if unknown := [name or "(no name)" for name in header if name not in FIELDS]:
                    raise _Unreadable(line, f"unknown fields {', '.join(unknown)}; known: {', '.join(FIELDS)}")
            elif len(cells) > len(header):
                yield line, {"": f"{len(cells)} cells under {len(header)} columns"}
            else:
                yield line, dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise _Unreadable(begins, f"no CSV: {error}") from error


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Objects of the list, each with the line on which it begins."""
    decoder = json.JSONDecoder()
    place = _after_space(text, 0)
    if text[place : place + 1] != "[":
        raise _Unreadable(_line(text, place), "the document is a list of closures")
    place = _after_space(text, place + 1)
    while text[place : place + 1] != "]":
        line = _line(text, place)
        try:
            row, place = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            raise _Unreadable(error.lineno, f"no JSON: {error.msg}") from error
        except RecursionError as error:
            raise _Unreadable(line, "no JSON: nested too deeply") from error
        yield line, row if isinstance(row, dict) else {"": "a closure is an object"}
        place = _after_space(text, place)
        following = text[place : place + 1]
        if following not in (",", "]"):
            raise _Unreadable(_line(text, place), "no JSON: expected a comma or the end of the list")
        place = _after_space(text, place + 1) if following == "," else place
    if (rest := _after_space(text, place + 1)) < len(text):
        raise _Unreadable(_line(text, rest), "no JSON: something follows the list")


def _after_space(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _record(line: int, row: Mapping[str, Any]) -> ClosureRecord | list[Problem]:
    if "" in row:
        return [Problem(line, str(row[""]))]
    wrong: list[str] = []
    if unknown := sorted(set(row) - set(FIELDS)):
        wrong.append(f"unknown fields {', '.join(unknown)}; known: {', '.join(FIELDS)}")
    wrong.extend(f"the field {name} is missing" for name in REQUIRED if not row.get(name))
    first = _day(row.get("from"), "from", wrong)
    last = _day(row.get("to") or row.get("from"), "to", wrong) if row.get("to") else first
    reason, source = (_text(row.get(name, ""), name, wrong) for name in ("reason", "source"))
    trust = _trust(row.get("trust"), source, wrong)
    conditional = _flag(row.get("conditional", ""), wrong)
    if first and last and last < first:
        wrong.append(f"ends on {last}, before it begins on {first}")
    elif first and last and (last - first).days >= LONGEST_DAYS:
        wrong.append(f"{first} to {last} is longer than {LONGEST_DAYS} days: a mistyped date?")
    if wrong or first is None or last is None or trust is None:
        return [Problem(line, text) for text in wrong]
    return ClosureRecord(line, first, last, reason, trust, source, conditional)


def _day(value: object, name: str, wrong: list[str]) -> date | None:
    if not value:
        return None
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
        if day is None or str(day) != value:  # other ISO forms, such as a week's day, are somebody's mistake here
            raise ValueError
        return day
    except ValueError:
        wrong.append(f"{name}: {str(value)[:40]!r} is no day; a day is YYYY-MM-DD")
        return None


def _text(value: object, name: str, wrong: list[str]) -> str:
    if not isinstance(value, str):
        wrong.append(f"{name}: not a text")
        return ""
    if len(value) > LONGEST_REASON:
        wrong.append(f"{name}: longer than {LONGEST_REASON} characters")
    return value.strip()


def _trust(value: object, source: str, wrong: list[str]) -> Trust | None:
    if not value:
        return None
    known = [mark.value for mark in Trust if mark is not Trust.DEMO]
    if value not in known:
        wrong.append(f"trust: {str(value)[:40]!r} is none of {', '.join(known)}")
        return None
    trust = Trust(value)
    if trust is not Trust.UNVERIFIED and not source:
        wrong.append("a closure that is not unverified names its source")
    return trust


def _flag(value: object, wrong: list[str]) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in _YES_NO:
        wrong.append(f"conditional: {str(value)[:40]!r} is neither yes nor no")
        return False
    return _YES_NO[value.lower()]


def _overlaps(records: Sequence[ClosureRecord]) -> Iterator[Problem]:
    """Each row that shares a day with one that begins no later."""
    reaching: ClosureRecord | None = None
    for record in sorted(records, key=lambda each: (each.first, each.line)):
        if reaching is not None and record.first <= reaching.last:
            later, other = max(record, reaching, key=lambda each: each.line), min(record, reaching, key=lambda each: each.line)
            yield Problem(
                later.line,
                f"{later.reason!r}, {later.first} to {later.last}, overlaps line {other.line}: "
                f"{other.reason!r}, {other.first} to {other.last}",
            )
        if reaching is None or record.last > reaching.last:
            reaching = record
