"""Reads a price version's allowances: JSON with numbers as text, never as JSON numbers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from licensing.catalogue import Meter, Period, minor_units
from licensing.rating import Allowance, PriceTerms

FIELDS = {"meter", "period", "included", "overage_price"}


class PriceTermsInvalid(ValueError):
    """A price version cannot be read; the message names the field."""


def decimal_from_text(value: object, *, field: str) -> Decimal:
    """Return the exact, finite, non-negative decimal that ``value`` spells.

    Text or Decimal only: a binary fraction has already lost the number that was meant.
    """
    if isinstance(value, str):
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise PriceTermsInvalid(f"{field}: {value!r} is not a decimal number") from None
    elif isinstance(value, Decimal):
        number = value
    else:
        raise PriceTermsInvalid(f"{field}: a decimal number is written as text, got {type(value).__name__}")
    if not number.is_finite() or number < 0:
        raise PriceTermsInvalid(f"{field}: {value} is not a finite number of zero or more")
    return number


def _optional(value: object, *, field: str) -> Decimal | None:
    return None if value is None else decimal_from_text(value, field=field)


def allowance_from_row(row: object) -> Allowance:
    """Read one ``{"meter", "period", "included", "overage_price"}``; raise :class:`PriceTermsInvalid`."""
    if not isinstance(row, Mapping) or set(row) != FIELDS:
        raise PriceTermsInvalid(f"an allowance has exactly the fields {', '.join(sorted(FIELDS))}")
    try:
        meter, period = Meter(row["meter"]), Period(row["period"])
    except ValueError as error:
        raise PriceTermsInvalid(str(error)) from None
    included = _optional(row["included"], field=f"{meter} included")
    if included is not None and included != included.to_integral_value():
        raise PriceTermsInvalid(f"{meter} included: {included} is not a whole number of units")
    overage_price = _optional(row["overage_price"], field=f"{meter} overage price")
    if included is None and overage_price is not None:
        raise PriceTermsInvalid(f"{meter}: an unlimited allowance has no overage price")
    return Allowance(meter=meter, period=period, included=included, overage_price=overage_price)


def read_terms(*, plan: str, version: int, currency: str, monthly_base: Decimal, allowances: object) -> PriceTerms:
    """Build the terms that rating reads; each meter at most once. Raises :class:`PriceTermsInvalid`."""
    try:
        minor_units(currency)
    except ValueError as error:
        raise PriceTermsInvalid(str(error)) from None
    if not isinstance(allowances, list):
        raise PriceTermsInvalid("allowances must be a list")
    rows = tuple(allowance_from_row(row) for row in allowances)
    meters = [row.meter for row in rows]
    repeated = next((meter for meter in meters if meters.count(meter) > 1), None)
    if repeated is not None:
        raise PriceTermsInvalid(f"{repeated} has more than one allowance")
    return PriceTerms(
        plan=plan,
        version=version,
        currency=currency,
        monthly_base=decimal_from_text(monthly_base, field="monthly base"),
        allowances=rows,
    )
