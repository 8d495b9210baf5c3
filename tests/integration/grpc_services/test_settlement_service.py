"""SettlementService over gRPC, on executions as the projector writes them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.grpc_services.conftest import NOW, SECOND, World, on_the_tests_connection
from tests.mesh_calls import Refused, ServiceUnderTest, member, serving
from trading_workers.grpc_services.settlement_service import SettlementService
from trading_workers.journal import records
from trading_workers.orders import ExecutionKind, OrderState, OrderType, Side, TimeInForce
from tradsys.v1 import settlement_pb2 as pb

DAY = 86_400 * SECOND


@pytest.fixture
async def settlement(world: World) -> AsyncIterator[ServiceUnderTest]:
    project("alpha", [("ALP-001", "EGX", NOW - 4 * DAY), ("ALP-001", "EGX", NOW - DAY), ("ALP-002", "ADX", NOW - SECOND)])
    project("beta", [("BET-001", "EGX", NOW - SECOND)])
    service = SettlementService(world.facts, world.readers.executions, world.clock)
    async with serving(service, world.gate) as under_test:
        yield under_test


def project(tenant: str, fills: list[tuple[str, str, int]]) -> None:
    """One order per fill, by the projector's own hand."""
    from tenants.kernel.entry_points import enter_for_command
    from trading_workers.projector.rows import Entry, TenantRows

    entries = []
    for number, (account, exchange, time) in enumerate(fills, start=1):
        order = records.OrderAccepted(
            tenant=tenant, account=account, client_order_id=f"{tenant}-{number}", order_id=number, exchange=exchange,
            symbol="COMI" if exchange == "EGX" else "FAB", side=Side.BUY, type=OrderType.LIMIT, time_in_force=TimeInForce.DAY,
            quantity=100, price=139_000_000, line=exchange, user="trader", door="rest", trace_id="", platform_revision=1,
            tenant_revision=1, verdict_id="", currency="EGP" if exchange == "EGX" else "AED", reserve_price=139_000_000,
            reserved_cash=0, reserved_shares=0, trading_day=20261124,
        )  # fmt: skip
        fill = records.Execution(
            tenant=tenant, account=account, order_id=number, exec_id=f"x{number}", kind=ExecutionKind.TRADE,
            state=OrderState.FILLED, last_quantity=100, last_price=138_500_000, cumulative=100, leaves=0,
            venue_order_id="v", text="",
            transact_time=time, line=exchange, fix_number=number,
        )  # fmt: skip
        entries += [Entry("worker-1", 1, 2 * number, time, order), Entry("worker-1", 1, 2 * number + 1, time, fill)]
    with on_the_tests_connection(), enter_for_command(tenant):
        TenantRows().project(entries)


async def listed(
    settlement: ServiceUnderTest, request: pb.ListUnsettledTradesRequest, **caller: object
) -> pb.ListUnsettledTradesResponse:
    answer = await settlement.called("ListUnsettledTrades", request, pb.ListUnsettledTradesResponse, by=member(**caller))  # type: ignore[arg-type]
    assert isinstance(answer, pb.ListUnsettledTradesResponse)
    return answer


async def test_a_settlement_date_names_its_cycle_and_what_is_not_verified(settlement: ServiceUnderTest) -> None:
    request = pb.GetSettlementDateRequest(exchange="EGX")
    today = await settlement.called("GetSettlementDate", request, pb.SettlementDate)
    assert (today.trade_date, today.settlement_date, today.cycle, today.trust) == ("2026-11-25", "2026-11-29", "T+2", "V")
    request = pb.GetSettlementDateRequest(exchange="ADX", trade_date="2026-12-01")
    december = await settlement.called("GetSettlementDate", request, pb.SettlementDate)
    assert (december.settlement_date, list(december.unverified)) == ("2026-12-03", ["ADX closed: public holiday"])


async def test_a_date_that_is_none_or_too_far_ahead_is_refused(settlement: ServiceUnderTest) -> None:
    for exchange, day, code in (
        ("EGX", "20261125", "ARGUMENT_INVALID"),
        ("EGX", "2026-02-30", "ARGUMENT_INVALID"),
        ("EGX", "2027-03-01", "ARGUMENT_INVALID"),
        ("EGX", "1990-01-01", "NOT_FOUND"),
        ("LSE", "", "NOT_FOUND"),
    ):
        with pytest.raises(Refused, match=code):
            request = pb.GetSettlementDateRequest(exchange=exchange, trade_date=day)
            await settlement.called("GetSettlementDate", request, pb.SettlementDate)


async def test_trades_that_are_not_yet_due_are_listed_newest_first(settlement: ServiceUnderTest, world: World) -> None:
    answer = await listed(settlement, pb.ListUnsettledTradesRequest())
    assert [(each.account, each.trade_date, each.settlement_date) for each in answer.trades] == [
        ("ALP-002", "2026-11-25", "2026-11-27"),
        ("ALP-001", "2026-11-24", "2026-11-26"),
    ]
    assert (answer.trades[1].value, answer.trades[1].currency, answer.trades[1].price) == ("13850.00", "EGP", 138_500_000)
    world.now = NOW + 3 * DAY
    world.platform_again()
    world.compiled_again("alpha")
    assert list((await listed(settlement, pb.ListUnsettledTradesRequest())).trades) == []


async def test_pages_hold_every_trade_once(settlement: ServiceUnderTest) -> None:
    first = await listed(settlement, pb.ListUnsettledTradesRequest(page_size=1))
    second = await listed(settlement, pb.ListUnsettledTradesRequest(page_size=1, page_token=first.next_page_token))
    assert ([each.account for each in (*first.trades, *second.trades)], second.next_page_token) == (["ALP-002", "ALP-001"], "")


async def test_a_caller_sees_the_trades_of_his_own_accounts_and_tenant(settlement: ServiceUnderTest) -> None:
    everything = pb.ListUnsettledTradesRequest()
    mine = await listed(settlement, everything, accounts=frozenset({"ALP-001"}))
    assert {each.account for each in mine.trades} == {"ALP-001"}
    assert {each.account for each in (await listed(settlement, everything, tenant="beta")).trades} == {"BET-001"}
    assert list((await listed(settlement, everything, accounts=frozenset())).trades) == []
    assert list((await listed(settlement, pb.ListUnsettledTradesRequest(account="BET-001"))).trades) == []
    with pytest.raises(Refused, match="NOT_FOUND"):
        await listed(settlement, pb.ListUnsettledTradesRequest(account="ALP-002"), accounts=frozenset({"ALP-001"}))


async def test_a_request_that_makes_no_sense_is_refused(settlement: ServiceUnderTest) -> None:
    for request, code in (
        (pb.ListUnsettledTradesRequest(page_size=-1), "ARGUMENT_INVALID"),
        (pb.ListUnsettledTradesRequest(page_token="0 OR 1"), "ARGUMENT_INVALID"),
        (pb.ListUnsettledTradesRequest(account=" "), "ARGUMENT_INVALID"),
        (pb.ListUnsettledTradesRequest(exchange="LSE"), "NOT_FOUND"),
        (b"\x0a", "ARGUMENT_INVALID"),
    ):
        with pytest.raises(Refused, match=code):
            await settlement.called("ListUnsettledTrades", request, pb.ListUnsettledTradesResponse, by=member())
