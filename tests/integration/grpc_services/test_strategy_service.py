"""StrategyService over gRPC, placing into a real order path: even slices, derived ids, and an end that leaves nothing running."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from tests.mesh_calls import Gate, Refused, ServiceUnderTest, member, serving
from tests.order_path_setup import MICROS, NOW, MemoryJournal, caller, instrument, platform
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.order_worker import wire
from trading_workers.snapshot.held_documents import HeldDocuments
from trading_workers.strategies.strategy_service import StrategyService
from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.resilience.deadlines import remaining_seconds
from tradsys.v1 import orders_pb2
from tradsys.v1 import strategies_pb2 as pb

SECOND = 1_000_000_000
FEATURES = {"exchange:EGX", "asset:equity"}


class Desk:
    """The order path behind the service; `away` makes so many calls come back without an answer, after they were heard."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.away = 0
        self.authorizations: list[str] = []
        self.deadlines: list[float | None] = []

    async def place(self, tenant: str, authorization: str, order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        self.authorizations.append(authorization)
        self.deadlines.append(remaining_seconds())
        [answer] = self.journal.place(wire.to_order(order), now=NOW, by=caller(door="grpc")).answers
        if self.away:
            self.away -= 1
            raise OrderPathUnavailable("UNAVAILABLE: gone")
        if answer.refusal is not None:
            raise OrderRefused(answer.refusal.reason.name, answer.refusal.reason.rule, answer.refusal.figures)
        return wire.to_ack(answer)

    @property
    def open(self) -> dict[str, int]:
        orders = self.journal.path.open_orders(caller())
        return {each.client_order_id: each.quantity for each in orders}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def strategies(desk: Desk) -> AsyncIterator[ServiceUnderTest]:
    documents = HeldDocuments()
    now = time.time_ns()
    documents.apply(
        msgspec.structs.replace(
            platform(instruments=(instrument(), instrument("SWDY", lot=10))), committed_at=now, lease_until=now + 3600 * SECOND
        )
    )
    gate = Gate({"nile": set(FEATURES), "delta": set(FEATURES), "poor": set()})
    async with serving(StrategyService(documents, desk.place, time.time_ns), gate) as under_test:
        under_test.caller = trader()
        yield under_test


def trader(
    tenant: str = "nile", seconds: float = 600, accounts: frozenset[str] | None = None, role: str = "trader"
) -> CallIdentity:
    return member(tenant, role=role, accounts=accounts, expires_at=time.time_ns() + int(seconds * SECOND))


def twap(strategy_id: str = "s1", **changes: object) -> pb.StartTwapRequest:
    fields = {
        "strategy_id": strategy_id, "account": "ACC-1", "exchange": "EGX", "symbol": "COMI", "side": orders_pb2.BUY,
        "quantity": 100, "price": 100 * MICROS, "slices": 3, "interval_ms": 200,
    }  # fmt: skip
    return pb.StartTwapRequest(**{**fields, **changes})  # type: ignore[arg-type]


async def start(strategies: ServiceUnderTest, request: pb.StartTwapRequest, by: CallIdentity | None = None) -> pb.Strategy:
    answer = await strategies.called("StartTwap", request, pb.Strategy, by=by)
    assert isinstance(answer, pb.Strategy)
    return answer


async def shown(strategies: ServiceUnderTest, strategy_id: str = "s1") -> pb.Strategy:
    answer = await strategies.called("GetStrategy", pb.StrategyRequest(account="ACC-1", strategy_id=strategy_id), pb.Strategy)
    assert isinstance(answer, pb.Strategy)
    return answer


async def until(strategies: ServiceUnderTest, condition: Callable[[pb.Strategy], bool]) -> pb.Strategy:
    async with asyncio.timeout(5):
        while True:
            strategy = await shown(strategies)
            if condition(strategy):
                return strategy
            await asyncio.sleep(0.02)


async def test_slices_are_placed_in_time_under_ids_of_the_strategy(desk: Desk, strategies: ServiceUnderTest) -> None:
    began = time.time_ns()
    begun = await start(strategies, twap())
    assert (begun.state, begun.started_by, [each.quantity for each in begun.slices]) == ("running", "nile-trader", [34, 33, 33])
    ended = await until(strategies, lambda each: each.state != "running")
    assert (ended.state, ended.placed_quantity, ended.ended_at - began >= 400_000_000) == ("done", 100, True)
    assert desk.open == {"s1.1": 34, "s1.2": 33, "s1.3": 33}
    assert all(each.order_id for each in ended.slices)
    assert desk.authorizations == ["Bearer nile-trader"] * 3
    assert desk.deadlines == [None] * 3, "a slice has nothing of the deadline of the call that started the strategy"


async def test_starting_it_again_gives_the_same_one_and_other_content_is_refused(desk: Desk, strategies: ServiceUnderTest) -> None:
    first = await start(strategies, twap(slices=1))
    await until(strategies, lambda each: each.state == "done")
    again = await start(strategies, twap(slices=1))
    assert (again.started_at, desk.open) == (first.started_at, {"s1.1": 100})
    with pytest.raises(Refused, match="ARGUMENT_INVALID"):
        await start(strategies, twap(slices=1, quantity=101))


async def test_a_stop_lets_no_further_slice_through(desk: Desk, strategies: ServiceUnderTest) -> None:
    await start(strategies, twap(slices=50))
    await until(strategies, lambda each: each.placed_quantity > 0)
    stopped = await strategies.called("StopStrategy", pb.StrategyRequest(account="ACC-1", strategy_id="s1"), pb.Strategy)
    assert (stopped.state, stopped.reason) == ("stopped", "stopped by nile-trader")
    await asyncio.sleep(0.3)
    assert sum(desk.open.values()) == stopped.placed_quantity < 100
    assert not strategies.service._tasks  # type: ignore[attr-defined]


async def test_a_refused_slice_ends_the_strategy_with_its_reason(desk: Desk, strategies: ServiceUnderTest) -> None:
    await start(strategies, twap(price=500 * MICROS))
    ended = await until(strategies, lambda each: each.state != "running")
    assert (ended.state, ended.slices[0].refusal.code, ended.placed_quantity) == ("failed", "PRICE_OUTSIDE_BAND", 0)
    assert desk.open == {}


async def test_an_answer_that_was_lost_is_asked_for_again_and_makes_no_second_order(
    desk: Desk, strategies: ServiceUnderTest
) -> None:
    desk.away = 2
    await start(strategies, twap(slices=1))
    assert (await until(strategies, lambda each: each.state != "running")).state == "done"
    assert desk.open == {"s1.1": 100}
    desk.away = 9
    await start(strategies, twap("s2", slices=1))
    ended = None
    async with asyncio.timeout(5):
        while ended is None or ended.state == "running":
            ended = await shown(strategies, "s2")
            await asyncio.sleep(0.02)
    assert (ended.state, "s2.1" in ended.reason) == ("failed", True)


async def test_an_error_that_nobody_has_foreseen_ends_the_strategy_as_failed(
    desk: Desk, strategies: ServiceUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_tenant: str, _authorization: str, _order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        raise RuntimeError("broken")

    monkeypatch.setattr(strategies.service, "_place", broken)
    await start(strategies, twap())
    ended = await until(strategies, lambda each: each.state != "running")
    assert (ended.state, ended.reason, desk.open) == ("failed", "an error of the platform", {})


async def test_it_must_end_before_the_callers_token(desk: Desk, strategies: ServiceUnderTest) -> None:
    with pytest.raises(Refused) as told:
        await start(strategies, twap(interval_ms=2000), by=trader(seconds=4.5))
    assert (told.value.code, told.value.figures["field"]) == ("ARGUMENT_INVALID", "interval_ms")
    assert desk.open == {}


async def test_what_makes_no_sense_or_is_not_licensed_is_refused_and_places_nothing(
    desk: Desk, strategies: ServiceUnderTest
) -> None:
    for request, by, code in (
        (twap("a.b"), None, "ARGUMENT_INVALID"),
        (twap("x" * 25), None, "ARGUMENT_INVALID"),
        (twap(side=0), None, "ARGUMENT_INVALID"),
        (twap(price=0), None, "ARGUMENT_INVALID"),
        (twap(slices=0), None, "ARGUMENT_INVALID"),
        (twap(slices=101), None, "ARGUMENT_INVALID"),
        (twap(interval_ms=199), None, "ARGUMENT_INVALID"),
        (twap(quantity=2), None, "ARGUMENT_INVALID"),
        (twap(quantity=-9), None, "ARGUMENT_INVALID"),
        (twap(symbol="SWDY", quantity=35), None, "ARGUMENT_INVALID"),
        (twap(symbol="NONE"), None, "NOT_FOUND"),
        (twap(), trader(accounts=frozenset({"ACC-2"})), "NOT_FOUND"),
        (twap(), trader("poor"), "FEATURE_NOT_LICENSED"),
        (twap(), trader(role="viewer"), "METHOD_NOT_PERMITTED"),
    ):
        with pytest.raises(Refused, match=code):
            await start(strategies, request, by=by or trader())
    assert desk.journal.records == []


async def test_a_strategy_is_seen_and_stopped_only_by_its_own_tenant_and_accounts(strategies: ServiceUnderTest) -> None:
    await start(strategies, twap(slices=50))
    asked = pb.StrategyRequest(account="ACC-1", strategy_id="s1")
    for by in (trader("delta"), trader(accounts=frozenset({"ACC-2"}))):
        for method in ("GetStrategy", "StopStrategy"):
            with pytest.raises(Refused, match="NOT_FOUND"):
                await strategies.called(method, asked, pb.Strategy, by=by)
        listed = await strategies.called("ListStrategies", pb.ListStrategiesRequest(), pb.ListStrategiesResponse, by=by)
        assert list(listed.strategies) == []
    listed = await strategies.called("ListStrategies", pb.ListStrategiesRequest(), pb.ListStrategiesResponse, by=trader())
    assert [(each.request.strategy_id, each.state, len(each.slices)) for each in listed.strategies] == [("s1", "running", 0)]


async def test_a_tenant_runs_no_more_than_its_share(strategies: ServiceUnderTest) -> None:
    for number in range(20):
        await start(strategies, twap(f"s{number}", slices=2, interval_ms=60_000))
    with pytest.raises(Refused, match="POOL_EXHAUSTED"):
        await start(strategies, twap("more"))


async def test_strategies_end_with_their_process(desk: Desk, strategies: ServiceUnderTest) -> None:
    await start(strategies, twap(slices=2, interval_ms=60_000))
    await until(strategies, lambda each: each.placed_quantity > 0)
    strategies.service.drain()
    assert (await shown(strategies)).reason == "the process is stopping"
    with pytest.raises(Refused, match="SERVICE_DRAINING"):
        await start(strategies, twap("s2"))
