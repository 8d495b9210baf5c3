"""Session-level Reject (3) and BusinessMessageReject (j): reasons, texts and fields, with the route reversed (FIX 4.4, volume
2).
"""

from dataclasses import dataclass
from enum import IntEnum

from exchanges.fix import tags
from exchanges.fix.message import Field, Message


class RejectReason(IntEnum):
    """SessionRejectReason (373) of FIX 4.4."""

    INVALID_TAG = 0
    REQUIRED_TAG_MISSING = 1
    TAG_NOT_DEFINED_FOR_TYPE = 2
    UNDEFINED_TAG = 3
    TAG_WITHOUT_VALUE = 4
    VALUE_INCORRECT = 5
    INCORRECT_FORMAT = 6
    COMP_ID_PROBLEM = 9
    SENDING_TIME_ACCURACY = 10
    INVALID_MSG_TYPE = 11
    TAG_REPEATED = 13
    TAG_OUT_OF_ORDER = 14
    GROUP_OUT_OF_ORDER = 15
    GROUP_COUNT_INCORRECT = 16
    OTHER = 99


_TEXTS = {
    RejectReason.INVALID_TAG: b"Invalid tag number",
    RejectReason.REQUIRED_TAG_MISSING: b"Required tag missing",
    RejectReason.TAG_NOT_DEFINED_FOR_TYPE: b"Tag not defined for this message type",
    RejectReason.UNDEFINED_TAG: b"Undefined Tag",
    RejectReason.TAG_WITHOUT_VALUE: b"Tag specified without a value",
    RejectReason.VALUE_INCORRECT: b"Value is incorrect (out of range) for this tag",
    RejectReason.INCORRECT_FORMAT: b"Incorrect data format for value",
    RejectReason.COMP_ID_PROBLEM: b"CompID problem",
    RejectReason.SENDING_TIME_ACCURACY: b"SendingTime accuracy problem",
    RejectReason.INVALID_MSG_TYPE: b"Invalid MsgType",
    RejectReason.TAG_REPEATED: b"Tag appears more than once",
    RejectReason.TAG_OUT_OF_ORDER: b"Tag specified out of required order",
    RejectReason.GROUP_OUT_OF_ORDER: b"Repeating group fields out of order",
    RejectReason.GROUP_COUNT_INCORRECT: b"Incorrect NumInGroup count for repeating group",
    RejectReason.OTHER: b"Other",
}

_REVERSED = {115: 128, 116: 129, 144: 145, 128: 115, 129: 116, 145: 144}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a received message is rejected at session level; `tag` is the field concerned, `logout` ends the session as well."""

    reason: RejectReason
    tag: int | None = None
    logout: bool = False


def reversed_route(message: Message) -> list[Field]:
    """OnBehalfOf fields of the message as DeliverTo fields of its answer, and the other way round; empty ones are left out."""
    return [(_REVERSED[tag], value) for tag, value in message.fields if tag in _REVERSED and value]


def reject_fields(message: Message, refusal: Refusal, reasons: frozenset[bytes] = frozenset()) -> list[Field]:
    """Fields of the Reject: route, 45, 58, 371, 372, 373.

    `reasons` are the values of 373 that the version knows (empty: all); before FIX 4.3 the newer ones are said by the text only.
    """
    fields = reversed_route(message)
    fields.append((tags.REF_SEQ_NUM, message.get(tags.MSG_SEQ_NUM) or b"0"))
    fields.append((tags.TEXT, _TEXTS[refusal.reason]))
    if refusal.tag is not None:
        fields.append((tags.REF_TAG_ID, b"%d" % refusal.tag))
    fields.append((tags.REF_MSG_TYPE, message.values[2] or b"?"))
    reason = b"%d" % refusal.reason
    if not reasons or reason in reasons:
        fields.append((tags.SESSION_REJECT_REASON, reason))
    return fields


def business_reject_fields(message: Message, reason: int, text: str, ref_id: bytes) -> list[Field]:
    """Fields of the BusinessMessageReject: route, 45, 58, 372, 379, 380."""
    fields = reversed_route(message)
    fields.append((tags.REF_SEQ_NUM, message.get(tags.MSG_SEQ_NUM) or b"0"))
    fields.append((tags.TEXT, text.encode("utf-8").replace(b"\x01", b" ") or b"?"))
    fields.append((tags.REF_MSG_TYPE, message.values[2]))
    if ref_id:
        fields.append((tags.BUSINESS_REJECT_REF_ID, ref_id))
    fields.append((tags.BUSINESS_REJECT_REASON, b"%d" % reason))
    return fields
