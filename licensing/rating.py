"""Rating: usage and a price version in, cost lines out. Pure, Decimal only.

One formula serves the preview, the invoice, late events and corrections:
``billed = rate(everything known) - already billed``; see :func:`outstanding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from enum import StrEnum

from licensing.catalogue import Meter, Period, minor_units

ZERO = Decimal(0)
# Wide enough that no sum or product of NUMERIC(28, 9) values is ever rounded before the line is.
EXACT = Context(prec=80, rounding=ROUND_HALF_UP)

DailyUsage = Mapping[Meter, Mapping[date, Decimal]]
"""Per meter, the quantity of each day of the billed month (the day in the billing time zone)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """What a plan includes of one meter, and what happens beyond it."""

    meter: Meter
    period: Period
    included: Decimal | None
    """None: unlimited."""
    overage_price: Decimal | None
    """Price of each unit beyond ``included``; None: a hard cap, nothing beyond it is sold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTerms:
    """One immutable price version of a plan."""

    plan: str
    version: int
    currency: str
    monthly_base: Decimal
    allowances: tuple[Allowance, ...]

    def allowance(self, meter: Meter) -> Allowance | None:
        """Return the allowance of ``meter``, or None when the plan does not speak of it."""
        return next((each for each in self.allowances if each.meter is meter), None)


class LineKind(StrEnum):
    BASE = "base"
    OVERAGE = "overage"


@dataclass(frozen=True, kw_only=True, slots=True)
class CostLine:
    """One line of a month's cost. ``amount`` is rounded once, here, half-up in the currency's minor unit."""

    kind: LineKind
    meter: Meter | None
    period: Period
    used: Decimal
    included: Decimal | None
    billable: Decimal
    """Quantity that is charged: units beyond the allowance, summed over its periods."""
    unit_price: Decimal
    amount: Decimal

    @property
    def key(self) -> tuple[LineKind, Meter | None]:
        """What makes two lines the same line in two ratings of one month."""
        return (self.kind, self.meter)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rated:
    plan: str
    version: int
    currency: str
    lines: tuple[CostLine, ...]
    total: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class UsageFact:
    """One usage event as far as rating cares. ``key`` is (source, event id)."""

    key: tuple[str, str]
    meter: Meter
    day: date
    quantity: Decimal


def round_money(amount: Decimal, currency: str) -> Decimal:
    """Round ``amount`` half-up to the minor unit of ``currency``."""
    places = minor_units(currency)
    return amount.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=EXACT)


def fold(facts: Iterable[UsageFact]) -> dict[Meter, dict[date, Decimal]]:
    """Add facts up per meter and day; a key that comes twice counts once.

    Raises ``ValueError`` when one key stands for two different facts: that is a conflict, which never
    reaches rating, and adding either would be a guess.
    """
    seen: dict[tuple[str, str], UsageFact] = {}
    totals: dict[Meter, dict[date, Decimal]] = {}
    with localcontext(EXACT):
        for fact in facts:
            known = seen.get(fact.key)
            if known is not None:
                if known != fact:
                    raise ValueError(f"usage event {fact.key} stands for two different facts")
                continue
            seen[fact.key] = fact
            days = totals.setdefault(fact.meter, {})
            days[fact.day] = days.get(fact.day, ZERO) + fact.quantity
    return totals


def beyond(used_by_day: Mapping[date, Decimal], *, period: Period, included: Decimal | None) -> Decimal:
    """Units beyond the allowance: per day for a daily allowance, of the whole month for a monthly one."""
    if included is None:
        return ZERO
    with localcontext(EXACT):
        if period is Period.MONTH:
            return max(ZERO, sum(used_by_day.values(), ZERO) - included)
        return sum((max(ZERO, used - included) for used in used_by_day.values()), ZERO)


def rate(terms: PriceTerms, usage: DailyUsage) -> Rated:
    """Rate one month: the full monthly base, then one overage line per allowance that sells overage.

    Every line is rounded once; the total is the sum of the rounded lines, so that lines always add up.
    """
    base = round_money(terms.monthly_base, terms.currency)
    lines = [
        CostLine(
            kind=LineKind.BASE,
            meter=None,
            period=Period.MONTH,
            used=Decimal(1),
            included=None,
            billable=Decimal(1),
            unit_price=terms.monthly_base,
            amount=base,
        )
    ]
    with localcontext(EXACT):
        for allowance in terms.allowances:
            if allowance.overage_price is None:
                continue
            days = usage.get(allowance.meter, {})
            billable = beyond(days, period=allowance.period, included=allowance.included)
            lines.append(
                CostLine(
                    kind=LineKind.OVERAGE,
                    meter=allowance.meter,
                    period=allowance.period,
                    used=sum(days.values(), ZERO),
                    included=allowance.included,
                    billable=billable,
                    unit_price=allowance.overage_price,
                    amount=round_money(billable * allowance.overage_price, terms.currency),
                )
            )
        total = sum((line.amount for line in lines), ZERO)
    return Rated(plan=terms.plan, version=terms.version, currency=terms.currency, lines=tuple(lines), total=total)


def outstanding(
    rated: Rated, already_billed: Mapping[tuple[LineKind, Meter | None], Decimal]
) -> dict[tuple[LineKind, Meter | None], Decimal]:
    """``rate(everything known) - already billed``, line by line; zero lines are left out.

    A line that was billed and is no longer rated comes back with its amount negated.
    """
    due = {line.key: line.amount for line in rated.lines}
    with localcontext(EXACT):
        differences = {key: due.get(key, ZERO) - already_billed.get(key, ZERO) for key in [*due, *already_billed]}
    return {key: amount for key, amount in differences.items() if amount != ZERO}
