"""Sharia boards, their rule sets, their verdicts on instruments, and the board each tenant follows."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _


class Board(models.Model):
    """A Sharia board, independent of any tenant. Its data sets are signed with its own Ed25519 key."""

    code = models.CharField(_("code"), max_length=32, unique=True)
    name = models.CharField(_("name"), max_length=160)
    name_ar = models.CharField(_("name in Arabic"), max_length=160)
    signer = models.OneToOneField(
        "exchanges.Signer",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="board",
        verbose_name=_("signer"),
        help_text=_("Whose signature makes a data set this board's ruling. Empty: it cannot publish."),
    )
    demonstration = models.BooleanField(
        _("demonstration"), default=False, help_text=_("Its rulings are examples, not anybody's ruling.")
    )

    class Meta:
        ordering = ("code",)
        verbose_name = _("Sharia board")
        verbose_name_plural = _("Sharia boards")

    def __str__(self) -> str:
        name = self.name_ar if get_language() == "ar" else self.name
        return f"{self.code}: {name}"


class BoardMember(models.Model):
    board = models.ForeignKey(Board, on_delete=models.CASCADE, related_name="members", verbose_name=_("board"))
    name = models.CharField(_("name"), max_length=160)
    name_ar = models.CharField(_("name in Arabic"), max_length=160)
    chair = models.BooleanField(_("chair"), default=False)

    class Meta:
        ordering = ("board", "-chair", "name")
        verbose_name = _("board member")
        verbose_name_plural = _("board members")
        constraints = [
            models.UniqueConstraint(fields=("board",), condition=Q(chair=True), name="compliance_one_chair"),
        ]

    def __str__(self) -> str:
        return self.name_ar if get_language() == "ar" else self.name


class Trust(models.TextChoices):
    """How well a methodology is sourced. Below HIGH nothing is active unless a board signs it."""

    HIGH = "H", _("official page or two independent sources")
    MEDIUM = "M", _("one good secondary source")
    LOW = "L", _("one weak source")
    UNVERIFIED = "unverified", _("unverified")
    DEMONSTRATION = "demonstration", _("demonstration")


class RuleSet(models.Model):
    """One version of a methodology as a board applies it."""

    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="rule_sets", verbose_name=_("board"))
    name = models.CharField(_("name"), max_length=120)
    version = models.PositiveIntegerField(_("version"))
    source = models.TextField(_("source"))
    trust = models.CharField(_("trust"), max_length=16, choices=Trust.choices)
    active = models.BooleanField(_("active"), default=False)
    effective_from = models.DateTimeField(_("effective from"), null=True, blank=True)

    class Meta:
        ordering = ("board", "name", "-version")
        verbose_name = _("rule set")
        verbose_name_plural = _("rule sets")
        constraints = [
            models.UniqueConstraint(fields=("board", "name", "version"), name="compliance_rule_set_unique"),
            models.UniqueConstraint(fields=("board", "name"), condition=Q(active=True), name="compliance_one_active_version"),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class VerdictStatus(models.TextChoices):
    COMPLIANT = "compliant", _("compliant")
    COMPLIANT_BY_EXCEPTION = "compliant_by_exception", _("compliant by exception")
    NON_COMPLIANT = "non_compliant", _("non-compliant")
    DOUBTFUL = "doubtful", _("doubtful")
    UNDETERMINED = "undetermined", _("undetermined")
    NOT_COVERED = "not_covered", _("not covered")


class Verdict(models.Model):
    """A board's ruling on an instrument, from ``effective_from`` until the next one ends it.

    A trigger lets nothing change but ``effective_until``, once, from empty.
    """

    verdict_id = models.CharField(_("verdict id"), max_length=64, unique=True)
    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("board"))
    rule_set = models.ForeignKey(RuleSet, on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("rule set"))
    instrument = models.ForeignKey(
        "exchanges.Instrument", on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("instrument")
    )
    data_set = models.ForeignKey("exchanges.DataSet", on_delete=models.PROTECT, related_name="verdicts", verbose_name=_("data set"))
    status = models.CharField(_("status"), max_length=32, choices=VerdictStatus.choices)
    as_of = models.DateField(_("as of"), help_text=_("Date of the figures or facts that were judged."))
    reason = models.TextField(_("reason"))
    reason_ar = models.TextField(_("reason in Arabic"))
    effective_from = models.DateTimeField(_("effective from"))
    effective_until = models.DateTimeField(_("effective until"), null=True, blank=True)

    class Meta:
        ordering = ("board", "instrument", "-effective_from")
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        constraints = [
            models.UniqueConstraint(
                fields=("board", "instrument"),
                condition=Q(effective_until__isnull=True),
                name="compliance_one_open_verdict",
            ),
            models.CheckConstraint(
                condition=Q(effective_until__isnull=True) | Q(effective_until__gte=F("effective_from")),
                name="compliance_verdict_interval",
            ),
            models.CheckConstraint(condition=Q(status__in=VerdictStatus.values), name="compliance_verdict_status"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict_id}: {self.get_status_display()}"


class ComplianceProfile(models.Model):
    """Which board a tenant follows, and whether orders are held to it."""

    tenant = models.OneToOneField(
        "tenants.Tenant", on_delete=models.PROTECT, related_name="compliance_profile", verbose_name=_("tenant")
    )
    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="profiles", verbose_name=_("board"))
    enforced = models.BooleanField(_("enforced"), default=True)

    class Meta:
        ordering = ("tenant",)
        verbose_name = _("compliance profile")
        verbose_name_plural = _("compliance profiles")

    def __str__(self) -> str:
        return f"{self.tenant}: {self.board.code}"
