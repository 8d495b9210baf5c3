"""A venue's execution reports and cancel rejects as typed values, read by its dialect. Pure. Raises FieldError."""

from __future__ import annotations

from typing import NamedTuple

from exchanges.exchange_service import OrderState
from exchanges.fix.message import FieldFormat, Message
from exchanges.fix.timestamps import text_to_timestamp
from exchanges.fix_venue.dialect import CL_ORD_ID, ORIG_CL_ORD_ID, ReportDialect, ReportKind

LONGEST_TEXT = 200


class Report(NamedTuple):
    """An execution report (8). ``state`` is None where the venue's code is not in the dialect; prices in micros."""

    client_order_id: str
    original_client_order_id: str
    """Empty where the message has none."""
    exec_id: str
    kind: ReportKind | None
    state: OrderState | None
    venue_order_id: str
    cumulative: int
    leaves: int
    average_price: int
    reject_reason: bytes
    text: str
    time: int


class CancelReject(NamedTuple):
    """An order cancel reject (9): the answer to a cancel or a replace that was refused."""

    client_order_id: str
    original_client_order_id: str
    reason: bytes
    text: str


def read_report(message: Message, dialect: ReportDialect) -> Report:
    return Report(
        client_order_id=message.get_text(CL_ORD_ID) or "",
        original_client_order_id=message.get_text(ORIG_CL_ORD_ID) or "",
        exec_id=message.required_text(dialect.exec_id),
        kind=dialect.kinds.get(message.required(dialect.kind)),
        state=dialect.states.get(message.required(dialect.state)),
        venue_order_id=message.get_text(dialect.venue_order_id) or "",
        cumulative=message.get_int(dialect.cumulative) or 0,
        leaves=message.get_int(dialect.leaves) or 0,
        average_price=message.get_price(dialect.average_price) or 0,
        reject_reason=message.get(dialect.reject_reason) or b"",
        text=_text(message, dialect),
        time=_time(message, dialect),
    )


def read_cancel_reject(message: Message, dialect: ReportDialect) -> CancelReject:
    return CancelReject(
        client_order_id=message.required_text(CL_ORD_ID),
        original_client_order_id=message.get_text(ORIG_CL_ORD_ID) or "",
        reason=message.get(dialect.cancel_reject_reason) or b"",
        text=_text(message, dialect),
    )


def _text(message: Message, dialect: ReportDialect) -> str:
    return (message.get_text(dialect.text) or "")[:LONGEST_TEXT]


def _time(message: Message, dialect: ReportDialect) -> int:
    value = message.get(dialect.transact_time)
    if value is None:
        return 0
    try:
        return text_to_timestamp(value)
    except ValueError as error:
        raise FieldFormat(dialect.transact_time, value) from error
