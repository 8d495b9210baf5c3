"""Exchanges, their instruments and dated rules, signed data sets, routing and kill switches (shared tables).

Prices are int64 micros. Every fact keeps its sources and its trust mark; what is unverified does not
act until an operator signs or activates it.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import ArrayField, RangeOperators
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Deferrable, F, Func, Q, Value
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from exchanges.dated_rules import RuleKind
from exchanges.isin import is_valid_isin
from exchanges.routing.balancers import Balancer

ISIN_FORM = r"^[A-Z]{2}[A-Z0-9]{9}[0-9]$"
SHA256_FORM = r"^[0-9a-f]{64}$"


class Trust(models.TextChoices):
    """The marks of ``exchanges.api.Trust``."""

    VERIFIED = "V", _("verified")
    SINGLE_SOURCE = "1", _("one source")
    UNVERIFIED = "unverified", _("unverified")
    DEMO = "demo", _("DEMO")


class IsinStatus(models.TextChoices):
    VERIFIED = "verified", _("two or more sources agree")
    SINGLE_SOURCE = "single source", _("one source")
    NOT_FOUND = "not found", _("not found")


class AssetType(models.TextChoices):
    """The values of ``exchanges.api.AssetType``."""

    EQUITY = "equity", _("equity")
    ETF = "etf", _("exchange-traded fund")
    FUND = "fund", _("fund")
    ISLAMIC_FUND = "islamic_fund", _("Islamic fund")
    REIT = "reit", _("real estate fund")
    BOND = "bond", _("bond")
    SUKUK = "sukuk", _("sukuk")
    RIGHT = "right", _("subscription right")
    DEPOSITARY_RECEIPT = "depositary_receipt", _("depositary receipt")


class RuleKindChoice(models.TextChoices):
    """The values of ``exchanges.dated_rules.RuleKind``."""

    TIME_ZONE = RuleKind.TIME_ZONE.value, _("time zone")
    WEEKDAYS = RuleKind.WEEKDAYS.value, _("trading week")
    SESSION = RuleKind.SESSION.value, _("session hours")
    RAMADAN = RuleKind.RAMADAN.value, _("Ramadan")
    CLOSURE = RuleKind.CLOSURE.value, _("closure")
    EMERGENCY = RuleKind.EMERGENCY.value, _("emergency closure")
    TICK = RuleKind.TICK.value, _("tick sizes")
    PRICE_LIMIT = RuleKind.PRICE_LIMIT.value, _("daily price limit")
    CURRENCY = RuleKind.CURRENCY.value, _("currency")
    INVESTOR_ID = RuleKind.INVESTOR_ID.value, _("investor number")
    SETTLEMENT = RuleKind.SETTLEMENT.value, _("settlement")
    DEPOSITORY = RuleKind.DEPOSITORY.value, _("depository")
    HALT = RuleKind.HALT.value, _("trading halt")
    ORDER_TYPES = RuleKind.ORDER_TYPES.value, _("order types")
    BOARD = RuleKind.BOARD.value, _("board")
    BOARD_MEMBERS = RuleKind.BOARD_MEMBERS.value, _("members of a board")
    SIDE_SESSION = RuleKind.SIDE_SESSION.value, _("block and side sessions")
    LOT = RuleKind.LOT.value, _("lot size")
    REFERENCE_PRICE = RuleKind.REFERENCE_PRICE.value, _("reference and closing price")
    FIRST_DAY = RuleKind.FIRST_DAY.value, _("first day of trading")
    BLOCK_TRADE = RuleKind.BLOCK_TRADE.value, _("block trades")
    CROSS = RuleKind.CROSS.value, _("crosses")
    MARGIN = RuleKind.MARGIN.value, _("margin trading")
    OWNERSHIP = RuleKind.OWNERSHIP.value, _("ownership limits")
    SHORT_SALE = RuleKind.SHORT_SALE.value, _("short selling")
    CLIENT_CAP = RuleKind.CLIENT_CAP.value, _("same-day cap of a client")
    CLIENT_BAN = RuleKind.CLIENT_BAN.value, _("ban of a client")
    PRE_TRADE_CHECK = RuleKind.PRE_TRADE_CHECK.value, _("check before an order")
    DUTY = RuleKind.DUTY.value, _("regulator's duty")
    FEE = RuleKind.FEE.value, _("fee")
    CLAIM = RuleKind.CLAIM.value, _("claim not believed")


def validate_isin(isin: str) -> None:
    """Raise ``ValidationError`` unless form and check digit are right (ISO 6166)."""
    if not is_valid_isin(isin):
        raise ValidationError(_("%(isin)s is no ISIN: its form or check digit is wrong."), params={"isin": isin})


class BalancerChoice(models.TextChoices):
    """The values of ``exchanges.routing.balancers.Balancer``."""

    ROUND_ROBIN = Balancer.ROUND_ROBIN.value, _("one line after the other")
    LEAST_IN_FLIGHT = Balancer.LEAST_IN_FLIGHT.value, _("fewest unanswered orders")
    LOWEST_LATENCY = Balancer.LOWEST_LATENCY.value, _("quickest expected answer")


class Exchange(models.Model):
    code = models.CharField(_("code"), max_length=12, unique=True)
    mic = models.CharField(_("market identifier code"), max_length=4, unique=True)
    name = models.CharField(_("name"), max_length=120)
    name_ar = models.CharField(_("name in Arabic"), max_length=120, blank=True)
    country = models.CharField(_("country"), max_length=2)
    balancer = models.CharField(
        _("balancing of lines"),
        max_length=24,
        choices=BalancerChoice.choices,
        default=BalancerChoice.ROUND_ROBIN,
        help_text=_("Which of the exchange's order lines that are up takes the next order."),
    )

    class Meta:
        ordering = ("code",)
        verbose_name = _("exchange")
        verbose_name_plural = _("exchanges")
        constraints = [
            models.CheckConstraint(condition=Q(code__regex=r"^[A-Z][A-Z0-9]{1,11}$"), name="exchange_code_form"),
            models.CheckConstraint(condition=Q(mic__regex=r"^[A-Z0-9]{4}$"), name="exchange_mic_form"),
            models.CheckConstraint(condition=Q(balancer__in=BalancerChoice.values), name="exchange_balancer"),
        ]

    def __str__(self) -> str:
        name = self.name_ar if get_language() == "ar" and self.name_ar else self.name
        return f"{self.code}: {name}"


class Signer(models.Model):
    """Somebody whose Ed25519 signature under a data set counts: an operator or a board."""

    class Kind(models.TextChoices):
        OPERATOR = "operator", _("operator")
        BOARD = "board", _("board")

    name = models.CharField(_("name"), max_length=120, unique=True)
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    public_key = models.CharField(_("public key"), max_length=44, help_text=_("Ed25519, base64"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, verbose_name=_("user"))
    active = models.BooleanField(_("active"), default=True, help_text=_("Data sets of an inactive signer no longer count."))

    class Meta:
        ordering = ("name",)
        verbose_name = _("signer")
        verbose_name_plural = _("signers")
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=("operator", "board")), name="signer_kind"),
            models.CheckConstraint(condition=Q(public_key__regex=r"^[A-Za-z0-9+/]{43}=$"), name="signer_key_form"),
        ]

    def __str__(self) -> str:
        return self.name


class DataSet(models.Model):
    """A labelled, signed document of reference data. What it says counts only while the signature holds."""

    name = models.CharField(_("name"), max_length=80)
    label = models.CharField(_("label"), max_length=200)
    kind = models.CharField(_("kind"), max_length=40)
    content_hash = models.CharField(_("content hash"), max_length=64, help_text=_("SHA-256 of the document"))
    document = models.TextField(_("document"))
    signature = models.CharField(_("signature"), max_length=88, help_text=_("Ed25519, base64"))
    signer = models.ForeignKey(Signer, on_delete=models.PROTECT, related_name="data_sets", verbose_name=_("signer"))
    signed_by = models.CharField(_("signed by"), max_length=120)
    imported_by = models.CharField(_("imported by"), max_length=150)
    imported_at = models.DateTimeField(_("imported at"), auto_now_add=True)

    class Meta:
        ordering = ("name", "-imported_at")
        verbose_name = _("data set")
        verbose_name_plural = _("data sets")
        constraints = [
            models.UniqueConstraint(fields=("name", "content_hash"), name="data_set_content_once"),
            models.CheckConstraint(condition=Q(content_hash__regex=SHA256_FORM), name="data_set_hash_form"),
            models.CheckConstraint(condition=~Q(signature="") & ~Q(label=""), name="data_set_signed_and_labelled"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.label}"


class Instrument(models.Model):
    """A line of an exchange. ``lot`` is as published; while ``lot_status`` is unverified only a signed
    data set makes it count."""

    class LotStatus(models.TextChoices):
        VERIFIED = "verified", _("verified")
        UNVERIFIED = "unverified", _("unverified")

    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="instruments", verbose_name=_("exchange"))
    symbol = models.CharField(_("symbol"), max_length=24, blank=True, help_text=_("Empty where none is known."))
    isin = models.CharField(_("ISIN"), max_length=12, null=True, blank=True, validators=[validate_isin])
    isin_status = models.CharField(_("ISIN status"), max_length=16, choices=IsinStatus.choices)
    name = models.CharField(_("name"), max_length=200)
    name_ar = models.CharField(_("name in Arabic"), max_length=200, blank=True)
    asset_type = models.CharField(_("asset type"), max_length=24, choices=AssetType.choices)
    sector = models.CharField(_("sector"), max_length=80, blank=True)
    currency = models.CharField(_("currency"), max_length=3)
    tick_table = models.CharField(_("tick table"), max_length=24, blank=True)
    board = models.CharField(
        _("board"), max_length=24, default="main", help_text=_("Chooses the daily price limit among the dated rules.")
    )
    lot = models.BigIntegerField(_("lot"), default=1)
    lot_status = models.CharField(_("lot status"), max_length=16, choices=LotStatus.choices, default=LotStatus.UNVERIFIED)
    tradable = models.BooleanField(_("tradable"), default=True)
    sharia_index = models.JSONField(_("Sharia index"), null=True, blank=True)
    sources = models.JSONField(_("sources"), default=list, blank=True)
    note = models.TextField(_("note"), blank=True)
    edited = models.BooleanField(
        _("edited here"), default=False, editable=False, help_text=_("Loading the data file leaves the row alone.")
    )

    class Meta:
        ordering = ("exchange", "symbol", "name")
        verbose_name = _("instrument")
        verbose_name_plural = _("instruments")
        constraints = [
            models.UniqueConstraint(
                fields=("exchange", "symbol"),
                condition=~Q(symbol=""),
                name="instrument_symbol",
                violation_error_message=_("The exchange already lists this symbol."),
            ),
            models.UniqueConstraint(fields=("exchange", "name"), name="instrument_name"),
            models.UniqueConstraint(fields=("exchange", "isin"), name="instrument_isin"),
            models.CheckConstraint(condition=Q(isin__isnull=True) | Q(isin__regex=ISIN_FORM), name="isin_form"),
            models.CheckConstraint(
                condition=Q(isin__isnull=False) | Q(isin_status="not found"),
                name="isin_missing_is_not_found",
                violation_error_message=_("Without an ISIN its status is: not found."),
            ),
            models.CheckConstraint(
                condition=Q(lot__gt=0), name="lot_positive", violation_error_message=_("A lot is a positive number of shares.")
            ),
            models.CheckConstraint(
                condition=Q(tradable=False) | (~Q(symbol="") & ~Q(tick_table="")),
                name="tradable_has_symbol_and_ticks",
                violation_error_message=_("Only an instrument with a symbol and a tick table can be traded."),
            ),
            models.CheckConstraint(condition=Q(asset_type__in=AssetType.values), name="instrument_asset_type"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        """``EGX:COMI``; the name where there is no symbol."""
        return f"{self.exchange.code}:{self.symbol or self.name}"


def _single(expression: Func | F) -> Func:
    """A number as the range that holds only it: GiST knows ranges, and no numbers without an extension."""
    return Func(expression, expression, Value("[]"), function="int8range")


class RuleRow(models.Model):
    """A dated rule of an exchange; see ``exchanges.dated_rules.DatedRule``."""

    exchange = models.ForeignKey(Exchange, on_delete=models.PROTECT, related_name="rules", verbose_name=_("exchange"))
    kind = models.CharField(_("kind"), max_length=24, choices=RuleKindChoice.choices)
    scope = models.CharField(_("scope"), max_length=40, blank=True)
    valid_from = models.DateField(_("valid from"), null=True, blank=True)
    valid_to = models.DateField(_("valid to"), null=True, blank=True, help_text=_("Last day on which it holds."))
    value = models.JSONField(_("value"), default=dict, blank=True)
    label = models.CharField(_("label"), max_length=120)
    trust = models.CharField(_("trust"), max_length=16, choices=Trust.choices)
    sources = models.JSONField(_("sources"), default=dict, blank=True, help_text=_("Source key and what it is."))
    note = models.TextField(_("note"), blank=True)
    active = models.BooleanField(_("active"), default=False)
    data_set = models.ForeignKey(
        DataSet, on_delete=models.PROTECT, null=True, blank=True, related_name="rules", verbose_name=_("data set")
    )
    file_key = models.CharField(max_length=120, null=True, editable=False)
    edited = models.BooleanField(
        _("edited here"), default=False, editable=False, help_text=_("Loading the data file leaves the row alone.")
    )

    class Meta:
        ordering = ("exchange", "kind", "scope", F("valid_from").asc(nulls_first=True))
        verbose_name = _("dated rule")
        verbose_name_plural = _("dated rules")
        constraints = [
            models.UniqueConstraint(fields=("exchange", "file_key"), name="rule_file_key"),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True) | Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="rule_range",
                violation_error_message=_("A rule does not end before it starts."),
            ),
            models.CheckConstraint(condition=Q(kind__in=RuleKindChoice.values), name="rule_kind"),
            models.CheckConstraint(condition=Q(trust__in=Trust.values), name="rule_trust"),
            models.CheckConstraint(
                condition=~Q(trust="demo") | Q(data_set__isnull=False),
                name="rule_demo_comes_from_a_data_set",
                violation_error_message=_("A DEMO rule comes only with a signed data set."),
            ),
            # Deferred: ending one row and starting the next is one transaction in any order.
            ExclusionConstraint(
                name="rule_active_rows_do_not_overlap",
                expressions=[
                    (_single(F("exchange_id")), RangeOperators.EQUAL),
                    (
                        _single(
                            Func(
                                Func(F("kind"), Value("/"), F("scope"), arg_joiner=" || ", template="(%(expressions)s)"),
                                Value(0),
                                function="hashtextextended",
                            )
                        ),
                        RangeOperators.EQUAL,
                    ),
                    (
                        Func(F("valid_from"), F("valid_to"), Value("[]"), function="daterange"),
                        RangeOperators.OVERLAPS,
                    ),
                ],
                condition=Q(active=True),
                deferrable=Deferrable.DEFERRED,
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def get_constraints(self) -> list[tuple[type[models.Model], list[models.BaseConstraint]]]:
        """Leave overlaps to ``services.check_rules``, which names the two rows that share a day; the
        database holds the constraint at commit."""
        return [
            (model, [constraint for constraint in constraints if not isinstance(constraint, ExclusionConstraint)])
            for model, constraints in super().get_constraints()
        ]


class MarketReference(models.Model):
    """The reference price (micros) of an instrument from a day on, and the lot that came with it.

    Without a data set the row is unsigned and does not count.
    """

    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT, related_name="references", verbose_name=_("instrument"))
    valid_from = models.DateField(_("valid from"))
    reference_price = models.BigIntegerField(_("reference price in millionths"))
    lot = models.BigIntegerField(_("lot"), null=True, blank=True)
    data_set = models.ForeignKey(
        DataSet, on_delete=models.PROTECT, null=True, blank=True, related_name="references", verbose_name=_("data set")
    )

    class Meta:
        ordering = ("instrument", "-valid_from")
        verbose_name = _("reference price")
        verbose_name_plural = _("reference prices")
        constraints = [
            models.UniqueConstraint(fields=("instrument", "valid_from"), name="market_reference_once"),
            models.CheckConstraint(condition=Q(reference_price__gt=0), name="reference_price_positive"),
            models.CheckConstraint(condition=Q(lot__isnull=True) | Q(lot__gt=0), name="market_lot_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.instrument} {self.valid_from}"


WEEKDAYS = [1, 2, 3, 4, 5, 6, 7]
"""ISO 8601: 1 is Monday."""


def _is_range(least: str, most: str) -> Q:
    """Both positive where they are given, and in order."""
    open_ended = Q(**{f"{least}__isnull": True}) | Q(**{f"{most}__isnull": True}) | Q(**{f"{least}__lte": F(most)})
    return (
        open_ended
        & (Q(**{f"{least}__isnull": True}) | Q(**{f"{least}__gt": 0}))
        & (Q(**{f"{most}__isnull": True}) | Q(**{f"{most}__gt": 0}))
    )


class RoutingRule(models.Model):
    """Which order line takes an order. Rules are tried by ascending priority; empty matches everything.

    Values in micros of the instrument's currency; times and weekdays by the exchange's own clock.
    """

    priority = models.PositiveIntegerField(_("priority"), unique=True)
    exchange = models.ForeignKey(
        Exchange, on_delete=models.PROTECT, null=True, blank=True, related_name="routes", verbose_name=_("exchange")
    )
    symbol = models.CharField(_("symbol"), max_length=24, blank=True)
    asset_type = models.CharField(_("asset type"), max_length=24, choices=AssetType.choices, blank=True)
    tenant = models.CharField(_("tenant"), max_length=63, blank=True, help_text=_("Its short name, as in its address."))
    account = models.CharField(_("account"), max_length=64, blank=True, help_text=_("Code of an account of the tenant."))
    min_quantity = models.PositiveBigIntegerField(_("least quantity"), null=True, blank=True)
    max_quantity = models.PositiveBigIntegerField(_("largest quantity"), null=True, blank=True)
    min_value = models.PositiveBigIntegerField(_("least value"), null=True, blank=True)
    max_value = models.PositiveBigIntegerField(_("largest value"), null=True, blank=True)
    from_time = models.TimeField(_("from"), null=True, blank=True, help_text=_("By the exchange's own clock."))
    until_time = models.TimeField(_("until"), null=True, blank=True, help_text=_("No longer at this time; empty: until midnight."))
    weekdays = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("weekdays"), default=list, blank=True, help_text=_("None: every day.")
    )
    line = models.CharField(
        _("target"), max_length=40, help_text=_("A line, or an exchange's pool: then the balancer chooses among its lines.")
    )
    fallback = models.JSONField(
        _("fallbacks"), default=list, blank=True, help_text=_("Tried in order when no line of the target is up.")
    )
    balancer = models.CharField(
        _("balancing of lines"),
        max_length=24,
        choices=BalancerChoice.choices,
        blank=True,
        help_text=_("Empty: as set for the exchange."),
    )
    active = models.BooleanField(_("active"), default=True)
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        ordering = ("priority",)
        verbose_name = _("routing rule")
        verbose_name_plural = _("routing rules")
        constraints = [
            models.CheckConstraint(condition=~Q(line=""), name="route_has_line"),
            models.CheckConstraint(
                condition=Q(symbol="") | Q(exchange__isnull=False),
                name="route_symbol_needs_exchange",
                violation_error_message=_("A symbol means something only on an exchange."),
            ),
            models.CheckConstraint(
                condition=Q(account="") | ~Q(tenant=""),
                name="route_account_needs_tenant",
                violation_error_message=_("An account means something only with its tenant."),
            ),
            models.CheckConstraint(
                condition=_is_range("min_quantity", "max_quantity"),
                name="route_quantity_range",
                violation_error_message=_("The least quantity is positive and not above the largest."),
            ),
            models.CheckConstraint(
                condition=_is_range("min_value", "max_value"),
                name="route_value_range",
                violation_error_message=_("The least value is positive and not above the largest."),
            ),
            models.CheckConstraint(
                condition=Q(from_time__isnull=True) | Q(until_time__isnull=True) | Q(from_time__lt=F("until_time")),
                name="route_time_range",
                violation_error_message=_("A time of day begins before it ends, on the same day."),
            ),
            models.CheckConstraint(
                condition=Q(weekdays__contained_by=WEEKDAYS),
                name="route_weekdays",
                violation_error_message=_("Weekdays are 1 (Monday) to 7 (Sunday)."),
            ),
            models.CheckConstraint(condition=Q(balancer__in=["", *BalancerChoice.values]), name="route_balancer"),
        ]

    def __str__(self) -> str:
        return f"{self.priority}: {self.line}"


class ExchangeSwitch(models.Model):
    """Kill switch of an exchange, or of the whole platform where ``exchange`` is empty."""

    exchange = models.OneToOneField(
        Exchange,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="switch",
        verbose_name=_("exchange"),
        help_text=_("Empty: the whole platform."),
    )
    killed = models.BooleanField(_("trading stopped"), default=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        ordering = ("exchange",)
        verbose_name = _("kill switch")
        verbose_name_plural = _("kill switches")
        constraints = [
            models.UniqueConstraint(
                models.ExpressionWrapper(Q(exchange__isnull=True), output_field=models.BooleanField()),
                condition=Q(exchange__isnull=True),
                name="one_platform_switch",
            ),
            models.CheckConstraint(
                condition=Q(killed=False) | ~Q(reason=""),
                name="killed_has_a_reason",
                violation_error_message=_("Say why trading is stopped."),
            ),
        ]

    def __str__(self) -> str:
        return self.exchange.code if self.exchange else str(_("platform"))
