"""The worker's orders: open ones by number, client id, account and price, ended ones of the last days packed small."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Final

import msgspec

from trading_workers.order_states import Standing
from trading_workers.orders import OrderState, OrderType, Side, TimeInForce

AT_ANY_PRICE: Final = 2**63 - 1
"""The price at which a market buy meets sell orders; a market sell meets buys at 0."""


class Order(msgspec.Struct, array_like=True, kw_only=True, gc=False):
    """An accepted order and where it stands. Changed only by ``OrderPath``."""

    order_id: int
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
    currency: str
    reserve_price: int
    line: str
    accepted_at: int
    accepted_sequence: int
    """Its journal record; below 0 while the batch is not yet written."""
    state: OrderState
    remembered: OrderState
    cumulative: int
    leaves: int
    held: int
    """Shares of it for which cash or shares are still reserved."""
    venue_order_id: str
    cancel_id: int
    """Wire number of its latest cancel; 0 when none was sent."""
    exec_ids: tuple[str, ...]

    @property
    def standing(self) -> Standing:
        return Standing(self.state, self.remembered)

    @property
    def instrument(self) -> str:
        return f"{self.exchange}:{self.symbol}"

    @property
    def meeting_price(self) -> int:
        """The worst price at which it would trade."""
        if self.type is OrderType.MARKET:
            return AT_ANY_PRICE if self.side is Side.BUY else 0
        return self.price


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(Order).decode

TRACED_ORDERS: Final = 10_000
"""Latest traced orders whose link is kept: reports that come later than so many orders begin no spans."""

Priced = tuple[int, int]
"""(meeting price, order number), kept sorted."""


class OrderStore:
    def __init__(self) -> None:
        self._open: dict[int, Order] = {}
        self._by_client_id: dict[tuple[str, str, str], Order] = {}
        self._by_account: dict[tuple[str, str], dict[int, Order]] = {}
        self._prices: dict[tuple[str, str, str, str, Side], list[Priced]] = {}
        self._ended: dict[int, dict[int, bytes]] = {}
        """Day → order number → packed order."""
        self._traces: dict[int, str] = {}

    def keep_trace(self, order_id: int, link: str) -> None:
        """The span, ``<trace id>-<span id>``, that the order's later spans belong to. No part of the state hash."""
        if len(self._traces) >= TRACED_ORDERS:
            del self._traces[next(iter(self._traces))]
        self._traces[order_id] = link

    def trace_of(self, order_id: int) -> str:
        """Empty for an order that is not traced."""
        return self._traces.get(order_id, "")

    def add(self, order: Order) -> None:
        self._open[order.order_id] = order
        tenant, account, side = order.tenant, order.account, order.side
        self._by_client_id[tenant, account, order.client_order_id] = order
        orders = self._by_account.get((tenant, account))
        if orders is None:
            orders = self._by_account[tenant, account] = {}
        orders[order.order_id] = order
        key = (tenant, account, order.exchange, order.symbol, side)
        prices = self._prices.get(key)
        if prices is None:
            self._prices[key] = [(order.meeting_price, order.order_id)]
        else:
            insort(prices, (order.meeting_price, order.order_id))

    def remove(self, order: Order) -> None:
        """Take an open order out; raises ``KeyError`` when it is not open."""
        del self._open[order.order_id]
        tenant, account = order.tenant, order.account
        del self._by_client_id[tenant, account, order.client_order_id]
        orders = self._by_account[tenant, account]
        del orders[order.order_id]
        if not orders:
            del self._by_account[tenant, account]
        key = (tenant, account, order.exchange, order.symbol, order.side)
        prices = self._prices[key]
        del prices[bisect_left(prices, (order.meeting_price, order.order_id))]
        if not prices:
            del self._prices[key]

    def end(self, order: Order, day: int) -> None:
        """Keep an order that is no longer open, packed, until ``forget_before`` passes ``day``."""
        self._ended.setdefault(day, {})[order.order_id] = _pack(order)

    def take_ended(self, order_id: int) -> tuple[int, bytes] | None:
        """Remove an ended order and return (day, packed), for ``put_ended``; None when there is none."""
        for day, orders in self._ended.items():
            packed = orders.pop(order_id, None)
            if packed is not None:
                return day, packed
        return None

    def put_ended(self, order_id: int, day: int, packed: bytes) -> None:
        self._ended.setdefault(day, {})[order_id] = packed

    def forget_before(self, day: int) -> None:
        for old in [known for known in self._ended if known < day]:
            del self._ended[old]

    def open_order(self, order_id: int) -> Order | None:
        return self._open.get(order_id)

    def find(self, order_id: int) -> Order | None:
        """Open or ended; an ended order is a copy, whose changes count only after ``end``."""
        order = self._open.get(order_id)
        if order is not None:
            return order
        for orders in self._ended.values():
            packed = orders.get(order_id)
            if packed is not None:
                return _unpack(packed)
        return None

    def open_by_client_id(self, tenant: str, account: str, client_order_id: str) -> Order | None:
        return self._by_client_id.get((tenant, account, client_order_id))

    def open_of_account(self, tenant: str, account: str) -> Iterator[Order]:
        yield from self._by_account.get((tenant, account), {}).values()

    def open_of_tenant(self, tenant: str) -> Iterator[Order]:
        for (owner, _), orders in self._by_account.items():
            if owner == tenant:
                yield from orders.values()

    def would_meet(self, tenant: str, account: str, exchange: str, symbol: str, side: Side, price: int) -> int | None:
        """Number of an open opposite order of the account that an order of ``side`` at ``price`` would trade with."""
        if side is Side.BUY:
            sells = self._prices.get((tenant, account, exchange, symbol, Side.SELL))
            return sells[0][1] if sells and sells[0][0] <= price else None
        buys = self._prices.get((tenant, account, exchange, symbol, Side.BUY))
        return buys[-1][1] if buys and buys[-1][0] >= price else None

    def open_orders(self) -> Iterator[Order]:
        yield from self._open.values()

    def __len__(self) -> int:
        """Open orders."""
        return len(self._open)

    def contents(self) -> list[object]:
        """Everything, in an order that depends only on the content; for the state hash."""
        opened = [_pack(self._open[number]) for number in sorted(self._open)]
        ended = [[day, sorted(self._ended[day].items())] for day in sorted(self._ended) if self._ended[day]]
        return [opened, ended]
