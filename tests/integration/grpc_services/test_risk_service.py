"""RiskService over gRPC, beside an order path that works: what it tells, and that asking changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mesh_calls import Gate, Refused, ServiceUnderTest, member, serving
from tests.order_path_setup import (
    MICROS,
    NOW,
    TRADER,
    MemoryJournal,
    account,
    caller,
    fill,
    licence,
    new_path,
    order,
    platform,
    report,
    tenant,
)
from trading_workers.order_identities import FirstAnswer
from trading_workers.order_worker.risk_service import RiskService
from trading_workers.orders import NewOrder, OrderState, OrderType, Refusal, Side, TimeInForce
from tradsys.v1 import orders_pb2
from tradsys.v1 import risk_pb2 as pb

NILE = member("nile")


@pytest.fixture
def journal() -> MemoryJournal:
    journal = MemoryJournal()
    other = tenant(tenant="delta", schema="t_delta", accounts=(account("DEL-1"),), verdicts={})
    journal.path.configure_tenant(other)
    return journal


@pytest.fixture
async def risk(journal: MemoryJournal) -> AsyncIterator[ServiceUnderTest]:
    gate = Gate({"nile": set(), "delta": set(), "nobody": set()})
    async with serving(RiskService(journal.path, lambda: NOW), gate) as under_test:
        under_test.caller = NILE
        yield under_test


def message(client_order_id: str = "o1", **changes: object) -> orders_pb2.NewOrder:
    fields = {
        "client_order_id": client_order_id, "account": "ACC-1", "exchange": "EGX", "symbol": "COMI", "side": orders_pb2.BUY,
        "type": orders_pb2.LIMIT, "time_in_force": orders_pb2.DAY, "quantity": 10, "price": 100 * MICROS,
    }  # fmt: skip
    return orders_pb2.NewOrder(**{**fields, **changes})  # type: ignore[arg-type]


async def test_buying_power_and_positions_follow_open_orders_and_fills(journal: MemoryJournal, risk: ServiceUnderTest) -> None:
    [bought] = journal.place(order("b1", quantity=100)).answers
    journal.place(order("s1", side=Side.SELL, symbol="SWDY", quantity=30))
    journal.hear(report(bought.order_id), fill(bought.order_id, 40, 90 * MICROS, 40, "e2"))
    power = await risk.called("GetBuyingPower", pb.GetBuyingPowerRequest(account="ACC-1"), pb.BuyingPower)
    by_currency = {each.currency: each for each in power.currencies}
    egp = by_currency["EGP"]
    assert (egp.deposited, egp.moved_by_fills, egp.reserved, egp.available) == ("100000.00", "-3600.00", "6000.00", "90400.00")
    assert by_currency["AED"].available == "100000.00"
    positions = await risk.called("GetPositions", pb.GetPositionsRequest(account="ACC-1"), pb.Positions)
    held = {each.symbol: (each.deposited, each.moved_by_fills, each.reserved, each.available) for each in positions.positions}
    assert held == {"COMI": (1000, 40, 0, 1040), "SWDY": (1000, 0, 30, 970), "FAB": (1000, 0, 0, 1000)}


async def test_limits_name_every_switch_that_is_on(journal: MemoryJournal, risk: ServiceUnderTest) -> None:
    request = pb.GetLimitsRequest(account="AMA-1")
    limits = await risk.called("GetLimits", request, pb.RiskLimits)
    assert (limits.max_order_quantity, limits.max_order_value, limits.sharia_board) == (10_000, "1000000.00", "BOARD")
    assert (list(limits.kill_switches), limits.HasField("orders_per_second")) == ([], False)
    journal.path.configure_platform(platform(killed=True, killed_exchanges=("ADX",)))
    killed = (account("AMA-1", killed=True),)
    journal.path.configure_tenant(tenant(killed=True, accounts=killed, licence=licence(orders_per_second=5), revision=4))
    limits = await risk.called("GetLimits", request, pb.RiskLimits)
    assert list(limits.kill_switches) == ["platform", "exchange ADX", "tenant", "account"]
    assert (limits.orders_per_second, limits.revision) == (5, 4)


async def test_an_account_of_others_is_as_unknown_as_one_that_does_not_exist(risk: ServiceUnderTest) -> None:
    mine = member("nile", accounts=frozenset({"ACC-1"}))
    for method, request, answer in (
        ("GetLimits", pb.GetLimitsRequest, pb.RiskLimits),
        ("GetBuyingPower", pb.GetBuyingPowerRequest, pb.BuyingPower),
        ("GetPositions", pb.GetPositionsRequest, pb.Positions),
    ):
        for by, asked, told in (
            (NILE, "DEL-1", "NOT_FOUND"),
            (NILE, "NONE", "NOT_FOUND"),
            (mine, "ACC-2", "NOT_FOUND"),
            (member("nobody"), "ACC-1", "CONFIGURATION_MISSING"),
            (NILE, "", "ARGUMENT_INVALID"),
        ):
            with pytest.raises(Refused, match=told):
                await risk.called(method, request(account=asked), answer, by=by)
        assert (await risk.called(method, request(account="ACC-1"), answer, by=mine)).account == "ACC-1"
    check = await risk.called("CheckOrder", message(account="DEL-1"), pb.OrderCheck, by=NILE)
    assert (check.accepted, check.refusal.code) == (False, "ACCOUNT_UNKNOWN")
    assert (await risk.called("CheckOrder", message(account="ACC-2"), pb.OrderCheck, by=mine)).refusal.code == "ACCOUNT_UNKNOWN"


async def test_only_traders_check_orders_and_only_well_formed_ones(risk: ServiceUnderTest) -> None:
    with pytest.raises(Refused, match="METHOD_NOT_PERMITTED"):
        await risk.called("CheckOrder", message(), pb.OrderCheck, by=member("nile", role="viewer"))
    with pytest.raises(Refused, match="ARGUMENT_INVALID"):
        await risk.called("CheckOrder", message().SerializeToString() + b"\xfa\x01\x01x", pb.OrderCheck, by=NILE)
    check = await risk.called("CheckOrder", orders_pb2.NewOrder(client_order_id="o"), pb.OrderCheck)
    assert check.refusal.code == "MALFORMED_REQUEST"


async def test_a_check_says_what_the_order_would_reserve_and_changes_nothing(
    journal: MemoryJournal, risk: ServiceUnderTest
) -> None:
    journal.path.configure_tenant(tenant(licence=licence(orders_per_second=1)))
    before = journal.path.state_hash()
    for _ in range(3):  # a rate of one order a second is not used up by asking
        check = await risk.called("CheckOrder", message(), pb.OrderCheck)
        assert (check.accepted, check.line, check.reserved_cash, check.currency) == (True, "EGX", "1000.00", "EGP")
    sell = await risk.called("CheckOrder", message(side=orders_pb2.SELL, account="AMA-1"), pb.OrderCheck)
    assert (sell.reserved_shares, sell.reserved_cash, sell.verdict_id) == (10, "", "V-1")
    refused = await risk.called("CheckOrder", message(quantity=10_000_000), pb.OrderCheck)
    assert (refused.accepted, refused.refusal.code, refused.refusal.figures["limit"]) == (False, "ORDER_QUANTITY_LIMIT", "10000")
    assert (journal.path.state_hash(), journal.records) == (before, [])
    [answer] = journal.place(order()).answers
    assert answer.state is OrderState.PENDING_NEW
    again = await risk.called("CheckOrder", message(), pb.OrderCheck)
    assert (again.accepted, again.duplicate) == (True, True)
    other = await risk.called("CheckOrder", message(quantity=11), pb.OrderCheck)
    assert (other.accepted, other.refusal.code) == (False, "DUPLICATE_ORDER_CONFLICT")


ORDERS = st.builds(
    NewOrder,
    account=st.sampled_from(["ACC-1", "AMA-1", "NONE", ""]),
    client_order_id=st.sampled_from(["o1", "o2", " "]),
    exchange=st.sampled_from(["EGX", "ADX", "LSE"]),
    symbol=st.sampled_from(["COMI", "SWDY", "FAB"]),
    side=st.sampled_from(list(Side)),
    type=st.sampled_from(list(OrderType)),
    time_in_force=st.sampled_from(list(TimeInForce)),
    quantity=st.sampled_from([-1, 0, 10, 600, 20_000]),
    price=st.sampled_from([0, 1, 79 * MICROS, 100 * MICROS, 120 * MICROS]),
)


@settings(max_examples=100, deadline=None)
@given(orders=st.lists(ORDERS, min_size=1, max_size=6))
def test_a_check_decides_as_sending_does(orders: list[NewOrder]) -> None:
    path = new_path(tenant_document=tenant(licence=licence(orders_per_second=3)))
    journal = MemoryJournal(path)
    for each in orders:
        before = path.state_hash()
        checked = path.check(TRADER, each, NOW)
        assert path.state_hash() == before
        [answer] = journal.place(each).answers
        if isinstance(checked, Refusal):
            assert checked == answer.refusal
        elif isinstance(checked, FirstAnswer):
            assert answer.duplicate and checked.refusal == answer.refusal
        else:
            assert answer.refusal is None and not answer.duplicate


def test_a_check_for_a_viewer_is_refused_like_his_order() -> None:
    viewer = caller(role="viewer")
    checked = new_path().check(viewer, order(), NOW)
    assert isinstance(checked, Refusal) and checked.reason.name == "ROLE_NOT_PERMITTED"
