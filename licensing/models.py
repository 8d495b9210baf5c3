"""Plans, their immutable price versions, and one licence per tenant with its history."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Plan(models.Model):
    """What can be sold. Features and limits are the operator's data; prices live in ``PlanPriceVersion``."""

    code = models.SlugField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=80)
    name_ar = models.CharField(_("name in Arabic"), max_length=80)
    features = models.JSONField(_("features"), default=list, blank=True)
    orders_per_second = models.PositiveIntegerField(_("orders per second"), null=True, blank=True, help_text=_("Empty: no limit."))
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    offered = models.BooleanField(_("offered"), default=True)

    class Meta:
        ordering = ("position", "code")
        verbose_name = _("plan")
        verbose_name_plural = _("plans")

    def __str__(self) -> str:
        return self.name_ar if get_language() == "ar" else self.name


class PlanPriceVersion(models.Model):
    """One price of a plan from ``effective_from`` on. A trigger refuses every UPDATE and DELETE.

    ``allowances`` is a list of ``{"meter", "period", "included", "overage_price"}``, numbers as strings;
    it lies in the row, not in a table of its own, so that a version cannot grow after the fact.
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="price_versions", verbose_name=_("plan"))
    version = models.PositiveIntegerField(_("version"))
    currency = models.CharField(_("currency"), max_length=3)
    monthly_base = models.DecimalField(_("price a month"), max_digits=28, decimal_places=9, validators=[MinValueValidator(0)])
    allowances = models.JSONField(_("allowances"), default=list, blank=True)
    effective_from = models.DateTimeField(_("effective from"))
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        ordering = ("plan", "-version")
        verbose_name = _("price version")
        verbose_name_plural = _("price versions")
        constraints = [
            models.UniqueConstraint(fields=("plan", "version"), name="licensing_price_version_unique"),
            models.CheckConstraint(condition=Q(monthly_base__gte=0), name="licensing_price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.plan.code} v{self.version}"


class LicenceStatus(models.TextChoices):
    ACTIVE = "active", _("active")
    SUSPENDED = "suspended", _("suspended")


class Licence(models.Model):
    """The current licence of a tenant. How it came to be is in ``LicenceChange``."""

    tenant = models.OneToOneField("tenants.Tenant", on_delete=models.PROTECT, related_name="licence", verbose_name=_("tenant"))
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="licences", verbose_name=_("plan"))
    price_version = models.ForeignKey(
        PlanPriceVersion, on_delete=models.PROTECT, related_name="licences", verbose_name=_("price version")
    )
    status = models.CharField(_("status"), max_length=16, choices=LicenceStatus.choices, default=LicenceStatus.ACTIVE)
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"), help_text=_("The licence counts until this instant, exclusive."))
    overrides = models.JSONField(_("overrides"), default=dict, blank=True)
    billing_time_zone = models.CharField(
        _("billing time zone"), max_length=64, default="UTC", help_text=_("Days and months of usage begin in it.")
    )
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        ordering = ("tenant",)
        verbose_name = _("licence")
        verbose_name_plural = _("licences")
        constraints = [
            models.CheckConstraint(condition=Q(valid_until__gt=F("valid_from")), name="licensing_licence_validity"),
            models.CheckConstraint(condition=Q(status__in=LicenceStatus.values), name="licensing_licence_status"),
        ]

    def __str__(self) -> str:
        return f"{self.tenant}: {self.plan}"


class LicenceChange(models.Model):
    """Append-only time line of a licence. ``sequence`` orders changes that share an instant."""

    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="changes", verbose_name=_("licence"))
    sequence = models.PositiveIntegerField(_("sequence"))
    effective_at = models.DateTimeField(_("effective at"))
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="+", verbose_name=_("plan"))
    price_version = models.ForeignKey(PlanPriceVersion, on_delete=models.PROTECT, related_name="+", verbose_name=_("price version"))
    status = models.CharField(_("status"), max_length=16, choices=LicenceStatus.choices)
    valid_from = models.DateTimeField(_("valid from"))
    valid_until = models.DateTimeField(_("valid until"))
    overrides = models.JSONField(_("overrides"), default=dict)

    class Meta:
        ordering = ("licence", "-sequence")
        verbose_name = _("licence change")
        verbose_name_plural = _("licence changes")
        constraints = [
            models.UniqueConstraint(fields=("licence", "sequence"), name="licensing_change_sequence_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.licence_id} #{self.sequence}"
