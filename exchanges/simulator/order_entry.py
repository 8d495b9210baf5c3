"""Order entry messages of members (D, G, F, q, H) as typed requests. Pure; tags are those of FIX 4.4."""

from __future__ import annotations

from typing import Final, NamedTuple

from exchanges.api import OrderType, TimeInForce
from exchanges.fix.message import FieldFormat, Message
from exchanges.simulator.matching import BUY, SELL

ORD_TYPES: Final = {b"1": OrderType.MARKET, b"2": OrderType.LIMIT}
TIMES_IN_FORCE: Final = {
    b"0": TimeInForce.DAY,
    b"3": TimeInForce.IMMEDIATE_OR_CANCEL,
    b"4": TimeInForce.FILL_OR_KILL,
}
ORD_TYPE_CODES: Final = {kind: code for code, kind in ORD_TYPES.items()}
TIME_IN_FORCE_CODES: Final = {kind: code for code, kind in TIMES_IN_FORCE.items()}
SIDES: Final = {b"1": BUY, b"2": SELL}


class NewOrder(NamedTuple):
    """NewOrderSingle (D). ``price`` in micros, 0 when the message has none."""

    client_order_id: str
    account: str
    symbol: str
    side: int
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    display_quantity: int = 0
    """MaxFloor (111): what the book shows at a time; 0 when all of it may be shown."""


class ReplaceRequest(NamedTuple):
    """OrderCancelReplaceRequest (G): ``quantity`` is the order's new whole quantity, what is filled included."""

    client_order_id: str
    original_client_order_id: str
    symbol: str
    side: int
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    display_quantity: int = 0


class CancelRequest(NamedTuple):
    """OrderCancelRequest (F)."""

    client_order_id: str
    original_client_order_id: str
    symbol: str
    side: int


class MassCancelRequest(NamedTuple):
    """OrderMassCancelRequest (q): all orders of the member, narrowed to ``symbol`` and ``side`` when they are not empty and 0."""

    client_order_id: str
    kind: bytes
    """MassCancelRequestType (530) as asked."""
    symbol: str
    side: int


class StatusRequest(NamedTuple):
    """OrderStatusRequest (H)."""

    client_order_id: str
    symbol: str
    side: int


Request = NewOrder | ReplaceRequest | CancelRequest | MassCancelRequest | StatusRequest

MASS_CANCEL_OF_SYMBOL: Final = b"1"
MASS_CANCEL_OF_ALL: Final = b"7"


def decode_request(message: Message) -> Request | None:
    """The request of an order entry message; None for another type. Raises FieldError naming the tag that cannot be used."""
    msg_type = message.msg_type
    if msg_type == "D":
        return NewOrder(message.required_text(11), message.required_text(1), *_terms(message))
    if msg_type == "F":
        return CancelRequest(message.required_text(11), message.required_text(41), message.required_text(55), _side(message))
    if msg_type == "G":
        return ReplaceRequest(message.required_text(11), message.required_text(41), *_terms(message))
    if msg_type == "q":
        return _mass_cancel(message)
    if msg_type == "H":
        return StatusRequest(message.required_text(11), message.required_text(55), _side(message))
    return None


def _terms(message: Message) -> tuple[str, int, OrderType, TimeInForce, int, int, int]:
    """What an order and its replacement have in common: from the symbol to the display quantity."""
    ord_type = message.required(40)
    time_in_force = message.get(59) or b"0"
    if ord_type not in ORD_TYPES:
        raise FieldFormat(40, ord_type)
    if time_in_force not in TIMES_IN_FORCE:
        raise FieldFormat(59, time_in_force)
    return (
        message.required_text(55),
        _side(message),
        ORD_TYPES[ord_type],
        TIMES_IN_FORCE[time_in_force],
        0 if ord_type == b"1" else message.get_price(44) or 0,
        message.required_int(38),
        message.get_int(111) or 0,
    )


def _mass_cancel(message: Message) -> MassCancelRequest:
    kind = message.required(530)
    if kind == MASS_CANCEL_OF_SYMBOL:
        symbol = message.required_text(55)
    elif kind == MASS_CANCEL_OF_ALL:
        symbol = ""
    else:
        raise FieldFormat(530, kind)
    side = _side(message) if 54 in message else 0
    return MassCancelRequest(message.required_text(11), kind, symbol, side)


def _side(message: Message) -> int:
    value = message.required(54)
    if value not in SIDES:
        raise FieldFormat(54, value)
    return SIDES[value]
