"""The moving average and the halts it starts against exact fractions over all trades."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.api import Phase
from exchanges.prices import TickBand
from exchanges.simulator.halt_rules import HaltKind, HaltLevel, Measure, StockHaltRule
from exchanges.simulator.halts import StockHalts
from exchanges.simulator.moving_vwap import MovingVwap

WINDOW = 20
CLOSE = 1_000
TICKS = (TickBand(0, 1),)

TRADES = st.lists(
    st.tuples(
        st.integers(min_value=800, max_value=1_200),
        st.integers(min_value=1, max_value=100),
        st.integers(min_value=0, max_value=15),
        st.sampled_from([Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.CLOSING_AUCTION]),
    ),
    min_size=1,
    max_size=60,
)
"""(price, shares, time since the trade before, phase)."""


def average_of(trades: list[tuple[int, int, int]], now: int) -> Fraction | None:
    young = [(price, quantity) for at, price, quantity in trades if now - at < WINDOW]
    shares = sum(quantity for _, quantity in young)
    return Fraction(sum(price * quantity for price, quantity in young), shares) if shares else None


@settings(max_examples=150, deadline=None)
@given(TRADES, st.integers(min_value=1, max_value=3_000), st.integers(min_value=0, max_value=40))
def test_the_moving_average_is_exact_and_its_limits_are_the_outermost_prices_within_it(
    trades: list[tuple[int, int, int, Phase]], move_bp: int, later: int
) -> None:
    moving, told, now = MovingVwap(WINDOW), list[tuple[int, int, int]](), 0
    for price, quantity, pause, _ in trades:
        now += pause
        told.append((now, price, quantity))
        moving.add(price, quantity, now)
        value, shares = moving.fraction(now)
        assert Fraction(value, shares) == average_of(told, now)
    now += later
    average = average_of(told, now)
    limits = moving.limits(move_bp, TICKS, now)
    if average is None:
        assert limits is None
        return
    assert limits is not None
    lowest, highest = average * Fraction(10_000 - move_bp, 10_000), average * Fraction(10_000 + move_bp, 10_000)
    assert limits[0] - 1 < lowest <= limits[0]
    assert limits[1] <= highest < limits[1] + 1


@settings(max_examples=200, deadline=None)
@given(TRADES, st.booleans(), st.booleans())
def test_halts_start_and_end_as_an_exact_reading_of_the_rule_says(
    trades: list[tuple[int, int, int, Phase]], by_average: bool, both_ways: bool
) -> None:
    levels = (HaltLevel(500, HaltKind.AUCTION, 5), HaltLevel(900, HaltKind.AUCTION, 10))
    measure = Measure.MOVING_VWAP if by_average else Measure.LAST_PRICE
    halts = StockHalts(StockHaltRule("a rule", measure, both_ways, levels, frozenset({Phase.CONTINUOUS}), WINDOW), {"COMI": CLOSE})
    told, used, now, halted_until = list[tuple[int, int, int]](), set[tuple[int, bool]](), 0, -1
    for price, quantity, pause, phase in trades:
        now += pause
        assert halts.ends(now) == (["COMI"] if 0 <= halted_until <= now else [])
        halted_until = halted_until if halted_until > now else -1
        told.append((now, price, quantity))
        started = halts.on_trade("COMI", price, quantity, now, phase)
        value = average_of(told, now) if by_average else Fraction(price)
        assert value is not None
        move, is_fall = abs(value - CLOSE) / CLOSE, value <= CLOSE
        expected = None
        if phase is Phase.CONTINUOUS and halted_until < 0 and (is_fall or both_ways):
            for bound, length in ((Fraction(5, 100), 5), (Fraction(9, 100), 10)):
                if move >= bound and (length, is_fall) not in used:
                    used.add((length, is_fall))
                    expected = now + length
        assert (started.until if started else None) == expected
        halted_until = expected if expected is not None else halted_until
        assert (halts.halted("COMI") is not None) == (halted_until >= 0)


@settings(max_examples=60, deadline=None)
@given(TRADES)
def test_the_same_trades_twice_and_a_restart_in_between_give_the_same_state(trades: list[tuple[int, int, int, Phase]]) -> None:
    rule = StockHaltRule(
        "a rule", Measure.MOVING_VWAP, True, (HaltLevel(500, HaltKind.SUSPENSION, 5),), frozenset({Phase.CONTINUOUS}), WINDOW
    )
    straight, restarted, now = StockHalts(rule, {"COMI": CLOSE}), StockHalts(rule, {"COMI": CLOSE}), 0
    for price, quantity, pause, phase in trades:
        now += pause
        state = restarted.state()
        restarted = StockHalts(rule, {"COMI": CLOSE})
        restarted.restore(state)
        for halts in (straight, restarted):
            halts.ends(now)
            halts.on_trade("COMI", price, quantity, now, phase)
        assert restarted.state() == straight.state()
