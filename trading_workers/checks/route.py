"""Stage 9: a line that can carry the order."""

from __future__ import annotations

from zlib import crc32

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason


def chosen_line(candidate: Candidate) -> str | None:
    """One of the instrument's lines that are up: orders are spread over them by their client order ids."""
    up = [line for line in candidate.instrument.lines if candidate.state.lines.is_up(line)]
    return up[crc32(candidate.order.client_order_id.encode()) % len(up)] if up else None


def line_available(candidate: Candidate) -> Refusal | None:
    if chosen_line(candidate) is None:
        return refuse(Reason.NO_ROUTE, exchange=candidate.order.exchange, lines=", ".join(candidate.instrument.lines))
    return None
