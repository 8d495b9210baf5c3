"""Stages 1 and 2: the instruction is well formed and the caller may give it."""

from __future__ import annotations

import re
from typing import Final

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Caller, Instruction, NewOrder, OrderType, Refusal, Side, TimeInForce
from trading_workers.reasons import Reason

TRADER: Final = "trader"
LONGEST_CODE: Final = 32
_CLIENT_ORDER_ID: Final = re.compile(r"[!-~](?:[ -~]{0,34}[!-~])?").fullmatch


def well_formed(instruction: Instruction) -> Refusal | None:
    if type(instruction) is NewOrder:
        if instruction.side is Side.UNSPECIFIED:
            return refuse(Reason.MALFORMED_REQUEST, field="side")
        if instruction.type is OrderType.UNSPECIFIED:
            return refuse(Reason.MALFORMED_REQUEST, field="type")
        if instruction.time_in_force is TimeInForce.UNSPECIFIED:
            return refuse(Reason.MALFORMED_REQUEST, field="time_in_force")
        if not 0 < len(instruction.exchange) <= LONGEST_CODE:
            return refuse(Reason.MALFORMED_REQUEST, field="exchange")
        if not 0 < len(instruction.symbol) <= LONGEST_CODE:
            return refuse(Reason.MALFORMED_REQUEST, field="symbol")
    if not 0 < len(instruction.account) <= LONGEST_CODE:
        return refuse(Reason.MALFORMED_REQUEST, field="account")
    return None


def client_order_id_valid(instruction: Instruction) -> Refusal | None:
    """Printable ASCII; a space at either end is refused too, as the next system in line may trim it."""
    if _CLIENT_ORDER_ID(instruction.client_order_id) is None:
        return refuse(Reason.CLIENT_ORDER_ID_INVALID, length=str(len(instruction.client_order_id)))
    return None


def role_permitted(caller: Caller) -> Refusal | None:
    if caller.role != TRADER:
        return refuse(Reason.ROLE_NOT_PERMITTED, role=caller.role, needed=TRADER)
    return None


def account_open_to_caller(caller: Caller, account: str) -> Refusal | None:
    """The same answer for an account that does not exist and for one that is not the caller's."""
    if not caller.may_use(account):
        return refuse(Reason.ACCOUNT_UNKNOWN, account=account)
    return None


def account_known(candidate: Candidate) -> Refusal | None:
    if not candidate.account.code:
        return refuse(Reason.ACCOUNT_UNKNOWN, account=candidate.order.account)
    return None


def account_active(candidate: Candidate) -> Refusal | None:
    if candidate.account.status != "active":
        return refuse(Reason.ACCOUNT_SUSPENDED, account=candidate.account.code, status=candidate.account.status)
    return None
