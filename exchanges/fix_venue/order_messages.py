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

_OWN: Final = {
    Term.CLIENT_ORDER_ID: 0,
    Term.ORIGINAL_CLIENT_ORDER_ID: 1,
    Term.ACCOUNT: 2,
    Term.QUANTITY: 3,
    Term.PRICE: 4,
    Term.TRANSACT_TIME: 5,
}
"""What is each order's own, by its place among the arguments' texts."""

Layout = tuple[list[Field], tuple[tuple[int, int, int], ...]]
"""Fields with gaps; (place, tag, number in ``_OWN``) of each gap."""


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
        layout, gaps = known
        fields = layout.copy()
        own = (client_order_id, original_client_order_id, account.encode(), b"%d" % quantity, _price(price), transact_time)
        for place, tag, number in gaps:
            fields[place] = (tag, own[number])
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
        gaps: list[tuple[int, int, int]] = []
        for tag, content in self._shapes[msg_type]:
            if not isinstance(content, Term):
                fields.append((tag, content))
            elif content in _OWN:
                if content is Term.PRICE and order_type == OrderType.MARKET:
                    continue
                gaps.append((len(fields), tag, _OWN[content]))
                fields.append((tag, b""))
            elif same[content]:
                fields.append((tag, same[content]))
        layout = fields, tuple(gaps)
        if len(self._layouts) < _KEPT:
            self._layouts[msg_type, symbol, side, order_type, time_in_force] = layout
        return layout
