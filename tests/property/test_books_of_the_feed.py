"""Whatever the venue sends, the book is what a model of a few plain lines says, by level and by order."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.fix.message import FieldError
from exchanges.market_data.book import InstrumentBook
from exchanges.market_data.defects import FeedBroken
from exchanges.prices import price_to_text
from tests.unit.market_data.feed_messages import change, full, message

PRICES = st.integers(1, 12).map(lambda step: step * 10_000)
Change = tuple[int, int, int, int, int]
"""(action, side, price, quantity, order number)."""
CHANGES = st.lists(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), PRICES, st.integers(1, 5), st.integers(1, 8)), min_size=1, max_size=5),
    max_size=12,
)


class Crossed(Exception):
    pass


class Unknown(Exception):
    pass


class Model:
    """Orders by (side, number), or levels by (side, price), each as (price, quantity, place)."""

    def __init__(self, *, by_order: bool) -> None:
        self.by_order = by_order
        self.rows: dict[tuple[int, int], tuple[int, int, int]] = {}
        self.place = 0

    def apply(self, changes: list[Change]) -> None:
        for action, side, price, quantity, number in changes:
            self.place += 1
            key = (side, number if self.by_order else price)
            known = self.rows.get(key)
            if action == 2:
                if known is None:
                    raise Unknown
                del self.rows[key]
            elif action == 1:
                if known is None:
                    raise Unknown
                keeps = self.by_order and (price, quantity) <= (known[0], known[1]) and price == known[0]
                self.rows[key] = (price, quantity, known[2] if keeps else self.place)
            else:
                if self.by_order and known is not None:
                    raise Unknown
                self.rows[key] = (price, quantity, self.place)
        bids, asks = ([price for (own, _), (price, _, _) in self.rows.items() if own == side] for side in (0, 1))
        if bids and asks and max(bids) >= min(asks):
            raise Crossed

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        found: dict[int, list[int]] = {}
        for (own, _), (price, quantity, _) in self.rows.items():
            if own == side:
                found.setdefault(price, []).append(quantity)
        return [(price, sum(found[price]), len(found[price]) if self.by_order else 0) for price in sorted(found, reverse=side == 0)]

    def orders(self, side: int) -> list[tuple[bytes, int, int]]:
        rows = [(price, place, number, quantity) for (own, number), (price, quantity, place) in self.rows.items() if own == side]
        rows.sort(key=lambda row: (-row[0] if side == 0 else row[0], row[1]))
        return [(b"%d-%d" % (side, number), price, quantity) for price, _, number, quantity in rows]


def entry(one: Change, *, by_order: bool) -> list[tuple[int, str | int]]:
    action, side, price, quantity, number = one
    fields: list[tuple[int, str | int]] = [(279, action), (269, side), (270, price_to_text(price))]
    if action != 2:
        fields.append((271, quantity))
    return [*fields, (278, f"{side}-{number}")] if by_order else fields


@pytest.mark.parametrize("by_order", [False, True])
@given(messages=CHANGES)
def test_the_book_is_what_the_model_says_after_any_sequence_of_updates(by_order: bool, messages: list[list[Change]]) -> None:
    book, model = InstrumentBook("COMI", by_order=by_order), Model(by_order=by_order)
    book.apply_snapshot(full(0))
    for number, changes in enumerate(messages, start=1):
        sent = change(number, *(entry(one, by_order=by_order) for one in changes))
        try:
            model.apply(changes)
        except (Crossed, Unknown):
            with pytest.raises(FeedBroken):
                book.apply_increment(sent, 0)
            assert book.sequence is None
            return
        book.apply_increment(sent, 0)
        assert book.levels(50) == (model.levels(0), model.levels(1))
        assert book.levels(1) == (model.levels(0)[:1], model.levels(1)[:1])
        if by_order:
            assert book.orders(50) == (model.orders(0), model.orders(1))


def possible(model: Model, one: Change) -> Change:
    """The change, or one like it that the model can take."""
    action, side, price, quantity, number = one
    if (side, number if model.by_order else price) not in model.rows:
        action = 0
    elif action == 0:
        action = 1
    return action, side, price, quantity, number


# Few prices and never crossed, so that many orders meet at one.
DAY = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 3), st.integers(1, 5), st.integers(1, 6)), max_size=60
)


@pytest.mark.parametrize("by_order", [False, True])
@given(changes=DAY)
def test_a_long_day_without_a_mistake_keeps_every_place_in_the_queues(by_order: bool, changes: list[Change]) -> None:
    book, model = InstrumentBook("COMI", by_order=by_order), Model(by_order=by_order)
    book.apply_snapshot(full(0))
    for number, (action, side, step, quantity, order) in enumerate(changes, start=1):
        one = possible(model, (action, side, 10_000 * (step + 3 * side), quantity, order))
        model.apply([one])
        book.apply_increment(change(number, entry(one, by_order=by_order)), 0)
    assert book.levels(50) == (model.levels(0), model.levels(1))
    if by_order:
        assert book.orders(50) == (model.orders(0), model.orders(1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([55, 83, 268, 269, 270, 271, 278, 279, 346]), st.sampled_from(["0", "1", "2", "5", "-1", "x", "1.5"])
        )
    )
)
def test_no_message_ends_in_anything_but_a_named_error(fields: list[tuple[int, str]]) -> None:
    fresh, kept = InstrumentBook("COMI"), InstrumentBook("COMI")
    fresh.sequence = kept.sequence = 0
    with suppress(FeedBroken, FieldError):
        kept.apply_increment(message("X", *fields), 0)
    try:
        fresh.apply_snapshot(message("W", *fields))
    except (FeedBroken, FieldError):
        assert fresh.sequence is None
