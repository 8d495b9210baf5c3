"""Who changed what: rows are added and never altered, and the database itself holds to that."""

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """One change. Triggers refuse UPDATE, DELETE and TRUNCATE of the table."""

    id = models.BigAutoField(primary_key=True)
    occurred_at = models.DateTimeField(_("time"), db_default=Now(), editable=False)
    actor = models.CharField(_("actor"), max_length=150)
    tenant = models.CharField(_("tenant"), max_length=63, blank=True)
    action = models.CharField(_("action"), max_length=100)
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    before = models.JSONField(_("before"), null=True, encoder=DjangoJSONEncoder)
    after = models.JSONField(_("after"), null=True, encoder=DjangoJSONEncoder)
    reason = models.TextField(_("reason"), blank=True)
    request_id = models.CharField(_("request"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        ordering = ("-id",)
        indexes = (
            models.Index(fields=["tenant", "-id"], name="audit_by_tenant"),
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["subject", "-id"], name="audit_by_subject"),
        )
        constraints = (
            models.CheckConstraint(name="audit_actor_named", condition=~models.Q(actor="")),
            models.CheckConstraint(name="audit_action_named", condition=~models.Q(action="")),
        )

    def __str__(self) -> str:
        return f"{self.occurred_at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.subject}"
