"""An instrument with all that is known of it as an asset, as the tables have it: what pages and services compute from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from exchanges.api import AssetType, Trust
from exchanges.assets.details import Details
from exchanges.dated_rules import DatedRule

_WEAKNESS: Mapping[Trust, int] = {Trust.VERIFIED: 0, Trust.SINGLE_SOURCE: 1, Trust.UNVERIFIED: 2, Trust.DEMO: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """``data_set`` is the label of the signed data set that a row came with, or empty."""

    as_of: date
    trust: Trust
    sources: tuple[str, ...]
    data_set: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavRecord:
    nav: int
    """Micros."""
    provenance: Provenance

    @property
    def valued_on(self) -> date:
        return self.provenance.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class DistributionRecord:
    amount: Decimal
    payment_date: date | None
    provenance: Provenance
    """``as_of`` is the ex-date."""

    @property
    def ex_date(self) -> date:
        return self.provenance.as_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRecord:
    """A reference price (micros). Nobody has signed one whose trust is unverified."""

    price: int
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetRecord:
    key: str
    exchange: str
    symbol: str
    isin: str
    isin_status: str
    name: str
    name_ar: str
    asset_type: AssetType
    sector: str
    currency: str
    sources: tuple[str, ...]
    """Of the instrument itself."""
    details: Details | None
    provenance: Provenance | None
    """Of the details; there exactly when they are."""
    note: str
    navs: tuple[NavRecord, ...]
    """By falling day."""
    distributions: tuple[DistributionRecord, ...]
    """By falling ex-date."""
    price: PriceRecord | None
    underlying_price: PriceRecord | None
    """Of the share behind a right or receipt, where it is listed here."""
    underlying_currency: str
    rules: tuple[DatedRule, ...]
    """The acting dated rows of its exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetListing:
    """A line of a list of assets."""

    key: str
    exchange: str
    symbol: str
    isin: str
    name: str
    name_ar: str
    asset_type: AssetType
    currency: str
    tradable: bool
    trust: Trust | None
    """Of its details; ``None`` where none are known."""
    as_of: date | None
    complete: bool
    """Whether figures can be computed of the details."""


class Notice(StrEnum):
    """What must be said beside a figure."""

    DEMO_FIGURES = "DEMO_FIGURES"
    UNVERIFIED_FIGURES = "UNVERIFIED_FIGURES"
    PRICE_UNSIGNED = "PRICE_UNSIGNED"
    NAV_STALE = "NAV_STALE"
    CLOSURES_NOT_KNOWN = "CLOSURES_NOT_KNOWN"
    SETTLEMENT_ON_A_CLOSED_DAY = "SETTLEMENT_ON_A_CLOSED_DAY"
    PAR_ONLY = "PAR_ONLY"
    PRICE_OFF_PAR = "PRICE_OFF_PAR"
    NOT_TRADED = "NOT_TRADED"
    TRADING_ENDED = "TRADING_ENDED"


class AnalyticsProblem(StrEnum):
    """Why no figure is computed."""

    ASSET_TYPE_DIFFERS = "ASSET_TYPE_DIFFERS"
    DETAILS_UNKNOWN = "DETAILS_UNKNOWN"
    TERMS_INCOMPLETE = "TERMS_INCOMPLETE"
    RATE_VARIABLE = "RATE_VARIABLE"
    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    NAV_UNKNOWN = "NAV_UNKNOWN"
    UNDERLYING_PRICE_UNKNOWN = "UNDERLYING_PRICE_UNKNOWN"
    FIGURE_INVALID = "FIGURE_INVALID"
    CALENDAR_UNKNOWN = "CALENDAR_UNKNOWN"


class AnalyticsRefused(ValueError):
    """``problem`` is for programs (an ``AnalyticsProblem`` or a ``FixedIncomeProblem``), the message for people."""

    def __init__(self, problem: StrEnum, message: str) -> None:
        super().__init__(message)
        self.problem = problem


def weakest(marks: Iterable[Trust]) -> Trust:
    """Return the trust of what is computed from rows with these marks: that of the weakest; of no row, unverified."""
    return max(marks, key=lambda mark: _WEAKNESS[mark], default=Trust.UNVERIFIED)


def trust_notices(trust: Trust) -> tuple[Notice, ...]:
    """Return what must be said of figures with this mark."""
    if trust is Trust.DEMO:
        return (Notice.DEMO_FIGURES,)
    return (Notice.UNVERIFIED_FIGURES,) if trust is Trust.UNVERIFIED else ()
