"""What each asset type has beyond an instrument: one row for an instrument, and dated rows of values and distributions.

Shared tables. The columns are the fields of ``exchanges.assets.details``; empty is "not known". Every row says as of when, by
which sources and how well it is known. A detail row belongs to an instrument of its own type: the migration adds a foreign key on
the pair of instrument and type, as Django has none on two columns.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from exchanges.api import AssetType
from exchanges.assets.accrual import DayCount
from exchanges.assets.details import (
    DETAILS,
    ChoiceForm,
    CountForm,
    DecimalForm,
    PropertyType,
    RateKind,
    ShareClass,
    field_rules,
)
from exchanges.assets.funds import DealingFrequency
from exchanges.assets.labels import choices_of
from exchanges.assets.payment_convention import PaymentConvention
from exchanges.assets.sukuk_structures import SukukStructure
from exchanges.models import AssetType as AssetTypeChoice
from exchanges.models import DataSet, Instrument, Trust

VALUED_TYPES = (AssetType.ETF.value, AssetType.FUND.value, AssetType.ISLAMIC_FUND.value, AssetType.REIT.value)
DISTRIBUTING_TYPES = (AssetType.EQUITY.value, *VALUED_TYPES)


def _provenance(name: str) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(condition=Q(trust__in=Trust.values), name=f"{name}_trust"),
        models.CheckConstraint(
            condition=~Q(trust="demo") | Q(data_set__isnull=False),
            name=f"{name}_demo_comes_from_a_data_set",
            violation_error_message=_("DEMO figures come only with a signed data set."),
        ),
        models.CheckConstraint(
            condition=Q(trust="unverified") | Q(data_set__isnull=False) | ~Q(sources=[]),
            name=f"{name}_has_a_source",
            violation_error_message=_("What is not unverified names its sources."),
        ),
    ]


def _detail(asset_type: AssetType) -> list[models.BaseConstraint]:
    """The constraints of a detail table: its type, its provenance, and what ``details`` says of each field."""
    found = [models.CheckConstraint(condition=Q(asset_type=asset_type.value), name=f"{asset_type}_detail_type")]
    for rule in field_rules(DETAILS[asset_type]):
        name = rule.name
        condition: Q | None = None
        match rule.form:
            case ChoiceForm(choices):
                condition = Q(**{f"{name}__in": [each.value for each in choices]})
            case CountForm(among=among) if among:
                condition = Q(**{f"{name}__in": list(among)})
            case CountForm(low, high) | DecimalForm(low, high):
                condition = Q(**{f"{name}__gte": low, f"{name}__lte": high})
        if condition is not None:
            known = Q(**{f"{name}__isnull": True}) | condition
            found.append(models.CheckConstraint(condition=known, name=f"{asset_type}_detail_{name}"))
    return [*found, *_provenance(f"{asset_type}_detail")]


def _life(asset_type: AssetType) -> list[models.BaseConstraint]:
    return [
        models.CheckConstraint(
            condition=Q(issue_date__isnull=True) | Q(maturity_date__isnull=True) | Q(maturity_date__gt=F("issue_date")),
            name=f"{asset_type}_detail_matures_after_issue",
            violation_error_message=_("Maturity comes after issue."),
        ),
        models.CheckConstraint(
            condition=~Q(rate_kind="zero")
            | ((Q(rate_percent__isnull=True) | Q(rate_percent=0)) & (Q(payments_per_year__isnull=True) | Q(payments_per_year=0))),
            name=f"{asset_type}_detail_zero_pays_nothing",
            violation_error_message=_("Without payments before maturity there is no rate and no payment a year."),
        ),
    ]


class Provenance(models.Model):
    """Where a row comes from and how well it is known."""

    trust = models.CharField(_("trust"), max_length=16, choices=Trust.choices, default=Trust.UNVERIFIED)
    sources = models.JSONField(_("sources"), default=list, blank=True, help_text=_("A list of texts."))
    data_set = models.ForeignKey(
        DataSet,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("data set"),
    )

    class Meta:
        abstract = True


class AssetDetail(Provenance):
    """``as_of``: the day from which the row holds. The rows before it are kept as ``DetailVersion``."""

    instrument = models.OneToOneField(
        Instrument, on_delete=models.PROTECT, related_name="%(class)s", verbose_name=_("instrument"), primary_key=True
    )
    asset_type = models.CharField(_("asset type"), max_length=24, choices=AssetTypeChoice.choices, editable=False)
    as_of = models.DateField(_("as of"), help_text=_("The day from which this holds; what held before is kept."))
    note = models.TextField(_("note"), blank=True)
    edited = models.BooleanField(
        _("edited here"), default=False, editable=False, help_text=_("Loading the data file leaves the row alone.")
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.instrument)


def _percent(name: Any, **options: Any) -> models.DecimalField:
    return models.DecimalField(name, max_digits=10, decimal_places=6, null=True, blank=True, **options)


def _choice(name: Any, choices: Any) -> models.CharField:
    return models.CharField(name, max_length=24, null=True, blank=True, choices=choices_of(choices))


def _text(name: Any) -> models.CharField:
    return models.CharField(name, max_length=200, null=True, blank=True)


def _count(name: Any, **options: Any) -> models.BigIntegerField:
    return models.BigIntegerField(name, null=True, blank=True, **options)


class EquityDetail(AssetDetail):
    share_class = _choice(_("share class"), ShareClass)
    issued_shares = _count(_("issued shares"))
    free_float_percent = _percent(_("free float in percent"))
    foreign_limit_percent = _percent(_("limit of foreign ownership in percent"))
    nominal_value = models.DecimalField(_("nominal value"), max_digits=18, decimal_places=6, null=True, blank=True)

    class Meta:
        verbose_name = _("details of a share")
        verbose_name_plural = _("details of shares")
        constraints = _detail(AssetType.EQUITY)


class EtfDetail(AssetDetail):
    benchmark = _text(_("benchmark"))
    creation_unit = _count(_("creation unit"), help_text=_("Units that are created or redeemed at once."))
    dealing_frequency = _choice(_("value published"), DealingFrequency)
    management_fee_percent = _percent(_("management fee in percent a year"))

    class Meta:
        verbose_name = _("details of an exchange-traded fund")
        verbose_name_plural = _("details of exchange-traded funds")
        constraints = _detail(AssetType.ETF)


class FundDetail(AssetDetail):
    dealing_frequency = _choice(_("dealing"), DealingFrequency)
    management_fee_percent = _percent(_("management fee in percent a year"))
    subscription_fee_percent = _percent(_("subscription fee in percent"))
    redemption_fee_percent = _percent(_("redemption fee in percent"))

    class Meta:
        verbose_name = _("details of a fund")
        verbose_name_plural = _("details of funds")
        constraints = _detail(AssetType.FUND)


class IslamicFundDetail(AssetDetail):
    dealing_frequency = _choice(_("dealing"), DealingFrequency)
    management_fee_percent = _percent(_("management fee in percent a year"))
    subscription_fee_percent = _percent(_("subscription fee in percent"))
    redemption_fee_percent = _percent(_("redemption fee in percent"))
    sharia_board = _text(_("Sharia board"))
    screening_method = _text(_("screening method"))

    class Meta:
        verbose_name = _("details of an Islamic fund")
        verbose_name_plural = _("details of Islamic funds")
        constraints = _detail(AssetType.ISLAMIC_FUND)


class ReitDetail(AssetDetail):
    property_type = _choice(_("property"), PropertyType)
    dealing_frequency = _choice(_("value published"), DealingFrequency)
    leverage_percent = _percent(_("borrowing in percent of assets"))

    class Meta:
        verbose_name = _("details of a real estate fund")
        verbose_name_plural = _("details of real estate funds")
        constraints = _detail(AssetType.REIT)


class FixedIncomeDetail(AssetDetail):
    face_value = models.DecimalField(_("face value"), max_digits=16, decimal_places=2, null=True, blank=True)
    rate_kind = _choice(_("kind of rate"), RateKind)
    rate_percent = _percent(_("rate in percent a year"))
    payments_per_year = models.SmallIntegerField(
        _("payments a year"), null=True, blank=True, help_text=_("1, 2, 4 or 12; 0 where all is paid at maturity.")
    )
    day_count = _choice(_("day count"), DayCount)
    payment_convention = _choice(_("payment on a closed day"), PaymentConvention)
    issue_date = models.DateField(_("issue date"), null=True, blank=True)
    maturity_date = models.DateField(_("maturity date"), null=True, blank=True)

    class Meta:
        abstract = True


class BondDetail(FixedIncomeDetail):
    issuer = _text(_("issuer"))

    class Meta:
        verbose_name = _("details of a bond")
        verbose_name_plural = _("details of bonds")
        constraints = [*_detail(AssetType.BOND), *_life(AssetType.BOND)]


class SukukDetail(FixedIncomeDetail):
    structure = _choice(_("structure"), SukukStructure)
    obligor = _text(_("obligor"))
    special_purpose_vehicle = _text(_("special purpose vehicle"))
    tangibility_percent = _percent(_("tangible assets and usufruct in percent"))

    class Meta:
        verbose_name = _("details of sukuk")
        verbose_name_plural = _("details of sukuk")
        constraints = [*_detail(AssetType.SUKUK), *_life(AssetType.SUKUK)]


class RightDetail(AssetDetail):
    underlying = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, null=True, blank=True, related_name="rights", verbose_name=_("underlying share")
    )
    new_shares = _count(_("new shares"))
    held_shares = _count(_("for shares held"))
    subscription_price = _count(_("subscription price in millionths"))
    last_trading_day = models.DateField(_("last trading day"), null=True, blank=True)
    subscription_closes = models.DateField(_("subscription closes"), null=True, blank=True)

    class Meta:
        verbose_name = _("details of a right")
        verbose_name_plural = _("details of rights")
        constraints = [
            *_detail(AssetType.RIGHT),
            models.CheckConstraint(
                condition=Q(underlying__isnull=True) | ~Q(underlying=F("instrument")),
                name="right_detail_underlying_is_another",
                violation_error_message=_("A right is not its own share."),
            ),
            models.CheckConstraint(
                condition=Q(last_trading_day__isnull=True)
                | Q(subscription_closes__isnull=True)
                | Q(subscription_closes__gte=F("last_trading_day")),
                name="right_detail_closes_after_trading",
                violation_error_message=_("Subscription does not close before the last trading day."),
            ),
        ]


class DepositaryReceiptDetail(AssetDetail):
    underlying_name = _text(_("underlying share"))
    underlying = models.ForeignKey(
        Instrument,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="receipts",
        verbose_name=_("underlying instrument"),
        help_text=_("Where the share itself is listed here."),
    )
    receipts = _count(_("receipts"))
    shares = _count(_("for shares"))
    depositary = _text(_("depositary"))

    class Meta:
        verbose_name = _("details of a depositary receipt")
        verbose_name_plural = _("details of depositary receipts")
        constraints = [
            *_detail(AssetType.DEPOSITARY_RECEIPT),
            models.CheckConstraint(
                condition=Q(underlying__isnull=True) | ~Q(underlying=F("instrument")),
                name="receipt_detail_underlying_is_another",
                violation_error_message=_("A receipt is not its own share."),
            ),
        ]


DETAIL_MODELS: dict[AssetType, type[AssetDetail]] = {
    AssetType.EQUITY: EquityDetail,
    AssetType.ETF: EtfDetail,
    AssetType.FUND: FundDetail,
    AssetType.ISLAMIC_FUND: IslamicFundDetail,
    AssetType.REIT: ReitDetail,
    AssetType.BOND: BondDetail,
    AssetType.SUKUK: SukukDetail,
    AssetType.RIGHT: RightDetail,
    AssetType.DEPOSITARY_RECEIPT: DepositaryReceiptDetail,
}


class DetailVersion(Provenance):
    """A detail row as it held from ``as_of`` until the next one. Never changed."""

    instrument = models.ForeignKey(
        Instrument, on_delete=models.PROTECT, related_name="detail_versions", verbose_name=_("instrument")
    )
    as_of = models.DateField(_("as of"))
    fields = models.JSONField(_("fields"))
    note = models.TextField(_("note"), blank=True)
    replaced_by = models.CharField(_("replaced by"), max_length=150)
    replaced_at = models.DateTimeField(_("replaced at"), auto_now_add=True)

    class Meta:
        ordering = ("instrument", "-as_of")
        verbose_name = _("earlier details")
        verbose_name_plural = _("earlier details")
        constraints = [
            models.UniqueConstraint(fields=("instrument", "as_of"), name="detail_version_once"),
            *_provenance("detail_version"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.as_of}"


class NavValue(Provenance):
    """The published value of a unit (micros) on a day."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="nav_values", verbose_name=_("instrument"))
    asset_type = models.CharField(_("asset type"), max_length=24, choices=AssetTypeChoice.choices, editable=False)
    valued_on = models.DateField(_("valued on"))
    nav = models.BigIntegerField(_("value of a unit in millionths"))

    class Meta:
        ordering = ("instrument", "-valued_on")
        verbose_name = _("value of a unit")
        verbose_name_plural = _("values of a unit")
        constraints = [
            models.UniqueConstraint(
                fields=("instrument", "valued_on"),
                name="nav_value_once",
                violation_error_message=_("The value of this day is there already."),
            ),
            models.CheckConstraint(
                condition=Q(nav__gt=0), name="nav_value_positive", violation_error_message=_("A value is positive.")
            ),
            models.CheckConstraint(condition=Q(asset_type__in=VALUED_TYPES), name="nav_value_asset_type"),
            *_provenance("nav_value"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.valued_on}"


class Distribution(Provenance):
    """What a unit or share was paid, in the instrument's currency."""

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="distributions", verbose_name=_("instrument"))
    asset_type = models.CharField(_("asset type"), max_length=24, choices=AssetTypeChoice.choices, editable=False)
    ex_date = models.DateField(_("ex-date"))
    payment_date = models.DateField(_("payment date"), null=True, blank=True)
    amount = models.DecimalField(_("amount for a unit"), max_digits=18, decimal_places=6)

    class Meta:
        ordering = ("instrument", "-ex_date")
        verbose_name = _("distribution")
        verbose_name_plural = _("distributions")
        constraints = [
            models.UniqueConstraint(
                fields=("instrument", "ex_date"),
                name="distribution_once",
                violation_error_message=_("The distribution of this day is there already."),
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0), name="distribution_positive", violation_error_message=_("A distribution is positive.")
            ),
            models.CheckConstraint(
                condition=Q(payment_date__isnull=True) | Q(payment_date__gte=F("ex_date")),
                name="distribution_paid_after_ex_date",
                violation_error_message=_("A distribution is not paid before its ex-date."),
            ),
            models.CheckConstraint(condition=Q(asset_type__in=DISTRIBUTING_TYPES), name="distribution_asset_type"),
            *_provenance("distribution"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.ex_date}"
