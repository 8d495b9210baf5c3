"""Writes of reference data. Each is one transaction: the change, its audit row, its outbox row.

A row given to a ``save_…`` service is an instance with the wanted values; what it was before is read
from the database. Raises ``ValidationError`` or ``RuleError`` with nothing changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from exchanges.calendar import validate_calendar
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on, validate_rules
from exchanges.models import DataSet, Exchange, ExchangeSwitch, Instrument, MarketReference, RoutingRule, RuleRow, Signer
from exchanges.prices import is_on_tick, price_to_text
from exchanges.reference import MarketDataSet, parse_market_data_set, ticks_of, validate_value
from exchanges.routing.rules import RoutingRuleError, RuleFault, check_rule, targets_of
from exchanges.selectors import dated_rule, line_pools, routing_rule
from exchanges.signatures import is_signed_by, sign_document
from tenants.selectors import tenants
from tradsys.audit.services import actor_name, record
from tradsys.outbox.services import enqueue

PLATFORM_CONFIG = "platform-config"
PLATFORM_KEY = "_platform"

MARKET_DATA_SET = "market"
"""The kind of data set that this app applies itself: reference prices, lots and session rows."""

Actor = AbstractBaseUser | str
"""Who acts: a user, or the name of one who does not sign in (``tradsys.audit.services.Actor``)."""

RowT = TypeVar("RowT", bound=Model)


class DataSetRefused(ValueError):
    """A data set was not imported, and nothing changed. ``code`` is stable, ``detail`` is for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def publish_platform_change(
    *, actor: Actor, action: str, subject: str, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> None:
    """Record a change and ask for a new platform document. Call inside the change's transaction."""
    record(actor=actor, action=action, subject=subject, before=before, after=after)
    enqueue(topic=PLATFORM_CONFIG, key=PLATFORM_KEY)


@transaction.atomic
def save_exchange(*, actor: Actor, exchange: Exchange) -> Exchange:
    """Change the names of an exchange. Its code and MIC come from its plugin and stay."""
    before = Exchange.objects.select_for_update().get(pk=exchange.pk)
    if (before.code, before.mic) != (exchange.code, exchange.mic):
        raise ValidationError(_("The code and MIC of an exchange come from its plugin."))
    return save_audited(actor=actor, action="exchanges.exchange.saved", row=exchange)


@transaction.atomic
def save_instrument(*, actor: Actor, instrument: Instrument) -> Instrument:
    """Add or change an instrument. Later loads of the data file leave it alone."""
    instrument.edited = True
    instrument.isin = instrument.isin or None
    return save_audited(actor=actor, action="exchanges.instrument.saved", row=instrument)


@transaction.atomic
def save_rule(*, actor: Actor, rule: RuleRow) -> RuleRow:
    """Add or change a dated rule; activating an unverified one is the operator's recorded decision.

    A row of a signed data set can only be switched on and off: a changed one would no longer be what was signed.
    Raises ``RuleError`` when its value is malformed, when it shares a day with another active row of
    its kind and scope, or when session tables collide.
    """
    # The lock keeps two operators from passing the overlap check at the same time.
    Exchange.objects.select_for_update().get(pk=rule.exchange_id)
    _keep_signed_content(rule)
    rule.edited = True
    saved = save_audited(actor=actor, action="exchanges.rule.saved", row=rule)
    check_rules(rule.exchange)
    return saved


@transaction.atomic
def end_rule(*, actor: Actor, rule: RuleRow, last_day: date, successor: RuleRow | None = None) -> None:
    """Let a rule hold until ``last_day`` and, where given, let ``successor`` follow, in one step."""
    Exchange.objects.select_for_update().get(pk=rule.exchange_id)
    rule.valid_to = last_day
    _keep_signed_content(rule)
    rule.edited = True
    save_audited(actor=actor, action="exchanges.rule.ended", row=rule)
    if successor is not None:
        successor.edited = True
        save_audited(actor=actor, action="exchanges.rule.saved", row=successor)
    check_rules(rule.exchange)


@transaction.atomic
def set_reference_price(
    *, actor: Actor, instrument: Instrument, valid_from: date, reference_price: int, lot: int | None = None
) -> MarketReference:
    """Store an unsigned reference price (micros): shown to people, and not traded on until a data set signs it."""
    row = MarketReference.objects.filter(instrument=instrument, valid_from=valid_from).first()
    row = row or MarketReference(instrument=instrument, valid_from=valid_from)
    row.reference_price, row.lot, row.data_set = reference_price, lot, None
    return save_audited(actor=actor, action="exchanges.reference_price.set", row=row)


@transaction.atomic
def save_route(*, actor: Actor, route: RoutingRule) -> RoutingRule:
    """Add or change a routing rule. Raises ``ValidationError`` as `check_route` does."""
    route.weekdays = sorted(route.weekdays)
    check_route(route)
    return save_audited(actor=actor, action="exchanges.route.saved", row=route)


def check_route(route: RoutingRule) -> None:
    """Raise ``ValidationError``, by field, unless the rule's targets, tenant and symbol exist and its conditions make sense."""
    if not isinstance(route.fallback, list) or not all(isinstance(line, str) and line for line in route.fallback):
        raise ValidationError({"fallback": _("Fallbacks are a list of names of lines and pools.")})
    try:
        check_rule(routing_rule(route), targets_of(line_pools()))
    except RoutingRuleError as error:
        said = ROUTE_FAULTS[error.fault]() % {"target": error.target, "known": ", ".join(error.known)}
        raise ValidationError({error.field: said}) from error
    if route.tenant and not tenants().filter(slug=route.tenant).exists():
        known = ", ".join(tenants().order_by("slug").values_list("slug", flat=True))
        raise ValidationError(
            {"tenant": _("No tenant is called %(tenant)s; known: %(known)s.") % {"tenant": route.tenant, "known": known}}
        )
    if route.symbol and not Instrument.objects.filter(exchange=route.exchange, symbol=route.symbol).exists():
        raise ValidationError(
            {"symbol": _("%(exchange)s has no instrument %(symbol)s.") % {"exchange": route.exchange, "symbol": route.symbol}}
        )


ROUTE_FAULTS = {
    RuleFault.UNKNOWN_TARGET: lambda: _("No line and no pool is called %(target)s; known: %(known)s."),
    RuleFault.WRONG_EXCHANGE: lambda: _("%(target)s leads to another exchange than the rule's; to this one lead: %(known)s."),
    RuleFault.SEVERAL_EXCHANGES: lambda: _("A rule's target and fallbacks lead to one exchange; %(target)s leads to another."),
    RuleFault.TARGET_TWICE: lambda: _("%(target)s is named twice."),
    RuleFault.SYMBOL_WITHOUT_EXCHANGE: lambda: _("A symbol means something only on an exchange."),
    RuleFault.ACCOUNT_WITHOUT_TENANT: lambda: _("An account means something only with its tenant."),
    RuleFault.QUANTITY_RANGE: lambda: _("The least quantity is positive and not above the largest."),
    RuleFault.VALUE_RANGE: lambda: _("The least value is positive and not above the largest."),
    RuleFault.TIME_RANGE: lambda: _("A time of day begins before it ends, on the same day."),
    RuleFault.WEEKDAYS: lambda: _("Weekdays are 1 (Monday) to 7 (Sunday), each once."),
}


@transaction.atomic
def delete_route(*, actor: Actor, route: RoutingRule) -> None:
    """Remove a routing rule."""
    before = row_figures(route)
    route.delete()
    publish_platform_change(
        actor=actor, action="exchanges.route.deleted", subject=f"route:{route.priority}", before=before, after=None
    )


@transaction.atomic
def set_exchange_switch(*, actor: Actor, exchange: Exchange | None, killed: bool, reason: str = "") -> ExchangeSwitch:
    """Stop or resume trading on an exchange, or on the whole platform (``None``). Stopping needs a reason."""
    switch = ExchangeSwitch.objects.select_for_update(of=("self",)).filter(exchange=exchange).first()
    switch = switch or ExchangeSwitch(exchange=exchange)
    switch.killed, switch.reason = killed, reason
    if killed and not reason:
        raise ValidationError({"reason": _("Say why trading is stopped.")})
    return save_audited(actor=actor, action="exchanges.switch.set", row=switch)


@transaction.atomic
def save_signer(*, actor: Actor, signer: Signer) -> Signer:
    """Add or change a signer. Making one inactive takes the effect from every data set it signed."""
    return save_audited(actor=actor, action="exchanges.signer.saved", row=signer)


def sign_data_set(document: str, private_key: Ed25519PrivateKey) -> str:
    """Return the base64 signature over the exact text of a data set."""
    return sign_document(document, private_key)


@transaction.atomic
def import_data_set(*, actor: Actor, document: str, signature: str | None, signer: Signer | None) -> DataSet:
    """Store a signed data set, and apply it when its kind is ``market``; other apps apply their kinds themselves.

    Importing the same content again returns the stored row. Raises ``DataSetRefused`` with nothing changed:
    ``DATA_SET_UNSIGNED``, ``DATA_SET_SIGNER_UNKNOWN``, ``DATA_SET_SIGNATURE_INVALID``,
    ``DATA_SET_SIGNER_NOT_ENTITLED`` (market data needs an operator), ``DATA_SET_MALFORMED``.
    """
    if not signature or signer is None:
        raise DataSetRefused("DATA_SET_UNSIGNED", "a data set counts only with the signature of a known signer")
    trusted = Signer.objects.filter(pk=signer.pk, active=True).first()
    if trusted is None:
        raise DataSetRefused("DATA_SET_SIGNER_UNKNOWN", f"{signer.name} is not an active signer")
    if not is_signed_by(document, signature, trusted.public_key):
        raise DataSetRefused("DATA_SET_SIGNATURE_INVALID", f"the signature is not {trusted.name}'s under this document")
    name, label, kind = _heading(document)
    if kind == MARKET_DATA_SET and trusted.kind != Signer.Kind.OPERATOR:
        raise DataSetRefused("DATA_SET_SIGNER_NOT_ENTITLED", "market data is signed by an operator")
    content_hash = hashlib.sha256(document.encode()).hexdigest()
    known = DataSet.objects.filter(name=name, content_hash=content_hash).first()
    if known is not None and known.signer_id == trusted.pk:
        return known
    if known is not None:
        raise DataSetRefused("DATA_SET_ALREADY_SIGNED", f"{known.signed_by} has signed this content already")
    data_set = DataSet(
        name=name,
        label=label,
        kind=kind,
        content_hash=content_hash,
        document=document,
        signature=signature,
        signer=trusted,
        signed_by=trusted.name,
        imported_by=actor_name(actor),
    )
    data_set.full_clean(exclude=("signer",))
    data_set.save()
    if kind == MARKET_DATA_SET:
        _apply_market(data_set)
    figures = {key: value for key, value in row_figures(data_set).items() if key not in ("document", "signature")}
    publish_platform_change(
        actor=actor, action="exchanges.data_set.imported", subject=f"data_set:{name}", before=None, after=figures
    )
    return data_set


def check_rules(exchange: Exchange, *, with_rule: RuleRow | None = None) -> None:
    """Raise ``RuleError`` when the exchange's active rows contradict each other.

    ``with_rule``: check as if this unsaved row were stored.
    """
    rows = list(exchange.rules.exclude(pk=with_rule.pk if with_rule else None).order_by("pk"))
    rules = [dated_rule(row) for row in (*rows, with_rule) if row is not None]
    validate_rules(rules)
    for rule in rules:
        if rule.active:
            validate_value(rule)
    validate_calendar(rules)
    for rule in rules:
        if rule.active and rule.kind is RuleKind.CLOSURE and (rule.valid_from is None or rule.valid_to is None):
            raise RuleError(f"{rule.label}: a closure has a first and a last day")


def rule_columns(rule: DatedRule, *, sources: Mapping[str, str]) -> dict[str, Any]:
    """Return the columns of a stored row for ``rule``; ``sources`` has what each source key stands for."""
    return {
        "kind": rule.kind.value,
        "scope": rule.scope,
        "valid_from": rule.valid_from,
        "valid_to": rule.valid_to,
        "value": dict(rule.value),
        "label": rule.label,
        "trust": rule.trust.value,
        "sources": {key: sources[key] for key in rule.sources},
        "note": rule.note,
        "active": rule.active,
    }


def rule_key(rule: DatedRule, *, origin: str) -> str:
    """Return what tells a row of a file apart from the others when the file is loaded again."""
    return f"{origin}/{rule.kind}/{rule.scope}/{rule.valid_from or ''}"


def row_figures(row: Model) -> dict[str, Any]:
    """Return a row's fields as audited: JSON values, related rows by their key."""
    figures: dict[str, Any] = {}
    for column in row._meta.concrete_fields:
        value = getattr(row, column.attname)
        figures[column.attname] = value if isinstance(value, str | int | bool | list | dict | None) else str(value)
    return figures


def save_audited(*, actor: Actor, action: str, row: RowT) -> RowT:
    """Validate, save, record and publish. Called inside a transaction."""
    before = None
    if row.pk is not None:
        stored = type(row)._default_manager.filter(pk=row.pk).first()
        before = row_figures(stored) if stored is not None else None
    row.full_clean()
    row.save()
    publish_platform_change(
        actor=actor, action=action, subject=f"{row._meta.model_name}:{row.pk}", before=before, after=row_figures(row)
    )
    return row


def _keep_signed_content(rule: RuleRow) -> None:
    stored = RuleRow.objects.filter(pk=rule.pk).first() if rule.pk is not None else None
    if stored is None and rule.data_set_id is not None:
        raise ValidationError(_("Rows of a data set come only with its import."))
    if stored is None or stored.data_set_id is None:
        return
    free = ("active", "edited")
    before, after = row_figures(stored), row_figures(rule)
    if any(before[column] != after[column] for column in before if column not in free):
        raise ValidationError(_("A row of a signed data set can only be switched on and off."))


def _heading(document: str) -> tuple[str, str, str]:
    try:
        content = json.loads(document)
    except ValueError as error:
        raise DataSetRefused("DATA_SET_MALFORMED", f"not JSON: {error}") from error
    heading = [content.get(key) if isinstance(content, dict) else None for key in ("name", "label", "kind")]
    if not all(isinstance(part, str) and part for part in heading):
        raise DataSetRefused("DATA_SET_MALFORMED", "a data set has a name, a label and a kind")
    name, label, kind = map(str, heading)
    return name, label, kind


def _apply_market(data_set: DataSet) -> None:
    """Write the reference prices, lots and rules of a market data set."""
    try:
        content = parse_market_data_set(data_set.document)
        _apply_references(data_set, content)
        _apply_rules(data_set, content)
    except RuleError as error:
        raise DataSetRefused("DATA_SET_MALFORMED", str(error)) from error


def _apply_references(data_set: DataSet, content: MarketDataSet) -> None:
    instruments = {instrument.key: instrument for instrument in Instrument.objects.select_related("exchange")}
    ticks = {
        exchange.pk: [dated_rule(row) for row in exchange.rules.filter(kind=RuleKind.TICK, active=True)]
        for exchange in Exchange.objects.all()
    }
    rows = []
    for record_ in content.instruments:
        key = f"{record_.exchange}:{record_.symbol}"
        instrument = instruments.get(key)
        if instrument is None:
            raise RuleError(f"{key}: no such instrument")
        rule = rule_on(ticks[instrument.exchange_id], record_.valid_from, RuleKind.TICK, instrument.tick_table)
        if rule is None or not is_on_tick(record_.reference_price, ticks_of(rule)):
            raise RuleError(f"{key}: {price_to_text(record_.reference_price)} is not on a tick of {record_.valid_from}")
        rows.append(
            MarketReference(
                instrument=instrument,
                valid_from=record_.valid_from,
                reference_price=record_.reference_price,
                lot=record_.lot,
                data_set=data_set,
            )
        )
    MarketReference.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=("instrument", "valid_from"),
        update_fields=("reference_price", "lot", "data_set"),
    )


def _apply_rules(data_set: DataSet, content: MarketDataSet) -> None:
    exchanges = {exchange.code: exchange for exchange in Exchange.objects.select_for_update().order_by("pk")}
    touched = set()
    for code, rule in content.rules:
        exchange = exchanges.get(code)
        if exchange is None:
            raise RuleError(f"{rule.label}: no exchange {code!r}")
        RuleRow.objects.update_or_create(
            exchange=exchange,
            file_key=rule_key(rule, origin=data_set.name),
            defaults={**rule_columns(rule, sources={}), "data_set": data_set},
        )
        touched.add(exchange)
    for exchange in touched:
        check_rules(exchange)
