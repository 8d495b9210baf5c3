"""What the commands about one exchange share: finding it, and how they write times."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.core.management.base import CommandError

from exchanges.dated_rules import DatedRule
from exchanges.models import Exchange


def exchange_of(code: str) -> Exchange:
    """Raises ``CommandError`` naming the exchanges that there are."""
    exchange = Exchange.objects.filter(code=code).first()
    if exchange is None:
        known = ", ".join(Exchange.objects.values_list("code", flat=True)) or "none; run load_reference_data"
        raise CommandError(f"there is no exchange {code!r}; known: {known}")
    return exchange


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"a day is YYYY-MM-DD, not {text!r}") from error


def moment_of(text: str) -> datetime:
    """``now``, or an ISO 8601 moment with its offset from UTC."""
    if text == "now":
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"a moment is now, or such as 2026-03-02T11:30:00+02:00, not {text!r}") from error
    if moment.tzinfo is None:
        raise CommandError(f"{text} has no offset from UTC, such as +02:00")
    return moment


def mark(rule: DatedRule) -> str:
    """``[V: E2, E3]``: the trust mark and the keys of the sources."""
    return f"[{rule.trust.value}{': ' + ', '.join(rule.sources) if rule.sources else ''}]"
