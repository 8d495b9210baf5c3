"""What a subscription right is worth by arithmetic. Pure, without floats.

A right issue gives ``new`` shares for every ``held`` ones at the subscription price; one right comes with one share held.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


class RightError(ValueError):
    """The terms make no right; the message says which figure is wrong."""


@dataclass(frozen=True, slots=True)
class RightTerms:
    """``new`` shares for every ``held`` ones, at ``subscription_price`` (micros). Raises ``RightError``."""

    new: int
    held: int
    subscription_price: int

    def __post_init__(self) -> None:
        if self.new <= 0 or self.held <= 0 or self.subscription_price <= 0:
            raise RightError("the ratio and the subscription price are positive")


def theoretical_ex_rights_price(terms: RightTerms, cum_price: int) -> int:
    """Return the share's price after the issue (micros), from its price with the right, half to even."""
    _positive(cum_price)
    return round(Fraction(terms.held * cum_price + terms.new * terms.subscription_price, terms.held + terms.new))


def value_from_cum_price(terms: RightTerms, cum_price: int) -> int:
    """Return what one right is worth (micros) by the share's price with the right; never below 0."""
    _positive(cum_price)
    worth = Fraction((cum_price - terms.subscription_price) * terms.new, terms.held + terms.new)
    return max(0, round(worth))


def intrinsic_value(terms: RightTerms, ex_price: int) -> int:
    """Return what exercising one right earns (micros) at the share's price without the right; never below 0."""
    _positive(ex_price)
    return max(0, round(Fraction((ex_price - terms.subscription_price) * terms.new, terms.held)))


def _positive(price: int) -> None:
    if price <= 0:
        raise RightError("the share's price is positive")
