"""Accounts with their ledgers, and the orders and executions that the projector writes from the journal.

These tables live in each tenant's own schema. Prices are int64 micros (millionths of the currency unit), money is
NUMERIC with six decimals, times of orders and executions are nanoseconds UTC as in the journal.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

MONEY = {"max_digits": 30, "decimal_places": 6}
MICRO = Decimal("0.000001")
CODE = RegexValidator(r"\A[A-Z0-9][A-Z0-9-]{1,23}\Z", _("2 to 24 capital letters, digits and hyphens"))
CURRENCY = RegexValidator(r"\A[A-Z]{3}\Z", _("An ISO 4217 currency code"))


class AccountStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    SUSPENDED = "suspended", _("Suspended")


class TradingAccount(models.Model):
    """One investor's account with the broker, its limits and the board that screens for it."""

    code = models.CharField(_("code"), max_length=24, unique=True, validators=[CODE])
    name = models.CharField(_("name"), max_length=200)
    name_ar = models.CharField(_("name in Arabic"), max_length=200, blank=True)
    status = models.CharField(_("status"), max_length=16, choices=AccountStatus, default=AccountStatus.ACTIVE)
    investor_ids = models.JSONField(
        _("investor numbers"), default=dict, blank=True, help_text=_("Exchange code to Unified Code or NIN")
    )
    max_order_quantity = models.BigIntegerField(_("largest quantity of an order"))
    max_order_value = models.DecimalField(_("largest value of an order"), **MONEY)
    killed = models.BooleanField(_("kill switch"), default=False)
    sharia_board = models.CharField(_("Sharia board"), max_length=64, null=True, blank=True)
    opened_at = models.DateTimeField(_("opened at"), auto_now_add=True)

    class Meta:
        verbose_name = _("trading account")
        verbose_name_plural = _("trading accounts")
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=models.Q(status__in=AccountStatus.values), name="account_status_known"),
            models.CheckConstraint(condition=models.Q(max_order_quantity__gt=0), name="account_quantity_limit_positive"),
            models.CheckConstraint(condition=models.Q(max_order_value__gt=0), name="account_value_limit_positive"),
        ]

    def __str__(self) -> str:
        return self.code


class LedgerKind(models.TextChoices):
    ENDOWMENT = "endowment", _("Opening balance")
    DEPOSIT = "deposit", _("Deposit")
    WITHDRAWAL = "withdrawal", _("Withdrawal")


class LedgerEntry(models.Model):
    """What both ledgers share. The database refuses every UPDATE and DELETE of an entry (migration 0002)."""

    kind = models.CharField(_("kind"), max_length=16, choices=LedgerKind)
    note = models.CharField(_("note"), max_length=200, blank=True)
    recorded_by = models.CharField(_("recorded by"), max_length=150)
    recorded_at = models.DateTimeField(_("recorded at"), auto_now_add=True)

    class Meta:
        abstract = True
        ordering = ["id"]


def _sign_fits_kind(field: str) -> models.Q:
    """A withdrawal is negative, everything else positive."""
    withdrawal = models.Q(kind=LedgerKind.WITHDRAWAL)
    return (withdrawal & models.Q(**{f"{field}__lt": 0})) | (~withdrawal & models.Q(**{f"{field}__gt": 0}))


class CashEntry(LedgerEntry):
    """Cash that came in (positive) or went out (negative), other than by trading."""

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="cash_entries")
    currency = models.CharField(_("currency"), max_length=3, validators=[CURRENCY])
    amount = models.DecimalField(_("amount"), **MONEY)

    class Meta(LedgerEntry.Meta):
        verbose_name = _("cash entry")
        verbose_name_plural = _("cash entries")
        constraints = [
            models.CheckConstraint(
                condition=_sign_fits_kind("amount"),
                name="cash_entry_sign",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=LedgerKind.values), name="cash_entry_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.amount} {self.currency}"


class ShareEntry(LedgerEntry):
    """Shares that came in (positive) or went out (negative), other than by trading."""

    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="share_entries")
    exchange = models.CharField(_("exchange"), max_length=12)
    symbol = models.CharField(_("symbol"), max_length=32)
    quantity = models.BigIntegerField(_("quantity"))

    class Meta(LedgerEntry.Meta):
        verbose_name = _("share entry")
        verbose_name_plural = _("share entries")
        constraints = [
            models.CheckConstraint(
                condition=_sign_fits_kind("quantity"),
                name="share_entry_sign",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=LedgerKind.values), name="share_entry_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {self.quantity} {self.exchange}:{self.symbol}"


class OrderState(models.TextChoices):
    """Names as in ``tradsys.v1.OrderState``."""

    PENDING_NEW = "PENDING_NEW", _("Sent")
    NEW = "NEW", _("Open")
    PARTIALLY_FILLED = "PARTIALLY_FILLED", _("Partly filled")
    FILLED = "FILLED", _("Filled")
    CANCELED = "CANCELED", _("Cancelled")
    EXPIRED = "EXPIRED", _("Expired")
    REJECTED = "REJECTED", _("Rejected by the exchange")
    PENDING_CANCEL = "PENDING_CANCEL", _("Cancel sent")
    DENIED = "DENIED", _("Refused")


class Order(models.Model):
    """One order as the journal tells it: accepted and sent (``order_id`` is set), or denied with code, rule and figures."""

    order_id = models.BigIntegerField(_("order number"), unique=True, null=True)
    worker = models.CharField(max_length=64)
    epoch = models.BigIntegerField()
    sequence = models.BigIntegerField(help_text=_("Journal record that accepted or denied it"))
    client_order_id = models.CharField(_("client order id"), max_length=64)
    account = models.CharField(_("account"), max_length=64)
    exchange = models.CharField(_("exchange"), max_length=64)
    symbol = models.CharField(_("symbol"), max_length=64)
    side = models.CharField(_("side"), max_length=24)
    type = models.CharField(_("type"), max_length=24)
    time_in_force = models.CharField(_("time in force"), max_length=24)
    quantity = models.BigIntegerField(_("quantity"))
    price = models.BigIntegerField(_("price"), help_text=_("Millionths of the currency unit; 0 for a market order"))
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    state = models.CharField(_("state"), max_length=24, choices=OrderState)
    cumulative = models.BigIntegerField(_("filled"), default=0)
    leaves = models.BigIntegerField(_("remaining"), default=0)
    filled_value = models.DecimalField(_("value filled"), default=0, **MONEY)
    denied_code = models.CharField(_("refusal"), max_length=48, blank=True)
    denied_rule = models.CharField(_("rule"), max_length=300, blank=True)
    denied_figures = models.JSONField(_("figures"), default=dict)
    user = models.CharField(_("user"), max_length=150)
    door = models.CharField(_("door"), max_length=24)
    trace_id = models.CharField(max_length=64, blank=True)
    verdict_id = models.CharField(_("Sharia verdict"), max_length=64, blank=True)
    venue_order_id = models.CharField(_("exchange's order number"), max_length=64, blank=True)
    text = models.CharField(_("the exchange's remark"), max_length=300, blank=True)
    accepted_at = models.BigIntegerField(_("time"), help_text=_("Nanoseconds UTC"))
    changed_at = models.BigIntegerField(_("last change"), help_text=_("Nanoseconds UTC"))

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-accepted_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "epoch", "sequence", "client_order_id", "account"], name="order_projected_once"
            ),
            models.CheckConstraint(condition=models.Q(state__in=OrderState.values), name="order_state_known"),
            models.CheckConstraint(
                condition=models.Q(state="DENIED", order_id__isnull=True)
                | (~models.Q(state="DENIED") & models.Q(order_id__isnull=False)),
                name="order_number_unless_denied",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "client_order_id"], name="order_client_id"),
            models.Index(fields=["account", "-accepted_at"], name="order_account_recent"),
            models.Index(fields=["-accepted_at", "-id"], name="order_recent"),
        ]

    @property
    def average_price(self) -> Decimal | None:
        """Of what is filled, to six decimals, half up; None before the first fill."""
        if not self.cumulative:
            return None
        return (self.filled_value / self.cumulative).quantize(MICRO, ROUND_HALF_UP)

    def __str__(self) -> str:
        return f"{self.order_id or 'denied'} {self.side} {self.quantity} {self.symbol}"


class Execution(models.Model):
    """One fill, as the exchange reported it."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="executions", to_field="order_id")
    worker = models.CharField(max_length=64)
    epoch = models.BigIntegerField()
    sequence = models.BigIntegerField()
    exec_id = models.CharField(_("execution id"), max_length=64)
    quantity = models.BigIntegerField(_("quantity"))
    price = models.BigIntegerField(_("price"), help_text=_("Millionths of the currency unit"))
    executed_at = models.BigIntegerField(_("time"), help_text=_("Nanoseconds UTC"))

    class Meta:
        verbose_name = _("execution")
        verbose_name_plural = _("executions")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["worker", "exec_id", "order"], name="execution_once"),
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="execution_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.exec_id}: {self.quantity} of order {self.order_id}"


class AccountCash(models.Model):
    """What fills did to an account's cash; the balance is this plus the account's cash entries."""

    account = models.CharField(_("account"), max_length=24)
    currency = models.CharField(_("currency"), max_length=3)
    from_fills = models.DecimalField(_("from fills"), default=0, **MONEY)

    class Meta:
        verbose_name = _("cash from fills")
        verbose_name_plural = _("cash from fills")
        constraints = [models.UniqueConstraint(fields=["account", "currency"], name="account_cash_once")]

    def __str__(self) -> str:
        return f"{self.account}: {self.from_fills} {self.currency}"


class AccountPosition(models.Model):
    """What fills did to an account's shares; the position is this plus the account's share entries."""

    account = models.CharField(_("account"), max_length=24)
    exchange = models.CharField(_("exchange"), max_length=12)
    symbol = models.CharField(_("symbol"), max_length=32)
    from_fills = models.BigIntegerField(_("from fills"), default=0)

    class Meta:
        verbose_name = _("position from fills")
        verbose_name_plural = _("positions from fills")
        constraints = [models.UniqueConstraint(fields=["account", "exchange", "symbol"], name="account_position_once")]

    def __str__(self) -> str:
        return f"{self.account}: {self.from_fills} {self.exchange}:{self.symbol}"
