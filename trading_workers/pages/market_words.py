"""Words of the trading page's scripts for what the venues say: states, reasons of halts, kinds of notices, corporate actions."""

from __future__ import annotations

from django.utils.translation import gettext as _


def market_words() -> dict[str, object]:
    """In the language of the request."""
    return {
        "states": {
            "HALTED": _("Halted"),
            "UNAVAILABLE": _("Not available"),
            "AUCTION": _("Auction"),
            "PRE_OPEN": _("Pre-open"),
            "CLOSED": _("Closed"),
        },
        "reasons": {
            "ORDER_IMBALANCE": _("order imbalance"),
            "EQUIPMENT_CHANGEOVER": _("equipment changeover"),
            "NEWS_PENDING": _("news is pending"),
            "NEWS_DISSEMINATION": _("news is being published"),
            "ORDER_INFLUX": _("influx of orders"),
            "ADDITIONAL_INFORMATION": _("the exchange has given further information"),
            "NOT_GIVEN": _("the exchange gave no reason"),
        },
        "kinds": {
            "HALT": _("Halt"),
            "RESUME": _("Trading resumed"),
            "CORPORATE_ACTION": _("Corporate action"),
            "NEWS": _("News"),
        },
        "actions": {
            "EX_DIVIDEND": _("ex dividend"),
            "EX_DISTRIBUTION": _("ex distribution"),
            "EX_RIGHTS": _("ex rights"),
            "NEW": _("new security"),
            "EX_INTEREST": _("ex interest"),
        },
        "is_halted": _("Trading is halted"),
        "is_unavailable": _("Not available for trading"),
        "since": _("since"),
        "until": _("expected until"),
        "reason": _("Reason"),
        "whole_market": _("the whole market"),
        "indicative": _("Indicative"),
    }
