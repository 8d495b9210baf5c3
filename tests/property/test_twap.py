"""Slices of a parent order: everything once, in whole lots, as even as lots allow, in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading_workers.strategies.twap import twap_slices


@given(lots=st.integers(1, 10_000), lot=st.sampled_from([1, 10, 100]), slices=st.integers(1, 100), interval=st.integers(1, 10**12))
def test_slices_make_the_parent_order(lots: int, lot: int, slices: int, interval: int) -> None:
    if lots < slices:
        with pytest.raises(ValueError, match="for each of"):
            twap_slices(quantity=lots * lot, lot=lot, slices=slices, begins_at=5, interval=interval)
        return
    made = twap_slices(quantity=lots * lot, lot=lot, slices=slices, begins_at=5, interval=interval)
    quantities = [each.quantity for each in made]
    assert sum(quantities) == lots * lot
    assert all(each > 0 and each % lot == 0 for each in quantities)
    assert max(quantities) - min(quantities) <= lot
    assert [each.due_at for each in made] == [5 + number * interval for number in range(slices)]
    assert [each.number for each in made] == list(range(1, slices + 1))


@pytest.mark.parametrize(("quantity", "lot"), [(0, 1), (-10, 1), (15, 10), (10, 0)])
def test_a_quantity_that_is_not_in_lots_makes_none(quantity: int, lot: int) -> None:
    with pytest.raises(ValueError, match="whole lots"):
        twap_slices(quantity=quantity, lot=lot, slices=1, begins_at=0, interval=1)
