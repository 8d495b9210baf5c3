"""Invariants of rating: the same events give the same amounts however they arrive."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from licensing.catalogue import MINOR_UNITS, Meter, Period
from licensing.rating import Allowance, PriceTerms, UsageFact, fold, outstanding, rate, round_money

MONTH = date(2026, 2, 1)
CURRENCIES = st.sampled_from(sorted(MINOR_UNITS))


def amounts(places: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(0, most * 10**places).map(lambda number: Decimal(number).scaleb(-places))


@st.composite
def price_terms(draw: st.DrawFn) -> PriceTerms:
    allowances = []
    for meter in Meter:
        kind = draw(st.sampled_from(["absent", "unlimited", "capped", "overage"]))
        if kind == "absent":
            continue
        allowances.append(
            Allowance(
                meter=meter,
                period=draw(st.sampled_from(Period)),
                included=None if kind == "unlimited" else Decimal(draw(st.integers(0, 500))),
                overage_price=draw(amounts(9, 30)) if kind == "overage" else None,
            )
        )
    return PriceTerms(
        plan="tested", version=1, currency=draw(CURRENCIES), monthly_base=draw(amounts(9, 2000)), allowances=tuple(allowances)
    )


@st.composite
def facts(draw: st.DrawFn) -> list[UsageFact]:
    count = draw(st.integers(0, 25))
    return [
        UsageFact(
            key=("source", str(number)),
            meter=draw(st.sampled_from(Meter)),
            day=MONTH + timedelta(days=draw(st.integers(0, 27))),
            quantity=draw(amounts(9, 400)),
        )
        for number in range(count)
    ]


@given(price_terms(), facts(), st.randoms(use_true_random=False))
def test_the_order_and_the_repetition_of_events_change_no_amount(
    terms: PriceTerms, events: list[UsageFact], chance: random.Random
) -> None:
    repeated = events + chance.sample(events, k=len(events) // 2)
    chance.shuffle(repeated)
    assert rate(terms, fold(repeated)) == rate(terms, fold(events))


@given(price_terms(), facts(), st.data())
def test_splitting_an_event_of_a_day_changes_no_amount(terms: PriceTerms, events: list[UsageFact], data: st.DataObject) -> None:
    split = []
    for event in events:
        part = data.draw(st.integers(0, 400 * 10**9))
        first = min(event.quantity, Decimal(part).scaleb(-9))
        for name, quantity in (("a", first), ("b", event.quantity - first)):
            split.append(UsageFact(key=(name, event.key[1]), meter=event.meter, day=event.day, quantity=quantity))
    assert rate(terms, fold(split)) == rate(terms, fold(events))


@given(price_terms(), facts())
def test_lines_are_whole_minor_units_and_add_up_to_the_total(terms: PriceTerms, events: list[UsageFact]) -> None:
    rated = rate(terms, fold(events))
    places = MINOR_UNITS[terms.currency]
    for line in rated.lines:
        assert -line.amount.as_tuple().exponent == places
        assert line.amount >= 0
    assert sum(line.amount for line in rated.lines) == rated.total


@given(price_terms(), facts(), facts())
def test_billing_early_and_then_the_rest_comes_to_the_same_lifetime_amount(
    terms: PriceTerms, before: list[UsageFact], after: list[UsageFact]
) -> None:
    late = [UsageFact(key=("late", fact.key[1]), meter=fact.meter, day=fact.day, quantity=fact.quantity) for fact in after]
    first = rate(terms, fold(before))
    billed = outstanding(first, {})
    everything = rate(terms, fold(before + late))
    adjustment = outstanding(everything, billed)
    assert sum(billed.values(), Decimal(0)) + sum(adjustment.values(), Decimal(0)) == everything.total
    settled = {key: billed.get(key, Decimal(0)) + adjustment.get(key, Decimal(0)) for key in {*billed, *adjustment}}
    assert outstanding(everything, settled) == {}


@given(price_terms(), facts(), facts())
def test_more_usage_never_costs_less(terms: PriceTerms, events: list[UsageFact], more: list[UsageFact]) -> None:
    added = [UsageFact(key=("more", fact.key[1]), meter=fact.meter, day=fact.day, quantity=fact.quantity) for fact in more]
    assert rate(terms, fold(events + added)).total >= rate(terms, fold(events)).total


@given(st.integers(-(10**18), 10**18), CURRENCIES)
def test_rounding_moves_an_amount_by_half_a_minor_unit_at_most(nanos: int, currency: str) -> None:
    amount = Decimal(nanos).scaleb(-9)
    rounded = round_money(amount, currency)
    assert abs(rounded - amount) <= Decimal("0.5").scaleb(-MINOR_UNITS[currency])
    assert round_money(rounded, currency) == rounded
