"""Stage 7: the account's board. An account without a board is not screened."""

from __future__ import annotations

from typing import Final

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason

COMPLIANT: Final = frozenset({"compliant", "compliant_by_exception"})
REFUSED: Final = frozenset({"non_compliant", "doubtful"})
"""Ruled on, and not to be traded. Every other status counts as no ruling."""


def verdict_given(candidate: Candidate) -> Refusal | None:
    board = candidate.account.sharia_board
    if board is None:
        return None
    verdict = candidate.tenant.verdict(board, candidate.instrument.key)
    if verdict is None:
        return refuse(Reason.SHARIA_VERDICT_MISSING, board=board, instrument=candidate.instrument.key)
    if verdict.status not in COMPLIANT and verdict.status not in REFUSED:
        return refuse(Reason.SHARIA_VERDICT_MISSING, board=board, instrument=candidate.instrument.key, status=verdict.status)
    return None


def instrument_compliant(candidate: Candidate) -> Refusal | None:
    board = candidate.account.sharia_board
    if board is None:
        return None
    verdict = candidate.tenant.verdict(board, candidate.instrument.key)
    if verdict is None or verdict.status not in COMPLIANT:
        return refuse(
            Reason.NOT_SHARIA_COMPLIANT,
            board=board,
            instrument=candidate.instrument.key,
            status="none" if verdict is None else verdict.status,
            verdict="" if verdict is None else verdict.verdict_id,
        )
    return None
