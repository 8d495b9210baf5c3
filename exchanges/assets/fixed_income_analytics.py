"""Figures of a bond or sukuk from its record, with what must be said beside them. Pure. Loads QuantLib."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from exchanges.api import Trust
from exchanges.assets import fixed_income
from exchanges.assets.accrual import FixedIncomeError, FixedIncomeTerms
from exchanges.assets.business_days import business_days, is_business_day
from exchanges.assets.details import BondDetails, RateKind, SukukDetails
from exchanges.assets.measures import PRICE_OF_PAR, CashFlow, FixedIncomeFigures, next_payment
from exchanges.assets.records import AnalyticsProblem, AnalyticsRefused, AssetRecord, Notice, trust_notices, weakest
from exchanges.assets.sukuk_structures import TRADABILITY, Tradability
from exchanges.assets.unit_analytics import complete_details, used_price
from exchanges.dated_rules import RuleError


def fixed_income_figures(
    record: AssetRecord, settlement: date, clean_price: int | None = None, yield_percent: Decimal | None = None
) -> FixedIncomeFigures:
    """Return the measures at a clean price (micros per 100 of face), at a yield, or at the reference price.

    Raises ``AnalyticsRefused``.
    """
    details = complete_details(record)
    if not isinstance(details, BondDetails | SukukDetails):
        raise AnalyticsRefused(AnalyticsProblem.ASSET_TYPE_DIFFERS, f"{record.key} is of the type {record.asset_type}")
    marks: list[Trust] = [record.provenance.trust] if record.provenance is not None else []
    notices: list[Notice] = []
    try:
        terms = terms_of(details)
        if yield_percent is not None:
            measures = fixed_income.from_yield(terms, settlement, yield_percent)
        else:
            used = used_price(record, clean_price)
            if used.trust is not None:
                marks.append(used.trust)
            if used.trust is Trust.UNVERIFIED:
                notices.append(Notice.PRICE_UNSIGNED)
            measures = fixed_income.from_clean_price(terms, settlement, used.price)
        flows, known_to = _flows(record, details, terms)
    except FixedIncomeError as error:
        raise AnalyticsRefused(error.problem, str(error)) from error
    except RuleError as error:
        raise AnalyticsRefused(AnalyticsProblem.CALENDAR_UNKNOWN, str(error)) from error
    if known_to is None or known_to < terms.maturity_date:
        notices.append(Notice.CLOSURES_NOT_KNOWN)
    if not is_business_day(record.rules, settlement):
        notices.append(Notice.SETTLEMENT_ON_A_CLOSED_DAY)
    tradability = _tradability(details)
    if tradability is Tradability.PAR_ONLY:
        notices.append(Notice.PAR_ONLY)
        if measures.clean_price != PRICE_OF_PAR:
            notices.append(Notice.PRICE_OFF_PAR)
    elif tradability is Tradability.NOT_TRADED:
        notices.append(Notice.NOT_TRADED)
    trust = weakest(marks)
    return FixedIncomeFigures(
        settlement=settlement,
        measures=measures,
        flows=flows,
        next_payment=next_payment(flows, settlement),
        tradability=tradability,
        trust=trust,
        notices=(*trust_notices(trust), *notices),
    )


def terms_of(details: BondDetails | SukukDetails) -> FixedIncomeTerms:
    """Return the terms of complete details. Raises ``AnalyticsRefused`` for a rate that is set later."""
    if details.rate_kind is RateKind.VARIABLE:
        raise AnalyticsRefused(AnalyticsProblem.RATE_VARIABLE, "a rate that is set later gives no schedule of payments")
    assert details.payments_per_year is not None and details.day_count is not None
    assert details.issue_date is not None and details.maturity_date is not None
    return FixedIncomeTerms(
        rate_percent=details.rate_percent or Decimal(0),
        payments_per_year=details.payments_per_year,
        day_count=details.day_count,
        issue_date=details.issue_date,
        maturity_date=details.maturity_date,
    )


def _flows(
    record: AssetRecord, details: BondDetails | SukukDetails, terms: FixedIncomeTerms
) -> tuple[tuple[CashFlow, ...], date | None]:
    assert details.payment_convention is not None
    days = business_days(record.exchange, record.rules, terms.issue_date, fixed_income.last_day_of_payments(terms))
    return fixed_income.cash_flows(terms, details.payment_convention, days), days.known_to


def _tradability(details: BondDetails | SukukDetails) -> Tradability:
    if isinstance(details, SukukDetails) and details.structure is not None:
        return TRADABILITY[details.structure]
    return Tradability.ANY_PRICE
