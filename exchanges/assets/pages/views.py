"""The list of assets and the sheet of one: what is known, how well, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from exchanges.api import AssetType, Trust
from exchanges.assets import unit_analytics
from exchanges.assets.details import DateForm, DecimalForm, RateKind, field_rules, missing_fields
from exchanges.assets.labels import LABELS
from exchanges.assets.models import DETAIL_MODELS
from exchanges.assets.pages import pictures
from exchanges.assets.pages.notices import NOTICES, PROBLEMS, TRADABILITIES
from exchanges.assets.records import AnalyticsRefused, AssetListing, AssetRecord, Provenance
from exchanges.assets.selectors import asset_listings, asset_record
from exchanges.calendar import time_zone_on
from exchanges.dated_rules import RuleError
from exchanges.models import AssetType as AssetTypeChoice
from exchanges.models import Trust as TrustChoice
from exchanges.prices import PriceError, price_to_text, text_to_price
from tenants.access import membership_of_request, permission_required
from tenants.roles import Permission, may

DAY = "j M Y"
SHOWN_VALUES = 12
"""Rows of the table of values; the picture shows them all."""
_TONES = {Trust.VERIFIED: "good", Trust.SINGLE_SOURCE: "warn", Trust.UNVERIFIED: "bad", Trust.DEMO: "demo"}


@dataclass(frozen=True, slots=True)
class Fact:
    """A line of the sheet; ``figure`` tells that it reads left to right."""

    name: str
    value: str
    figure: bool = False


@require_GET
@permission_required(Permission.SEE_MARKET)
def index(request: HttpRequest) -> HttpResponse:
    """All assets, by type where one is chosen."""
    chosen = request.GET.get("type", "")
    types = dict(AssetTypeChoice.choices)
    rows = asset_listings(asset_types=[chosen] if chosen in types else ())
    context = {
        **_navigation(request),
        "rows": [_row(each) for each in rows],
        "types": [{"value": value, "name": name, "chosen": value == chosen} for value, name in types.items()],
    }
    return render(request, "assets/index.html", context)


@require_GET
@permission_required(Permission.SEE_MARKET)
def sheet(request: HttpRequest, exchange: str, symbol: str) -> HttpResponse:
    """One asset. ``?price=98.5&settlement=2026-12-01`` computes at that price (per 100 of face) and day."""
    record = asset_record(exchange=exchange, symbol=symbol)
    if record is None:
        raise Http404(f"no instrument {exchange}:{symbol}")
    today = _today(record)
    context: dict[str, Any] = {
        **_navigation(request),
        "asset": record,
        "name": record.name_ar if get_language() == "ar" and record.name_ar else record.name,
        "type_name": AssetTypeChoice(record.asset_type.value).label,
        "facts": _facts(record),
        "missing": [_column_name(record, name) for name in missing_fields(record.details)] if record.details else [],
        "known": _known(record.provenance) if record.provenance is not None else None,
        "price": price_to_text(record.price.price) if record.price is not None else "",
        "price_trust": _badge(record.price.provenance.trust) if record.price is not None else None,
        **_values(record),
        "distributions": [
            {
                "ex_date": each.ex_date,
                "payment_date": each.payment_date,
                "amount": number_format(each.amount.normalize(), use_l10n=False),
                "trust": _badge(each.provenance.trust),
            }
            for each in record.distributions
        ],
    }
    context.update(_computed(request, record, today))
    return render(request, "assets/sheet.html", context)


def _computed(request: HttpRequest, record: AssetRecord, today: date) -> dict[str, Any]:
    """Figures, or why there are none."""
    typed = {"typed_price": request.GET.get("price", ""), "typed_day": request.GET.get("settlement", "")}
    if record.details is None or record.asset_type is AssetType.EQUITY:
        return {}
    found: dict[str, Any] = {**typed, "asks": record.asset_type is not AssetType.DEPOSITARY_RECEIPT}
    found["asks_day"] = record.asset_type in (AssetType.BOND, AssetType.SUKUK)
    try:
        price = text_to_price(typed["typed_price"]) if typed["typed_price"] else None
        settlement = date.fromisoformat(typed["typed_day"]) if typed["typed_day"] else today
    except PriceError:
        return {**found, "problem": _("A price is a decimal such as 98.50.")}
    except ValueError:
        return {**found, "problem": _("A day is written YYYY-MM-DD.")}
    try:
        return {**found, **_figures(record, today, settlement, price)}
    except AnalyticsRefused as refused:
        return {**found, "problem": PROBLEMS[refused.problem]()}


def _figures(record: AssetRecord, today: date, settlement: date, price: int | None) -> dict[str, Any]:
    match record.asset_type:
        case AssetType.BOND | AssetType.SUKUK:
            return _fixed_income(record, settlement, price)
        case AssetType.ETF | AssetType.FUND | AssetType.ISLAMIC_FUND:
            fund = unit_analytics.fund_figures(record, today=today, price=price)
            facts = [
                Fact(_("Value of a unit"), price_to_text(fund.nav), figure=True),
                Fact(_("Valued on"), date_format(fund.valued_on, DAY)),
                Fact(_("Price"), price_to_text(fund.price), figure=True),
                _premium(fund.premium_bp),
            ]
            return _shown(facts, fund.trust, fund.notices)
        case AssetType.REIT:
            reit = unit_analytics.reit_figures(record, today=today, price=price)
            facts = [
                Fact(_("Price"), price_to_text(reit.price), figure=True),
                Fact(_("Distributions of the last year"), f"{reit.trailing_distributions.normalize():f}", figure=True),
                Fact(_("Distribution yield"), f"{reit.distribution_yield_percent:f} %", figure=True),
            ]
            if reit.premium_bp is not None:
                facts.append(_premium(reit.premium_bp))
            return _shown(facts, reit.trust, reit.notices)
        case AssetType.RIGHT:
            right = unit_analytics.right_figures(record, today=today, share_price=price)
            facts = [
                Fact(_("Price of the share with its right"), price_to_text(right.share_price), figure=True),
                Fact(_("Theoretical price after the issue"), price_to_text(right.ex_rights_price), figure=True),
                Fact(_("Worth of one right"), price_to_text(right.value_of_a_right), figure=True),
            ]
            return _shown(facts, right.trust, right.notices)
    # A receipt's parity needs a currency rate, which the platform does not have and nobody types here.
    return {"figures": []}


def _fixed_income(record: AssetRecord, settlement: date, price: int | None) -> dict[str, Any]:
    # QuantLib takes 37 MB and a tenth of a second: only a web process that shows such a sheet loads it.
    from exchanges.assets.fixed_income_analytics import fixed_income_figures

    found = fixed_income_figures(record, settlement, price)
    measures = found.measures
    facts = [
        Fact(_("Settlement"), date_format(settlement, DAY)),
        Fact(_("Clean price, per 100 of face"), price_to_text(measures.clean_price), figure=True),
        Fact(_("Accrued"), f"{measures.accrued:f}", figure=True),
        Fact(_("Dirty price"), price_to_text(measures.dirty_price), figure=True),
        Fact(_("Yield to maturity"), f"{measures.yield_percent:.4f} %", figure=True),
        Fact(_("Macaulay duration, years"), f"{measures.macaulay_duration:.4f}", figure=True),
        Fact(_("Modified duration, years"), f"{measures.modified_duration:.4f}", figure=True),
        Fact(_("Convexity"), f"{measures.convexity:.4f}", figure=True),
    ]
    if record.asset_type is AssetType.SUKUK:
        facts.append(Fact(_("Changes hands"), TRADABILITIES[found.tradability]()))
    return {
        **_shown(facts, found.trust, found.notices),
        "flows": [
            {
                "kind": _("face value") if each.kind.value == "redemption" else _("coupon or profit"),
                "due": each.due_date,
                "paid": each.payment_date,
                "moved": each.payment_date != each.due_date,
                "amount": f"{each.amount:.6f}",
                "past": each.due_date <= settlement,
            }
            for each in found.flows
        ],
        "payments": pictures.payments([(each.due_date, each.amount) for each in found.flows if each.accrual_start], settlement),
    }


def _shown(facts: list[Fact], trust: Trust, notices: Any) -> dict[str, Any]:
    return {"figures": facts, "figures_trust": _badge(trust), "notices": [NOTICES[each]() for each in notices]}


def _premium(basis_points: Decimal) -> Fact:
    name = _("Discount to the value") if basis_points < 0 else _("Premium to the value")
    return Fact(name, f"{abs(basis_points) / 100:.4f} %", figure=True)


def _values(record: AssetRecord) -> dict[str, Any]:
    if not record.navs:
        return {"navs": []}
    by_day = [(each.valued_on, each.nav) for each in reversed(record.navs)]
    return {
        "navs": [
            {"day": each.valued_on, "nav": price_to_text(each.nav), "trust": _badge(each.provenance.trust)}
            for each in record.navs[:SHOWN_VALUES]
        ],
        "nav_count": len(record.navs),
        "nav_picture": pictures.values(by_day, record.price.price if record.price is not None else None),
        "nav_since": by_day[0][0],
    }


def _facts(record: AssetRecord) -> list[Fact]:
    """The known fields, named as the columns are."""
    facts = [Fact(_("Sector"), record.sector)] if record.sector else []
    if record.details is None:
        return facts
    for rule in field_rules(type(record.details)):
        value = getattr(record.details, rule.name)
        if value is None or (rule.name == "rate_percent" and getattr(record.details, "rate_kind", None) is RateKind.ZERO):
            continue
        name = _column_name(record, rule.name)
        if rule.name == "subscription_price":
            facts.append(Fact(_("Subscription price"), price_to_text(value), figure=True))
        elif isinstance(rule.form, DateForm):
            facts.append(Fact(name, date_format(value, DAY)))
        elif isinstance(rule.form, DecimalForm):
            facts.append(Fact(name, f"{value.normalize():f}", figure=True))
        elif isinstance(value, int):
            facts.append(Fact(name, number_format(value, force_grouping=True), figure=True))
        else:
            facts.append(Fact(name, str(LABELS.get(value, value)) if value in LABELS else value))
    return facts


def _column_name(record: AssetRecord, name: str) -> str:
    return str(DETAIL_MODELS[record.asset_type]._meta.get_field(name).verbose_name)  # type: ignore[union-attr]


def _row(listing: AssetListing) -> dict[str, Any]:
    return {
        "asset": listing,
        "name": listing.name_ar if get_language() == "ar" and listing.name_ar else listing.name,
        "type_name": AssetTypeChoice(listing.asset_type.value).label,
        "trust": _badge(listing.trust) if listing.trust is not None else None,
    }


def _known(provenance: Provenance) -> dict[str, Any]:
    return {"trust": _badge(provenance.trust), "as_of": provenance.as_of, "sources": provenance.sources}


def _badge(trust: Trust) -> dict[str, str]:
    return {"tone": _TONES[trust], "text": str(TrustChoice(trust.value).label)}


def _today(record: AssetRecord) -> date:
    now = datetime.now(UTC)
    try:
        return now.astimezone(time_zone_on(record.rules, now.date())).date()
    except RuleError:
        return now.date()


def _navigation(request: HttpRequest) -> dict[str, object]:
    membership = membership_of_request(request)
    role = membership.role if membership else None
    return {
        "page": "instruments",
        "show_trading": may(role, Permission.SEE_MARKET),
        "show_usage": may(role, Permission.SEE_USAGE),
    }
