"""Stage 5, second half: the session phase takes the order."""

from __future__ import annotations

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason


def session_open(candidate: Candidate) -> Refusal | None:
    if not candidate.phase.enters:
        return refuse(
            Reason.SESSION_CLOSED, exchange=candidate.exchange.code, phase=candidate.phase.phase, session=candidate.phase.label
        )
    return None


def order_type_allowed(candidate: Candidate) -> Refusal | None:
    order = candidate.order
    if (order.type, order.time_in_force) not in candidate.phase.enters:
        return refuse(
            Reason.ORDER_TYPE_NOT_ALLOWED,
            phase=candidate.phase.phase,
            type=order.type.value,
            time_in_force=order.time_in_force.value,
        )
    return None
