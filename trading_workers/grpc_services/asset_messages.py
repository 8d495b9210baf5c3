"""Messages of ``tradsys.v1.AssetService`` from what the kernels and tables answer. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from exchanges.assets.details import Details, as_written, missing_fields
from exchanges.assets.measures import CashFlow, FixedIncomeFigures
from exchanges.assets.records import AssetListing, AssetRecord, Provenance
from exchanges.assets.unit_analytics import FundFigures, ReceiptFigures, ReitFigures, RightFigures
from exchanges.assets.validation import Validation
from trading_workers.snapshot.documents import InstrumentEntry
from tradsys.v1 import assets_pb2 as pb


def summary(entry: InstrumentEntry) -> pb.AssetSummary:
    return pb.AssetSummary(
        exchange=entry.exchange,
        symbol=entry.symbol,
        isin=entry.isin or "",
        name=entry.name,
        name_ar=entry.name_ar,
        asset_type=entry.asset_type,
        currency=entry.currency,
        tradable=entry.tradable,
    )


def asset(record: AssetRecord, *, tradable: bool, revision: int) -> pb.Asset:
    message = pb.Asset(
        summary=pb.AssetSummary(
            exchange=record.exchange,
            symbol=record.symbol,
            isin=record.isin,
            name=record.name,
            name_ar=record.name_ar,
            asset_type=record.asset_type.value,
            currency=record.currency,
            tradable=tradable,
        ),
        isin_status=record.isin_status,
        sector=record.sector,
        note=record.note,
        navs=[pb.NavValue(nav=each.nav, provenance=_provenance(each.provenance)) for each in record.navs],
        distributions=[
            pb.Distribution(
                amount=_text(each.amount), payment_date=_day(each.payment_date), provenance=_provenance(each.provenance)
            )
            for each in record.distributions
        ],
        sources=record.sources,
        revision=revision,
    )
    if record.details is not None and record.provenance is not None:
        message.details.CopyFrom(details(record.details))
        message.provenance.CopyFrom(_provenance(record.provenance))
        message.missing.extend(missing_fields(record.details))
    if record.price is not None:
        message.price.CopyFrom(pb.ReferencePrice(price=record.price.price, provenance=_provenance(record.price.provenance)))
    return message


def details(known: Details) -> pb.AssetDetails:
    """The message's fields have the names of the record's."""
    message = pb.AssetDetails()
    chosen = getattr(message, known.TYPE.value)
    chosen.SetInParent()
    for name, value in as_written(known).items():
        setattr(chosen, name, value)
    return message


def written_details(message: pb.AssetDetails) -> tuple[str, dict[str, object]]:
    """The type of the details that a message has, empty for none, and their fields as data sets write them."""
    chosen = message.WhichOneof("details")
    if chosen is None:
        return "", {}
    fields: Any = getattr(message, chosen).ListFields()
    return chosen, {field.name: value for field, value in fields}


def listing(entry: AssetListing) -> pb.AssetListing:
    return pb.AssetListing(
        summary=pb.AssetSummary(
            exchange=entry.exchange,
            symbol=entry.symbol,
            isin=entry.isin,
            name=entry.name,
            name_ar=entry.name_ar,
            asset_type=entry.asset_type.value,
            currency=entry.currency,
            tradable=entry.tradable,
        ),
        trust=entry.trust.value if entry.trust is not None else "",
        as_of=_day(entry.as_of),
        complete=entry.complete,
    )


def validation(found: Validation) -> pb.AssetValidation:
    problems = [pb.FieldProblem(field=each.field, problem=each.problem.value, expected=each.expected) for each in found.problems]
    return pb.AssetValidation(valid=not problems, problems=problems)


def fixed_income(figures: FixedIncomeFigures) -> pb.FixedIncomeAnalytics:
    measures = figures.measures
    return pb.FixedIncomeAnalytics(
        settlement_date=_day(figures.settlement),
        clean_price=measures.clean_price,
        accrued=_text(measures.accrued),
        dirty_price=measures.dirty_price,
        yield_percent=_text(measures.yield_percent),
        macaulay_duration=_text(measures.macaulay_duration),
        modified_duration=_text(measures.modified_duration),
        convexity=_text(measures.convexity),
        tradability=figures.tradability.value,
        next_payment=_flow(figures.next_payment) if figures.next_payment is not None else None,
        flows=[_flow(each) for each in figures.flows],
        trust=figures.trust.value,
        notices=[each.value for each in figures.notices],
    )


def fund(figures: FundFigures) -> pb.FundAnalytics:
    return pb.FundAnalytics(
        nav=figures.nav,
        valued_on=_day(figures.valued_on),
        price=figures.price,
        premium_bp=_text(figures.premium_bp),
        stale=figures.stale,
        trust=figures.trust.value,
        notices=[each.value for each in figures.notices],
    )


def reit(figures: ReitFigures) -> pb.ReitAnalytics:
    return pb.ReitAnalytics(
        price=figures.price,
        trailing_distributions=_text(figures.trailing_distributions),
        distribution_yield_percent=_text(figures.distribution_yield_percent),
        nav=figures.nav or 0,
        premium_bp=_text(figures.premium_bp),
        leverage_percent=_text(figures.leverage_percent),
        trust=figures.trust.value,
        notices=[each.value for each in figures.notices],
    )


def right(figures: RightFigures) -> pb.RightAnalytics:
    return pb.RightAnalytics(
        share_price=figures.share_price,
        ex_rights_price=figures.ex_rights_price,
        value_of_a_right=figures.value_of_a_right,
        intrinsic_value=figures.intrinsic_value,
        trust=figures.trust.value,
        notices=[each.value for each in figures.notices],
    )


def receipt(figures: ReceiptFigures) -> pb.ReceiptAnalytics:
    return pb.ReceiptAnalytics(
        share_price=figures.share_price,
        parity_price=figures.parity,
        price=figures.price or 0,
        premium_bp=_text(figures.premium_bp),
        currency_rate=_text(figures.rate),
        rate_source=figures.rate_source,
        trust=figures.trust.value,
        notices=[each.value for each in figures.notices],
    )


def _flow(flow: CashFlow) -> pb.CashFlow:
    return pb.CashFlow(
        kind=flow.kind.value,
        accrual_start=_day(flow.accrual_start),
        due_date=_day(flow.due_date),
        payment_date=_day(flow.payment_date),
        amount=_text(flow.amount),
    )


def _provenance(known: Provenance) -> pb.Provenance:
    return pb.Provenance(as_of=_day(known.as_of), trust=known.trust.value, sources=known.sources, data_set=known.data_set)


def _text(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()
