"""A matching engine that can be checked by eye: one list of orders in time order, searched from its beginning for each trade.

It shares no code with the engine of the venue. Prices may be any whole numbers; auctions try every price of ``grid``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from exchanges.api import OrderType, TimeInForce

BUY, SELL = 1, -1

Fact = tuple[str, str, int, int, int, int, int]
"""(ExecType, OrdStatus, order id, shares of this trade, its price, shares traded so far, shares left)."""


@dataclass
class NaiveOrder:
    order_id: int
    side: int
    price: int
    quantity: int
    display: int
    is_market: bool = False
    leaves: int = 0
    shown: int = 0
    traded: int = 0

    def accepts(self, price: int) -> bool:
        return self.is_market or (price <= self.price if self.side == BUY else price >= self.price)

    def show_a_slice(self) -> None:
        self.shown = min(self.leaves, self.display) if self.display else self.leaves


@dataclass
class NaiveMatcher:
    grid: list[int]
    resting: list[NaiveOrder] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)

    def enter(
        self,
        order: NaiveOrder,
        time_in_force: TimeInForce,
        kind: OrderType,
        *,
        matches: bool = True,
        only_price: int = 0,
    ) -> None:
        order.is_market = kind is OrderType.MARKET
        order.leaves = order.quantity
        self.note("0", order)
        can_fill_whole = sum(one.leaves for one in self.willing(order, only_price)) >= order.quantity
        if matches and (time_in_force is not TimeInForce.FILL_OR_KILL or can_fill_whole):
            self.match(order, only_price)
        if order.leaves == 0:
            return
        if order.is_market or time_in_force is not TimeInForce.DAY:
            order.leaves = 0
            self.note("C", order, state="C")
        else:
            order.show_a_slice()
            self.resting.append(order)

    def replace(self, order_id: int, quantity: int, price: int, *, matches: bool = True, only_price: int = 0) -> bool:
        """Tells whether the replace makes sense: an order that does not rest is no error."""
        order = self.find(order_id)
        if order is None:
            return True
        if quantity < order.traded or quantity < 1:
            return False
        keeps_its_place = price == order.price and quantity <= order.quantity
        order.quantity = quantity
        order.price = price
        order.leaves = quantity - order.traded
        order.shown = min(order.shown, order.leaves)
        self.note("5", order)
        if order.leaves == 0 or not keeps_its_place:
            self.resting.remove(order)
        if order.leaves and not keeps_its_place:
            if matches:
                self.match(order, only_price)
            if order.leaves:
                order.show_a_slice()
                self.resting.append(order)
        return True

    def cancel(self, order_id: int) -> None:
        order = self.find(order_id)
        if order is not None:
            self.resting.remove(order)
            order.leaves = 0
            self.note("4", order, state="4")

    def uncross(self, reference_price: int, low: int, high: int) -> tuple[int, int] | None:
        """(price, shares) of the auction, if there is one between ``low`` and ``high``."""
        price = self.auction_price(reference_price)
        if price is None or not low <= price <= high:
            return None
        total = 0
        while (bid := self.best(BUY, price)) and (ask := self.best(SELL, price)):
            quantity = min(bid.shown, ask.shown)
            total += quantity
            self.trade(bid, ask, quantity, price)
            self.settle(bid, quantity)
            self.settle(ask, quantity)
        return price, total

    def volume(self, price: int) -> int:
        return min(self.demand(price), self.supply(price))

    def auction_price(self, reference_price: int) -> int | None:
        greatest = max(self.volume(price) for price in self.grid)
        if greatest == 0:
            return None
        prices = [price for price in self.grid if self.volume(price) == greatest]
        surplus = {price: self.demand(price) - self.supply(price) for price in prices}
        smallest = min(abs(one) for one in surplus.values())
        prices = [price for price in prices if abs(surplus[price]) == smallest]
        if all(surplus[price] > 0 for price in prices):
            return max(prices)
        if all(surplus[price] < 0 for price in prices):
            return min(prices)
        return min(prices, key=lambda price: (abs(price - reference_price), -price))

    def demand(self, price: int) -> int:
        return sum(one.leaves for one in self.resting if one.side == BUY and one.accepts(price))

    def supply(self, price: int) -> int:
        return sum(one.leaves for one in self.resting if one.side == SELL and one.accepts(price))

    def willing(self, order: NaiveOrder, only_price: int) -> list[NaiveOrder]:
        return [
            one
            for one in self.resting
            if one.side != order.side
            and (order.accepts(only_price) and one.accepts(only_price) if only_price else order.accepts(one.price))
        ]

    def match(self, order: NaiveOrder, only_price: int) -> None:
        while order.leaves and (found := self.willing(order, only_price)):
            best = max(found, key=lambda one: one.price * one.side)
            quantity = min(order.leaves, best.shown)
            self.trade(best, order, quantity, only_price or best.price)
            self.settle(best, quantity)

    def best(self, side: int, price: int) -> NaiveOrder | None:
        found = [one for one in self.resting if one.side == side and one.accepts(price)]
        return max(found, key=lambda one: one.price * side) if found else None

    def trade(self, first: NaiveOrder, second: NaiveOrder, quantity: int, price: int) -> None:
        for order in (first, second):
            order.leaves -= quantity
            order.traded += quantity
            self.note("F", order, quantity, price)

    def settle(self, order: NaiveOrder, quantity: int) -> None:
        """A resting order has traded: it stays in its place, shows its next slice at the end of the queue, or is done."""
        order.shown -= quantity
        if order.shown == 0:
            self.resting.remove(order)
            if order.leaves:
                order.show_a_slice()
                self.resting.append(order)

    def find(self, order_id: int) -> NaiveOrder | None:
        return next((one for one in self.resting if one.order_id == order_id), None)

    def note(self, kind: str, order: NaiveOrder, quantity: int = 0, price: int = 0, state: str = "") -> None:
        if not state:
            state = "2" if order.leaves == 0 else "1" if order.traded else "0"
        self.facts.append((kind, state, order.order_id, quantity, price, order.traded, order.leaves))
