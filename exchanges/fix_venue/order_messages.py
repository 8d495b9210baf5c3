"""Body fields of the messages that go to a venue, in the words of its dialect. Pure.

What does not change from order to order (symbol, side, codes, constants) is laid out once and copied: an order costs the five
fields that are its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from exchanges.api import OrderType
from exchanges.fix.message import Field
from exchanges.fix_venue.dialect import (
    NEW_ORDER_SINGLE,
    ORDER_CANCEL_REPLACE_REQUEST,
    ORDER_CANCEL_REQUEST,
    ORDER_STATUS_REQUEST,
    OrderDialect,
    Term,
)
from exchanges.prices import price_to_text

_KEPT: Final = 16_384
"""Layouts of one dialect: kinds of order times instruments."""

_OWN: Final = (
    Term.CLIENT_ORDER_ID,
    Term.ORIGINAL_CLIENT_ORDER_ID,
    Term.ACCOUNT,
    Term.QUANTITY,
    Term.PRICE,
    Term.TRANSACT_TIME,
)
"""What is each order's own."""

Gap = tuple[int, int]
"""Place in the message, and tag."""

Layout = tuple[list[Field], Gap, Gap, Gap, Gap, Gap, Gap]
"""Fields with a gap for each of ``_OWN``; what a message does not have goes to a place at the end that is cut off."""


@lru_cache(maxsize=65_536)
def _price(micros: int) -> bytes:
    return price_to_text(micros).encode()


class OrderMessages:
    """Writes the order messages of one venue. Symbols and accounts are FIX text: not empty, without a separator."""

    __slots__ = ("_kinds", "_layouts", "_mic", "_shapes", "dialect")

    def __init__(self, dialect: OrderDialect, mic: str) -> None:
        self.dialect = dialect
        self._mic = mic.encode()
        self._kinds = frozenset((str(kind), str(time)) for kind in dialect.order_types for time in dialect.times_in_force)
        self._shapes = {
            NEW_ORDER_SINGLE: dialect.new_order,
            ORDER_CANCEL_REQUEST: dialect.cancel,
            ORDER_CANCEL_REPLACE_REQUEST: dialect.replace,
            ORDER_STATUS_REQUEST: dialect.status,
        }
        self._layouts: dict[tuple[str, str, str, str, str], Layout] = {}

    def takes(self, order_type: str, time_in_force: str) -> bool:
        """Whether the venue has codes for this kind of order."""
        return (order_type, time_in_force) in self._kinds

    def has(self, msg_type: str) -> bool:
        """Whether the venue has this message at all."""
        return bool(self._shapes[msg_type])

    def fields(
        self,
        msg_type: str,
        client_order_id: bytes,
        account: str,
        symbol: str,
        side: str,
        order_type: str,
        time_in_force: str,
        quantity: int,
        price: int,
        transact_time: bytes,
        original_client_order_id: bytes = b"",
    ) -> list[Field]:
        """Body of a D, F, G or H about an order of these terms; ``transact_time`` is a UTCTimestamp.

        Raises KeyError for a kind of order that the venue does not take.
        """
        known = self._layouts.get((msg_type, symbol, side, order_type, time_in_force))
        if known is None:
            known = self._layout(msg_type, symbol, side, order_type, time_in_force)
        layout, own_id, original, own_account, amount, own_price, time = known
        fields = layout.copy()
        fields[original[0]] = (original[1], original_client_order_id)
        fields[own_price[0]] = (own_price[1], _price(price))
        fields[own_id[0]] = (own_id[1], client_order_id)
        fields[own_account[0]] = (own_account[1], account.encode())
        fields[amount[0]] = (amount[1], b"%d" % quantity)
        fields[time[0]] = (time[1], transact_time)
        del fields[-1]
        return fields

    def _layout(self, msg_type: str, symbol: str, side: str, order_type: str, time_in_force: str) -> Layout:
        dialect = self.dialect
        same = {
            Term.SYMBOL: symbol.encode(),
            Term.MIC: self._mic,
            Term.SIDE: dialect.sides[side],
            Term.ORDER_TYPE: dialect.order_types[order_type],
            Term.TIME_IN_FORCE: dialect.times_in_force[time_in_force],
        }
        fields: list[Field] = []
        gaps: dict[Term, Gap] = {}
        for tag, content in self._shapes[msg_type]:
            if not isinstance(content, Term):
                fields.append((tag, content))
            elif content in _OWN:
                if content is Term.PRICE and order_type == OrderType.MARKET:
                    continue
                gaps[content] = (len(fields), tag)
                fields.append((tag, b""))
            elif same[content]:
                fields.append((tag, same[content]))
        nowhere = (len(fields), 0)
        fields.append((0, b""))
        own_id, original, account, amount, price, time = (gaps.get(term, nowhere) for term in _OWN)
        layout = fields, own_id, original, account, amount, price, time
        if len(self._layouts) < _KEPT:
            self._layouts[msg_type, symbol, side, order_type, time_in_force] = layout
        return layout
