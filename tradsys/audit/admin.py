"""The audit log on the operator's site: read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from tradsys.audit.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(admin.ModelAdmin):
    list_display = ("occurred_at", "actor", "tenant", "action", "subject", "reason")
    list_filter = ("tenant", "action")
    search_fields = ("actor", "subject", "action", "request_id")
    date_hierarchy = "occurred_at"
    list_per_page = 50
    # Counting the whole log for the corner of a page is a full scan.
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
