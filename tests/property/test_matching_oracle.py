"""The fast matching engine against a naive one that scans plain lists."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.api import OrderType, TimeInForce
from exchanges.simulator.matching import BUY, SELL, Execution, ExecutionKind, MatchingEngine, Order

SYMBOL = "COMI"


@dataclass
class Instruction:
    side: int
    type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    cancel_of: int | None = None


@dataclass
class NaiveOrder:
    order_id: int
    side: int
    price: int
    leaves: int


Fact = tuple[str, int, int, int]


class NaiveMatcher:
    """Keeps all resting orders in one list in entry order and searches it for each match."""

    def __init__(self) -> None:
        self.resting: list[NaiveOrder] = []
        self.facts: list[Fact] = []

    def matches(self, order: NaiveOrder, limit: bool) -> list[NaiveOrder]:
        found = [
            other
            for other in self.resting
            if other.side != order.side and (not limit or (order.price - other.price) * order.side >= 0)
        ]
        return sorted(found, key=lambda other: -other.price if order.side == SELL else other.price)

    def enter(self, order_id: int, instruction: Instruction) -> None:
        order = NaiveOrder(order_id, instruction.side, instruction.price, instruction.quantity)
        self.facts.append(("0", order_id, 0, 0))
        candidates = self.matches(order, instruction.type is OrderType.LIMIT)
        fills_whole = sum(other.leaves for other in candidates) >= order.leaves
        if instruction.time_in_force is not TimeInForce.FILL_OR_KILL or fills_whole:
            for other in candidates:
                quantity = min(order.leaves, other.leaves)
                if quantity == 0:
                    break
                order.leaves -= quantity
                other.leaves -= quantity
                self.facts.append(("F", other.order_id, quantity, other.price))
                self.facts.append(("F", order_id, quantity, other.price))
                if other.leaves == 0:
                    self.resting.remove(other)
        if order.leaves:
            if instruction.type is OrderType.LIMIT and instruction.time_in_force is TimeInForce.DAY:
                self.resting.append(order)
            else:
                self.facts.append(("C", order_id, 0, 0))

    def cancel(self, order_id: int) -> None:
        for order in self.resting:
            if order.order_id == order_id:
                self.resting.remove(order)
                self.facts.append(("4", order_id, 0, 0))
                return


PRICES = st.integers(min_value=1, max_value=8).map(lambda ticks: ticks * 10_000)

INSTRUCTIONS = st.lists(
    st.one_of(
        st.builds(
            Instruction,
            side=st.sampled_from([BUY, SELL]),
            type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]),
            time_in_force=st.sampled_from(list(TimeInForce)),
            price=PRICES,
            quantity=st.integers(min_value=1, max_value=50),
        ),
        st.builds(
            Instruction,
            side=st.just(BUY),
            type=st.just(OrderType.LIMIT),
            time_in_force=st.just(TimeInForce.DAY),
            price=st.just(10_000),
            quantity=st.just(1),
            cancel_of=st.integers(min_value=1, max_value=60),
        ),
    ),
    max_size=120,
)


def facts_of(executions: list[Execution]) -> list[Fact]:
    return [(one.kind.value, one.order.order_id, one.quantity, one.price) for one in executions]


def run_both(instructions: list[Instruction]) -> tuple[MatchingEngine, NaiveMatcher, list[Execution]]:
    engine, naive, executions = MatchingEngine((SYMBOL,)), NaiveMatcher(), list[Execution]()
    for now, step in enumerate(instructions):
        if step.cancel_of is not None:
            cancelled = engine.cancel(step.cancel_of, now)
            executions.extend([cancelled] if cancelled else [])
            naive.cancel(step.cancel_of)
            continue
        order_id = engine.next_order_id()
        price = step.price if step.type is OrderType.LIMIT else 0
        order = Order(
            order_id, "M", str(order_id), "A", SYMBOL, step.side, step.type, step.time_in_force, price, step.quantity, now
        )
        executions.extend(engine.enter(order, now))
        naive.enter(order_id, step)
    return engine, naive, executions


@settings(max_examples=400, deadline=None)
@given(INSTRUCTIONS)
def test_fast_and_naive_matching_give_the_same_executions_and_books(instructions: list[Instruction]) -> None:
    engine, naive, executions = run_both(instructions)
    assert facts_of(executions) == naive.facts
    book = engine.books[SYMBOL]
    for side in (BUY, SELL):
        expected = sorted((one for one in naive.resting if one.side == side), key=lambda one: -one.price * side)
        assert [(one.order_id, one.price, one.leaves) for one in book.resting(side)] == [
            (one.order_id, one.price, one.leaves) for one in expected
        ]
        levels: dict[int, tuple[int, int]] = {}
        for one in expected:
            shares, orders = levels.get(one.price, (0, 0))
            levels[one.price] = (shares + one.leaves, orders + 1)
        assert book.levels(side) == [(price, shares, orders) for price, (shares, orders) in levels.items()]
    assert set(engine.open_orders) == {one.order_id for one in naive.resting}


@settings(max_examples=150, deadline=None)
@given(INSTRUCTIONS)
def test_shares_are_conserved_and_the_book_never_crosses(instructions: list[Instruction]) -> None:
    engine, _, executions = run_both(instructions)
    book = engine.books[SYMBOL]
    bids, asks = book.levels(BUY), book.levels(SELL)
    if bids and asks:
        assert bids[0][0] < asks[0][0]
    traded = sum(one.quantity for one in executions if one.kind is ExecutionKind.TRADE)
    assert traded == 2 * book.volume
    assert [one.number for one in executions] == list(range(1, len(executions) + 1))
    for one in executions:
        assert one.cumulative + one.leaves <= one.order.quantity


@settings(max_examples=60, deadline=None)
@given(INSTRUCTIONS)
def test_the_same_flow_twice_gives_the_same_state_hash(instructions: list[Instruction]) -> None:
    assert run_both(instructions)[0].state_hash() == run_both(instructions)[0].state_hash()
