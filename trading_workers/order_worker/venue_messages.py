"""A venue's application messages as typed values. Pure. Raises FieldError for what a venue must send and did not."""

from __future__ import annotations

from exchanges.fix.message import FieldFormat, Message
from exchanges.fix.timestamps import text_to_timestamp
from trading_workers.orders import ExecutionKind, VenueCancelReject, VenueReport

EXECUTION_REPORT = "8"
ORDER_CANCEL_REJECT = "9"
BUSINESS_MESSAGE_REJECT = "j"

CL_ORD_ID, EXEC_ID, ORDER_ID, ORIG_CL_ORD_ID, TEXT, TRANSACT_TIME = 11, 17, 37, 41, 58, 60
CUM_QTY, LAST_PX, LAST_QTY, MSG_SEQ_NUM, EXEC_TYPE = 14, 31, 32, 34, 150
REF_SEQ_NUM, REF_MSG_TYPE, BUSINESS_REJECT_REF_ID = 45, 372, 379

KINDS = {
    b"0": ExecutionKind.NEW,
    b"F": ExecutionKind.TRADE,
    b"4": ExecutionKind.CANCELED,
    b"8": ExecutionKind.REJECTED,
    b"C": ExecutionKind.EXPIRED,
}
"""ExecType (150). The others (order status, pending cancel) say nothing new about an order."""

ORD_REJ_REASON, DUPLICATE_ORDER = 103, b"6"
LONGEST_TEXT = 200


def read_message(message: Message, line: str) -> VenueReport | VenueCancelReject | None:
    """The report or reject in `message`, or None for one that changes no order. Raises exchanges.fix.message.FieldError."""
    number = message.required_int(MSG_SEQ_NUM)
    if message.msg_type == EXECUTION_REPORT:
        return _execution_report(message, line, number)
    if message.msg_type == ORDER_CANCEL_REJECT:
        return VenueCancelReject(
            order_id=_order_number(message, ORIG_CL_ORD_ID),
            cancel_id=_order_number(message, CL_ORD_ID),
            text=_text(message),
            line=line,
            fix_number=number,
        )
    if message.msg_type == BUSINESS_MESSAGE_REJECT and message.get(BUSINESS_REJECT_REF_ID) is not None:
        refused = _order_number(message, BUSINESS_REJECT_REF_ID)
        return rejected_message(message.required(REF_MSG_TYPE), refused, refused, text=_text(message), line=line, number=number)
    return None


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


def _execution_report(message: Message, line: str, number: int) -> VenueReport | None:
    kind = KINDS.get(message.required(EXEC_TYPE))
    if kind is None:
        return None
    if kind is ExecutionKind.REJECTED and message.get(ORD_REJ_REASON) == DUPLICATE_ORDER:
        # The venue has this order already, and only the repetition was refused.
        return None
    is_trade = kind is ExecutionKind.TRADE
    # A report that answers a cancel has the cancel's number in ClOrdID and the order's in OrigClOrdID.
    order = ORIG_CL_ORD_ID if ORIG_CL_ORD_ID in message else CL_ORD_ID
    return VenueReport(
        order_id=_order_number(message, order),
        exec_id=message.required_text(EXEC_ID),
        kind=kind,
        venue_order_id=message.required_text(ORDER_ID),
        last_quantity=message.required_int(LAST_QTY) if is_trade else 0,
        last_price=message.required_price(LAST_PX) if is_trade else 0,
        cumulative=message.get_int(CUM_QTY) or 0,
        text=_text(message),
        transact_time=_time(message),
        line=line,
        fix_number=number,
    )


def _order_number(message: Message, tag: int) -> int:
    """Our ids are digits only; anything else is not an order of ours."""
    value = message.required(tag)
    if not value.isdigit() or len(value) > 18:
        raise FieldFormat(tag, value)
    return int(value)


def _text(message: Message) -> str:
    return (message.get_text(TEXT) or "")[:LONGEST_TEXT]


def _time(message: Message) -> int:
    value = message.get(TRANSACT_TIME)
    if value is None:
        return 0
    try:
        return text_to_timestamp(value)
    except ValueError as error:
        raise FieldFormat(TRANSACT_TIME, value) from error
