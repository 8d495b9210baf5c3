"""Stage 9: a line that can carry the order."""

from __future__ import annotations

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason


def chosen_line(candidate: Candidate) -> str | None:
    """The first of the instrument's lines that is logged on."""
    for line in candidate.instrument.lines:
        if line in candidate.state.lines_up:
            return line
    return None


def line_available(candidate: Candidate) -> Refusal | None:
    if chosen_line(candidate) is None:
        return refuse(Reason.NO_ROUTE, exchange=candidate.order.exchange, lines=", ".join(candidate.instrument.lines))
    return None
