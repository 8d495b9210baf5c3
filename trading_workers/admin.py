"""The operator's view of published configuration: each document's newest revision, and how fast the workers took it."""

from __future__ import annotations

import json
from typing import Any

import redis
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from trading_workers.models import PublishedSnapshot
from trading_workers.snapshot.redis_keys import acks_key
from tradsys.configuration import Configuration


@admin.register(PublishedSnapshot)
class PublishedSnapshotAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "revision", "published_at", "workers")
    fields = ("name", "revision", "published_at", "committed_at", "lease_until")
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PublishedSnapshot]:
        newest = PublishedSnapshot.objects.filter(name=OuterRef("name")).order_by("-revision").values("pk")[:1]
        return super().get_queryset(request).filter(pk=Subquery(newest)).defer("signed_document")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        self._acks = _acks()
        return super().changelist_view(request, extra_context)

    @admin.display(description=_("held by the workers since the commit"))
    def workers(self, snapshot: PublishedSnapshot) -> str:
        """Each worker with the revision it holds and the milliseconds from commit to holding it."""
        found = []
        for worker, held in self._acks.items():
            ack = held.get(snapshot.name)
            if ack is None:
                found.append(f"{worker}: –")
            else:
                behind = "" if ack["revision"] == snapshot.revision else f" ≠ {snapshot.revision}"
                found.append(f"{worker}: {ack['revision']}{behind}, {ack['lag_ms']} ms")
        return "; ".join(found) or "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _acks() -> dict[str, dict[str, Any]]:
    """Worker → document name → its last acknowledgement; empty while Redis is away."""
    configuration = Configuration.from_environment()
    client = redis.Redis.from_url(configuration.redis_url, decode_responses=True, socket_timeout=2)
    try:
        return {
            worker: {name: json.loads(text) for name, text in client.hgetall(acks_key(worker)).items()}
            for worker in configuration.order_workers
        }
    except redis.RedisError:
        return {}
    finally:
        client.close()
