"""A board's document: read whole, or refused with the row and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import compliance
from compliance.verdict_file import STATUSES, VerdictFileInvalid, read_verdict_file
from exchanges.reference import load_demo_market

DEMO = Path(compliance.__path__[0]) / "data" / "demo_verdicts.json"
ROW = {"instrument": "EGX:COMI", "status": "doubtful", "verdict_id": "V-1", "reason": "figures", "reason_ar": "أرقام"}


def document(row: dict[str, Any] | None = None, **changes: Any) -> str:
    content = {
        "name": "verdicts",
        "label": "label",
        "kind": "verdicts",
        "board": "BOARD",
        "rule_set": {"name": "method", "version": 1},
        "as_of": "2026-11-01",
        "verdicts": [ROW if row is None else row],
        **changes,
    }
    return json.dumps({key: value for key, value in content.items() if value != "left out"})


def test_a_document_is_read_into_rows() -> None:
    file = read_verdict_file(document())
    assert (file.board, file.rule_set, file.rule_set_version, file.as_of.isoformat()) == ("BOARD", "method", 1, "2026-11-01")
    assert (file.verdicts[0].instrument, file.verdicts[0].status, file.verdicts[0].verdict_id) == ("EGX:COMI", "doubtful", "V-1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "exactly the fields"),
        (document(board="left out"), "exactly the fields"),
        (document(surprise=1), "exactly the fields"),
        (document(board=" "), "board"),
        (document(rule_set="method"), "rule_set"),
        (document(rule_set={"name": "method", "version": "1"}), "whole number"),
        (document(as_of="01/11/2026"), "as_of"),
        (document(as_of=None), "as_of"),
        (document(verdicts=[]), "at least one"),
        (document(verdicts={}), "at least one"),
        (document(verdicts=[ROW, {**ROW, "verdict_id": "V-2"}]), "instrument EGX:COMI comes twice"),
        (document(verdicts=[ROW, {**ROW, "instrument": "EGX:ADIB"}]), "verdict id V-1 comes twice"),
        (document({**ROW, "status": "halal"}), "verdict 1: 'halal' is not a status"),
        (document({**ROW, "reason": ""}), "verdict 1: reason"),
        (document({**ROW, "reason_ar": 5}), "verdict 1: reason_ar"),
        (document({**ROW, "verdict_id": "two words"}), "not a verdict id"),
        (document({**ROW, "ratio": "1"}), "verdict 1 has exactly"),
    ],
)
def test_a_malformed_document_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(VerdictFileInvalid, match=said):
        read_verdict_file(text)


def test_the_demo_document_says_of_every_row_that_it_is_a_demonstration() -> None:
    file = read_verdict_file(DEMO.read_text(encoding="utf-8"))
    assert json.loads(DEMO.read_text(encoding="utf-8"))["label"].startswith("DEMO")
    for row in file.verdicts:
        assert row.verdict_id.startswith("DEMO-")
        assert row.reason.startswith("DEMO ruling for demonstration, not a fatwa")
        assert row.reason_ar.startswith("حكم تجريبي للعرض فقط وليس فتوى")


def test_the_demo_document_uses_every_status_and_leaves_one_instrument_without_verdict() -> None:
    file = read_verdict_file(DEMO.read_text(encoding="utf-8"))
    assert {row.status for row in file.verdicts} == STATUSES
    priced = {f"{row.exchange}:{row.symbol}" for row in load_demo_market().instruments}
    assert priced - {row.instrument for row in file.verdicts} == {"EGX:VLMR"}
