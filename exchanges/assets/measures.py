"""What the kernels of bonds and sukuk answer with. Pure, without QuantLib, so that others can pass it on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from exchanges.api import Trust
from exchanges.assets.records import Notice
from exchanges.assets.sukuk_structures import Tradability
from exchanges.prices import MICROS

FACE = 100
PRICE_OF_PAR = FACE * MICROS


class FlowKind(StrEnum):
    COUPON = "coupon"
    REDEMPTION = "redemption"


@dataclass(frozen=True, slots=True, kw_only=True)
class CashFlow:
    """A payment per 100 of face, due on ``due_date`` and paid on ``payment_date``."""

    kind: FlowKind
    accrual_start: date | None
    due_date: date
    payment_date: date
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Prices in micros per 100 of face; yield in percent; durations in years."""

    clean_price: int
    accrued: Decimal
    dirty_price: int
    yield_percent: Decimal
    macaulay_duration: Decimal
    modified_duration: Decimal
    convexity: Decimal


def next_payment(flows: Sequence[CashFlow], after: date) -> CashFlow | None:
    """Return the first payment that is due after a day."""
    return next((each for each in flows if each.due_date > after), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIncomeFigures:
    """A bond or sukuk at a settlement day, and what must be said beside its figures."""

    settlement: date
    measures: Measures
    flows: tuple[CashFlow, ...]
    next_payment: CashFlow | None
    tradability: Tradability
    trust: Trust
    notices: tuple[Notice, ...]
