"""Services start after what they need; what cannot be put in order stops the start by name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradsys.mesh.start_order import StartOrderError, start_order


def test_whoever_is_needed_comes_first_and_the_rest_keeps_its_order() -> None:
    assert start_order({"risk": ["orders"], "quotes": [], "orders": ["quotes"]}) == ["quotes", "orders", "risk"]


def test_a_missing_service_is_named_with_the_one_that_needs_it() -> None:
    with pytest.raises(StartOrderError, match="risk depends on orders, which this process does not serve"):
        start_order({"risk": ["orders"]})


def test_a_circle_is_named_from_its_beginning_to_its_end() -> None:
    with pytest.raises(StartOrderError, match="b → c → b"):
        start_order({"a": ["b"], "b": ["c"], "c": ["b"]})


@given(st.data())
def test_every_service_comes_after_all_that_it_needs(data: st.DataObject) -> None:
    names = [f"s{number}" for number in range(data.draw(st.integers(1, 12)))]
    needs = {name: data.draw(st.lists(st.sampled_from(names[:place] or ["s0"]), max_size=3)) for place, name in enumerate(names)}
    needs["s0"] = []
    order = start_order(needs)
    assert sorted(order) == sorted(names)
    assert all(order.index(each) < order.index(name) for name, needed in needs.items() for each in needed)
