"""Usage events of one tenant: in the tenant's own schema, unique for ever, never changed."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from licensing.catalogue import Meter

METER_CHOICES = [
    (Meter.ORDERS.value, _("orders")),
    (Meter.API_CALLS.value, _("API calls")),
    (Meter.ACTIVE_USERS.value, _("active users")),
]


class UsageFields(models.Model):
    """What a sender says of one event, and when it was heard."""

    source = models.CharField(_("source"), max_length=64)
    event_id = models.CharField(_("event id"), max_length=128)
    meter = models.CharField(_("meter"), max_length=32, choices=METER_CHOICES)
    quantity = models.DecimalField(_("quantity"), max_digits=28, decimal_places=9)
    event_time = models.DateTimeField(_("event time"))
    recorded_at = models.DateTimeField(_("recorded at"))
    body_hash = models.CharField(_("body hash"), max_length=64)
    corrects = models.CharField(_("corrects event"), max_length=128, null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.source}/{self.event_id}"


class UsageEvent(UsageFields):
    """One counted fact. A trigger refuses UPDATE and DELETE; a correction is a new event."""

    batch = models.UUIDField(_("batch"), editable=False)
    """Which recording wrote the row: tells a fresh row from one that was there before."""

    class Meta:
        verbose_name = _("usage event")
        verbose_name_plural = _("usage events")
        constraints = [
            models.UniqueConstraint(fields=("source", "event_id"), name="metering_event_unique"),
        ]
        indexes = [models.Index(fields=("meter", "event_time"), name="metering_by_meter_and_time")]


class UsageConflict(UsageFields):
    """A known event id that came again with another body. Kept for the operator; never counted."""

    class Meta:
        verbose_name = _("usage conflict")
        verbose_name_plural = _("usage conflicts")
        constraints = [
            models.UniqueConstraint(fields=("source", "event_id", "body_hash"), name="metering_conflict_unique"),
        ]
