"""Small pictures as whole-number coordinates: payments as bars, values of a unit as a line. Pure, without floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

WIDTH, HEIGHT, MARGIN = 640, 160, 8


@dataclass(frozen=True, slots=True)
class Bar:
    x: int
    y: int
    width: int
    height: int
    past: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """``line`` is the text of an SVG polyline; ``level`` the height of a price that is drawn across it."""

    bars: tuple[Bar, ...] = ()
    line: str = ""
    level: int | None = None
    width: int = WIDTH
    height: int = HEIGHT


def payments(amounts: Sequence[tuple[date, Decimal]], settled: date) -> Picture:
    """Return a bar for each payment, its height by the amount; those due by ``settled`` are past."""
    if not amounts:
        return Picture()
    highest = max(amount for _due, amount in amounts)
    step = (WIDTH - 2 * MARGIN) // len(amounts)
    bars = []
    for place, (due, amount) in enumerate(amounts):
        height = max(2, int(amount * (HEIGHT - 2 * MARGIN) / highest))
        x = MARGIN + place * step
        bars.append(Bar(x, HEIGHT - MARGIN - height, max(2, step - 2), height, due <= settled))
    return Picture(bars=tuple(bars))


def values(by_day: Sequence[tuple[date, int]], price: int | None) -> Picture:
    """Return the line of dated values (micros, by rising day) and the level of a price; nothing for fewer than two."""
    if len(by_day) < 2:
        return Picture()
    first, last = by_day[0][0], by_day[-1][0]
    days = max(1, (last - first).days)
    figures = [value for _day, value in by_day] + ([price] if price is not None else [])
    low, high = min(figures), max(figures)
    spread = max(1, high - low)

    def height_of(value: int) -> int:
        return HEIGHT - MARGIN - (value - low) * (HEIGHT - 2 * MARGIN) // spread

    points = (f"{MARGIN + (day - first).days * (WIDTH - 2 * MARGIN) // days},{height_of(value)}" for day, value in by_day)
    return Picture(line=" ".join(points), level=height_of(price) if price is not None else None)
