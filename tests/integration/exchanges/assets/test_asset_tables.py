"""The database itself keeps details, values and distributions right, whoever writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from exchanges.api import AssetType
from exchanges.assets.models import DETAIL_MODELS, BondDetail, Distribution, NavValue, SukukDetail
from exchanges.models import Instrument

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo_assets")]

DAY = date(2026, 11, 1)


def instrument(key: str) -> Instrument:
    exchange, symbol = key.split(":")
    return Instrument.objects.get(exchange__code=exchange, symbol=symbol)


def refused(write: Callable[[], Any]) -> str:
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        write()
    return str(error.value)


def test_every_asset_type_has_a_row_of_its_own_in_the_demonstration() -> None:
    assert {kind for kind, model in DETAIL_MODELS.items() if model._default_manager.exists()} == set(AssetType)


@pytest.mark.parametrize("asset_type", ["bond", "sukuk"])
def test_details_belong_to_an_instrument_of_their_type(asset_type: str) -> None:
    row = BondDetail(instrument=instrument("EGX:COMI"), asset_type=asset_type, as_of=DAY)
    found = refused(lambda: row.save(force_insert=True))
    assert ("instrument_of_its_type" if asset_type == "bond" else "bond_detail_type") in found


def test_an_instrument_with_details_keeps_its_type() -> None:
    bond = instrument("EGX:DEMOBOND")
    assert "instrument_of_its_type" in refused(lambda: Instrument.objects.filter(pk=bond.pk).update(asset_type="sukuk"))


def test_values_belong_to_funds_and_distributions_to_what_distributes() -> None:
    share, bond = instrument("EGX:COMI"), instrument("EGX:DEMOBOND")

    def value(of: Instrument, asset_type: str) -> Callable[[], Any]:
        return lambda: NavValue.objects.create(instrument=of, asset_type=asset_type, valued_on=DAY, nav=1)

    assert "nav_value_asset_type" in refused(value(share, "equity"))
    assert "instrument_of_its_type" in refused(value(share, "fund"))
    paid = Distribution(instrument=bond, asset_type="bond", ex_date=DAY, amount=1)
    assert "distribution_asset_type" in refused(paid.save)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"maturity_date": date(2024, 1, 15)}, "bond_detail_matures_after_issue"),
        ({"rate_kind": "zero"}, "bond_detail_zero_pays_nothing"),
        ({"rate_percent": Decimal("-0.5")}, "bond_detail_rate_percent"),
        ({"payments_per_year": 3}, "bond_detail_payments_per_year"),
        ({"day_count": "ACT/364"}, "bond_detail_day_count"),
        ({"payment_convention": "later"}, "bond_detail_payment_convention"),
        ({"face_value": 0}, "bond_detail_face_value"),
        ({"trust": "sure"}, "bond_detail_trust"),
        ({"data_set": None}, "bond_detail_demo_comes_from_a_data_set"),
        ({"data_set": None, "trust": "1", "sources": []}, "bond_detail_has_a_source"),
    ],
)
def test_each_column_is_held_by_a_constraint(change: dict[str, Any], constraint: str) -> None:
    assert constraint in refused(lambda: BondDetail.objects.filter(instrument__symbol="DEMOBOND").update(**change))


def test_a_share_of_a_pool_is_a_share_and_a_structure_is_a_known_one() -> None:
    sukuk = SukukDetail.objects.filter(instrument__symbol="DEMOSUKUK")
    assert "sukuk_detail_tangibility_percent" in refused(lambda: sukuk.update(tangibility_percent=Decimal("100.1")))
    assert "sukuk_detail_structure" in refused(lambda: sukuk.update(structure="tawarruq"))


def test_a_value_is_positive_and_there_once_a_day() -> None:
    values = NavValue.objects.filter(instrument__symbol="DEMOFUND")
    row = values.first()
    assert row is not None
    assert "nav_value_positive" in refused(lambda: values.update(nav=0))
    row.pk = None
    assert "nav_value_once" in refused(lambda: row.save(force_insert=True))
