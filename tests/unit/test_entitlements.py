"""What plan, price version and overrides come to."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from licensing.catalogue import Meter, Period
from licensing.entitlements import LicenceEntry, OverridesInvalid, check_overrides, compile_entry, nanoseconds
from licensing.price_terms import PriceTermsInvalid, read_terms
from licensing.rating import PriceTerms
from trading_workers.snapshot import documents

ORDERS_CAPPED = {"meter": "orders", "period": "day", "included": "100", "overage_price": None}
ORDERS_BILLED = {"meter": "orders", "period": "day", "included": "1000", "overage_price": "0.10"}


def terms(*allowances: dict[str, str | None]) -> PriceTerms:
    return read_terms(plan="tested", version=1, currency="USD", monthly_base=Decimal(99), allowances=list(allowances))


def entry(price: PriceTerms, **overrides: object) -> LicenceEntry:
    return compile_entry(
        plan="tested",
        status="active",
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        valid_until=datetime(2027, 1, 1, tzinfo=UTC),
        plan_features=["exchange:EGX", "asset:equity"],
        orders_per_second=10,
        terms=price,
        overrides=overrides,
    )


def test_the_entry_has_the_fields_of_the_snapshot() -> None:
    assert LicenceEntry.__annotations__.keys() == documents.LicenceEntry.__annotations__.keys()


def test_included_orders_without_overage_are_a_cap() -> None:
    compiled = entry(terms(ORDERS_CAPPED))
    assert (compiled.orders_per_day_included, compiled.orders_per_day_cap) == (100, 100)


def test_included_orders_with_overage_are_no_cap() -> None:
    compiled = entry(terms(ORDERS_BILLED))
    assert (compiled.orders_per_day_included, compiled.orders_per_day_cap) == (1000, None)


def test_overrides_add_and_remove_features_and_set_limits() -> None:
    compiled = entry(
        terms(ORDERS_BILLED),
        features_added=["sharia"],
        features_removed=["asset:equity"],
        orders_per_day_included=5,
        orders_per_day_cap=7,
        orders_per_second=None,
    )
    assert compiled.features == ("exchange:EGX", "sharia")
    assert (compiled.orders_per_day_included, compiled.orders_per_day_cap, compiled.orders_per_second) == (5, 7, None)


@pytest.mark.parametrize(
    "overrides",
    [
        {"features_added": ["exchange:NYSE"]},
        {"features_added": "sharia"},
        {"orders_per_day_cap": -1},
        {"orders_per_day_cap": True},
        {"orders_per_second": "10"},
        {"monthly_base": 1},
    ],
)
def test_an_override_outside_the_catalogue_is_refused(overrides: dict[str, object]) -> None:
    with pytest.raises(OverridesInvalid):
        check_overrides(overrides)


def test_included_orders_cannot_be_overridden_where_the_plan_counts_none() -> None:
    with pytest.raises(OverridesInvalid, match="by the day"):
        entry(terms(), orders_per_day_included=5)


@pytest.mark.parametrize(
    "row",
    [
        {**ORDERS_BILLED, "included": "many"},
        {**ORDERS_BILLED, "included": 1000},
        {**ORDERS_BILLED, "included": "10.5"},
        {**ORDERS_BILLED, "included": None},
        {**ORDERS_BILLED, "overage_price": "-1"},
        {**ORDERS_BILLED, "overage_price": "NaN"},
        {**ORDERS_BILLED, "meter": "dreams"},
        {**ORDERS_BILLED, "period": "year"},
        {**ORDERS_BILLED, "surprise": "1"},
        "orders",
    ],
)
def test_a_malformed_allowance_is_refused(row: object) -> None:
    with pytest.raises(PriceTermsInvalid):
        read_terms(plan="tested", version=1, currency="USD", monthly_base=Decimal(1), allowances=[row])


def test_a_meter_has_one_allowance() -> None:
    with pytest.raises(PriceTermsInvalid, match="more than one"):
        terms(ORDERS_BILLED, ORDERS_CAPPED)


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(PriceTermsInvalid, match="XTS"):
        read_terms(plan="tested", version=1, currency="XTS", monthly_base=Decimal(1), allowances=[])


def test_instants_become_nanoseconds_without_loss() -> None:
    assert nanoseconds(datetime(2026, 11, 23, 12, 0, 0, 123457, tzinfo=UTC)) == 1795435200123457000
    assert terms(ORDERS_BILLED).allowance(Meter.ORDERS).period is Period.DAY  # type: ignore[union-attr]
