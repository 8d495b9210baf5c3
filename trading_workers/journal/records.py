"""What the journal's records say: one typed struct per record type, MessagePack arrays on disk.

A new field goes to the end of its struct and has a default, so that older journals stay readable.
Prices are int64 micros, times int64 nanoseconds UTC; a record's own time is in its header.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, get_args

import msgspec

from trading_workers.orders import ExecutionKind, OrderState, OrderType, Side, TimeInForce


class RecordType(IntEnum):
    EPOCH_STARTED = 1
    ORDER_ACCEPTED = 2
    ORDER_DENIED = 3
    CANCEL_REQUESTED = 4
    CANCEL_DENIED = 5
    FIX_SENT = 6
    FIX_RECEIVED = 7
    EXECUTION = 8
    CANCEL_REJECTED = 9
    FIX_RESET = 10


class Payload(msgspec.Struct, frozen=True, array_like=True, kw_only=True, gc=False):
    pass


class EpochStarted(Payload, frozen=True, kw_only=True):
    """A worker opened the journal for writing."""

    worker: str
    first_order_id: int
    """No order or cancel of this epoch has a lower number."""


class OrderAccepted(Payload, frozen=True, kw_only=True):
    tenant: str
    account: str
    client_order_id: str
    order_id: int
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int
    price: int
    line: str
    user: str
    door: str
    trace_id: str
    platform_revision: int
    tenant_revision: int
    verdict_id: str
    """Empty when no board screens for the account."""
    currency: str
    reserve_price: int
    """Cash per share that a buy holds: its limit, or the band's worst price for a market order. 0 for a sell."""
    reserved_cash: int
    reserved_shares: int
    trading_day: int
    """The exchange's local day, as YYYYMMDD, against which the licence counts the order."""
    route_rule: int = 0
    """The routing rule that chose the line; 0: the exchange's default, or a record written before rules had numbers."""
    route_fallback: bool = False
    """Whether the rule's own target had no line up, and one of its fallbacks took the order."""


class OrderDenied(Payload, frozen=True, kw_only=True):
    """An order refused by us; the order's fields are as sent, texts cut to 64 characters."""

    tenant: str
    account: str
    client_order_id: str
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int
    price: int
    code: str
    rule: str
    figures: dict[str, str]
    user: str
    door: str
    trace_id: str
    platform_revision: int
    tenant_revision: int
    takes_id: bool
    """Whether this is the first answer to its client order id, to be given again for the rest of the day."""


class CancelRequested(Payload, frozen=True, kw_only=True):
    tenant: str
    account: str
    client_order_id: str
    orig_client_order_id: str
    order_id: int
    cancel_id: int
    """The number of the cancel on the wire (ClOrdID)."""
    line: str
    user: str
    door: str
    trace_id: str


class CancelDenied(Payload, frozen=True, kw_only=True):
    tenant: str
    account: str
    client_order_id: str
    orig_client_order_id: str
    code: str
    rule: str
    figures: dict[str, str]
    user: str
    door: str
    trace_id: str
    takes_id: bool


class FixSent(Payload, frozen=True, kw_only=True):
    line: str
    number: int
    message: bytes


class FixReceived(Payload, frozen=True, kw_only=True):
    """An inbound message that changed no order; one that did is an ``Execution`` or a ``CancelRejected`` with its number."""

    line: str
    number: int
    msg_type: str
    message: bytes


class Execution(Payload, frozen=True, kw_only=True):
    tenant: str
    account: str
    order_id: int
    exec_id: str
    kind: ExecutionKind
    state: OrderState
    """After this report."""
    last_quantity: int
    last_price: int
    cumulative: int
    leaves: int
    venue_order_id: str
    text: str
    transact_time: int
    line: str
    fix_number: int


class CancelRejected(Payload, frozen=True, kw_only=True):
    tenant: str
    account: str
    order_id: int
    cancel_id: int
    state: OrderState
    text: str
    line: str
    fix_number: int


class FixReset(Payload, frozen=True, kw_only=True):
    """Both sequence numbers of a line went back to 1."""

    line: str


AnyPayload = (
    EpochStarted
    | OrderAccepted
    | OrderDenied
    | CancelRequested
    | CancelDenied
    | FixSent
    | FixReceived
    | Execution
    | CancelRejected
    | FixReset
)

TYPES: Final[dict[type[Payload], RecordType]] = {
    EpochStarted: RecordType.EPOCH_STARTED,
    OrderAccepted: RecordType.ORDER_ACCEPTED,
    OrderDenied: RecordType.ORDER_DENIED,
    CancelRequested: RecordType.CANCEL_REQUESTED,
    CancelDenied: RecordType.CANCEL_DENIED,
    FixSent: RecordType.FIX_SENT,
    FixReceived: RecordType.FIX_RECEIVED,
    Execution: RecordType.EXECUTION,
    CancelRejected: RecordType.CANCEL_REJECTED,
    FixReset: RecordType.FIX_RESET,
}

_NUMBERS: Final[dict[type[Payload], int]] = {payload: int(number) for payload, number in TYPES.items()}
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODERS: Final[dict[int, msgspec.msgpack.Decoder[AnyPayload]]] = {
    int(TYPES[payload]): msgspec.msgpack.Decoder(payload) for payload in get_args(AnyPayload)
}


class UnknownRecord(Exception):
    """A record of a type, or with a payload, that this version does not know."""


def encode(payload: AnyPayload) -> tuple[int, bytes]:
    """Return (type, bytes) as ``JournalWriter.append`` takes them."""
    return _NUMBERS[type(payload)], _ENCODE(payload)


def decode(record_type: int, payload: bytes) -> AnyPayload:
    """Raises ``UnknownRecord``."""
    decoder = _DECODERS.get(record_type)
    if decoder is None:
        raise UnknownRecord(f"record type {record_type} is not known to this version")
    try:
        return decoder.decode(payload)
    except msgspec.MsgspecError as error:
        raise UnknownRecord(f"a record of type {RecordType(record_type).name} does not decode: {error}") from error
