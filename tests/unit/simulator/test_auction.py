"""The price of an auction, by worked examples. Prices in micros; the tick is 0.001 below 2.00 and 0.01 from there."""

from __future__ import annotations

import pytest

from exchanges.prices import TickBand
from exchanges.simulator.auction import AuctionPrice, equilibrium

TICKS = (TickBand(0, 1_000), TickBand(2_000_000, 10_000))
ANY = {"low": 0, "high": 1 << 62}


def price(units: str) -> int:
    whole, _, fraction = units.partition(".")
    return int(whole) * 1_000_000 + int(fraction.ljust(6, "0"))


def levels(*rows: tuple[str, int]) -> list[tuple[int, int]]:
    return [(price(units), quantity) for units, quantity in rows]


def test_the_greatest_volume_decides() -> None:
    bids = levels(("10.02", 50), ("10.01", 100), ("10.00", 200))
    offers = levels(("9.99", 60), ("10.01", 80), ("10.02", 300))
    assert equilibrium(bids, offers, price("9.00"), TICKS, **ANY) == AuctionPrice(price("10.01"), 140, 10, 1)


def test_of_equal_volumes_the_smaller_surplus_decides() -> None:
    bids, offers = levels(("10.03", 100), ("10.01", 40)), levels(("10.00", 100))
    # 100 shares trade at any price from 10.00 to 10.03; up to 10.01 buyers of 40 would be left over.
    assert equilibrium(bids, offers, price("10.00"), TICKS, **ANY) == AuctionPrice(price("10.02"), 100, 0, 0)


def test_a_surplus_of_buyers_takes_the_highest_price_of_equal_ones() -> None:
    found = equilibrium(levels(("10.05", 120)), levels(("10.00", 100)), price("10.00"), TICKS, **ANY)
    assert found == AuctionPrice(price("10.05"), 100, 20, 1)


def test_a_surplus_of_sellers_takes_the_lowest_price_of_equal_ones() -> None:
    found = equilibrium(levels(("10.05", 100)), levels(("10.00", 120)), price("10.05"), TICKS, **ANY)
    assert found == AuctionPrice(price("10.00"), 100, 20, -1)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [("9.00", "10.00"), ("10.03", "10.03"), ("10.033", "10.03"), ("10.035", "10.04"), ("10.037", "10.04"), ("11.00", "10.05")],
)
def test_without_a_surplus_the_price_nearest_to_the_reference_decides(reference: str, expected: str) -> None:
    found = equilibrium(levels(("10.05", 100)), levels(("10.00", 100)), price(reference), TICKS, **ANY)
    assert found == AuctionPrice(price(expected), 100, 0, 0)


def test_pressure_from_both_sides_leaves_it_to_the_reference() -> None:
    bids = levels(("10.05", 100), ("10.00", 20))
    offers = levels(("10.00", 100), ("10.05", 20))
    # 20 buyers too many at 10.00, nobody between, 20 sellers too many at 10.05: between is best.
    assert equilibrium(bids, offers, price("10.00"), TICKS, **ANY) == AuctionPrice(price("10.01"), 100, 0, 0)
    # On neighbouring ticks nothing is between, and the surplus is 20 on either.
    bids = levels(("10.01", 100), ("10.00", 20))
    offers = levels(("10.00", 100), ("10.01", 20))
    assert equilibrium(bids, offers, price("12.00"), TICKS, **ANY) == AuctionPrice(price("10.01"), 100, 20, -1)
    assert equilibrium(bids, offers, price("8.00"), TICKS, **ANY) == AuctionPrice(price("10.00"), 100, 20, 1)


def test_the_price_is_on_the_tick_of_its_own_range() -> None:
    found = equilibrium(levels(("2.05", 10)), levels(("1.990", 10)), price("1.9976"), TICKS, **ANY)
    assert found is not None
    assert found.price == price("1.998")
    found = equilibrium(levels(("2.05", 10)), levels(("1.990", 10)), price("2.004"), TICKS, **ANY)
    assert found is not None
    assert found.price == price("2.00")


def test_nothing_crosses_nothing_trades() -> None:
    assert equilibrium(levels(("10.00", 10)), levels(("10.01", 10)), price("10.00"), TICKS, **ANY) is None
    assert equilibrium([], levels(("10.01", 10)), price("10.00"), TICKS, **ANY) is None
    assert equilibrium(levels(("10.00", 10)), [], price("10.00"), TICKS, **ANY) is None


def test_a_price_outside_the_collar_is_no_price_and_is_not_moved_to_its_border() -> None:
    bids, offers = levels(("11.50", 100)), levels(("11.00", 80))
    borders = {"low": price("9.00"), "high": price("11.49")}
    assert equilibrium(bids, offers, price("10.00"), TICKS, **borders) is None
    borders["high"] = price("11.50")
    assert equilibrium(bids, offers, price("10.00"), TICKS, **borders) == AuctionPrice(price("11.50"), 80, 20, 1)
