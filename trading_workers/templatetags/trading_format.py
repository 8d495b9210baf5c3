"""How figures of the trading pages are written."""

from __future__ import annotations

from decimal import Decimal

from django import template

from exchanges.prices import price_to_text
from trading_workers.figure_names import FIGURE_NAMES

register = template.Library()


@register.filter
def micros(value: int | Decimal | None) -> str:
    """int64 millionths, or an amount in the currency unit, as decimal text; a dash for none and for a market order's zero."""
    if not value:
        return "–"
    if isinstance(value, Decimal):
        return f"{value:.4f}".rstrip("0").ljust(len(f"{value:.0f}") + 3, "0")
    return price_to_text(value)


@register.filter
def figure_name(name: str) -> str:
    """``low`` → ``lower limit``, in the reader's language; a name without an entry is shown as it is, without underscores."""
    return str(FIGURE_NAMES.get(name, name.replace("_", " ")))
