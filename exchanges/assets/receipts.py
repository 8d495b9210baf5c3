"""What a depositary receipt is worth by the shares that stand behind it. Pure, without floats."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from exchanges.prices import MAX_PRICE


class ReceiptError(ValueError):
    """A figure that cannot be computed with; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ReceiptRatio:
    """So many receipts stand for so many shares. Raises ``ReceiptError``."""

    receipts: int
    shares: int

    def __post_init__(self) -> None:
        if self.receipts <= 0 or self.shares <= 0:
            raise ReceiptError("a ratio has positive numbers of receipts and shares")


@dataclass(frozen=True, slots=True)
class CurrencyRate:
    """Units of the receipt's currency for one unit of the share's. The platform has no rates: who gives one names its source.

    Raises ``ReceiptError``.
    """

    rate: Decimal
    source: str

    def __post_init__(self) -> None:
        if not self.rate.is_finite() or self.rate <= 0:
            raise ReceiptError("a currency rate is positive")
        if not self.source.strip():
            raise ReceiptError("a currency rate comes with its source")


def parity_price(share_price: int, ratio: ReceiptRatio, rate: CurrencyRate) -> int:
    """Return the receipt's price (micros) at which it costs what its shares cost, half to even."""
    if share_price <= 0:
        raise ReceiptError("the share's price is positive")
    parity = round(Fraction(share_price * ratio.shares, ratio.receipts) * Fraction(rate.rate))
    if not 0 < parity <= MAX_PRICE:
        raise ReceiptError("the parity price is outside the range of a price")
    return parity
