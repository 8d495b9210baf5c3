"""The state table against what must hold for every order, whatever happens to it and in whatever order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trading_workers.order_states import OPEN_STATES, START, OrderEvent, Standing, step
from trading_workers.orders import OrderState

TERMINAL = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.EXPIRED, OrderState.REJECTED})

QUANTITY = 5


class OrderLife(RuleBasedStateMachine):
    """Fills are counted beside the table; a venue that behaves and one that does not may both speak."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = START
        self.filled = 0
        self.history: list[OrderState] = [START.state]

    def take(self, event: OrderEvent) -> Standing | None:
        before = self.standing
        after = step(before, event)
        if after is not None:
            self.standing = after
            self.history.append(after.state)
        assert step(before, event) == after, "the table has no memory of its own"
        return after

    @rule()
    def venue_accepts(self) -> None:
        before = self.standing
        after = self.take(OrderEvent.VENUE_ACCEPTED)
        assert (after is not None) == (before.remembered is OrderState.PENDING_NEW and before.is_open)

    @rule(quantity=st.integers(1, QUANTITY))
    def fill(self, quantity: int) -> None:
        before = self.standing
        left = QUANTITY - self.filled
        if quantity > left:
            return
        after = self.take(OrderEvent.FILL if quantity == left else OrderEvent.PARTIAL_FILL)
        if before.state in (OrderState.REJECTED, OrderState.FILLED):
            assert after is None
            return
        assert after is not None, "a fill of an order that was not rejected is a fact"
        self.filled += quantity

    @rule()
    def send_cancel(self) -> None:
        before = self.standing
        after = self.take(OrderEvent.CANCEL_SENT)
        possible = before.state in OPEN_STATES and before.state is not OrderState.PENDING_CANCEL
        assert (after is not None) == possible
        if after is not None:
            assert after == Standing(OrderState.PENDING_CANCEL, before.state)

    @rule()
    def refuse_cancel(self) -> None:
        before = self.standing
        after = self.take(OrderEvent.CANCEL_REFUSED)
        if before.state is OrderState.PENDING_CANCEL:
            assert after == Standing(before.remembered, before.remembered)
        elif before.state in TERMINAL:
            assert after == before
        else:
            assert after is None

    @rule(event=st.sampled_from([OrderEvent.CANCELED, OrderEvent.EXPIRED, OrderEvent.REJECTED]))
    def end(self, event: OrderEvent) -> None:
        before = self.standing
        after = self.take(event)
        if before.state in TERMINAL:
            assert after is None
        elif event is OrderEvent.REJECTED:
            assert (after is None) == (self.filled > 0)
        else:
            assert after is not None
            assert after.state.name == event.name

    @invariant()
    def a_pending_cancel_remembers_a_state_that_is_neither_it_nor_an_end(self) -> None:
        if self.standing.state is OrderState.PENDING_CANCEL:
            assert self.standing.remembered in OPEN_STATES - {OrderState.PENDING_CANCEL}
        else:
            assert self.standing.remembered is self.standing.state

    @invariant()
    def filled_means_that_the_whole_quantity_is_filled(self) -> None:
        assert (self.standing.state is OrderState.FILLED) == (self.filled == QUANTITY)

    @invariant()
    def an_order_that_ended_is_never_open_again(self) -> None:
        ended = next((place for place, state in enumerate(self.history) if state in TERMINAL), None)
        if ended is not None:
            assert all(state in TERMINAL for state in self.history[ended:])

    @invariant()
    def it_is_never_denied_here(self) -> None:
        assert OrderState.DENIED not in self.standing


TestOrderLife = OrderLife.TestCase


@given(st.sampled_from(OrderState), st.sampled_from(OrderEvent))
def test_a_denied_order_takes_no_event(state: OrderState, event: OrderEvent) -> None:
    assert step(Standing(OrderState.DENIED, OrderState.DENIED), event) is None
    after = step(Standing(state, state), event)
    assert after is None or OrderState.DENIED not in after
