"""What a batch's answers mean for the figures: decided instructions, licences, Sharia boards. Counted after the answers are out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from exchanges.routing.router import RouteDecision
from trading_workers.configuration_view import ConfigurationView
from trading_workers.orders import Answer, Instruction, NewOrder
from trading_workers.reasons import Reason
from tradsys.mesh.telemetry.metrics import Metrics

ACCEPTED: Final = "ACCEPTED"
CANCELLING: Final = "CANCELLING"
ROUTED: Final = "routed"
FALLBACK: Final = "fallback"
REFUSED: Final = "refused"
DEFAULT_ROUTE: Final = "default"
NO_RULE: Final = "none"
NS_PER_SECOND: Final = 1_000_000_000
LICENCE_REASONS: Final = frozenset(
    reason for reason in Reason if Reason.LICENSE_MISSING.number <= reason.number <= Reason.RATE_LIMIT_EXCEEDED.number
)
BOARD_REASONS: Final = frozenset({Reason.SHARIA_VERDICT_MISSING, Reason.NOT_SHARIA_COMPLIANT})
_FIRST_OF_THE_BOARD: Final = Reason.SHARIA_VERDICT_MISSING.number
_LAST_OF_THE_LICENCE: Final = Reason.RATE_LIMIT_EXCEEDED.number
_NO_VERDICT: Final = "missing"
_Screened = tuple[str, str, str, Reason | None]
"""Board, exchange, symbol, and why the order was refused at the board or behind it."""


class Outcomes(msgspec.Struct, frozen=True):
    """Repetitions of an earlier answer are not in it: they were counted when they were decided."""

    decided: Counter[str]
    """ACCEPTED, CANCELLING or the refusal's code → how many."""
    licences: Counter[str]
    """``OK`` or the refusal's code → orders that reached the licence check."""
    boards: Counter[tuple[str, str]]
    """(board, status of its verdict) → orders that reached the board."""
    violations: Counter[tuple[str, str]]
    """(board, code) → orders that the board's rules refused."""


def outcomes(view: ConfigurationView | None, instructions: Sequence[Instruction], answers: Sequence[Answer]) -> Outcomes:
    """Of one batch under the configuration that decided it."""
    refusals: Counter[tuple[Reason, bool]] = Counter()
    screened: list[_Screened] = []
    orders = cancels = 0
    account = None if view is None else view.tenant.account
    for instruction, answer in zip(instructions, answers, strict=True):
        if answer.duplicate:
            continue
        is_order, reason = type(instruction) is NewOrder, None
        if answer.refusal is not None:
            reason = answer.refusal.reason
            refusals[reason, is_order] += 1
        elif is_order:
            orders += 1
        else:
            cancels += 1
        if is_order and account is not None and (reason is None or reason.number >= _FIRST_OF_THE_BOARD):
            board = account(instruction.account).sharia_board
            if board is not None:
                screened.append((board, instruction.exchange, instruction.symbol, reason))  # type: ignore[union-attr]
    found = Outcomes(Counter(), Counter(), Counter(), Counter())
    for name, count in ((ACCEPTED, orders), (CANCELLING, cancels)):
        if count:
            found.decided[name] = count
    licensed = orders
    for (reason, is_order), count in refusals.items():
        found.decided[reason.name] += count
        if is_order and reason in LICENCE_REASONS:
            found.licences[reason.name] += count
        elif is_order and reason.number > _LAST_OF_THE_LICENCE:
            licensed += count
    if licensed:
        found.licences["OK"] = licensed
    _count_screened(found, view, screened)
    return found


def count_outcomes(metrics: Metrics, tenant: str, found: Outcomes) -> None:
    for code, count in found.decided.items():
        metrics.order_decided(code, count)
    for result, count in found.licences.items():
        metrics.license_validation(result, count)
        if result != "OK":
            metrics.license_violation(tenant, result, count)
    for (board, status), count in found.boards.items():
        metrics.compliance_check(board, status, count)
    for (board, code), count in found.violations.items():
        metrics.compliance_violation(board, code, count)


def count_routes(metrics: Metrics, routes: Sequence[RouteDecision], answers: Sequence[Answer], first_ns: int | None) -> None:
    """The routing decisions of one batch: `routes` of the accepted orders, refusals from the answers, the time of the first one."""
    taken = Counter((None if route.rule is None else route.rule.id, route.fallback_used) for route in routes)
    for (rule, fallback), count in taken.items():
        metrics.order_routed(DEFAULT_ROUTE if rule is None else str(rule), FALLBACK if fallback else ROUTED, count)
    refused = sum(
        answer.refusal is not None and answer.refusal.reason is Reason.NO_ROUTE and not answer.duplicate for answer in answers
    )
    if refused:
        metrics.order_routed(NO_RULE, REFUSED, refused)
    if first_ns is not None:
        metrics.routing_time().observe(first_ns / NS_PER_SECOND)


def _count_screened(found: Outcomes, view: ConfigurationView | None, screened: list[_Screened]) -> None:
    for (board, exchange, symbol, reason), count in Counter(screened).items():
        verdict = None if view is None else view.tenant.verdict(board, f"{exchange}:{symbol}")
        found.boards[board, _NO_VERDICT if verdict is None else verdict.status] += count
        if reason in BOARD_REASONS:
            found.violations[board, reason.name] += count
