"""Reads of what is known of assets. Rows of a data set count only while its signature holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from typing import Any

from django.db.models import Q, QuerySet

from exchanges.api import AssetType, Trust
from exchanges.assets.details import (
    DETAILS,
    ChoiceForm,
    DepositaryReceiptDetails,
    Details,
    InstrumentForm,
    RightDetails,
    field_rules,
    missing_fields,
)
from exchanges.assets.models import DETAIL_MODELS, AssetDetail, DetailVersion, Distribution, NavValue
from exchanges.assets.models import Provenance as ProvenanceRow
from exchanges.assets.records import AssetListing, AssetRecord, DistributionRecord, NavRecord, PriceRecord, Provenance
from exchanges.assets.validation import validate_asset
from exchanges.models import Instrument, MarketReference
from exchanges.selectors import acting_rules, signed_data_set_ids

MOST_VALUES = 400
"""How many dated rows of each kind a record holds: more than a year of daily values."""

_NAMES = {kind: model._meta.model_name or "" for kind, model in DETAIL_MODELS.items()}


def details_of(row: AssetDetail) -> Details:
    """Return the typed record of a row; what is no choice, of a row not yet validated, stays text."""
    kind = DETAILS[AssetType(row.asset_type)]
    values: dict[str, Any] = {}
    for rule in field_rules(kind):
        value = getattr(row, rule.name)
        if isinstance(rule.form, InstrumentForm):
            value = value.key if value is not None else None
        elif isinstance(rule.form, ChoiceForm) and value in set(rule.form.choices):
            value = rule.form.choices(value)
        values[rule.name] = value
    return kind(**values)


def detail_rows(model: type[AssetDetail]) -> QuerySet[AssetDetail]:
    """Return the rows of a detail table with all that a record is made of."""
    joined = ["instrument__exchange", "data_set"]
    if any(column.name == "underlying" for column in model._meta.concrete_fields):
        joined.append("underlying__exchange")
    return model._default_manager.select_related(*joined)


def details_on(instrument: Instrument, day: date) -> Details | None:
    """Return what was known to hold on a day: the version of the last day not after it."""
    stored = _detail_row(instrument)
    if stored is not None and stored.as_of <= day:
        return details_of(stored)
    version = DetailVersion.objects.filter(instrument=instrument, as_of__lte=day).order_by("-as_of").first()
    if version is None:
        return None
    return validate_asset(instrument.asset_type, version.fields, complete=False).details


def asset_record(*, exchange: str, symbol: str, today: date | None = None) -> AssetRecord | None:
    """Return an instrument with all that is known of it and counts on ``today``; ``None`` when it is not listed."""
    today = today or datetime.now(UTC).date()
    signed = signed_data_set_ids()
    instrument = Instrument.objects.select_related("exchange").filter(exchange__code=exchange, symbol=symbol).first()
    if instrument is None or not symbol:
        return None
    row = _detail_row(instrument)
    if row is not None and not _counts(row, signed):
        row = None
    details = details_of(row) if row is not None else None
    underlying = row.underlying if isinstance(details, RightDetails | DepositaryReceiptDetails) else None  # type: ignore[union-attr]
    navs = _dated(NavValue.objects.filter(instrument=instrument).order_by("-valued_on"), signed)
    paid = _dated(Distribution.objects.filter(instrument=instrument).order_by("-ex_date"), signed)
    return AssetRecord(
        key=instrument.key,
        exchange=instrument.exchange.code,
        symbol=instrument.symbol,
        isin=instrument.isin or "",
        isin_status=instrument.isin_status,
        name=instrument.name,
        name_ar=instrument.name_ar,
        asset_type=AssetType(instrument.asset_type),
        sector=instrument.sector,
        currency=instrument.currency,
        sources=tuple(instrument.sources),
        details=details,
        provenance=_provenance(row, row.as_of) if row is not None else None,
        note=row.note if row is not None else "",
        navs=tuple(NavRecord(nav=each.nav, provenance=_provenance(each, each.valued_on)) for each in navs),
        distributions=tuple(
            DistributionRecord(amount=each.amount, payment_date=each.payment_date, provenance=_provenance(each, each.ex_date))
            for each in paid
        ),
        price=_price(instrument, today, signed),
        underlying_price=_price(underlying, today, signed) if underlying is not None else None,
        underlying_currency=underlying.currency if underlying is not None else "",
        rules=tuple(acting_rules(instrument.exchange)),
    )


def asset_listings(*, exchange: str = "", asset_types: Collection[str] = ()) -> list[AssetListing]:
    """Return the instruments that have a symbol, by key, with how well their details are known."""
    signed = signed_data_set_ids()
    wanted = Instrument.objects.exclude(symbol="")
    if exchange:
        wanted = wanted.filter(exchange__code=exchange)
    if asset_types:
        wanted = wanted.filter(asset_type__in=asset_types)
    return [_listing(each, signed) for each in _with_details(wanted).order_by("exchange__code", "symbol")]


def _listing(instrument: Instrument, signed: Collection[int]) -> AssetListing:
    row = getattr(instrument, _NAMES[AssetType(instrument.asset_type)], None)
    if row is not None and not _counts(row, signed):
        row = None
    return AssetListing(
        key=instrument.key,
        exchange=instrument.exchange.code,
        symbol=instrument.symbol,
        isin=instrument.isin or "",
        name=instrument.name,
        name_ar=instrument.name_ar,
        asset_type=AssetType(instrument.asset_type),
        currency=instrument.currency,
        tradable=instrument.tradable,
        trust=Trust(row.trust) if row is not None else None,
        as_of=row.as_of if row is not None else None,
        complete=row is not None and not missing_fields(details_of(row)),
    )


def _with_details(instruments: QuerySet[Instrument]) -> QuerySet[Instrument]:
    underlying = (f"{_NAMES[kind]}__underlying__exchange" for kind in (AssetType.RIGHT, AssetType.DEPOSITARY_RECEIPT))
    return instruments.select_related("exchange", *_NAMES.values(), *underlying)


def _detail_row(instrument: Instrument) -> AssetDetail | None:
    return detail_rows(DETAIL_MODELS[AssetType(instrument.asset_type)]).filter(pk=instrument.pk).first()


def _dated(rows: QuerySet[Any], signed: Collection[int]) -> Sequence[Any]:
    counting = rows.filter(Q(data_set__isnull=True) | Q(data_set__in=list(signed)))
    return counting.select_related("data_set")[:MOST_VALUES]


def _price(instrument: Instrument, today: date, signed: Collection[int]) -> PriceRecord | None:
    rows = MarketReference.objects.filter(instrument=instrument, valid_from__lte=today).select_related("data_set")
    row = rows.order_by("-valid_from").first()
    if row is None:
        return None
    trust, label = Trust.UNVERIFIED, ""
    if row.data_set is not None and row.data_set_id in signed:
        label = row.data_set.label
        trust = Trust.DEMO if "DEMO" in label else Trust.VERIFIED
    return PriceRecord(
        price=row.reference_price, provenance=Provenance(as_of=row.valid_from, trust=trust, sources=(), data_set=label)
    )


def _counts(row: ProvenanceRow, signed: Collection[int]) -> bool:
    return row.data_set_id is None or row.data_set_id in signed


def _provenance(row: ProvenanceRow, as_of: date) -> Provenance:
    return Provenance(
        as_of=as_of,
        trust=Trust(row.trust),
        sources=tuple(row.sources),
        data_set=row.data_set.label if row.data_set is not None else "",
    )
