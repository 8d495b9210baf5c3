"""Figures of funds, real estate funds, rights and receipts from their records. Pure, without floats.

Where the caller gives no price the reference price counts, and whose figure it is is said. Raises ``AnalyticsRefused``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from exchanges.api import Trust
from exchanges.assets.details import (
    DepositaryReceiptDetails,
    Details,
    EtfDetails,
    FundDetails,
    IslamicFundDetails,
    ReitDetails,
    RightDetails,
    missing_fields,
)
from exchanges.assets.funds import DealingFrequency, FundError, is_stale, premium_bp
from exchanges.assets.receipts import CurrencyRate, ReceiptError, ReceiptRatio, parity_price
from exchanges.assets.records import (
    AnalyticsProblem,
    AnalyticsRefused,
    AssetRecord,
    NavRecord,
    Notice,
    PriceRecord,
    trust_notices,
    weakest,
)
from exchanges.assets.reit import PaidDistribution, distribution_yield, trailing_distributions
from exchanges.assets.rights import RightError, RightTerms, intrinsic_value, theoretical_ex_rights_price, value_from_cum_price

PUBLISHED_VALUE = (EtfDetails, FundDetails, IslamicFundDetails, ReitDetails)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedPrice:
    """``trust`` is ``None`` for a price that the caller gave."""

    price: int
    as_of: date | None
    trust: Trust | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundFigures:
    nav: int
    valued_on: date
    price: int
    premium_bp: Decimal
    stale: bool
    trust: Trust
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReitFigures:
    price: int
    trailing_distributions: Decimal
    distribution_yield_percent: Decimal
    nav: int | None
    premium_bp: Decimal | None
    leverage_percent: Decimal | None
    trust: Trust
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RightFigures:
    share_price: int
    ex_rights_price: int
    value_of_a_right: int
    intrinsic_value: int
    """What exercising earns when the share costs ``share_price`` without the right."""
    trust: Trust
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFigures:
    share_price: int
    parity: int
    price: int | None
    premium_bp: Decimal | None
    rate: Decimal
    rate_source: str
    trust: Trust
    notices: tuple[Notice, ...]


def fund_figures(record: AssetRecord, *, today: date, price: int | None = None) -> FundFigures:
    """Return premium or discount of a fund or real estate fund, and whether its value is old."""
    details = known_details(record)
    if not isinstance(details, PUBLISHED_VALUE):
        raise _differs(record, "a fund")
    nav = latest_nav(record, today)
    if nav is None:
        raise AnalyticsRefused(AnalyticsProblem.NAV_UNKNOWN, f"no published value of {record.key} is known")
    if details.dealing_frequency is None:
        raise _incomplete(record, ("dealing_frequency",))
    used = used_price(record, price)
    stale, premium = _against_nav(nav, used.price, today, details.dealing_frequency)
    trust = _trust(record, used, nav)
    return FundFigures(
        nav=nav.nav,
        valued_on=nav.valued_on,
        price=used.price,
        premium_bp=premium,
        stale=stale,
        trust=trust,
        notices=_notices(trust, used, *([Notice.NAV_STALE] if stale else [])),
    )


def reit_figures(record: AssetRecord, *, today: date, price: int | None = None) -> ReitFigures:
    """Return distribution yield, premium and leverage of a real estate fund. The premium is missing without a value."""
    details = known_details(record)
    if not isinstance(details, ReitDetails):
        raise _differs(record, "a real estate fund")
    used = used_price(record, price)
    paid = [PaidDistribution(each.ex_date, each.amount) for each in record.distributions]
    nav = latest_nav(record, today)
    stale, premium = False, None
    if nav is not None and details.dealing_frequency is not None:
        stale, premium = _against_nav(nav, used.price, today, details.dealing_frequency)
    trust = weakest((_trust(record, used, nav), *(each.provenance.trust for each in record.distributions)))
    try:
        yield_percent = distribution_yield(paid, used.price, today)
    except FundError as error:
        raise AnalyticsRefused(AnalyticsProblem.FIGURE_INVALID, str(error)) from error
    return ReitFigures(
        price=used.price,
        trailing_distributions=trailing_distributions(paid, today),
        distribution_yield_percent=yield_percent,
        nav=nav.nav if nav is not None else None,
        premium_bp=premium,
        leverage_percent=details.leverage_percent,
        trust=trust,
        notices=_notices(trust, used, *([Notice.NAV_STALE] if stale else [])),
    )


def right_figures(record: AssetRecord, *, today: date, share_price: int | None = None) -> RightFigures:
    """Return the theoretical prices of a right. ``share_price`` is that of the share with its right, in micros."""
    details = complete_details(record)
    if not isinstance(details, RightDetails):
        raise _differs(record, "a subscription right")
    assert details.new_shares and details.held_shares and details.subscription_price and details.last_trading_day
    used = _underlying(record, share_price)
    try:
        terms = RightTerms(new=details.new_shares, held=details.held_shares, subscription_price=details.subscription_price)
        ex_price = theoretical_ex_rights_price(terms, used.price)
        worth, intrinsic = value_from_cum_price(terms, used.price), intrinsic_value(terms, used.price)
    except RightError as error:
        raise AnalyticsRefused(AnalyticsProblem.FIGURE_INVALID, str(error)) from error
    trust = _trust(record, used)
    ended = [Notice.TRADING_ENDED] if today > details.last_trading_day else []
    return RightFigures(
        share_price=used.price,
        ex_rights_price=ex_price,
        value_of_a_right=worth,
        intrinsic_value=intrinsic,
        trust=trust,
        notices=_notices(trust, used, *ended),
    )


def receipt_figures(
    record: AssetRecord, *, rate: Decimal, rate_source: str, share_price: int | None = None, price: int | None = None
) -> ReceiptFigures:
    """Return parity price and premium of a depositary receipt, at a currency rate that the caller vouches for."""
    details = complete_details(record)
    if not isinstance(details, DepositaryReceiptDetails):
        raise _differs(record, "a depositary receipt")
    assert details.receipts and details.shares
    share = _underlying(record, share_price)
    try:
        parity = parity_price(share.price, ReceiptRatio(details.receipts, details.shares), CurrencyRate(rate, rate_source))
        own = used_price(record, price) if price is not None or record.price is not None else None
        premium = premium_bp(own.price, parity) if own is not None else None
    except (ReceiptError, FundError) as error:
        raise AnalyticsRefused(AnalyticsProblem.FIGURE_INVALID, str(error)) from error
    marks = [each.trust for each in (share, own) if each is not None and each.trust is not None]
    trust = weakest((_trust(record, share), *marks))
    return ReceiptFigures(
        share_price=share.price,
        parity=parity,
        price=own.price if own is not None else None,
        premium_bp=premium,
        rate=rate,
        rate_source=rate_source,
        trust=trust,
        notices=_notices(trust, share if own is None or own.trust is not Trust.UNVERIFIED else own),
    )


def known_details(record: AssetRecord) -> Details:
    """Return what is known of the asset's details. Raises ``AnalyticsRefused``."""
    if record.details is None or record.provenance is None:
        raise AnalyticsRefused(AnalyticsProblem.DETAILS_UNKNOWN, f"no details of {record.key} are known")
    return record.details


def complete_details(record: AssetRecord) -> Details:
    """Return the asset's details, which must be complete. Raises ``AnalyticsRefused`` naming what is missing."""
    details = known_details(record)
    missing = missing_fields(details)
    if missing:
        raise _incomplete(record, missing)
    return details


def latest_nav(record: AssetRecord, today: date) -> NavRecord | None:
    """Return the newest published value that is not of the future."""
    return next((each for each in record.navs if each.valued_on <= today), None)


def used_price(record: AssetRecord, price: int | None) -> UsedPrice:
    """Return the caller's price, or the reference price. Raises ``AnalyticsRefused``."""
    return _used(price, record.price, AnalyticsProblem.PRICE_UNKNOWN, f"no reference price of {record.key} is known: give one")


def _underlying(record: AssetRecord, price: int | None) -> UsedPrice:
    message = f"no reference price of the share behind {record.key} is known: give one"
    return _used(price, record.underlying_price, AnalyticsProblem.UNDERLYING_PRICE_UNKNOWN, message)


def _used(given: int | None, known: PriceRecord | None, problem: AnalyticsProblem, message: str) -> UsedPrice:
    if given is not None:
        return UsedPrice(price=given, as_of=None, trust=None)
    if known is None:
        raise AnalyticsRefused(problem, message)
    return UsedPrice(price=known.price, as_of=known.provenance.as_of, trust=known.provenance.trust)


def _against_nav(nav: NavRecord, price: int, today: date, frequency: DealingFrequency) -> tuple[bool, Decimal]:
    try:
        return is_stale(nav.valued_on, today, frequency), premium_bp(price, nav.nav)
    except FundError as error:
        raise AnalyticsRefused(AnalyticsProblem.FIGURE_INVALID, str(error)) from error


def _trust(record: AssetRecord, used: UsedPrice, nav: NavRecord | None = None) -> Trust:
    marks = [record.provenance.trust] if record.provenance is not None else []
    if used.trust is not None:
        marks.append(used.trust)
    if nav is not None:
        marks.append(nav.provenance.trust)
    return weakest(marks)


def _notices(trust: Trust, used: UsedPrice, *more: Notice) -> tuple[Notice, ...]:
    unsigned = [Notice.PRICE_UNSIGNED] if used.trust is Trust.UNVERIFIED else []
    return (*trust_notices(trust), *unsigned, *more)


def _incomplete(record: AssetRecord, missing: tuple[str, ...]) -> AnalyticsRefused:
    return AnalyticsRefused(AnalyticsProblem.TERMS_INCOMPLETE, f"of {record.key} it is not known: {', '.join(missing)}")


def _differs(record: AssetRecord, wanted: str) -> AnalyticsRefused:
    return AnalyticsRefused(
        AnalyticsProblem.ASSET_TYPE_DIFFERS, f"{record.key} is not {wanted}: it is of the type {record.asset_type}"
    )
