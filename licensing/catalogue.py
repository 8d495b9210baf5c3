"""The closed lists of what can be licensed, counted and charged. No Django: any process may read them."""

from __future__ import annotations

from enum import StrEnum

from tradsys.exchange_entries import exchange_codes


class Feature(StrEnum):
    """What a licence may include, beside the installed exchanges. Whatever is not listed in a licence is not included."""

    ASSET_EQUITY = "asset:equity"
    ASSET_ETF = "asset:etf"
    ASSET_FUND = "asset:fund"
    ASSET_ISLAMIC_FUND = "asset:islamic_fund"
    ASSET_REIT = "asset:reit"
    ASSET_BOND = "asset:bond"
    ASSET_SUKUK = "asset:sukuk"
    ASSET_RIGHT = "asset:right"
    ASSET_DEPOSITARY_RECEIPT = "asset:depositary_receipt"
    DOOR_GRPC_STREAM = "door:grpc-stream"
    """The bidirectional order stream. High-frequency entry is this door without a limit of orders a second."""
    QUOTES_REALTIME = "quotes:realtime"
    """Without it, quotes are 15 minutes old."""
    SHARIA = "sharia"


def exchange_feature(exchange: str) -> str:
    """The feature of an exchange, by its code."""
    return f"exchange:{exchange}"


def features() -> tuple[str, ...]:
    """Every feature that a licence may include: the installed exchanges first."""
    return (*map(exchange_feature, exchange_codes()), *Feature)


class Meter(StrEnum):
    """What is counted. The quantity of every meter is additive over events."""

    ORDERS = "orders"
    """Accepted orders."""
    API_CALLS = "api_calls"
    ACTIVE_USERS = "active_users"
    """Active users of a month: one event of quantity 1 per user and month."""


class Period(StrEnum):
    """Over which span an allowance is counted."""

    DAY = "day"
    MONTH = "month"


MINOR_UNITS: dict[str, int] = {"USD": 2, "EGP": 2, "AED": 2, "EUR": 2, "JPY": 0, "KWD": 3, "BHD": 3, "OMR": 3}
"""Decimal places of a currency's minor unit (ISO 4217)."""


def minor_units(currency: str) -> int:
    """Return the decimal places of ``currency``; raise ``ValueError`` for one that is not in the catalogue."""
    places = MINOR_UNITS.get(currency)
    if places is None:
        raise ValueError(f"currency {currency!r} is not in the catalogue")
    return places
