"""What the doors of people share: the fields of an instruction as text or JSON, turned into the order path's messages.

REST, the trading page and the commands differ in how they are asked and how they answer; between the two they all
come through here, so an order means the same through each of them. A field that cannot be read is refused with
``MALFORMED_REQUEST`` and its name; an unknown field with ``UNKNOWN_FIELD``.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from exchanges.prices import PriceError, text_to_price
from trading_workers.client.errors import OrderRefused
from trading_workers.reasons import Reason
from tradsys.v1 import orders_pb2

MAX_QUANTITY = 10**12
ORDER_FIELDS = (
    "client_order_id",
    "account",
    "exchange",
    "symbol",
    "side",
    "type",
    "time_in_force",
    "quantity",
    "price",
)
CANCEL_FIELDS = ("account", "client_order_id", "orig_client_order_id")


def new_client_order_id() -> str:
    """For doors where nobody chose one: 32 hexadecimal digits, unique without asking anyone."""
    return uuid.uuid4().hex


def refused(reason: Reason, **figures: str) -> OrderRefused:
    return OrderRefused(reason.name, reason.rule, figures)


def order_from_fields(fields: Mapping[str, Any]) -> orders_pb2.NewOrder:
    """``price`` is decimal text in the currency unit, absent or empty for a market order; ``quantity`` a whole number.

    Raises :class:`~trading_workers.client.errors.OrderRefused`.
    """
    only_fields(fields, ORDER_FIELDS)
    order_type = _choice(fields, "type", orders_pb2.OrderType, default="LIMIT")
    return orders_pb2.NewOrder(
        client_order_id=_text(fields, "client_order_id", 36),
        account=_text(fields, "account", 64),
        exchange=_text(fields, "exchange", 16),
        symbol=_text(fields, "symbol", 32),
        side=_choice(fields, "side", orders_pb2.Side),
        type=order_type,
        time_in_force=_choice(fields, "time_in_force", orders_pb2.TimeInForce, default="DAY"),
        quantity=_quantity(fields),
        price=_price(fields),
    )


def cancel_from_fields(fields: Mapping[str, Any]) -> orders_pb2.CancelRequest:
    """Raises :class:`~trading_workers.client.errors.OrderRefused`."""
    only_fields(fields, CANCEL_FIELDS)
    return orders_pb2.CancelRequest(
        account=_text(fields, "account", 64),
        client_order_id=_text(fields, "client_order_id", 36),
        orig_client_order_id=_text(fields, "orig_client_order_id", 36),
    )


def only_fields(fields: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises the refusal ``UNKNOWN_FIELD`` for a name that is not in ``known``."""
    for name in fields:
        if name not in known:
            raise refused(Reason.UNKNOWN_FIELD, field=_printable(str(name)[:64]), known=", ".join(known))


def _printable(text: str) -> str:
    """A JSON name may hold half a surrogate pair, which no answer in UTF-8 can repeat."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _malformed(name: str, expected: str, value: Any) -> OrderRefused:
    return refused(Reason.MALFORMED_REQUEST, field=name, expected=expected, found=repr(value)[:80])


def _text(fields: Mapping[str, Any], name: str, longest: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value or len(value) > longest or not value.isprintable():
        raise _malformed(name, f"1 to {longest} printable characters", value)
    return value


def _choice(fields: Mapping[str, Any], field: str, enum: Any, *, default: str | None = None) -> Any:
    value = fields.get(field, default)
    names = [name for name, _number in enum.items() if not name.endswith("_UNSPECIFIED")]
    if value not in names:
        raise _malformed(field, "one of " + ", ".join(names), value)
    return enum.Value(value)


def _quantity(fields: Mapping[str, Any]) -> int:
    value = fields.get("quantity")
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 15:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_QUANTITY:
        raise _malformed("quantity", f"a whole number up to {MAX_QUANTITY}", value)
    return value


def _price(fields: Mapping[str, Any]) -> int:
    value = fields.get("price")
    if value is None or value == "":
        return 0
    if not isinstance(value, str):
        raise _malformed("price", 'decimal text such as "139.50" (a JSON number would be a float)', value)
    try:
        return text_to_price(value)
    except PriceError as error:
        raise _malformed("price", str(error), value) from error
