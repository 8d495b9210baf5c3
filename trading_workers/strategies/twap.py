"""Time-weighted average price: a parent order in even slices at even intervals. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Slice(NamedTuple):
    number: int
    """From 1."""
    quantity: int
    due_at: int
    """Nanoseconds UTC."""


def twap_slices(*, quantity: int, lot: int, slices: int, begins_at: int, interval: int) -> tuple[Slice, ...]:
    """`quantity` shares in `slices` parts of whole lots, which differ by one lot at most, the larger ones first.

    `interval` in nanoseconds. Raises ValueError, which says what is expected of the quantity.
    """
    if lot <= 0 or quantity <= 0 or quantity % lot:
        raise ValueError(f"a positive quantity in whole lots of {lot}")
    each, more = divmod(quantity // lot, slices)
    if not each:
        raise ValueError(f"at least a lot of {lot} for each of {slices} slices")
    return tuple(
        Slice(number, (each + (number <= more)) * lot, begins_at + (number - 1) * interval) for number in range(1, slices + 1)
    )
