"""Closing an exchange: at once, by confirming what hung on the moon, and from a file of holidays.

Each is one transaction: the rows, the audit row, the outbox row that brings a new document to the workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from exchanges.calendar import time_zone_on
from exchanges.closure_file import ClosureFileRefused, ClosureRecord, Problem
from exchanges.dated_rules import RuleError, RuleKind, waits_for_confirmation
from exchanges.models import Exchange, RuleRow, Trust
from exchanges.selectors import dated_rule
from exchanges.services import Actor, check_rules, publish_platform_change, row_figures, save_audited
from tradsys.audit.services import actor_name


@transaction.atomic
def close_exchange(*, actor: Actor, exchange: Exchange, since: datetime, reason: str, last_day: date | None = None) -> RuleRow:
    """Close ``exchange`` from ``since`` to the end of ``last_day`` (the same day where it is not given), whatever else holds.

    Raises ``ValidationError``: no reason, a beginning before today, an end before the beginning.
    """
    if not reason.strip():
        raise ValidationError({"reason": _("Say why the exchange is closed.")})
    _lock(exchange)
    local = _local(exchange, since)
    if local.date() < _local(exchange, datetime.now(UTC)).date():
        raise ValidationError(_("An emergency closure begins today or later; a day that is over gets a closure row."))
    begins = f"{local:%H:%M:%S}"
    row = RuleRow(
        exchange=exchange,
        kind=RuleKind.EMERGENCY,
        scope=begins,
        valid_from=local.date(),
        valid_to=last_day or local.date(),
        value={"reason": reason.strip(), "since": begins, "until": None},
        label=f"{exchange.code} closed: {reason.strip()}"[:120],
        trust=Trust.SINGLE_SOURCE,
        sources=_entered_by(actor),
        active=True,
        edited=True,
    )
    save_audited(actor=actor, action="exchanges.exchange.closed", row=row)
    check_rules(exchange)
    return row


@transaction.atomic
def reopen_exchange(*, actor: Actor, exchange: Exchange, at: datetime) -> list[RuleRow]:
    """End every emergency closure that holds ``at`` that moment. Raises ``ValidationError`` when there is none."""
    _lock(exchange)
    local = _local(exchange, at)
    ended = []
    for row in exchange.rules.filter(
        kind=RuleKind.EMERGENCY, active=True, valid_from__lte=local.date(), valid_to__gte=local.date()
    ):
        clock = f"{local:%H:%M:%S}"
        since, until = row.value["since"], row.value["until"]
        if (row.valid_from == local.date() and clock < since) or (row.valid_to == local.date() and until and until <= clock):
            continue
        row.valid_to = local.date()
        row.value = {**row.value, "until": clock}
        # Ended in the second in which it began: it never held.
        row.active = not (row.valid_from == row.valid_to and since == clock)
        ended.append(save_audited(actor=actor, action="exchanges.exchange.reopened", row=row))
    if not ended:
        raise ValidationError(_("%(exchange)s is under no emergency closure now.") % {"exchange": exchange.code})
    check_rules(exchange)
    return ended


@transaction.atomic
def confirm_closure(*, actor: Actor, rule: RuleRow, source: str = "") -> RuleRow:
    """Let a conditional closure act: what it hung on has come. ``source`` says where that was announced.

    Raises ``ValidationError`` when ``rule`` waits for nothing, ``RuleError`` when its days are closed already.
    """
    _lock(rule.exchange)
    row = RuleRow.objects.get(pk=rule.pk)
    if not waits_for_confirmation(dated_rule(row)):
        raise ValidationError(_("%(rule)s is no closure that waits to be confirmed.") % {"rule": row.label})
    row.value = {**row.value, "confirmed": f"{actor_name(actor)}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
    row.active = row.edited = True
    if source.strip():
        row.sources = {**row.sources, "confirmation": source.strip()}
        if row.trust == Trust.UNVERIFIED:
            row.trust = Trust.SINGLE_SOURCE
    save_audited(actor=actor, action="exchanges.closure.confirmed", row=row)
    check_rules(row.exchange)
    return row


@transaction.atomic
def import_closures(*, actor: Actor, exchange: Exchange, records: Sequence[ClosureRecord], file_name: str) -> list[RuleRow]:
    """Store the closures of a file; those that are stored already, with the same days and reason, are passed over.

    Unverified and conditional ones are stored and do not act. Raises ``ClosureFileRefused`` with every row that
    shares a day with an active closure, and nothing stored.
    """
    _lock(exchange)
    stored = [dated_rule(row) for row in exchange.rules.filter(kind=RuleKind.CLOSURE).exclude(valid_from=None, valid_to=None)]
    known = {(rule.valid_from, rule.valid_to, rule.value.get("reason")) for rule in stored}
    rows, problems = [], []
    for record in records:
        if (record.first, record.last, record.reason) in known:
            continue
        row = _closure_row(exchange, record)
        taken = next((rule for rule in stored if row.active and rule.active and rule.overlaps(dated_rule(row))), None)
        if taken is not None:
            problems.append(Problem(record.line, f"overlaps {taken.label!r}, {taken.valid_from} to {taken.valid_to}, in force"))
        rows.append(row)
    if problems:
        raise ClosureFileRefused(problems)
    for row in rows:
        row.full_clean()
        row.save()
    try:
        check_rules(exchange)
    except RuleError as error:
        raise ClosureFileRefused([Problem(0, str(error))]) from error
    if rows:
        publish_platform_change(
            actor=actor,
            action="exchanges.closures.imported",
            subject=f"exchange:{exchange.code}",
            before=None,
            after={"file": file_name, "rows": [row_figures(row) for row in rows]},
        )
    return rows


def _closure_row(exchange: Exchange, record: ClosureRecord) -> RuleRow:
    return RuleRow(
        exchange=exchange,
        kind=RuleKind.CLOSURE,
        valid_from=record.first,
        valid_to=record.last,
        value={"reason": record.reason, "conditional": record.conditional},
        label=f"{exchange.code} closed: {record.reason}",
        trust=record.trust.value,
        sources={"file": record.source},
        active=record.trust.value != Trust.UNVERIFIED and not record.conditional,
        edited=True,
    )


def _lock(exchange: Exchange) -> None:
    """Two operators must not pass the overlap check at the same time."""
    Exchange.objects.select_for_update().get(pk=exchange.pk)


def _local(exchange: Exchange, moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    rules = [dated_rule(row) for row in exchange.rules.filter(kind=RuleKind.TIME_ZONE, active=True)]
    return moment.astimezone(time_zone_on(rules, moment.date()))


def _entered_by(actor: Actor) -> dict[str, str]:
    return {"operator": f"entered by {actor_name(actor)}"}
