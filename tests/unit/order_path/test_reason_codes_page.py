"""The page of the reason codes says what the code says."""

from __future__ import annotations

from trading_workers.reason_codes_page import PAGE, STAGES, page
from trading_workers.reasons import Reason
from tradsys.mesh.refusals import CallRefusal


def test_the_page_is_what_the_reasons_say_now() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m trading_workers.reason_codes_page"


def test_every_reason_is_on_the_page_once() -> None:
    assert {reason.number // 100 for reason in Reason} == set(STAGES)
    for reason in (*Reason, *CallRefusal):
        assert page().count(f"`{reason.name}`") == 1
