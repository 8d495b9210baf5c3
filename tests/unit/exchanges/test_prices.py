"""Prices, ticks and daily limits."""

import pytest

from exchanges.prices import (
    PriceError,
    PriceLimit,
    TickBand,
    band_limits,
    is_on_tick,
    price_to_text,
    round_down_to_tick,
    round_up_to_tick,
    text_to_price,
    tick_for,
    validate_ticks,
)

EGX = (TickBand(0, 1_000), TickBand(2_000_000, 10_000))
ADX = (
    TickBand(0, 1_000),
    TickBand(1_000_000, 10_000),
    TickBand(10_000_000, 20_000),
    TickBand(50_000_000, 50_000),
    TickBand(100_000_000, 100_000),
)


@pytest.mark.parametrize(
    ("micros", "text"),
    [(139_000_000, "139.00"), (1_250_000, "1.25"), (1_251_000, "1.251"), (1, "0.000001"), (0, "0.00"), (-500_000, "-0.50")],
)
def test_a_price_has_an_exact_text_with_at_least_two_places(micros: int, text: str) -> None:
    assert price_to_text(micros) == text
    assert text_to_price(text) == micros


@pytest.mark.parametrize(("text", "micros"), [("139", 139_000_000), ("5.", 5_000_000), (".5", 500_000), ("23.0000000", 23_000_000)])
def test_every_plain_decimal_form_of_fix_is_read(text: str, micros: int) -> None:
    assert text_to_price(text) == micros


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "+1", "1e3", "1,5", " 1", "1\n", "nan", "inf", "0x1", "١٢", "1.0000001", "9223372036854.775808", "1" * 41],
)
def test_anything_but_a_plain_decimal_in_range_is_refused(text: str) -> None:
    with pytest.raises(PriceError):
        text_to_price(text)


def test_egx_prices_below_two_pounds_have_the_fine_tick() -> None:
    assert tick_for(1_999_000, EGX) == 1_000
    assert tick_for(2_000_000, EGX) == 10_000
    assert is_on_tick(1_251_000, EGX)
    assert not is_on_tick(2_001_000, EGX)


@pytest.mark.parametrize(
    ("price", "tick"),
    [
        (999_000, 1_000),
        (1_000_000, 10_000),
        (9_990_000, 10_000),
        (10_000_000, 20_000),
        (50_000_000, 50_000),
        (399_800_000, 100_000),
    ],
)
def test_adx_ticks_grow_with_the_price(price: int, tick: int) -> None:
    assert tick_for(price, ADX) == tick


def test_rounding_to_a_tick_stays_on_its_side() -> None:
    assert round_down_to_tick(139_009_999, EGX) == 139_000_000
    assert round_up_to_tick(139_000_001, EGX) == 139_010_000
    assert round_up_to_tick(1_999_001, EGX) == 2_000_000


def test_limits_are_rounded_to_the_inside() -> None:
    low, high = band_limits(139_000_000, PriceLimit(up_bp=2000, down_bp=2000), EGX)
    assert (low, high) == (111_200_000, 166_800_000)
    low, high = band_limits(17_240_000, PriceLimit(up_bp=1500, down_bp=1000), ADX)
    assert (low, high) == (15_520_000, 19_820_000)  # 15.516 and 19.826 before rounding


def test_the_low_limit_is_never_zero() -> None:
    low, _high = band_limits(1_000, PriceLimit(up_bp=2000, down_bp=10_000), EGX)
    assert low == 1_000


@pytest.mark.parametrize(
    ("reference", "limit"),
    [(0, PriceLimit(2000, 2000)), (-1, PriceLimit(2000, 2000)), (1_000_000, PriceLimit(-1, 0)), (1_000_000, PriceLimit(0, 10_001))],
)
def test_limits_without_a_sensible_reference_are_refused(reference: int, limit: PriceLimit) -> None:
    with pytest.raises(PriceError):
        band_limits(reference, limit, EGX)


@pytest.mark.parametrize(
    "ticks",
    [
        (),
        (TickBand(1, 1),),
        (TickBand(0, 0),),
        (TickBand(0, 1_000), TickBand(0, 10_000)),
        (TickBand(0, 3_000), TickBand(2_000_000, 10_000)),
        (TickBand(0, 1_000), TickBand(2_005_000, 10_000)),
    ],
)
def test_a_tick_table_with_a_gap_or_an_ambiguous_border_is_refused(ticks: tuple[TickBand, ...]) -> None:
    with pytest.raises(PriceError):
        validate_ticks(ticks)
