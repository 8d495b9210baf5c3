"""What the venue takes by the clock: the real EGX calendar without the demonstration's open session."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from exchanges.api import OrderType, Phase, TimeInForce
from exchanges.reference import load_venue_reference
from exchanges.simulator.matching import BUY
from exchanges.simulator.order_entry import NewOrder, ReplaceRequest
from exchanges.simulator.rules import ACCEPTED, TradingRules
from tests.unit.simulator.in_memory_lines import own_hours, reference

ORDER = NewOrder("1", "A", "COMI", BUY, OrderType.LIMIT, TimeInForce.DAY, 139_000_000, 10)


EGX = own_hours("EGX")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("phase", "text"),
    [
        (Phase.CONTINUOUS, ""),
        (Phase.PRE_OPEN, ""),
        (Phase.CLOSING_AUCTION, ""),
        (Phase.TRADE_AT_LAST, ""),
        (Phase.CLOSED, "the session is closed"),
    ],
)
def test_limit_orders_of_the_day_are_taken_while_the_session_lasts(phase: Phase, text: str) -> None:
    rules = TradingRules(EGX, at("2026-11-18T00:00"))
    assert rules.order_refusal(ORDER, phase)[1] == text


@pytest.mark.parametrize("phase", [Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION, Phase.TRADE_AT_LAST])
def test_orders_that_cannot_wait_are_not_taken_in_a_call(phase: Phase) -> None:
    rules = TradingRules(EGX, at("2026-11-18T00:00"))
    order = ORDER._replace(time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    reason, text = rules.order_refusal(order, phase)
    assert (reason, text) == (11, f"LIMIT IMMEDIATE_OR_CANCEL is not taken in phase {phase}")


def test_cancels_are_taken_in_an_auction_but_not_at_night() -> None:
    rules = TradingRules(EGX, at("2026-11-18T00:00"))
    assert rules.cancel_refusal(Phase.CLOSING_AUCTION) == ACCEPTED
    assert rules.cancel_refusal(Phase.CLOSED)[1] == "no cancels in phase CLOSED"


def test_a_replacement_is_measured_as_an_order_is() -> None:
    rules = TradingRules(EGX, at("2026-11-18T00:00"))
    request = ReplaceRequest("2", "1", "COMI", BUY, OrderType.LIMIT, TimeInForce.DAY, 139_000_000, 10)
    assert rules.replace_refusal(request, Phase.CONTINUOUS) == ACCEPTED
    assert "tick" in rules.replace_refusal(request._replace(price=139_005_000), Phase.CONTINUOUS)[1]
    assert "limits" in rules.replace_refusal(request._replace(price=300_000_000), Phase.CONTINUOUS)[1]
    assert "closed" in rules.replace_refusal(request, Phase.CLOSED)[1]


def test_icebergs_are_taken_where_the_dated_row_has_them() -> None:
    egx = TradingRules(EGX, at("2026-11-18T00:00"))
    adx = TradingRules(lambda day: load_venue_reference("ADX", day=day), at("2026-11-18T00:00"))
    iceberg = ORDER._replace(display_quantity=5)
    assert egx.order_refusal(iceberg, Phase.CONTINUOUS)[1] == "EGX takes no orders with MaxFloor (111)"
    listed = next(iter(adx.reference.instruments.values()))
    iceberg = iceberg._replace(symbol=listed.symbol, price=listed.reference_price, quantity=listed.lot * 10)
    assert adx.order_refusal(iceberg._replace(display_quantity=listed.lot), Phase.CONTINUOUS) == ACCEPTED
    assert "not above OrderQty" in adx.order_refusal(iceberg._replace(display_quantity=listed.lot * 11), Phase.CONTINUOUS)[1]
    killed = iceberg._replace(display_quantity=listed.lot, time_in_force=TimeInForce.FILL_OR_KILL)
    assert "that rest" in adx.order_refusal(killed, Phase.CONTINUOUS)[1]


def test_nothing_halts_by_itself_in_the_session_that_never_closes() -> None:
    assert TradingRules(reference, at("2026-11-18T00:00")).halt_terms() is None
    terms = TradingRules(EGX, at("2026-11-18T00:00")).halt_terms()
    assert terms is not None
    assert sorted(row.scope for row in terms.rows) == ["auction", "market", "stock"]


def test_the_day_ends_at_midnight_in_cairo() -> None:
    rules = TradingRules(reference, at("2026-11-18T00:00"))
    assert rules.day_of(at("2026-11-18T22:30")) == date(2026, 11, 19)
    assert rules.day_end(date(2026, 11, 18)) == at("2026-11-18T22:00")


def test_a_market_order_has_no_price_to_check() -> None:
    rules = TradingRules(reference, at("2026-11-18T00:00"))
    assert rules.order_refusal(ORDER._replace(type=OrderType.MARKET, price=0), Phase.CONTINUOUS) == ACCEPTED
    assert rules.order_refusal(ORDER._replace(price=0), Phase.CONTINUOUS)[1] == "a limit order has a positive price"
