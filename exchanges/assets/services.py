"""Writes of what is known of assets. Each is one transaction: the change, its audit row, its outbox row.

Raises ``ValidationError``, ``AssetInvalid`` or ``DataSetRefused`` with nothing changed. Rows of a signed data set come only with
its import.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from exchanges.api import AssetType, Trust
from exchanges.assets.data_set import (
    KIND,
    AssetDataInvalid,
    AssetDataSet,
    DetailRow,
    load_published_facts,
    parse_asset_data_set,
)
from exchanges.assets.details import Details, InstrumentForm, as_written, field_rules
from exchanges.assets.models import DETAIL_MODELS, AssetDetail, DetailVersion, Distribution, NavValue
from exchanges.assets.models import Provenance as ProvenanceRow
from exchanges.assets.selectors import detail_rows, details_of
from exchanges.assets.validation import AssetInvalid, validate_asset
from exchanges.models import DataSet, Exchange, Instrument, IsinStatus, MarketReference, Signer
from exchanges.services import Actor, DataSetRefused, import_data_set, publish_platform_change, row_figures
from tradsys.audit.services import actor_name

RowT = TypeVar("RowT", bound=ProvenanceRow)

_SIGNED_TABLES: tuple[type[ProvenanceRow], ...] = (*DETAIL_MODELS.values(), DetailVersion, NavValue, Distribution)


@transaction.atomic
def save_details(*, actor: Actor, detail: AssetDetail) -> AssetDetail:
    """Add or change what is known of an instrument; later loads of the published facts leave it alone.

    With a later ``as_of`` than the stored row's it is a new version and the stored one is kept; with the same it is a correction.
    """
    _check_sources(detail)
    if detail.data_set_id is not None:
        raise ValidationError(_("Rows of a data set come only with its import."))
    if detail.as_of is not None and detail.as_of > timezone.now().date():
        raise ValidationError({"as_of": _("Details hold from today at the latest.")})
    detail.edited = True
    return _store_detail(actor=actor, detail=detail)


@transaction.atomic
def record_nav(
    *, actor: Actor, instrument: Instrument, valued_on: date, nav: int, trust: Trust, sources: Sequence[str]
) -> NavValue:
    """Add the published value of a unit (micros), or correct that of the day."""
    stored = NavValue.objects.select_for_update().filter(instrument=instrument, valued_on=valued_on).first()
    row = stored or NavValue(instrument=instrument, valued_on=valued_on)
    row.nav, row.trust, row.sources = nav, trust.value, list(sources)
    return save_dated_row(actor=actor, row=row)


@transaction.atomic
def record_distribution(
    *,
    actor: Actor,
    instrument: Instrument,
    ex_date: date,
    amount: Decimal,
    payment_date: date | None,
    trust: Trust,
    sources: Sequence[str],
) -> Distribution:
    """Add what a unit or share was paid, or correct that of the day."""
    stored = Distribution.objects.select_for_update().filter(instrument=instrument, ex_date=ex_date).first()
    row = stored or Distribution(instrument=instrument, ex_date=ex_date)
    row.amount, row.payment_date, row.trust, row.sources = amount, payment_date, trust.value, list(sources)
    return save_dated_row(actor=actor, row=row)


@transaction.atomic
def save_dated_row(*, actor: Actor, row: RowT) -> RowT:
    """Add or change a value or a distribution as typed by an operator."""
    _check_sources(row)
    stored = type(row)._default_manager.filter(pk=row.pk).first() if row.pk is not None else None
    if row.data_set_id is not None or (stored is not None and stored.data_set_id is not None):
        raise ValidationError(_("Rows of a data set come only with its import."))
    return _store(actor=actor, row=row, stored=stored)


@transaction.atomic
def import_assets(*, actor: Actor, document: str, signature: str | None, signer: Signer | None) -> DataSet:
    """Import a signed data set of the kind ``assets`` and write its rows. Importing it again changes nothing.

    Raises ``DataSetRefused``: the codes of ``import_data_set``, DATA_SET_SIGNER_NOT_ENTITLED (an operator signs it),
    DATA_SET_MALFORMED.
    """
    data_set = import_data_set(actor=actor, document=document, signature=signature, signer=signer)
    apply_data_set(actor=actor, data_set=data_set)
    return data_set


@transaction.atomic
def apply_data_set(*, actor: Actor, data_set: DataSet) -> None:
    """Write the rows of an imported data set, once. Raises ``DataSetRefused``; see ``import_assets``."""
    if data_set.kind != KIND:
        raise DataSetRefused("DATA_SET_MALFORMED", f"a data set of the kind {data_set.kind!r} has no assets")
    if data_set.signer.kind != Signer.Kind.OPERATOR:
        raise DataSetRefused("DATA_SET_SIGNER_NOT_ENTITLED", "what is known of assets is signed by an operator")
    if any(model._default_manager.filter(data_set=data_set).exists() for model in _SIGNED_TABLES):
        return
    try:
        _apply(actor, data_set, parse_asset_data_set(data_set.document))
    except (AssetDataInvalid, AssetInvalid) as error:
        raise DataSetRefused("DATA_SET_MALFORMED", str(error)) from error
    except ValidationError as error:
        raise DataSetRefused("DATA_SET_MALFORMED", "; ".join(error.messages)) from error
    except IntegrityError as error:
        # Rows written at once are checked by the database alone; its first line names the constraint.
        raise DataSetRefused("DATA_SET_MALFORMED", str(error).partition("\n")[0]) from error


@transaction.atomic
def load_published_details(*, actor: Actor) -> int:
    """Bring the details of real instruments in line with the file of published facts; returns how many rows changed.

    Rows that an operator edited or a data set brought are left alone. Raises ``AssetDataInvalid``.
    """
    instruments = _instruments()
    stored = _stored_details()
    wanted = []
    for row in load_published_facts():
        instrument = _named(instruments, row.instrument)
        detail = _detail_row(row, instrument, instruments)
        held = stored.get(instrument.pk)
        if held is None or not (held.edited or held.data_set_id is not None or _says(held) == _says(detail)):
            wanted.append(detail)
    if wanted:
        _write_details(actor, wanted, stored)
        publish_platform_change(
            actor=actor, action="assets.published_facts.loaded", subject="assets", before=None, after={"details": len(wanted)}
        )
    return len(wanted)


def _apply(actor: Actor, data_set: DataSet, content: AssetDataSet) -> None:
    source = [f"{data_set.name}: {data_set.label}"]
    exchanges = {each.code: each for each in Exchange.objects.all()}
    listed = {each.key: each for each in _instruments().values()}
    invented = []
    for new in content.instruments:
        exchange = exchanges.get(new.exchange)
        if exchange is None:
            raise AssetDataInvalid(f"{new.key}: no exchange {new.exchange!r}")
        held = listed.get(new.key)
        if held is not None and (held.sources != source or held.asset_type != new.asset_type.value):
            raise AssetDataInvalid(f"{new.key}: the exchange already lists this symbol")
        if held is None:
            invented.append(
                Instrument(
                    exchange=exchange,
                    symbol=new.symbol,
                    name=new.name,
                    name_ar=new.name_ar,
                    asset_type=new.asset_type.value,
                    sector=new.sector,
                    currency=new.currency,
                    isin_status=IsinStatus.NOT_FOUND,
                    tradable=False,
                    sources=source,
                )
            )
    Instrument.objects.bulk_create(invented)
    instruments = _instruments()
    details = [_detail_row(row, _named(instruments, row.instrument), instruments) for row in content.details]
    for detail in details:
        detail.data_set, detail.sources = data_set, source
    _write_details(actor, details, _stored_details())
    origin: dict[str, Any] = {"trust": content.trust.value, "sources": source, "data_set": data_set}
    NavValue.objects.bulk_create(
        [
            NavValue(instrument=each, asset_type=each.asset_type, valued_on=nav.valued_on, nav=nav.nav, **origin)
            for nav in content.navs
            for each in [_named(instruments, nav.instrument)]
        ],
        update_conflicts=True,
        unique_fields=("instrument", "valued_on"),
        update_fields=("nav", *origin),
    )
    Distribution.objects.bulk_create(
        [
            Distribution(
                instrument=each,
                asset_type=each.asset_type,
                ex_date=paid.ex_date,
                payment_date=paid.payment_date,
                amount=paid.amount,
                **origin,
            )
            for paid in content.distributions
            for each in [_named(instruments, paid.instrument)]
        ],
        update_conflicts=True,
        unique_fields=("instrument", "ex_date"),
        update_fields=("amount", "payment_date", *origin),
    )
    for reference in content.references:
        MarketReference.objects.update_or_create(
            instrument=_named(instruments, reference.instrument),
            valid_from=reference.valid_from,
            defaults={"reference_price": reference.reference_price, "data_set": data_set},
        )
    counts = {"instruments": len(content.instruments), "details": len(content.details), "navs": len(content.navs)}
    figures = {**counts, "distributions": len(content.distributions), "references": len(content.references)}
    publish_platform_change(
        actor=actor, action="assets.data_set.applied", subject=f"data_set:{data_set.name}", before=None, after=figures
    )


def _store_detail(*, actor: Actor, detail: AssetDetail) -> AssetDetail:
    detail.asset_type = detail.instrument.asset_type
    model = DETAIL_MODELS[AssetType(detail.asset_type)]
    if type(detail) is not model:
        raise ValidationError(_("The details of an instrument are those of its asset type."))
    found = validate_asset(detail.asset_type, as_written(details_of(detail)), key=detail.instrument.key, complete=False)
    if found.problems:
        raise AssetInvalid(detail.instrument.key, found.problems)
    stored = model.objects.select_for_update().filter(pk=detail.instrument_id).first()
    if stored is not None and detail.as_of < stored.as_of:
        raise ValidationError({"as_of": _("Details of a later day are there already.")})
    if stored is not None and detail.as_of > stored.as_of:
        _keep_version(actor, stored)
    return _store(actor=actor, row=detail, stored=stored)


def _stored_details() -> dict[int, AssetDetail]:
    return {row.pk: row for model in DETAIL_MODELS.values() for row in detail_rows(model)}


def _write_details(actor: Actor, details: Sequence[AssetDetail], stored: dict[int, AssetDetail]) -> None:
    """Write rows that were read from a file, a table at a time: the database checks what ``full_clean`` would ask it row by row."""
    tables: dict[type[AssetDetail], list[AssetDetail]] = defaultdict(list)
    for detail in details:
        held = stored.get(detail.instrument_id)
        if held is not None and detail.as_of < held.as_of:
            raise AssetDataInvalid(f"{detail.instrument.key}: details of {held.as_of} are there already")
        if held is not None and detail.as_of > held.as_of:
            _keep_version(actor, held)
        tables[type(detail)].append(detail)
    for model, rows in tables.items():
        columns = [column.name for column in model._meta.concrete_fields if not column.primary_key]
        model._default_manager.bulk_create(rows, update_conflicts=True, unique_fields=("instrument",), update_fields=columns)


def _says(detail: AssetDetail) -> tuple[object, ...]:
    return details_of(detail), detail.as_of, detail.trust, detail.sources, detail.note


def _keep_version(actor: Actor, stored: AssetDetail) -> None:
    DetailVersion.objects.create(
        instrument=stored.instrument,
        as_of=stored.as_of,
        fields=as_written(details_of(stored)),
        note=stored.note,
        trust=stored.trust,
        sources=stored.sources,
        data_set=stored.data_set,
        replaced_by=actor_name(actor),
    )


def _store(*, actor: Actor, row: RowT, stored: RowT | None) -> RowT:
    """Validate, save, record and publish. Called inside a transaction."""
    row.asset_type = row.instrument.asset_type  # type: ignore[attr-defined]
    row.full_clean(validate_unique=stored is None)
    row.save()
    publish_platform_change(
        actor=actor,
        action=f"assets.{row._meta.model_name}.saved",
        subject=f"{row._meta.model_name}:{row.pk}",
        before=row_figures(stored) if stored is not None else None,
        after=row_figures(row),
    )
    return row


def _detail_row(row: DetailRow, instrument: Instrument, instruments: dict[str, Instrument]) -> AssetDetail:
    if instrument.asset_type != row.asset_type.value:
        raise AssetDataInvalid(f"{row.instrument}: it is of the type {instrument.asset_type}, not {row.asset_type}")
    return DETAIL_MODELS[row.asset_type](
        instrument=instrument,
        asset_type=row.asset_type.value,
        as_of=row.as_of,
        trust=row.trust.value,
        sources=list(row.sources),
        note=row.note,
        **_columns(row.details, instruments),
    )


def _columns(details: Details, instruments: dict[str, Instrument]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for rule in field_rules(type(details)):
        value = getattr(details, rule.name)
        if isinstance(rule.form, InstrumentForm) and value is not None:
            value = _named(instruments, value)
        columns[rule.name] = value
    return columns


def _instruments() -> dict[str, Instrument]:
    return {each.key: each for each in Instrument.objects.select_related("exchange")}


def _named(instruments: dict[str, Instrument], key: str) -> Instrument:
    found = instruments.get(key)
    if found is None:
        raise AssetDataInvalid(f"{key}: no such instrument")
    return found


def _check_sources(row: ProvenanceRow) -> None:
    if not isinstance(row.sources, list) or not all(isinstance(each, str) and each.strip() for each in row.sources):
        raise ValidationError({"sources": _("Sources are a list of texts.")})
