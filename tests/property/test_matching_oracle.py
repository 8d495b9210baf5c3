"""The engine of the venue against a naive one, over calls, uncrosses, continuous trading and trade at last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import event, given, settings
from hypothesis import strategies as st

from exchanges.api import OrderType, TimeInForce
from exchanges.prices import TickBand
from exchanges.simulator.matching import BUY, SELL, Execution, ExecutionKind, MatchingEngine, Order, OrderState
from tests.property.naive_matching import Fact, NaiveMatcher, NaiveOrder

SYMBOL = "COMI"
TICKS = (TickBand(0, 1_000), TickBand(2_000_000, 10_000))
GRID = [*range(1_995_000, 2_000_000, 1_000), *range(2_000_000, 2_060_000, 10_000)]
NO_LIMITS = (0, 1 << 62)


@dataclass(frozen=True)
class Enter:
    side: int
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    display: int


@dataclass(frozen=True)
class Cancel:
    """``targets`` count back from the latest order, which is 0."""

    targets: tuple[int, ...]


@dataclass(frozen=True)
class Replace:
    """``price`` None keeps the one the order has: only so can it keep its place."""

    target: int
    quantity: int
    price: int | None


@dataclass(frozen=True)
class Call:
    """An auction call begins."""


@dataclass(frozen=True)
class Uncross:
    """The call ends, and continuous trading begins."""

    reference: int
    low: int
    high: int


@dataclass(frozen=True)
class AtLast:
    """Trade at last begins."""

    price: int


Step = Enter | Cancel | Replace | Call | Uncross | AtLast

LIMIT, MARKET, DAY = OrderType.LIMIT, OrderType.MARKET, TimeInForce.DAY
# Most orders meet at a few prices around a change of the tick, so that queues are long.
PRICES = st.sampled_from([*GRID[3:8], *GRID[3:8], *GRID])
# On tick and off, inside the grid and outside.
REFERENCES = st.integers(min_value=GRID[0] - 2_000, max_value=GRID[-1] + 20_000)
QUANTITIES = st.integers(min_value=1, max_value=50)
TARGETS = st.integers(min_value=-1, max_value=12)
DISPLAYS = st.sampled_from([0, 0, 1, 5, 60])

ENTRIES = st.builds(
    Enter,
    side=st.sampled_from([BUY, SELL]),
    type=st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET]),
    time_in_force=st.sampled_from([DAY, DAY, *TimeInForce]),
    price=PRICES,
    quantity=QUANTITIES,
    display=DISPLAYS,
)
RESTING_ENTRIES = st.builds(
    Enter,
    side=st.sampled_from([BUY, SELL]),
    type=st.just(LIMIT),
    time_in_force=st.just(DAY),
    price=PRICES,
    quantity=QUANTITIES,
    display=DISPLAYS,
)
CHANGES = st.one_of(
    st.builds(Cancel, st.tuples(TARGETS)),
    st.builds(Cancel, st.lists(TARGETS, max_size=8).map(tuple)),
    st.builds(Replace, target=TARGETS, quantity=st.integers(min_value=0, max_value=60), price=st.none() | PRICES),
)
UNCROSSES = st.one_of(
    st.builds(Uncross, reference=REFERENCES, low=st.just(NO_LIMITS[0]), high=st.just(NO_LIMITS[1])),
    st.builds(Uncross, reference=REFERENCES, low=PRICES, high=PRICES),
)
FLOWS = st.lists(
    st.one_of(RESTING_ENTRIES, ENTRIES, ENTRIES, CHANGES, st.one_of(st.just(Call()), UNCROSSES, st.builds(AtLast, PRICES))),
    min_size=20,
    max_size=80,
)


def facts_of(executions: Iterable[Execution]) -> list[Fact]:
    return [
        (one.kind.value, one.state.value, one.order.order_id, one.quantity, one.price, one.cumulative, one.leaves)
        for one in executions
    ]


class BothVenues:
    """Gives each step to both engines, and keeps what a market data subscriber would know."""

    def __init__(self) -> None:
        self.engine = MatchingEngine((SYMBOL,))
        self.naive = NaiveMatcher(GRID)
        self.executions: list[Execution] = []
        self.orders: list[Order] = []
        self.beyond_limits: list[Execution] = []
        self.published: dict[tuple[int, int], tuple[int, int]] = {}
        self.matches, self.only_price = True, 0

    def run(self, steps: Iterable[Step]) -> None:
        for now, step in enumerate(steps):
            known = len(self.executions)
            self.step(step, now)
            # A step changes a limit before it trades, so the limit after it is the one that held.
            self.beyond_limits += [
                one
                for one in self.executions[known:]
                if one.kind is ExecutionKind.TRADE
                and one.order.type is LIMIT
                and (one.order.price - one.price) * one.order.side < 0
            ]
            book = self.engine.books[SYMBOL]
            for side, price in book.touched:
                self.published[side, price] = book.level(side, price)
            book.touched.clear()

    def step(self, step: Step, now: int) -> None:
        engine, naive = self.engine, self.naive
        match step:
            case Enter():
                self.enter(step, now)
            case Cancel():
                targets = [engine.order_number - back for back in step.targets]
                self.executions += engine.cancel_many(targets, now)
                for target in targets:
                    naive.cancel(target)
            case Replace():
                self.replace(step, now)
            case Call():
                self.matches, self.only_price = False, 0
            case AtLast():
                self.matches, self.only_price = True, step.price
            case Uncross():
                self.executions += engine.uncross(SYMBOL, step.reference, now, low=step.low, high=step.high, ticks=TICKS)
                naive.uncross(step.reference, step.low, step.high)
                self.matches, self.only_price = True, 0

    def enter(self, step: Enter, now: int) -> None:
        number = self.engine.next_order_id()
        price = step.price if step.type is LIMIT else 0
        order = Order(
            number, "M", str(number), "A", SYMBOL, step.side, step.type, step.time_in_force, price, step.quantity, now, step.display
        )
        self.orders.append(order)
        self.executions += self.engine.enter(order, now, matches=self.matches, only_price=self.only_price)
        copy = NaiveOrder(number, step.side, price, step.quantity, step.display)
        self.naive.enter(copy, step.time_in_force, step.type, matches=self.matches, only_price=self.only_price)

    def replace(self, step: Replace, now: int) -> None:
        modes = {"matches": self.matches, "only_price": self.only_price}
        target = self.engine.order_number - step.target
        found = self.naive.find(target)
        price = step.price or (found.price if found else GRID[0])
        before = self.engine.state_hash()
        try:
            executions = self.engine.replace(target, step.quantity, price, now, **modes)
        except ValueError:
            assert not self.naive.replace(target, step.quantity, price, **modes)
            assert self.engine.state_hash() == before
            return
        assert (executions is None) == (found is None)
        assert self.naive.replace(target, step.quantity, price, **modes)
        self.executions += executions or []


def run(steps: list[Step]) -> BothVenues:
    both = BothVenues()
    both.run(steps)
    return both


@settings(max_examples=250, deadline=None)
@given(FLOWS)
def test_fast_and_naive_matching_give_the_same_executions_and_books(steps: list[Step]) -> None:
    both = run(steps)
    assert facts_of(both.executions) == both.naive.facts
    book = both.engine.books[SYMBOL]
    published = {key: level for key, level in both.published.items() if level[1]}
    for side in (BUY, SELL):
        expected = sorted((one for one in both.naive.resting if one.side == side), key=lambda one: -one.price * side)
        assert [(one.order_id, one.price, one.leaves, one.leaves - one.hidden) for one in book.resting(side)] == [
            (one.order_id, one.price, one.leaves, one.shown) for one in expected
        ]
        shown: dict[int, tuple[int, int]] = {}
        totals: dict[int, int] = {}
        for one in expected:
            shares, orders = shown.get(one.price, (0, 0))
            shown[one.price] = (shares + one.shown, orders + 1)
            totals[one.price] = totals.get(one.price, 0) + one.leaves
        assert book.levels(side) == [(price, shares, orders) for price, (shares, orders) in shown.items()]
        assert book.totals(side) == list(totals.items())
        assert {price: level for (of_side, price), level in published.items() if of_side == side} == shown
    assert set(both.engine.open_orders) == {one.order_id for one in both.naive.resting}


@settings(max_examples=120, deadline=None)
@given(FLOWS)
def test_shares_are_conserved_and_nobody_trades_beyond_a_limit(steps: list[Step]) -> None:
    both = run(steps)
    assert both.beyond_limits == []
    traded: Counter[int] = Counter()
    for one in both.executions:
        assert one.quantity > 0 if one.kind is ExecutionKind.TRADE else one.quantity == 0
        traded[one.order.order_id] += one.quantity
        assert one.cumulative == traded[one.order.order_id]
    for side in (BUY, SELL):
        assert sum(order.cumulative for order in both.orders if order.side == side) == both.engine.books[SYMBOL].volume
    notional = sum(one.quantity * one.price for one in both.executions)
    assert notional == sum(order.notional for order in both.orders)
    for order in both.orders:
        assert order.cumulative == traded[order.order_id]
        rests = order.order_id in both.engine.open_orders
        assert rests == (order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)) == (order.leaves > 0)
        if order.state is OrderState.FILLED or rests:
            assert order.cumulative + order.leaves == order.quantity
    assert [one.number for one in both.executions] == list(range(1, len(both.executions) + 1))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(RESTING_ENTRIES, ENTRIES, CHANGES), min_size=20, max_size=80))
def test_continuous_trading_never_leaves_a_crossed_book(steps: list[Step]) -> None:
    both = run(steps)
    book = both.engine.books[SYMBOL]
    bids, asks = book.levels(BUY), book.levels(SELL)
    assert not (bids and asks) or bids[0][0] < asks[0][0]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(RESTING_ENTRIES, CHANGES), min_size=5, max_size=50), REFERENCES)
def test_an_uncross_trades_the_greatest_volume_at_one_price_and_leaves_an_uncrossed_book(steps: list[Step], reference: int) -> None:
    both = run([Call(), *steps])
    assert not [one for one in both.executions if one.kind is ExecutionKind.TRADE]
    greatest = max(both.naive.volume(price) for price in GRID)
    limits = {order.order_id: order.price for order in both.engine.open_orders.values()}
    low, high = NO_LIMITS
    executions = both.engine.uncross(SYMBOL, reference, 1_000, low=low, high=high, ticks=TICKS)
    event("uncrossed" if executions else "nothing crossed")
    assert sum(one.quantity for one in executions) == 2 * greatest
    assert len({one.price for one in executions}) <= 1
    for one in executions:
        assert (limits[one.order.order_id] - one.price) * one.order.side >= 0
    book = both.engine.books[SYMBOL]
    bids, asks = book.levels(BUY), book.levels(SELL)
    assert not (bids and asks) or bids[0][0] < asks[0][0]


@settings(max_examples=100, deadline=None)
@given(st.lists(RESTING_ENTRIES, min_size=5, max_size=40), REFERENCES, PRICES)
def test_at_last_everything_trades_at_the_closing_price(steps: list[Step], reference: int, last: int) -> None:
    both = run([Call(), *steps, Uncross(reference, *NO_LIMITS), AtLast(last)])
    before = len(both.executions)
    both.run(steps)
    assert all(one.price == last for one in both.executions[before:] if one.kind is ExecutionKind.TRADE)


@settings(max_examples=40, deadline=None)
@given(FLOWS)
def test_the_same_flow_twice_gives_the_same_state_hash(steps: list[Step]) -> None:
    assert run(steps).engine.state_hash() == run(steps).engine.state_hash()
