"""The price of an auction: where the orders of a call trade when it ends. Pure, whole numbers only.

Prices are int64 micros, quantities shares. The rule is the one of a call auction with price-time priority: the price of the
greatest volume; of several, the one that leaves the smallest surplus; of several, the highest when the surplus is all of
buyers, the lowest when it is all of sellers (market pressure); and otherwise the one nearest to the reference price.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from exchanges.prices import TickRow, round_down_to_tick, round_up_to_tick


class AuctionPrice(NamedTuple):
    """What an auction would do: ``volume`` shares at ``price``, with ``surplus`` shares left that could not trade at it.

    ``surplus_side`` is 1 when buyers are left over, -1 when sellers are, 0 when nobody is.
    """

    price: int
    volume: int
    surplus: int
    surplus_side: int


class _Stretch(NamedTuple):
    """Prices on tick from ``low`` to ``high`` at which the same orders could trade."""

    low: int
    high: int
    demand: int
    supply: int


def equilibrium(
    bids: Sequence[tuple[int, int]],
    offers: Sequence[tuple[int, int]],
    reference_price: int,
    ticks: Sequence[TickRow],
    *,
    low: int,
    high: int,
) -> AuctionPrice | None:
    """The auction price of ``bids`` and ``offers``: (price, shares) from the best, every price on tick.

    ``low`` and ``high`` are the lowest and highest price at which the auction may trade: the day's limits or the venue's
    collar. None when nothing crosses, and when the price is outside them: at a price moved to the border orders with the
    better claim would be left out, so there is no trade then. Two prices equally near to the reference: the higher one.
    """
    if not bids or not offers or bids[0][0] < offers[0][0]:
        return None
    stretches = list(_stretches(bids, offers, ticks))
    volume = max(min(one.demand, one.supply) for one in stretches)
    stretches = [one for one in stretches if min(one.demand, one.supply) == volume]
    surplus = min(abs(one.demand - one.supply) for one in stretches)
    # Demand falls and supply rises with the price, so what remains is one unbroken run of prices.
    stretches = [one for one in stretches if abs(one.demand - one.supply) == surplus]
    lowest, highest = stretches[0].low, stretches[-1].high
    if all(one.demand > one.supply for one in stretches):
        price = highest
    elif all(one.demand < one.supply for one in stretches):
        price = lowest
    else:
        price = _nearest(reference_price, lowest, highest, ticks)
    if not low <= price <= high:
        return None
    chosen = next(one for one in stretches if one.low <= price <= one.high)
    signed = chosen.demand - chosen.supply
    return AuctionPrice(price, volume, surplus, (signed > 0) - (signed < 0))


def _stretches(bids: Sequence[tuple[int, int]], offers: Sequence[tuple[int, int]], ticks: Sequence[TickRow]) -> Iterator[_Stretch]:
    """Rising stretches from the best offer to the best bid: each price of an order, and the ticks between two of them."""
    lowest, highest = offers[0][0], bids[0][0]
    bought, sold = dict(bids), dict(offers)
    prices = sorted({price for price in (*bought, *sold) if lowest <= price <= highest})
    demand = sum(quantity for price, quantity in bids if price >= lowest)
    supply = 0
    for price, following in pairwise([*prices, 0]):
        supply += sold.get(price, 0)
        yield _Stretch(price, price, demand, supply)
        demand -= bought.get(price, 0)
        above, below = round_up_to_tick(price + 1, ticks), round_down_to_tick(following - 1, ticks)
        if above <= below:
            yield _Stretch(above, below, demand, supply)


def _nearest(reference_price: int, lowest: int, highest: int, ticks: Sequence[TickRow]) -> int:
    if reference_price <= lowest:
        return lowest
    if reference_price >= highest:
        return highest
    down, up = round_down_to_tick(reference_price, ticks), round_up_to_tick(reference_price, ticks)
    return down if reference_price - down < up - reference_price else up
