"""Names of the closed lists for people, in both languages. Day counts are called by their own names everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from exchanges.assets.accrual import DayCount
from exchanges.assets.details import PropertyType, RateKind, ShareClass
from exchanges.assets.funds import DealingFrequency
from exchanges.assets.payment_convention import PaymentConvention
from exchanges.assets.sukuk_structures import SukukStructure

LABELS: Mapping[StrEnum, Any] = {
    ShareClass.ORDINARY: _("ordinary"),
    ShareClass.PREFERRED: _("preferred"),
    RateKind.FIXED: _("fixed"),
    RateKind.ZERO: _("no payment before maturity"),
    RateKind.VARIABLE: _("variable"),
    PropertyType.OFFICE: _("offices"),
    PropertyType.RETAIL: _("shops"),
    PropertyType.RESIDENTIAL: _("dwellings"),
    PropertyType.INDUSTRIAL: _("industry"),
    PropertyType.HOSPITALITY: _("hotels"),
    PropertyType.MIXED: _("mixed"),
    DealingFrequency.DAILY: _("daily"),
    DealingFrequency.WEEKLY: _("weekly"),
    DealingFrequency.FORTNIGHTLY: _("every two weeks"),
    DealingFrequency.MONTHLY: _("monthly"),
    DealingFrequency.QUARTERLY: _("quarterly"),
    PaymentConvention.UNADJUSTED: _("on the day itself"),
    PaymentConvention.FOLLOWING: _("next business day"),
    PaymentConvention.MODIFIED_FOLLOWING: _("next business day within the month"),
    PaymentConvention.PRECEDING: _("business day before"),
    SukukStructure.IJARA: _("ijara"),
    SukukStructure.USUFRUCT: _("usufruct"),
    SukukStructure.FUTURE_USUFRUCT: _("future usufruct"),
    SukukStructure.SERVICES: _("services"),
    SukukStructure.FUTURE_SERVICES: _("future services"),
    SukukStructure.SALAM: _("salam"),
    SukukStructure.ISTISNA: _("istisna"),
    SukukStructure.MURABAHA: _("murabaha"),
    SukukStructure.MUSHARAKA: _("musharaka"),
    SukukStructure.MUDARABA: _("mudaraba"),
    SukukStructure.WAKALA: _("wakala"),
    SukukStructure.MUZARAA: _("muzara'a"),
    SukukStructure.MUSAQA: _("musaqa"),
    SukukStructure.MUGHARASA: _("mugharasa"),
    **{each: each.value for each in DayCount},
}


def choices_of(kind: type[StrEnum]) -> list[tuple[str, Any]]:
    """Return a closed list as the choices of a column."""
    return [(each.value, LABELS[each]) for each in kind]
