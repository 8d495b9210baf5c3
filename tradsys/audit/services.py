"""Writing to the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from tradsys.audit.models import AuditEvent


class OutsideTransaction(RuntimeError):
    """An audit row written by itself could speak of a change that was never committed."""


class Actor:
    """Names of those who act without signing in."""

    SYSTEM = "system"
    COMMAND_LINE = "command-line"


def actor_name(actor: Any) -> str:
    """The name the log keeps for `actor`: a user's name, or the text itself. Raises ValueError when there is none."""
    name = actor if isinstance(actor, str) else actor.get_username()
    if not name:
        raise ValueError("an audited change needs an actor with a name")
    return name


def record(
    *,
    actor: Any,
    action: str,
    tenant: str = "",
    subject: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    reason: str = "",
    request_id: str = "",
) -> AuditEvent:
    """Add a row in the transaction that makes the change.

    actor: a user or the name of one (see `Actor`); action: `thing.verb`, such as `licence.suspended`; tenant: slug, empty for
    the platform's own; subject: which thing, such as `licence:7`; before, after: what JSON can hold, dates and decimals included.
    Raises OutsideTransaction and ValueError.
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction(f"{action} must be recorded in the transaction that makes the change")
    return AuditEvent.objects.create(
        actor=actor_name(actor),
        tenant=tenant,
        action=action,
        subject=subject,
        before=None if before is None else dict(before),
        after=None if after is None else dict(after),
        reason=reason,
        request_id=request_id,
    )
