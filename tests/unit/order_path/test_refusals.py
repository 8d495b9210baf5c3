"""Each rule refuses what it should, with its code and figures, and leaves nothing behind but the record of it."""

from __future__ import annotations

from typing import Any

import pytest

from exchanges.routing.balancers import LinePool
from tests.order_path_setup import (
    DAY,
    MICROS,
    NOW,
    MemoryJournal,
    account,
    caller,
    cancel,
    exchange,
    instrument,
    licence,
    new_path,
    order,
    platform,
    tenant,
)
from trading_workers.checks.decision import CHECKS
from trading_workers.journal import records
from trading_workers.orders import Caller, NewOrder, OrderState, OrderType, Side, TimeInForce
from trading_workers.reasons import Reason
from trading_workers.snapshot.documents import PlatformDocument, TenantDocument

Case = tuple[Reason, dict[str, str], NewOrder, Caller, PlatformDocument, TenantDocument]


def case(
    reason: Reason,
    figures: dict[str, str],
    *,
    order: NewOrder = order(),  # noqa: B008 - immutable
    caller: Caller = caller(),  # noqa: B008
    platform: PlatformDocument = platform(),  # noqa: B008
    tenant: TenantDocument = tenant(),  # noqa: B008
) -> Any:
    return pytest.param(reason, figures, order, caller, platform, tenant, id=f"{reason.name}-{'-'.join(figures.values())[:40]}")


def with_instrument(**changes: Any) -> PlatformDocument:
    return platform(instruments=(instrument(**changes),))


def with_account(**changes: Any) -> TenantDocument:
    return tenant(accounts=(account(**changes),))


def with_licence(**changes: Any) -> TenantDocument:
    return tenant(licence=licence(**changes))


def with_phase(phase: str) -> PlatformDocument:
    return platform(exchanges=(exchange(phase=phase), exchange("ADX")))


MARKET = {"type": OrderType.MARKET, "price": 0}

CASES = [
    case(Reason.MALFORMED_REQUEST, {"field": "side"}, order=order(side=Side.UNSPECIFIED)),
    case(Reason.MALFORMED_REQUEST, {"field": "type"}, order=order(type=OrderType.UNSPECIFIED)),
    case(Reason.MALFORMED_REQUEST, {"field": "time_in_force"}, order=order(time_in_force=TimeInForce.UNSPECIFIED)),
    case(Reason.MALFORMED_REQUEST, {"field": "account"}, order=order(account="")),
    case(Reason.MALFORMED_REQUEST, {"field": "symbol"}, order=order(symbol="X" * 33)),
    case(Reason.CLIENT_ORDER_ID_INVALID, {"length": "0"}, order=order("")),
    case(Reason.CLIENT_ORDER_ID_INVALID, {"length": "37"}, order=order("x" * 37)),
    case(Reason.CLIENT_ORDER_ID_INVALID, {"length": "4"}, order=order("a\x01=b")),
    case(Reason.CLIENT_ORDER_ID_INVALID, {"length": "3"}, order=order("ab\n")),
    case(Reason.ROLE_NOT_PERMITTED, {"role": "viewer", "needed": "trader"}, caller=caller(role="viewer")),
    case(Reason.ROLE_NOT_PERMITTED, {"role": "operator", "needed": "trader"}, caller=caller(role="operator")),
    case(Reason.ACCOUNT_UNKNOWN, {"account": "NONE"}, order=order(account="NONE")),
    case(Reason.ACCOUNT_UNKNOWN, {"account": "ACC-1"}, caller=caller(accounts=frozenset({"ACC-2"}))),
    case(Reason.ACCOUNT_SUSPENDED, {"account": "ACC-1", "status": "suspended"}, tenant=with_account(status="suspended")),
    case(Reason.CONFIGURATION_MISSING, {"tenant": "delta"}, caller=caller(tenant="delta")),
    case(
        Reason.CONFIGURATION_STALE,
        {"document": "tenant", "revision": "3", "lease_until": str(NOW), "now": str(NOW)},
        tenant=tenant(lease_until=NOW),
    ),
    case(
        Reason.CONFIGURATION_STALE,
        {"document": "platform", "revision": "7", "lease_until": str(NOW - 1), "now": str(NOW)},
        platform=platform(lease_until=NOW - 1),
    ),
    case(Reason.LICENSE_MISSING, {"tenant": "nile"}, tenant=tenant(licence=None)),
    case(Reason.LICENSE_NOT_YET_VALID, {"valid_from": str(NOW + 1), "now": str(NOW)}, tenant=with_licence(valid_from=NOW + 1)),
    case(Reason.LICENSE_EXPIRED, {"valid_until": str(NOW), "now": str(NOW)}, tenant=with_licence(valid_until=NOW)),
    case(Reason.LICENSE_SUSPENDED, {"status": "suspended"}, tenant=with_licence(status="suspended")),
    case(Reason.LICENSE_SUSPENDED, {"status": "something new"}, tenant=with_licence(status="something new")),
    case(
        Reason.FEATURE_NOT_LICENSED,
        {"feature": "door:grpc-stream", "plan": "Test"},
        tenant=with_licence(features=("exchange:EGX", "asset:equity")),
    ),
    case(
        Reason.FEATURE_NOT_LICENSED,
        {"feature": "exchange:EGX", "plan": "Test"},
        tenant=with_licence(features=("door:grpc-stream", "asset:equity")),
    ),
    case(
        Reason.FEATURE_NOT_LICENSED,
        {"feature": "asset:equity", "plan": "Test"},
        tenant=with_licence(features=("door:grpc-stream", "exchange:EGX")),
    ),
    case(
        Reason.FEATURE_NOT_LICENSED,
        {"feature": "sharia", "plan": "Test"},
        order=order(account="AMA-1"),
        tenant=with_licence(features=("door:grpc-stream", "exchange:EGX", "asset:equity")),
    ),
    case(Reason.QUOTA_EXCEEDED, {"cap": "0", "used": "0", "day": "20270115"}, tenant=with_licence(orders_per_day_cap=0)),
    case(Reason.RATE_LIMIT_EXCEEDED, {"orders_per_second": "0"}, tenant=with_licence(orders_per_second=0)),
    case(Reason.INSTRUMENT_UNKNOWN, {"exchange": "EGX", "symbol": "NOPE"}, order=order(symbol="NOPE")),
    case(Reason.INSTRUMENT_UNKNOWN, {"exchange": "ADX", "symbol": "COMI"}, order=order(exchange="ADX")),
    case(Reason.INSTRUMENT_NOT_TRADABLE, {"instrument": "EGX:COMI"}, platform=with_instrument(tradable=False)),
    case(
        Reason.REFERENCE_DATA_UNSIGNED,
        {"instrument": "EGX:COMI", "unsigned": "lot"},
        platform=with_instrument(lot_signed=False),
    ),
    case(
        Reason.REFERENCE_DATA_UNSIGNED,
        {"instrument": "EGX:COMI", "unsigned": "reference price"},
        platform=with_instrument(reference_signed=False),
    ),
    case(
        Reason.SESSION_CLOSED,
        {"exchange": "EGX", "phase": "CLOSED", "session": ""},
        platform=platform(exchanges=(exchange(intervals=()), exchange("ADX"))),
    ),
    case(
        Reason.SESSION_CLOSED,
        {"exchange": "EGX", "phase": "A_PHASE_OF_TOMORROW", "session": "test A_PHASE_OF_TOMORROW"},
        platform=with_phase("A_PHASE_OF_TOMORROW"),
    ),
    case(
        Reason.ORDER_TYPE_NOT_ALLOWED,
        {"phase": "OPENING_AUCTION", "type": "MARKET", "time_in_force": "DAY"},
        order=order(**MARKET),
        platform=with_phase("OPENING_AUCTION"),
    ),
    case(
        Reason.ORDER_TYPE_NOT_ALLOWED,
        {"phase": "CLOSING_AUCTION", "type": "LIMIT", "time_in_force": "FILL_OR_KILL"},
        order=order(time_in_force=TimeInForce.FILL_OR_KILL),
        platform=with_phase("CLOSING_AUCTION"),
    ),
    case(Reason.PRICE_REQUIRED, {"type": "LIMIT", "price": "0.00"}, order=order(price=0)),
    case(Reason.PRICE_REQUIRED, {"type": "LIMIT", "price": "-1.00"}, order=order(price=-MICROS)),
    case(Reason.PRICE_REQUIRED, {"type": "MARKET", "price": "100.00"}, order=order(type=OrderType.MARKET)),
    case(
        Reason.REFERENCE_PRICE_MISSING,
        {"instrument": "EGX:COMI", "missing": "reference price"},
        platform=with_instrument(reference_price=None),
    ),
    case(
        Reason.REFERENCE_PRICE_MISSING,
        {"instrument": "EGX:COMI", "missing": "upper limit"},
        platform=with_instrument(band_high=None),
        order=order(**MARKET),
    ),
    case(Reason.PRICE_OFF_TICK, {"price": "100.005", "tick": "0.01"}, order=order(price=100_005_000)),
    case(Reason.PRICE_OFF_TICK, {"price": "100.00", "tick": "0.00"}, platform=with_instrument(ticks=())),
    case(
        Reason.PRICE_OUTSIDE_BAND,
        {"price": "120.01", "low": "80.00", "high": "120.00", "reference": "100.00"},
        order=order(price=120_010_000),
    ),
    case(
        Reason.PRICE_OUTSIDE_BAND,
        {"price": "79.99", "low": "80.00", "high": "120.00", "reference": "100.00"},
        order=order(price=79_990_000),
    ),
    case(Reason.QUANTITY_NOT_POSITIVE, {"quantity": "0"}, order=order(quantity=0)),
    case(Reason.QUANTITY_NOT_POSITIVE, {"quantity": str(-(2**63))}, order=order(quantity=-(2**63))),
    case(Reason.QUANTITY_OFF_LOT, {"quantity": "10", "lot": "100"}, platform=with_instrument(lot=100)),
    case(Reason.QUANTITY_OFF_LOT, {"quantity": "10", "lot": "0"}, platform=with_instrument(lot=0)),
    case(
        Reason.INVESTOR_ID_MISSING,
        {"account": "ACC-1", "needed": "Unified Code"},
        tenant=with_account(investor_ids={"ADX": "N-1"}),
    ),
    case(
        Reason.SHARIA_VERDICT_MISSING,
        {"board": "BOARD", "instrument": "ADX:FAB", "status": "undetermined"},
        order=order(account="AMA-1", exchange="ADX", symbol="FAB"),
    ),
    case(
        Reason.SHARIA_VERDICT_MISSING,
        {"board": "BOARD", "instrument": "EGX:COMI"},
        order=order(account="AMA-1"),
        tenant=tenant(verdicts={}),
    ),
    case(
        Reason.NOT_SHARIA_COMPLIANT,
        {"board": "BOARD", "instrument": "EGX:SWDY", "status": "non_compliant", "verdict": "V-2"},
        order=order(account="AMA-1", symbol="SWDY"),
    ),
    case(Reason.KILL_SWITCH_ON, {"switch": "platform"}, platform=platform(killed=True)),
    case(Reason.KILL_SWITCH_ON, {"switch": "exchange EGX"}, platform=platform(killed_exchanges=("EGX",))),
    case(Reason.KILL_SWITCH_ON, {"switch": "tenant nile"}, tenant=tenant(killed=True)),
    case(Reason.KILL_SWITCH_ON, {"switch": "account ACC-1"}, tenant=with_account(killed=True)),
    case(Reason.ORDER_QUANTITY_LIMIT, {"quantity": "10001", "limit": "10000"}, order=order(quantity=10_001)),
    case(
        Reason.ORDER_VALUE_LIMIT,
        {"value": "1000.00", "limit": "999.00", "currency": "EGP"},
        tenant=with_account(max_order_value=999 * MICROS),
    ),
    case(
        Reason.ORDER_VALUE_LIMIT,
        {"value": "1200.00", "limit": "1100.00", "currency": "EGP"},
        order=order(side=Side.SELL, **MARKET),
        tenant=with_account(max_order_value=1_100 * MICROS),
    ),
    case(
        Reason.INSUFFICIENT_BUYING_POWER,
        {"needed": "100100.00", "available": "100000.00", "currency": "EGP"},
        order=order(quantity=1_001),
    ),
    case(
        Reason.INSUFFICIENT_BUYING_POWER,
        {"needed": "120000.00", "available": "100000.00", "currency": "EGP"},
        order=order(quantity=1_000, **MARKET),
    ),
    case(
        Reason.INSUFFICIENT_BUYING_POWER,
        {"needed": "1000.00", "available": "0.00", "currency": "USD"},
        platform=with_instrument(currency="USD"),
    ),
    case(
        Reason.INSUFFICIENT_BUYING_POWER,
        {"needed": "1000.00", "available": "999.999999", "currency": "EGP"},
        tenant=with_account(cash={"EGP": 1_000 * MICROS - 1}),
    ),
    case(
        Reason.INSUFFICIENT_POSITION,
        {"needed": "1001", "available": "1000", "instrument": "EGX:COMI"},
        order=order(side=Side.SELL, quantity=1_001),
    ),
    case(Reason.NO_ROUTE, {"exchange": "EGX", "considered": "default EGX NO_DEFAULT"}, platform=platform(routes=())),
]


@pytest.mark.parametrize(("reason", "figures", "wrong", "by", "platform_document", "tenant_document"), CASES)
def test_the_rule_refuses_with_its_figures_and_without_a_side_effect(
    reason: Reason,
    figures: dict[str, str],
    wrong: NewOrder,
    by: Caller,
    platform_document: PlatformDocument,
    tenant_document: TenantDocument,
) -> None:
    journal = MemoryJournal(new_path(platform_document, tenant_document))
    prepared = journal.place(wrong, by=by)
    (answer,) = prepared.answers
    assert answer.refusal is not None
    assert (answer.refusal.reason, dict(answer.refusal.figures)) == (reason, figures)
    assert (answer.state, answer.order_id, answer.journal_sequence) == (OrderState.DENIED, 0, 1)
    assert prepared.intents == []
    (record,) = journal.records
    denied = records.decode(record.type, record.payload)
    assert isinstance(denied, records.OrderDenied)
    assert (denied.code, denied.rule, denied.figures) == (reason.name, reason.rule, figures)
    assert len(journal.path.state.store) == 0
    assert journal.path.state.ledger.contents() == []
    assert journal.path.state.counts.contents() == []
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_every_reason_of_the_stages_checked_here_has_a_case() -> None:
    elsewhere = {
        Reason.UNKNOWN_FIELD, Reason.UNAUTHENTICATED,  # the doors refuse these
        Reason.BATCH_TOO_LARGE, Reason.DUPLICATE_ORDER_CONFLICT, Reason.SELF_TRADE, Reason.JOURNAL_UNAVAILABLE,
        Reason.ORDER_UNKNOWN, Reason.ORDER_NOT_OPEN, Reason.CANCEL_PENDING,
    }  # fmt: skip
    assert {param.values[0] for param in CASES} == set(Reason) - elsewhere


def test_the_checks_are_in_no_list_twice() -> None:
    assert len(set(CHECKS)) == len(CHECKS)


def test_an_order_passes_when_nothing_is_wrong_with_it() -> None:
    journal = MemoryJournal()
    (answer,) = journal.place(order()).answers
    assert answer.refusal is None
    assert (answer.state, answer.order_id, answer.journal_sequence) == (OrderState.PENDING_NEW, 1_000_000_000_001, 1)


@pytest.mark.parametrize("price", [80 * MICROS, 120 * MICROS])
def test_an_order_passes_that_uses_up_every_limit_exactly(price: int) -> None:
    value = 10 * price
    document = with_account(cash={"EGP": value}, shares={"EGX:COMI": 10}, max_order_quantity=10, max_order_value=value)
    assert MemoryJournal(new_path(None, document)).place(order(price=price)).answers[0].refusal is None
    assert MemoryJournal(new_path(None, document)).place(order(price=price, side=Side.SELL)).answers[0].refusal is None


def test_a_person_at_another_door_needs_no_licence_for_the_stream() -> None:
    journal = MemoryJournal(new_path(None, with_licence(features=("exchange:EGX", "asset:equity"))))
    assert journal.place(order(), by=caller(door="rest")).answers[0].refusal is None


def test_a_compliant_instrument_passes_with_its_verdict_on_record() -> None:
    journal = MemoryJournal()
    assert journal.place(order(account="AMA-1")).answers[0].refusal is None
    accepted = records.decode(journal.records[0].type, journal.records[0].payload)
    assert isinstance(accepted, records.OrderAccepted)
    assert accepted.verdict_id == "V-1"


def test_the_rate_lets_one_second_of_orders_through_and_refills_with_time() -> None:
    journal = MemoryJournal(new_path(None, with_licence(orders_per_second=5)))
    codes = [answer.refusal and answer.refusal.reason for answer in journal.place(*(order(f"o{n}") for n in range(7))).answers]
    assert codes == [None] * 5 + [Reason.RATE_LIMIT_EXCEEDED] * 2
    assert journal.place(order("later"), now=NOW + 200_000_000).answers[0].refusal is None


def test_an_order_that_a_later_rule_refuses_has_used_up_the_rate() -> None:
    journal = MemoryJournal(new_path(None, with_licence(orders_per_second=1)))
    answers = journal.place(order("o1", price=1), order("o2")).answers
    assert [answer.refusal.reason for answer in answers if answer.refusal] == [Reason.PRICE_OFF_TICK, Reason.RATE_LIMIT_EXCEEDED]


def test_a_clock_that_stepped_back_locks_nobody_out() -> None:
    journal = MemoryJournal(new_path(None, with_licence(orders_per_second=1)))
    assert journal.place(order("o1")).answers[0].refusal is None
    an_hour_before = NOW - 3600 * 10**9
    assert journal.place(order("o2"), now=an_hour_before).answers[0].refusal is None
    assert journal.place(order("o3"), now=an_hour_before).answers[0].refusal is not None


def test_the_daily_cap_counts_accepted_orders_by_the_exchanges_own_day() -> None:
    journal = MemoryJournal(new_path(platform(), with_licence(orders_per_day_cap=2)))
    answers = journal.place(order("o1"), order("bad", price=1), order("o2"), order("o3")).answers
    assert [answer.refusal and answer.refusal.reason for answer in answers] == [
        None, Reason.PRICE_OFF_TICK, None, Reason.QUOTA_EXCEEDED,
    ]  # fmt: skip
    cairo_midnight = NOW - NOW % DAY + DAY - 2 * 3600 * 10**9
    assert journal.place(order("o4"), now=cairo_midnight - 1).answers[0].refusal is not None
    assert journal.place(order("o5"), now=cairo_midnight).answers[0].refusal is None


def test_an_order_that_would_meet_an_own_opposite_order_is_refused() -> None:
    journal = MemoryJournal()
    first = journal.place(order("s1", side=Side.SELL, price=101 * MICROS)).answers[0].order_id
    (answer,) = journal.place(order("b1", price=101 * MICROS)).answers
    assert answer.refusal is not None
    assert (answer.refusal.reason, answer.refusal.figures["open_order"]) == (Reason.SELF_TRADE, str(first))
    assert journal.place(order("b2", price=100_990_000)).answers[0].refusal is None
    refused = journal.place(order("b3", **MARKET)).answers[0].refusal
    assert refused is not None
    assert refused.reason is Reason.SELF_TRADE
    assert journal.place(order("b4", account="ACC-2", price=101 * MICROS)).answers[0].refusal is None


def test_orders_take_the_lines_that_are_up() -> None:
    pool = LinePool(name="EGX", exchange="EGX", lines=("EGX-1", "EGX-2"))
    path = new_path(platform(routes=(), pools=(pool,)))
    path.set_line("EGX-1", up=True)
    path.set_line("EGX-2", up=True)
    journal = MemoryJournal(path)
    assert [journal.place(order(f"a{number}")).intents[0].line for number in range(4)] == ["EGX-1", "EGX-2", "EGX-1", "EGX-2"]
    path.set_line("EGX-1", up=False)
    assert MemoryJournal(path).place(order("o2")).intents[0].line == "EGX-2"
    path.set_line("EGX-2", up=False)
    refusal = MemoryJournal(path).place(order("o3")).answers[0].refusal
    assert refusal is not None
    assert refusal.reason is Reason.NO_ROUTE


def test_cancels_pass_a_kill_switch_an_expired_licence_and_a_stale_configuration() -> None:
    journal = MemoryJournal()
    journal.place(order("o1"))
    journal.path.configure_platform(platform(killed=True, lease_until=NOW - 1))
    journal.path.configure_tenant(tenant(killed=True, lease_until=NOW - 1, licence=licence(valid_until=NOW - 1)))
    (answer,) = journal.place(cancel("o1")).answers
    assert (answer.refusal, answer.state) == (None, OrderState.PENDING_CANCEL)


def test_a_batch_above_the_limit_is_refused_as_a_whole_and_not_written() -> None:
    journal = MemoryJournal()
    prepared = journal.place(*(order(f"o{n}") for n in range(501)))
    assert {answer.refusal.reason for answer in prepared.answers if answer.refusal} == {Reason.BATCH_TOO_LARGE}
    assert len(prepared.answers) == 501
    assert journal.records == []
