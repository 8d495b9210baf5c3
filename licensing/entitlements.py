"""What a licence entitles its tenant to, compiled from plan, price version and overrides. Pure.

The result has the field names of the licence in a tenant's configuration snapshot; times are int64
nanoseconds UTC, so that a holder flips at the boundary by its own clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from licensing.catalogue import Meter, Period, features
from licensing.rating import PriceTerms

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

FEATURE_OVERRIDES = ("features_added", "features_removed")
LIMIT_OVERRIDES = (
    "orders_per_day_included",
    "orders_per_day_cap",
    "orders_per_second",
    "api_calls_per_month_cap",
    "api_calls_per_second",
)


class OverridesInvalid(ValueError):
    """An override names something that the catalogue does not know, or has a value of the wrong kind."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LicenceEntry:
    plan: str
    status: str
    valid_from: int
    valid_until: int
    features: tuple[str, ...]
    orders_per_day_included: int | None
    orders_per_day_cap: int | None
    orders_per_second: int | None
    api_calls_per_month_cap: int | None
    api_calls_per_second: int | None
    billing_time_zone: str


def nanoseconds(moment: datetime) -> int:
    """Exact nanoseconds since 1970 UTC of an aware datetime."""
    return (moment - EPOCH) // MICROSECOND * 1000


def check_overrides(overrides: Mapping[str, object]) -> None:
    """Raise :class:`OverridesInvalid` unless every key and value is one that :func:`compile_entry` applies."""
    for key, value in overrides.items():
        if key in FEATURE_OVERRIDES:
            if not isinstance(value, list):
                raise OverridesInvalid(f"{key} must be a list of features")
            unknown = [each for each in value if each not in features()]
            if unknown:
                raise OverridesInvalid(f"{key}: {unknown[0]!r} is not a feature of the catalogue")
        elif key in LIMIT_OVERRIDES:
            if value is not None and (type(value) is not int or value < 0):
                raise OverridesInvalid(f"{key} must be a whole number, zero or more, or null for no limit")
        else:
            raise OverridesInvalid(f"{key!r} cannot be overridden")


def effective_terms(terms: PriceTerms, overrides: Mapping[str, object]) -> PriceTerms:
    """``terms`` with an overridden number of included orders a day, as both the quota and the rating see it.

    Raises :class:`OverridesInvalid` when the plan does not count orders by the day.
    """
    if "orders_per_day_included" not in overrides:
        return terms
    included = overrides["orders_per_day_included"]
    assert included is None or isinstance(included, int)
    orders = terms.allowance(Meter.ORDERS)
    if orders is None or orders.period is not Period.DAY:
        raise OverridesInvalid(f"the plan {terms.plan} does not count orders by the day")
    changed = replace(
        orders,
        included=None if included is None else Decimal(included),
        overage_price=None if included is None else orders.overage_price,
    )
    return replace(terms, allowances=tuple(changed if each is orders else each for each in terms.allowances))


def compile_entry(
    *,
    plan: str,
    status: str,
    valid_from: datetime,
    valid_until: datetime,
    plan_features: Iterable[str],
    orders_per_second: int | None,
    terms: PriceTerms,
    overrides: Mapping[str, object],
    billing_time_zone: str = "UTC",
) -> LicenceEntry:
    """Apply ``overrides`` to what the plan and its price version give, checking them again while doing so."""
    check_overrides(overrides)
    added, removed = (overrides.get(key) or [] for key in FEATURE_OVERRIDES)
    assert isinstance(added, list) and isinstance(removed, list)
    features = (set(plan_features) | set(added)) - set(removed)
    orders = effective_terms(terms, overrides).allowance(Meter.ORDERS)
    included = cap = None
    if orders is not None and orders.included is not None and orders.period is Period.DAY:
        included = int(orders.included)
        cap = included if orders.overage_price is None else None
    if "orders_per_day_cap" in overrides:
        cap = _limit(overrides["orders_per_day_cap"])
    if "orders_per_second" in overrides:
        orders_per_second = _limit(overrides["orders_per_second"])
    calls = terms.allowance(Meter.API_CALLS)
    calls_cap = None
    if calls is not None and calls.included is not None and calls.period is Period.MONTH and calls.overage_price is None:
        calls_cap = int(calls.included)
    if "api_calls_per_month_cap" in overrides:
        calls_cap = _limit(overrides["api_calls_per_month_cap"])
    return LicenceEntry(
        plan=plan,
        status=status,
        valid_from=nanoseconds(valid_from),
        valid_until=nanoseconds(valid_until),
        features=tuple(sorted(features)),
        orders_per_day_included=included,
        orders_per_day_cap=cap,
        orders_per_second=orders_per_second,
        api_calls_per_month_cap=calls_cap,
        api_calls_per_second=_limit(overrides.get("api_calls_per_second")),
        billing_time_zone=billing_time_zone,
    )


def _limit(value: object) -> int | None:
    assert value is None or isinstance(value, int)
    return value
