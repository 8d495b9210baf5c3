"""Reading the audit log."""

from __future__ import annotations

from django.db.models import QuerySet

from tradsys.audit.models import AuditEvent


def events(*, tenant: str | None = None, subject: str | None = None) -> QuerySet[AuditEvent]:
    """Events, newest first; of one tenant's slug and of one subject when given."""
    found = AuditEvent.objects.all()
    if tenant is not None:
        found = found.filter(tenant=tenant)
    if subject is not None:
        found = found.filter(subject=subject)
    return found
