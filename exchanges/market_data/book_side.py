"""One side of a book: levels by price, and where the feed gives them, the orders of each level. Pure.

Prices in micros, quantities in shares. The keys ascend, so the best level is always the last: looking at the top of the book
costs nothing, and adding or taking out a level moves a few machine words. A side without order-level data has no `orders`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Final

Level = tuple[int, int, int]
"""(price micros, shares, number of orders)."""

BookOrder = tuple[bytes, int, int]
"""(order id, price micros, shares)."""

BID: Final = 1
OFFER: Final = -1


class BookSide:
    """`sign` is BID (a higher price is better) or OFFER (a lower one is)."""

    __slots__ = ("keys", "levels", "orders", "queues", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.levels: dict[int, tuple[int, int]] = {}
        """Price → (shares, number of orders)."""
        self.keys: list[int] = []
        """Price times sign, ascending."""
        self.orders: dict[bytes, int] = {}
        """Order id → its price."""
        self.queues: dict[int, dict[bytes, int]] = {}
        """Price → order id → shares, in the order of arrival."""

    def clear(self) -> None:
        self.levels.clear()
        self.keys.clear()
        self.orders.clear()
        self.queues.clear()

    def put(self, price: int, size: tuple[int, int]) -> None:
        """Set a level, whether it was there or not."""
        if price not in self.levels:
            insort(self.keys, price * self.sign)
        self.levels[price] = size

    def remove(self, price: int) -> bool:
        """Take a level out; False when it was not there."""
        if self.levels.pop(price, None) is None:
            return False
        key, keys = price * self.sign, self.keys
        if keys[-1] == key:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        return True

    def add_order(self, order_id: bytes, price: int, quantity: int) -> bool:
        """Append an order to its level; False when the id is taken."""
        if order_id in self.orders:
            return False
        self.orders[order_id] = price
        queue = self.queues.get(price)
        if queue is None:
            self.queues[price] = {order_id: quantity}
            self.put(price, (quantity, 1))
        else:
            queue[order_id] = quantity
            shares, count = self.levels[price]
            self.levels[price] = (shares + quantity, count + 1)
        return True

    def change_order(self, order_id: bytes, price: int | None, quantity: int) -> bool:
        """Give an order another size, and with `price` another level, where it goes to the end; False when it is not there.

        A larger order loses its place too, as exchanges have it.
        """
        known = self.orders.get(order_id)
        if known is None:
            return False
        if price is not None and price != known:
            self.delete_order(order_id)
            return self.add_order(order_id, price, quantity)
        queue = self.queues[known]
        before = queue[order_id]
        if quantity > before:
            del queue[order_id]
        queue[order_id] = quantity
        shares, count = self.levels[known]
        self.levels[known] = (shares + quantity - before, count)
        return True

    def delete_order(self, order_id: bytes) -> bool:
        """Take an order out; False when it is not there."""
        price = self.orders.pop(order_id, None)
        if price is None:
            return False
        queue = self.queues[price]
        quantity = queue.pop(order_id)
        if queue:
            shares, count = self.levels[price]
            self.levels[price] = (shares - quantity, count - 1)
        else:
            del self.queues[price]
            self.remove(price)
        return True

    def best(self, depth: int) -> list[Level]:
        """The best `depth` levels, best first."""
        levels, sign = self.levels, self.sign
        return [(key * sign, *levels[key * sign]) for key in self.keys[: -depth - 1 : -1]]

    def best_orders(self, depth: int) -> list[BookOrder]:
        """The orders of the best `depth` levels, in priority order; none without order-level data."""
        return [
            (order_id, price, quantity)
            for price, _, _ in self.best(depth)
            for order_id, quantity in self.queues.get(price, {}).items()
        ]
