"""What notices and problems of figures mean, for people, in both languages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from django.utils.translation import gettext as _

from exchanges.assets.accrual import FixedIncomeProblem
from exchanges.assets.records import AnalyticsProblem, Notice
from exchanges.assets.sukuk_structures import Tradability

NOTICES: Mapping[Notice, Callable[[], str]] = {
    Notice.DEMO_FIGURES: lambda: _("Invented for demonstration: no figure here is of a real security."),
    Notice.UNVERIFIED_FIGURES: lambda: _("Computed from figures that nobody has verified."),
    Notice.PRICE_UNSIGNED: lambda: _("Nobody has signed the reference price."),
    Notice.NAV_STALE: lambda: _("The published value is older than the fund's dealing lets it be."),
    Notice.CLOSURES_NOT_KNOWN: lambda: _("Not all closures until maturity are known: later payment days may move."),
    Notice.SETTLEMENT_ON_A_CLOSED_DAY: lambda: _("The exchange does not work on the settlement day."),
    Notice.PAR_ONLY: lambda: _("These sukuk stand for a debt and change hands at face value only."),
    Notice.PRICE_OFF_PAR: lambda: _("The price is not the face value: the figures are arithmetic, no price to deal at."),
    Notice.NOT_TRADED: lambda: _("Sukuk of this structure are held to delivery and not traded."),
    Notice.TRADING_ENDED: lambda: _("The last trading day has passed."),
}
PROBLEMS: Mapping[StrEnum, Callable[[], str]] = {
    AnalyticsProblem.ASSET_TYPE_DIFFERS: lambda: _("The asset is of another type."),
    AnalyticsProblem.DETAILS_UNKNOWN: lambda: _("No details of this asset are known."),
    AnalyticsProblem.TERMS_INCOMPLETE: lambda: _("Not enough is known to compute figures."),
    AnalyticsProblem.RATE_VARIABLE: lambda: _("A rate that is set later gives no schedule of payments."),
    AnalyticsProblem.PRICE_UNKNOWN: lambda: _("No reference price is known: type a price."),
    AnalyticsProblem.NAV_UNKNOWN: lambda: _("No published value is known."),
    AnalyticsProblem.UNDERLYING_PRICE_UNKNOWN: lambda: _("No reference price of the share is known: type a price."),
    AnalyticsProblem.FIGURE_INVALID: lambda: _("The figures make no result."),
    AnalyticsProblem.CALENDAR_UNKNOWN: lambda: _("The trading week of some of the days is not known."),
    FixedIncomeProblem.TERMS_INVALID: lambda: _("The terms contradict each other."),
    FixedIncomeProblem.SETTLEMENT_OUTSIDE_LIFE: lambda: _("The settlement day lies before issue or not before maturity."),
    FixedIncomeProblem.PRICE_NOT_POSITIVE: lambda: _("A price is positive."),
    FixedIncomeProblem.YIELD_OUT_OF_RANGE: lambda: _("The yield is out of range."),
    FixedIncomeProblem.NO_YIELD: lambda: _("No yield gives this price."),
}
TRADABILITIES: Mapping[Tradability, Callable[[], str]] = {
    Tradability.ANY_PRICE: lambda: _("at any price"),
    Tradability.PAR_ONLY: lambda: _("at face value only"),
    Tradability.NOT_TRADED: lambda: _("not traded"),
}
