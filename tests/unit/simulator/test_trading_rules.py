"""What the venue takes by the clock: the real EGX calendar without the demonstration's open session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from exchanges.api import OrderType, TimeInForce, Trust
from exchanges.reference import VenueReference
from exchanges.simulator.matching import BUY
from exchanges.simulator.order_entry import NewOrder
from exchanges.simulator.rules import ACCEPTED, TradingRules
from tests.unit.simulator.in_memory_lines import reference

ORDER = NewOrder("1", "A", "COMI", BUY, OrderType.LIMIT, TimeInForce.DAY, 139_000_000, 10)


def without_demo_session(day: date) -> VenueReference:
    loaded = reference(day)
    return replace(loaded, rules=tuple(rule for rule in loaded.rules if rule.trust is not Trust.DEMO))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-18T10:00", ""),
        ("2026-11-18T12:17", "the venue takes no orders in phase CLOSING_AUCTION"),
        ("2026-11-18T20:00", "the session is closed"),
        ("2026-11-20T10:00", "the session is closed"),
        ("2026-11-22T10:00", ""),
    ],
)
def test_orders_are_taken_in_continuous_trading_only(moment: str, text: str) -> None:
    rules = TradingRules(without_demo_session, at("2026-11-18T00:00"))
    assert rules.order_refusal(ORDER, at(moment))[1] == text


def test_cancels_are_taken_in_an_auction_but_not_at_night() -> None:
    rules = TradingRules(without_demo_session, at("2026-11-18T00:00"))
    assert rules.cancel_refusal(at("2026-11-18T12:17")) == ACCEPTED
    assert rules.cancel_refusal(at("2026-11-18T20:00"))[1] == "no cancels in phase CLOSED"


def test_the_day_ends_at_midnight_in_cairo() -> None:
    rules = TradingRules(reference, at("2026-11-18T00:00"))
    assert rules.day_of(at("2026-11-18T22:30")) == date(2026, 11, 19)
    assert rules.day_end(date(2026, 11, 18)) == at("2026-11-18T22:00")


def test_a_market_order_has_no_price_to_check() -> None:
    rules = TradingRules(reference, at("2026-11-18T00:00"))
    assert rules.order_refusal(ORDER._replace(type=OrderType.MARKET, price=0), at("2026-11-18T10:00")) == ACCEPTED
    assert rules.order_refusal(ORDER._replace(price=0), at("2026-11-18T10:00"))[1] == "a limit order has a positive price"
