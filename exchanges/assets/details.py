"""What each asset type has beyond an instrument's own columns: one typed record each. Pure.

``None`` is "not known". The same names are the columns of the tables, the fields of ``tradsys.v1`` messages and the keys
of data sets. How a field is written and bounded stands beside it; ``exchanges.assets.validation`` reads that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar, get_type_hints

from exchanges.api import AssetType
from exchanges.assets.accrual import DayCount
from exchanges.assets.funds import DealingFrequency
from exchanges.assets.payment_convention import PaymentConvention
from exchanges.assets.sukuk_structures import SukukStructure
from exchanges.prices import MAX_PRICE

LONGEST_TEXT = 200
MOST_UNITS = 10**15


class ShareClass(StrEnum):
    ORDINARY = "ordinary"
    PREFERRED = "preferred"


class RateKind(StrEnum):
    """How a bond's coupon or a sukuk's profit is set."""

    FIXED = "fixed"
    ZERO = "zero"
    """No payment before maturity."""
    VARIABLE = "variable"


class PropertyType(StrEnum):
    OFFICE = "office"
    RETAIL = "retail"
    RESIDENTIAL = "residential"
    INDUSTRIAL = "industrial"
    HOSPITALITY = "hospitality"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class TextForm:
    longest: int = LONGEST_TEXT


@dataclass(frozen=True, slots=True)
class ChoiceForm:
    choices: type[StrEnum]


@dataclass(frozen=True, slots=True)
class DecimalForm:
    """A decimal as text, between two limits, both included, with at most ``places`` decimals."""

    low: Decimal
    high: Decimal
    places: int


@dataclass(frozen=True, slots=True)
class CountForm:
    """A whole number; ``among`` where only these count."""

    low: int = 1
    high: int = MOST_UNITS
    among: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DateForm:
    pass


@dataclass(frozen=True, slots=True)
class InstrumentForm:
    """The key of an instrument, ``EGX:COMI``."""


Form = TextForm | ChoiceForm | DecimalForm | CountForm | DateForm | InstrumentForm


@dataclass(frozen=True, slots=True)
class FieldRule:
    name: str
    form: Form
    required: bool
    """Whether the asset is complete without it; figures are computed of complete ones only."""


@dataclass(frozen=True, slots=True)
class Known:
    """A field that may stay unknown."""

    form: Form


@dataclass(frozen=True, slots=True)
class Needed:
    """A field without which the asset is not complete."""

    form: Form


_TEXT = TextForm()
_PERCENT = DecimalForm(Decimal(0), Decimal(100), 6)
_RATE = DecimalForm(Decimal(0), Decimal(1000), 6)
_FACE = DecimalForm(Decimal("0.01"), Decimal(10**12), 2)
_PAYMENTS = CountForm(0, 12, (0, 1, 2, 4, 12))


@dataclass(frozen=True, slots=True, kw_only=True)
class EquityDetails:
    TYPE: ClassVar = AssetType.EQUITY
    share_class: Annotated[ShareClass | None, Needed(ChoiceForm(ShareClass))] = None
    issued_shares: Annotated[int | None, Known(CountForm())] = None
    free_float_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    foreign_limit_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    nominal_value: Annotated[Decimal | None, Known(DecimalForm(Decimal("0.000001"), Decimal(10**9), 6))] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EtfDetails:
    TYPE: ClassVar = AssetType.ETF
    benchmark: Annotated[str | None, Needed(_TEXT)] = None
    creation_unit: Annotated[int | None, Needed(CountForm())] = None
    """Units that are created or redeemed at once."""
    dealing_frequency: Annotated[DealingFrequency | None, Needed(ChoiceForm(DealingFrequency))] = None
    """How often the value of a unit is published."""
    management_fee_percent: Annotated[Decimal | None, Known(_PERCENT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundDetails:
    TYPE: ClassVar = AssetType.FUND
    dealing_frequency: Annotated[DealingFrequency | None, Needed(ChoiceForm(DealingFrequency))] = None
    management_fee_percent: Annotated[Decimal | None, Needed(_PERCENT)] = None
    subscription_fee_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    redemption_fee_percent: Annotated[Decimal | None, Known(_PERCENT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IslamicFundDetails:
    TYPE: ClassVar = AssetType.ISLAMIC_FUND
    dealing_frequency: Annotated[DealingFrequency | None, Needed(ChoiceForm(DealingFrequency))] = None
    management_fee_percent: Annotated[Decimal | None, Needed(_PERCENT)] = None
    subscription_fee_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    redemption_fee_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    sharia_board: Annotated[str | None, Needed(_TEXT)] = None
    screening_method: Annotated[str | None, Needed(_TEXT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReitDetails:
    TYPE: ClassVar = AssetType.REIT
    property_type: Annotated[PropertyType | None, Needed(ChoiceForm(PropertyType))] = None
    dealing_frequency: Annotated[DealingFrequency | None, Needed(ChoiceForm(DealingFrequency))] = None
    """How often its property is valued and the value of a unit published."""
    leverage_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    """Borrowing in percent of total assets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BondDetails:
    TYPE: ClassVar = AssetType.BOND
    issuer: Annotated[str | None, Needed(_TEXT)] = None
    face_value: Annotated[Decimal | None, Needed(_FACE)] = None
    rate_kind: Annotated[RateKind | None, Needed(ChoiceForm(RateKind))] = None
    rate_percent: Annotated[Decimal | None, Known(_RATE)] = None
    payments_per_year: Annotated[int | None, Needed(_PAYMENTS)] = None
    day_count: Annotated[DayCount | None, Needed(ChoiceForm(DayCount))] = None
    payment_convention: Annotated[PaymentConvention | None, Needed(ChoiceForm(PaymentConvention))] = None
    issue_date: Annotated[date | None, Needed(DateForm())] = None
    maturity_date: Annotated[date | None, Needed(DateForm())] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SukukDetails:
    TYPE: ClassVar = AssetType.SUKUK
    structure: Annotated[SukukStructure | None, Needed(ChoiceForm(SukukStructure))] = None
    obligor: Annotated[str | None, Needed(_TEXT)] = None
    special_purpose_vehicle: Annotated[str | None, Needed(_TEXT)] = None
    tangibility_percent: Annotated[Decimal | None, Known(_PERCENT)] = None
    """Tangible assets and usufruct in percent of the pool."""
    face_value: Annotated[Decimal | None, Needed(_FACE)] = None
    rate_kind: Annotated[RateKind | None, Needed(ChoiceForm(RateKind))] = None
    rate_percent: Annotated[Decimal | None, Known(_RATE)] = None
    """Profit rate, of an ijara its rent."""
    payments_per_year: Annotated[int | None, Needed(_PAYMENTS)] = None
    day_count: Annotated[DayCount | None, Needed(ChoiceForm(DayCount))] = None
    payment_convention: Annotated[PaymentConvention | None, Needed(ChoiceForm(PaymentConvention))] = None
    issue_date: Annotated[date | None, Needed(DateForm())] = None
    maturity_date: Annotated[date | None, Needed(DateForm())] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RightDetails:
    TYPE: ClassVar = AssetType.RIGHT
    underlying: Annotated[str | None, Needed(InstrumentForm())] = None
    new_shares: Annotated[int | None, Needed(CountForm(1, 10**6))] = None
    held_shares: Annotated[int | None, Needed(CountForm(1, 10**6))] = None
    """So many shares held give the right to ``new_shares``."""
    subscription_price: Annotated[int | None, Needed(CountForm(1, MAX_PRICE))] = None
    """In micros."""
    last_trading_day: Annotated[date | None, Needed(DateForm())] = None
    subscription_closes: Annotated[date | None, Known(DateForm())] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DepositaryReceiptDetails:
    TYPE: ClassVar = AssetType.DEPOSITARY_RECEIPT
    underlying_name: Annotated[str | None, Needed(_TEXT)] = None
    underlying: Annotated[str | None, Known(InstrumentForm())] = None
    """Where the share itself is listed here."""
    receipts: Annotated[int | None, Needed(CountForm(1, 10**6))] = None
    shares: Annotated[int | None, Needed(CountForm(1, 10**6))] = None
    """So many receipts stand for so many shares."""
    depositary: Annotated[str | None, Needed(_TEXT)] = None


Details = (
    EquityDetails
    | EtfDetails
    | FundDetails
    | IslamicFundDetails
    | ReitDetails
    | BondDetails
    | SukukDetails
    | RightDetails
    | DepositaryReceiptDetails
)
DETAILS: Mapping[AssetType, type[Details]] = {
    each.TYPE: each
    for each in (
        EquityDetails,
        EtfDetails,
        FundDetails,
        IslamicFundDetails,
        ReitDetails,
        BondDetails,
        SukukDetails,
        RightDetails,
        DepositaryReceiptDetails,
    )
}


def field_rules(kind: type[Details]) -> tuple[FieldRule, ...]:
    """Return the rules of a record's fields, in their order."""
    return _FIELD_RULES[kind]


def _rules_of(kind: type[Details]) -> tuple[FieldRule, ...]:
    hints = get_type_hints(kind, include_extras=True)
    marks = {each.name: hints[each.name].__metadata__[0] for each in fields(kind)}
    return tuple(FieldRule(name, mark.form, isinstance(mark, Needed)) for name, mark in marks.items())


_FIELD_RULES: Mapping[type[Details], tuple[FieldRule, ...]] = {kind: _rules_of(kind) for kind in DETAILS.values()}


def missing_fields(details: Details) -> tuple[str, ...]:
    """Return the required fields that are not known; a fixed rate is one too."""
    absent = [rule.name for rule in field_rules(type(details)) if rule.required and getattr(details, rule.name) is None]
    if isinstance(details, BondDetails | SukukDetails) and details.rate_kind is RateKind.FIXED and details.rate_percent is None:
        absent.append("rate_percent")
    return tuple(absent)


def as_written(details: Details) -> dict[str, str | int]:
    """Return the known fields as data sets and messages write them: whole numbers, and text for all else."""
    written: dict[str, str | int] = {}
    for rule in field_rules(type(details)):
        value = getattr(details, rule.name)
        if isinstance(value, Decimal):
            written[rule.name] = f"{value.normalize():f}"
        elif isinstance(value, date):
            written[rule.name] = value.isoformat()
        elif isinstance(value, StrEnum):
            written[rule.name] = value.value
        elif value is not None:
            written[rule.name] = value
    return written
