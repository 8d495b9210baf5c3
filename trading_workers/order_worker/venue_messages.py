"""A venue's application messages as typed values. Pure. Raises FieldError for what a venue must send and did not."""

from __future__ import annotations

from exchanges.fix.message import FieldFormat, Message
from exchanges.fix.timestamps import text_to_timestamp
from exchanges.fix_venue.dialect import CL_ORD_ID, EXECUTION_REPORT, ORDER_CANCEL_REJECT, ORIG_CL_ORD_ID, ReportDialect
from trading_workers.orders import ExecutionKind, VenueCancelReject, VenueReport

BUSINESS_MESSAGE_REJECT = "j"

TEXT, MSG_SEQ_NUM, REF_SEQ_NUM, REF_MSG_TYPE, BUSINESS_REJECT_REF_ID = 58, 34, 45, 372, 379
LONGEST_TEXT = 200

KINDS = {each.value: each for each in ExecutionKind}
"""Of the kinds of report, those that say something new about an order of a worker."""


class ReportReader:
    """Reads what one line brings, by the dialect of its venue."""

    def __init__(self, line: str, dialect: ReportDialect) -> None:
        self._line = line
        self._dialect = dialect
        self._kinds = {code: KINDS[kind.value] for code, kind in dialect.kinds.items() if kind.value in KINDS}

    def read(self, message: Message) -> VenueReport | VenueCancelReject | None:
        """The report or reject in `message`, or None for one that changes no order. Raises exchanges.fix.message.FieldError."""
        number = message.required_int(MSG_SEQ_NUM)
        if message.msg_type == EXECUTION_REPORT:
            return self._execution_report(message, number)
        if message.msg_type == ORDER_CANCEL_REJECT:
            return VenueCancelReject(
                order_id=_order_number(message, ORIG_CL_ORD_ID),
                cancel_id=_order_number(message, CL_ORD_ID),
                text=_text(message, self._dialect.text),
                line=self._line,
                fix_number=number,
            )
        if message.msg_type == BUSINESS_MESSAGE_REJECT and message.get(BUSINESS_REJECT_REF_ID) is not None:
            refused = _order_number(message, BUSINESS_REJECT_REF_ID)
            msg_type, text = message.required(REF_MSG_TYPE), _text(message, TEXT)
            return rejected_message(msg_type, refused, refused, text=text, line=self._line, number=number)
        return None

    def _execution_report(self, message: Message, number: int) -> VenueReport | None:
        dialect = self._dialect
        kind = self._kinds.get(message.required(dialect.kind))
        if kind is None:
            return None
        if kind is ExecutionKind.REJECTED and message.get(dialect.reject_reason) in dialect.duplicate_order:
            # The venue has this order already, and only the repetition was refused.
            return None
        is_trade = kind is ExecutionKind.TRADE
        # A report that answers a cancel has the cancel's number in ClOrdID and the order's in OrigClOrdID.
        order = ORIG_CL_ORD_ID if ORIG_CL_ORD_ID in message else CL_ORD_ID
        return VenueReport(
            order_id=_order_number(message, order),
            exec_id=message.required_text(dialect.exec_id),
            kind=kind,
            venue_order_id=message.required_text(dialect.venue_order_id),
            last_quantity=message.required_int(dialect.last_quantity) if is_trade else 0,
            last_price=message.required_price(dialect.last_price) if is_trade else 0,
            cumulative=message.get_int(dialect.cumulative) or 0,
            text=_text(message, dialect.text),
            transact_time=_time(message, dialect.transact_time),
            line=self._line,
            fix_number=number,
        )


def rejected_message(
    msg_type: bytes, cl_ord_id: int, orig_cl_ord_id: int, *, text: str, line: str, number: int
) -> VenueReport | VenueCancelReject | None:
    """What it means for an order that the venue refused one of our messages, with a Reject (3) or BusinessMessageReject (j).

    The execution id is made from line and number, so that the same message read again gives the same id.
    """
    if msg_type == b"F":
        return VenueCancelReject(order_id=orig_cl_ord_id, cancel_id=cl_ord_id, text=text, line=line, fix_number=number)
    if msg_type != b"D":
        return None
    return VenueReport(
        order_id=cl_ord_id,
        exec_id=f"{line}-REJECT-{number}",
        kind=ExecutionKind.REJECTED,
        venue_order_id="",
        last_quantity=0,
        last_price=0,
        cumulative=0,
        text=text,
        transact_time=0,
        line=line,
        fix_number=number,
    )


def _order_number(message: Message, tag: int) -> int:
    """Our ids are digits only; anything else is not an order of ours."""
    value = message.required(tag)
    if not value.isdigit() or len(value) > 18:
        raise FieldFormat(tag, value)
    return int(value)


def _text(message: Message, tag: int) -> str:
    return (message.get_text(tag) or "")[:LONGEST_TEXT]


def _time(message: Message, tag: int) -> int:
    value = message.get(tag)
    if value is None:
        return 0
    try:
        return text_to_timestamp(value)
    except ValueError as error:
        raise FieldFormat(tag, value) from error
