"""An order takes the line that the rules, the pools and the lines' health give it, and its record says by which rule."""

from __future__ import annotations

from typing import Any

import msgspec

from exchanges.registry import registry
from exchanges.routing.balancers import LinePool
from tests.order_path_setup import MICROS, NOW, TRADER, MemoryJournal, new_path, order, platform
from trading_workers.checks.decision import Accepted
from trading_workers.journal import records
from trading_workers.journal.framing import Record
from trading_workers.order_path import OrderPath
from trading_workers.orders import OrderType
from trading_workers.reasons import Reason
from trading_workers.snapshot.documents import Route

POOLS = (
    LinePool(name="EGX", exchange="EGX", lines=("EGX-1", "EGX-2")),
    LinePool(name="ADX", exchange="ADX", lines=("ADX-1",)),
)


def route(priority: int, line: str, *fallback: str, **conditions: Any) -> Route:
    conditions = {"exchange": "EGX", "symbol": None, "asset_type": None, **conditions}
    return Route(priority=priority, id=100 + priority, line=line, fallback=fallback, **conditions)


def path_with(*routes: Route, up: tuple[str, ...] = ("EGX-1", "EGX-2")) -> OrderPath:
    path = new_path(platform(routes=routes, pools=POOLS))
    for line in up:
        path.set_line(line, up=True)
    return path


def lines_of(journal: MemoryJournal, *orders: Any) -> list[str]:
    return [intent.line for intent in journal.place(*orders).intents]


def test_the_orders_of_a_batch_go_round_the_pool() -> None:
    journal = MemoryJournal(path_with())
    assert lines_of(journal, *(order(f"o{n}") for n in range(4))) == ["EGX-1", "EGX-2"] * 2
    journal.path.set_line("EGX-1", up=False)
    assert lines_of(journal, *(order(f"p{n}") for n in range(3))) == ["EGX-2"] * 3


def test_account_quantity_and_value_choose_the_line() -> None:
    routes = (
        route(1, "EGX-2", tenant="nile", account="ACC-2"),
        route(2, "EGX-2", min_quantity=100),
        route(3, "EGX-2", min_value=5_000 * MICROS),
        route(4, "EGX-1"),
    )
    journal = MemoryJournal(path_with(*routes))
    small, elsewhere, many = order("o1"), order("o2", account="ACC-2"), order("o3", quantity=100)
    dear = order("o4", quantity=50)
    assert lines_of(journal, small, elsewhere, many, dear) == ["EGX-1", "EGX-2", "EGX-2", "EGX-2"]
    accepted = [records.decode(record.type, record.payload) for record in journal.records]
    assert [(each.route_rule, each.route_fallback) for each in accepted] == [  # type: ignore[union-attr]
        (104, False), (101, False), (102, False), (103, False),
    ]  # fmt: skip


def test_a_market_order_is_worth_its_reference_price() -> None:
    journal = MemoryJournal(path_with(route(1, "EGX-2", min_value=1_000 * MICROS, max_value=1_000 * MICROS), route(2, "EGX-1")))
    market = order("o1", type=OrderType.MARKET, price=0)
    assert lines_of(journal, market) == ["EGX-2"], "10 shares at the reference of 100, not at the band's upper limit of 120"


def test_the_record_says_whether_a_fallback_or_the_default_took_the_order() -> None:
    journal = MemoryJournal(path_with(route(1, "EGX-1", "EGX-2", symbol="COMI"), up=("EGX-2",)))
    journal.place(order("o1"), order("o2", symbol="SWDY"))
    accepted = [records.decode(record.type, record.payload) for record in journal.records]
    assert [(each.line, each.route_rule, each.route_fallback) for each in accepted] == [  # type: ignore[union-attr]
        ("EGX-2", 101, True), ("EGX-2", 0, False),
    ]  # fmt: skip
    assert journal.replayed().state_hash() == journal.path.state_hash()


def test_a_journal_of_before_the_rules_had_numbers_is_still_read() -> None:
    journal = MemoryJournal(path_with())
    journal.place(order("o1"))
    (record,) = journal.records
    whole = msgspec.msgpack.decode(record.payload)
    old = Record(record.sequence, record.epoch, record.type, record.flags, record.time, msgspec.msgpack.encode(whole[:-2]))
    path = new_path()
    path.replay(old)
    assert path.state_hash() == journal.path.state_hash()
    accepted = records.decode(old.type, old.payload)
    assert isinstance(accepted, records.OrderAccepted)
    assert (accepted.route_rule, accepted.route_fallback) == (0, False)


def test_the_default_exchange_is_not_used_while_it_is_unhealthy_and_the_refusal_names_all_that_was_considered() -> None:
    routes = (
        route(1, "EGX-1", "EGX-2", min_quantity=500),
        route(2, "EGX-1", "EGX-2", symbol="COMI"),
        route(3, "ADX-1"),
    )
    journal = MemoryJournal(path_with(*routes, up=("ADX-1",)))
    (answer,) = journal.place(order("o1")).answers
    assert answer.refusal is not None
    assert answer.refusal.reason is Reason.NO_ROUTE
    assert answer.refusal.figures["considered"].split("; ") == [
        "1 RULE_NOT_MATCHED QUANTITY",
        "2 EGX-1 TARGET_DOWN",
        "2 EGX-2 TARGET_DOWN",
        "3 ADX-1 WRONG_EXCHANGE",
        "default EGX TARGET_DOWN",
    ]
    assert journal.path.state.ledger.contents() == []
    assert len(journal.path.state.store) == 0


def test_a_question_takes_no_turn() -> None:
    path = path_with()
    answers = [path.check(TRADER, order("o1"), NOW) for _ in range(3)]
    assert [each.line for each in answers if isinstance(each, Accepted)] == ["EGX-1"] * 3


def test_the_first_decision_of_a_batch_is_measured_where_there_is_a_clock() -> None:
    ticks = iter(range(0, 10_000, 7))
    path = OrderPath("worker-1", 1, registry().clients(("EGX", "ADX")), lambda: next(ticks))
    path.configure_platform(platform(pools=POOLS))
    assert path.state.route_timer.took_ns is None
    path.commit(path.handle_batch(TRADER, [order("o1"), order("o2")], NOW), 1)
    assert path.state.route_timer.took_ns is None, "without a tenant's document no order comes to its routing"
    journal = MemoryJournal(path_with())
    journal.place(order("o1"))
    assert journal.path.state.route_timer.took_ns is None
