"""Dialects: what a message of each kind looks like, what a dialect must have, and how the order path uses them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from exchanges.api import OrderType, TimeInForce
from exchanges.exchange_service import OrderState, Side
from exchanges.fix.message import Field
from exchanges.fix_venue.dialect import FIX44_ORDERS, FIX44_REPORTS, DialectError, ReportKind, Term
from exchanges.fix_venue.order_messages import OrderMessages
from exchanges.registry import registry
from tests.order_path_setup import MemoryJournal, cancel, new_path, order, platform, tenant
from trading_workers.order_path import OrderPath
from trading_workers.orders import OrderType as WorkerOrderType
from trading_workers.orders import Side as WorkerSide
from trading_workers.orders import TimeInForce as WorkerTimeInForce
from trading_workers.reasons import Reason

TIME = b"20270115-08:00:00.000"


def fields(
    messages: OrderMessages, msg_type: str, *, kind: str = "LIMIT", time: str = "DAY", price: int = 100_500_000
) -> list[Field]:
    return messages.fields(msg_type, b"2", "ACC-1", "COMI", "BUY", kind, time, 25, price, TIME, b"1")


def test_each_message_has_its_fields_in_the_order_of_the_dialect() -> None:
    messages = OrderMessages(FIX44_ORDERS, "XCAI")
    terms = [(38, b"25"), (40, b"2"), (44, b"100.50"), (59, b"0")]
    about = [(55, b"COMI"), (207, b"XCAI"), (54, b"1"), (60, TIME)]
    assert fields(messages, "D") == [(11, b"2"), (1, b"ACC-1"), (21, b"1"), *about, *terms]
    assert fields(messages, "G") == [(41, b"1"), (11, b"2"), (1, b"ACC-1"), (21, b"1"), *about, *terms]
    assert fields(messages, "F") == [
        (41, b"1"), (11, b"2"), (1, b"ACC-1"), (55, b"COMI"), (54, b"1"), (60, TIME), (38, b"25"),
    ]  # fmt: skip
    assert fields(messages, "H") == [(11, b"2"), (1, b"ACC-1"), (55, b"COMI"), (54, b"1")]
    # A second message of the same kind is laid out from the first one and shares nothing with it.
    first = fields(messages, "D")
    first[0] = (11, b"spoiled")
    assert fields(messages, "D")[0] == (11, b"2")


def test_a_market_order_has_no_price_and_an_empty_code_leaves_its_field_out() -> None:
    dialect = replace(FIX44_ORDERS, times_in_force={TimeInForce.DAY: b"", TimeInForce.FILL_OR_KILL: b"4"})
    messages = OrderMessages(dialect, "XCAI")
    assert [tag for tag, _ in fields(messages, "D", kind="MARKET", price=0)] == [11, 1, 21, 55, 207, 54, 60, 38, 40]
    assert [tag for tag, _ in fields(messages, "D", time="FILL_OR_KILL")][-2:] == [44, 59]
    assert messages.takes("MARKET", "DAY")
    assert not messages.takes("LIMIT", "IMMEDIATE_OR_CANCEL")
    with pytest.raises(KeyError):
        fields(messages, "D", time="IMMEDIATE_OR_CANCEL")


def test_the_workers_names_and_the_services_names_are_the_same_keys() -> None:
    messages = OrderMessages(FIX44_ORDERS, "XCAI")
    by_service = messages.fields("D", b"2", "A", "S", Side.SELL, OrderType.LIMIT, TimeInForce.DAY, 1, 1, TIME)
    by_worker = messages.fields("D", b"2", "A", "S", WorkerSide.SELL, WorkerOrderType.LIMIT, WorkerTimeInForce.DAY, 1, 1, TIME)
    assert by_service == by_worker
    assert messages.takes(WorkerOrderType.MARKET, WorkerTimeInForce.FILL_OR_KILL)


def without(term: Term, name: str) -> dict[str, Any]:
    return {name: tuple(field for field in getattr(FIX44_ORDERS, name) if field[1] is not term)}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (without(Term.SYMBOL, "new_order"), "new order: no field carries symbol"),
        (without(Term.ORIGINAL_CLIENT_ORDER_ID, "cancel"), "cancel: no field carries original_client_order_id"),
        (without(Term.QUANTITY, "replace"), "replace: no field carries quantity"),
        (without(Term.SIDE, "status"), "status request: no field carries side"),
        ({"new_order": (*FIX44_ORDERS.new_order, (55, b"X"))}, "new order: tag 55 stands twice"),
        ({"new_order": (*FIX44_ORDERS.new_order, (49, b"X"))}, "new order: tag 49 is the session's own"),
        ({"new_order": (*FIX44_ORDERS.new_order, (581, b""))}, "new order: the constant of tag 581 cannot be sent"),
        ({"new_order": (*FIX44_ORDERS.new_order, (581, b"1\x0144=1"))}, "new order: the constant of tag 581 cannot be sent"),
        ({"cancel": ((37, Term.CLIENT_ORDER_ID), *FIX44_ORDERS.cancel[:1], *FIX44_ORDERS.cancel[2:])}, "is tag 11 at every venue"),
        ({"sides": {Side.BUY: b"1"}}, "sides: BUY and SELL"),
        ({"order_types": {OrderType.MARKET: b"1"}}, "order types: LIMIT"),
        ({"times_in_force": {}}, "at least one time in force"),
        ({"order_types": {OrderType.LIMIT: b""}}, "codes: a code is at least one byte"),
    ],
)
def test_a_dialect_that_cannot_be_spoken_is_refused_with_the_piece_that_is_wrong(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(DialectError, match=text):
        replace(FIX44_ORDERS, **changes)


def test_reports_need_codes_for_what_can_happen_to_an_order() -> None:
    with pytest.raises(DialectError, match="reports: no code says REJECTED"):
        replace(FIX44_REPORTS, kinds={code: kind for code, kind in FIX44_REPORTS.kinds.items() if kind is not ReportKind.REJECTED})
    with pytest.raises(DialectError, match="states need codes for NEW and FILLED"):
        replace(FIX44_REPORTS, states={b"0": OrderState.NEW})


def path_with(**dialect: Any) -> OrderPath:
    client = registry().client("EGX")
    path = OrderPath("worker-1", 1, {"EGX": replace(client, dialect=replace(client.dialect, **dialect))})
    path.configure_platform(platform())
    path.configure_tenant(tenant())
    path.set_line("EGX", up=True)
    path.set_line("ADX", up=True)
    return path


def test_the_order_worker_writes_in_the_dialect_of_the_exchange() -> None:
    new_order = tuple((440, content) if content is Term.ACCOUNT else (tag, content) for tag, content in FIX44_ORDERS.new_order)
    journal = MemoryJournal(path_with(new_order=new_order, sides={Side.BUY: b"B", Side.SELL: b"S"}))
    [intent] = journal.place(order()).intents
    assert [(tag, value) for tag, value in intent.fields if tag in (1, 440, 54)] == [(440, b"ACC-1"), (54, b"B")]


def test_what_the_venue_cannot_be_told_is_refused_before_anything_is_reserved() -> None:
    journal = MemoryJournal(path_with(times_in_force={TimeInForce.DAY: b"0"}))
    prepared = journal.place(order(time_in_force=WorkerTimeInForce.FILL_OR_KILL))
    assert [answer.refusal.reason for answer in prepared.answers if answer.refusal] == [Reason.ORDER_TYPE_NOT_ALLOWED]
    assert prepared.intents == []
    [refused] = journal.place(order("o2", exchange="ADX", symbol="FAB")).answers
    assert refused.refusal is not None
    assert refused.refusal.reason is Reason.NO_ROUTE, "no plugin says how to speak to it"
    assert len(journal.path.state.store) == 0


def test_a_cancel_of_an_order_whose_plugin_was_removed_is_refused_and_the_order_stays() -> None:
    journal = MemoryJournal(new_path())
    journal.place(order("o1"))
    path = OrderPath("worker-1", 1, {})
    for record in journal.records:
        path.replay(record)
    path.configure_platform(platform())
    path.configure_tenant(tenant())
    [answer] = MemoryJournal(path).place(cancel("o1")).answers
    assert answer.refusal is not None
    assert answer.refusal.reason is Reason.NO_ROUTE
    assert len(path.state.store) == 1
