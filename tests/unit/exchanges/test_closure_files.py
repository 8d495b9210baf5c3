"""Files of holidays: every mistake is told at once with its line, and a file with one mistake gives nothing."""

from __future__ import annotations

import json
from datetime import date

import pytest

from exchanges.api import Trust
from exchanges.closure_file import LARGEST_FILE, ClosureFileRefused, ClosureRecord, parse_closures

CSV = """from,to,reason,trust,source,conditional
2027-01-07,,Coptic Christmas,V,exchange notice 12,no

2027-03-09,2027-03-11,"Eid al-Fitr, expected",1,exchange notice 15,yes
2027-04-25,2027-04-25,Sinai Day,unverified,,
"""
ROWS = [
    ClosureRecord(2, date(2027, 1, 7), date(2027, 1, 7), "Coptic Christmas", Trust.VERIFIED, "exchange notice 12", False),
    ClosureRecord(4, date(2027, 3, 9), date(2027, 3, 11), "Eid al-Fitr, expected", Trust.SINGLE_SOURCE, "exchange notice 15", True),
    ClosureRecord(5, date(2027, 4, 25), date(2027, 4, 25), "Sinai Day", Trust.UNVERIFIED, "", False),
]


def told(text: str, *, json_file: bool = False) -> list[str]:
    with pytest.raises(ClosureFileRefused) as refusal:
        parse_closures(text, json_file=json_file)
    return [str(problem) for problem in refusal.value.problems]


def row(**changes: object) -> str:
    good = {"from": "2027-01-07", "reason": "Christmas", "trust": "V", "source": "notice 12"}
    return json.dumps([{**good, **changes}])


def test_both_forms_of_a_file_give_the_same_closures() -> None:
    assert list(parse_closures(CSV, json_file=False)) == ROWS
    rows = [
        {
            "from": f"{each.first}", "to": f"{each.last}", "reason": each.reason, "trust": each.trust.value,
            "source": each.source, "conditional": each.conditional,
        }
        for each in ROWS
    ]  # fmt: skip
    found = parse_closures(json.dumps(rows, indent=1), json_file=True)
    assert [each.line for each in found] == [2, 10, 18]
    assert [(each.first, each.last, each.reason, each.conditional) for each in found] == [
        (each.first, each.last, each.reason, each.conditional) for each in ROWS
    ]


def test_every_mistake_is_told_at_once_with_its_line() -> None:
    text = (
        "from,to,reason,trust,source,conditional\n"
        "2027-02-30,,Lunar day,V,notice,no\n"
        "2027-05-03,2027-05-01,Backwards,V,notice,no\n"
        ",,,,,\n"
        "2027-06-01,2027-06-03,First,V,notice,no\n"
        "2027-06-03,2027-06-04,Second,V,notice,maybe\n"
        "2027-06-02,2027-06-09,Third,sure,notice,no\n"
        "2027-06-03,2027-06-10,Fourth,V,notice,no\n"
        "2027-07-01,,No source,V,,no\n"
        "2027-08-01,2028-08-01,A year,V,notice,no\n"
        "2027-09-01,,Cells,V,notice,no,more\n"
    )
    assert told(text) == [
        "line 2: from: '2027-02-30' is no day; a day is YYYY-MM-DD",
        "line 3: ends on 2027-05-01, before it begins on 2027-05-03",
        "line 6: conditional: 'maybe' is neither yes nor no",
        "line 7: trust: 'sure' is none of V, 1, unverified",
        "line 8: 'Fourth', 2027-06-03 to 2027-06-10, overlaps line 5: 'First', 2027-06-01 to 2027-06-03",
        "line 9: a closure that is not unverified names its source",
        "line 10: 2027-08-01 to 2028-08-01 is longer than 92 days: a mistyped date?",
        "line 11: 7 cells under 6 columns",
    ]


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        (("2027-01-01", "2027-01-05"), ("2027-01-05", "2027-01-06"), True),
        (("2027-01-05", "2027-01-06"), ("2027-01-01", "2027-01-05"), True),
        (("2027-01-01", "2027-01-09"), ("2027-01-03", "2027-01-04"), True),
        (("2027-01-01", "2027-01-05"), ("2027-01-06", "2027-01-06"), False),
    ],
)
def test_rows_that_share_a_day_are_told_by_the_later_line(first: tuple[str, str], second: tuple[str, str], overlap: bool) -> None:
    text = "from,to,reason,trust,source\n" + "".join(f"{begin},{end},x,V,notice\n" for begin, end in (first, second))
    if overlap:
        assert [problem.split(":")[0] for problem in told(text)] == ["line 3"]
    else:
        assert len(parse_closures(text, json_file=False)) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "the file has no closure"),
        ("from,to,reason,trust\n", "the file has no closure"),
        ("day,reason\n2027-01-07,x\n", "line 1: the first line names the columns from,to,reason,trust,source,conditional"),
        ("from,reason,trust,colour\n", "line 1: unknown fields colour; known: from, to, reason, trust, source, conditional"),
        ("from,from,reason,trust\n", "line 1: columns named twice: from"),
        ('from,reason,trust\n2027-01-07,"x,V\n', "line 2: no CSV: unexpected end of data"),
        ("x" * (LARGEST_FILE + 1), f"the file has more than {LARGEST_FILE} characters"),
    ],
)
def test_a_csv_file_that_is_none_is_refused(text: str, problem: str) -> None:
    assert told(text) == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the document is a list of closures"),
        ("{}", "line 1: the document is a list of closures"),
        ("[]", "the file has no closure"),
        ("[\n1]", "line 2: a closure is an object"),
        ('[\n{"from": "2027-01-07",}]', "line 2: no JSON: "),
        ("[{} {}]", "line 1: no JSON: expected a comma or the end of the list"),
        ("[" * 100_000, "line 1: no JSON: nested too deeply"),
        (row() + "\nx", "line 2: no JSON: something follows the list"),
        (row(colour="red"), "line 1: unknown fields colour; known: from, to, reason, trust, source, conditional"),
        (row(**{"from": 20270107}), "line 1: from: '20270107' is no day; a day is YYYY-MM-DD"),
        (row(**{"from": "2027-W01-1"}), "line 1: from: '2027-W01-1' is no day; a day is YYYY-MM-DD"),
        (row(reason=5), "line 1: reason: not a text"),
        (row(reason="x" * 101), "line 1: reason: longer than 100 characters"),
        (row(trust="demo"), "line 1: trust: 'demo' is none of V, 1, unverified"),
        (row(trust=["V"]), "line 1: trust: \"['V']\" is none of V, 1, unverified"),
        (row(conditional=1), "line 1: conditional: '1' is neither yes nor no"),
        (row(reason=""), "line 1: the field reason is missing"),
    ],
)
def test_a_json_file_that_is_none_is_refused(text: str, problem: str) -> None:
    assert any(each.startswith(problem) for each in told(text, json_file=True))
