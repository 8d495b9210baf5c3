"""Two lines to each exchange, real processes, a relay before each line: what killing a line costs, and when it is used again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.line_ledgers import reconcile
from bench.line_rig import BUYER, INSTRUMENTS, RESTER, SELLER, WORKER, LineRig, running_rig
from tests.order_platform import new_id
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from trading_workers.journal.records import FixSent, OrderAccepted, OrderDenied, decode
from trading_workers.journal.recovery import inspect, read_all
from tradsys.configuration import REPOSITORY
from tradsys.v1 import orders_pb2 as pb

BOTH = {"EGX-1", "EGX-2"}
ALL = {*BOTH, "ADX-1", "ADX-2"}
pytestmark = pytest.mark.timeout(120)


@dataclass
class Desk:
    """A program at the rig's worker, and what all programs of this module were told."""

    rig: LineRig
    stream: OrderStream
    logs: list[Path] = field(default_factory=list)

    def order(self, account: str, exchange: str = "EGX", **changes: Any) -> pb.NewOrder:
        rests = account == RESTER
        fields: dict[str, Any] = {
            "client_order_id": new_id("L"),
            "account": account,
            "exchange": exchange,
            "symbol": INSTRUMENTS[exchange],
            "side": pb.SELL if account == SELLER else pb.BUY,
            "type": pb.LIMIT,
            "time_in_force": pb.DAY,
            "quantity": 10,
            "price": self.rig.low_prices[exchange] if rests else self.rig.prices[exchange],
        }
        return pb.NewOrder(**{**fields, **changes})

    async def flow(self, count: int, *, pause: float = 0.01) -> list[pb.OrderAck]:
        """Buys and sells in turn."""
        answers = []
        for number in range(count):
            answers.append(self.stream.place(self.order(SELLER if number % 2 else BUYER)))
            await asyncio.sleep(pause)
        return list(await asyncio.gather(*answers))

    async def rest(self, line: str) -> tuple[pb.NewOrder, int]:
        """An order that rests at the venue, sent over `line`."""
        while True:
            order = self.order(RESTER)
            ack = await self.stream.place(order)
            await self.stream.reached(ack.order_id, (pb.NEW,))
            if self.lines_of([ack]) == [line]:
                return order, ack.order_id

    def lines_of(self, acks: list[pb.OrderAck]) -> list[str]:
        """The line that each order was given to."""
        lines = {each.order_id: each.line for each in records(self.rig) if isinstance(each, OrderAccepted)}
        return [lines[ack.order_id] for ack in acks]

    async def logged_on(self, *lines: str, among: set[str] = BOTH) -> None:
        await until(lambda: self.rig.lines_up() & among == set(lines), f"{lines} alone are up")

    async def settled(self, acks: list[pb.OrderAck]) -> None:
        """Every order has been decided by the venue, and client, journal and venue say the same of everything."""
        open_states = (pb.PENDING_NEW, pb.PENDING_CANCEL)
        await until(lambda: not any(self.stream.state(ack.order_id) in open_states for ack in acks), "the venue's answers")
        await asyncio.sleep(0.3)
        verdict = await asyncio.to_thread(reconcile, self.rig, self.logs)
        assert (verdict.lost, verdict.twice, verdict.differences) == (0, 0, [])


def records(rig: LineRig, after: int = 0) -> list[Any]:
    return [decode(record.type, record.payload) for record in read_all(rig.journal, after + 1)]


async def until(condition: Callable[[], bool], what: str, seconds: float = 15) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < deadline, f"did not come about: {what}"
        await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LineRig]:
    with running_rig(tmp_path_factory.mktemp("lines")) as found:
        yield found


@pytest.fixture(scope="module")
def logs() -> list[Path]:
    return []


@pytest.fixture
async def desk(rig: LineRig, logs: list[Path], tmp_path: Path) -> AsyncIterator[Desk]:
    for line in ALL:
        rig.relay(line, "open")
    rig.wait_for(lambda: rig.lines_up() == ALL, "the lines' return")
    logs.append(tmp_path / "client.jsonl")
    log = OrderLog(logs[-1])
    async with OrderStream(rig.worker_address, rig.token, trust=rig.trust(), order_log=log) as stream:
        yield Desk(rig, stream, logs)
    log.close()


async def test_orders_are_spread_over_the_lines_and_each_line_is_a_member_of_its_own(desk: Desk) -> None:
    acks = await desk.flow(40, pause=0)
    assert set(desk.lines_of(acks)) == BOTH
    await desk.settled(acks)
    with urllib.request.urlopen(f"http://{desk.rig.configuration.venue_admin['EGX']}/orders", timeout=10) as answer:
        rows = [json.loads(text) for text in answer.read().splitlines()]
    assert {row["member"] for row in rows} == {"TRADSYS-W1", "TRADSYS-W1-2"}
    figures = desk.rig.metrics()
    for line in sorted(ALL):
        assert f'tradsys_circuit_breaker_state{{breaker="exchange:{line[:3]}/{line}"}} 0.0' in figures
    assert 'tradsys_connection_pool_usage{pool="exchange:EGX"} 1.0' in figures


@pytest.mark.parametrize(("kill", "seconds_until_known"), [("cut", 0.1), ("refuse", 0.1), ("stall", 0.7)])
async def test_a_killed_line_loses_nothing_and_orders_go_over_the_other_one(
    desk: Desk, kill: str, seconds_until_known: float
) -> None:
    before = await desk.flow(20)
    desk.rig.relay("EGX-1", kill)
    meanwhile = await desk.flow(round(seconds_until_known / 0.01))
    if kill == "refuse":
        await desk.logged_on("EGX-2")
    after = await desk.flow(60)
    acks = [*before, *meanwhile, *after]
    assert {ack.refusal.code for ack in acks} == {""}, "there was a line for every order"
    if kill != "cut":
        assert set(desk.lines_of(after)) == {"EGX-2"}
        assert 'tradsys_connection_pool_usage{pool="exchange:EGX"} 0.5' in desk.rig.metrics()
    async with asyncio.timeout(5):
        for each, line in zip(after, desk.lines_of(after), strict=True):
            if line == "EGX-2":
                await desk.stream.reached(each.order_id, (pb.NEW, pb.PARTIALLY_FILLED, pb.FILLED))
    desk.rig.relay("EGX-1", "open")
    await desk.logged_on(*BOTH)
    await desk.settled(acks)
    again = await desk.flow(40)
    assert set(desk.lines_of(again)) == BOTH, "it is used again"
    await desk.settled(again)


async def test_orders_that_were_given_to_a_line_before_it_was_known_to_be_dead_reach_the_venue_once_it_is_back(desk: Desk) -> None:
    desk.rig.relay("EGX-1", "stall")
    acks = await desk.flow(20, pause=0)
    stuck = [ack for ack, line in zip(acks, desk.lines_of(acks), strict=True) if line == "EGX-1"]
    assert stuck
    await until(lambda: "EGX-1 is given up" in desk.rig.log(WORKER), "the silent line is given up")
    assert {desk.stream.state(ack.order_id) for ack in stuck} == {pb.PENDING_NEW}, (
        "accepted, in the journal, and not with the venue"
    )
    desk.rig.relay("EGX-1", "cut")  # what it holds is gone for good
    desk.rig.relay("EGX-1", "open")
    await desk.logged_on(*BOTH)
    await desk.settled(acks)


async def test_a_slow_line_is_passed_over_while_it_is_slow_and_is_not_cut(desk: Desk) -> None:
    await desk.settled(await desk.flow(4))
    given_up = desk.rig.log(WORKER).count("EGX-1 is given up")
    desk.rig.relay("EGX-1", "delay 400")
    first = await desk.flow(60)
    assert desk.lines_of(first)[40:] == ["EGX-2"] * 20
    await desk.settled(first)
    assert desk.rig.log(WORKER).count("EGX-1 is given up") == given_up
    desk.rig.relay("EGX-1", "open")
    await desk.flow(10)
    acks = await desk.flow(40)
    assert set(desk.lines_of(acks)) == BOTH
    await desk.settled(acks)


async def test_without_any_line_orders_are_refused_and_nothing_is_kept_and_the_first_line_that_is_back_is_used(desk: Desk) -> None:
    for line in BOTH:
        desk.rig.relay(line, "refuse")
    await desk.logged_on()
    last = inspect(desk.rig.journal).last_sequence
    refused = await desk.stream.place(desk.order(BUYER))
    elsewhere = await desk.stream.place(desk.order(BUYER, "ADX"))
    assert (refused.refusal.code, refused.order_id) == ("NO_ROUTE", 0)
    assert not elsewhere.HasField("refusal"), "the other exchange has its own lines"
    new = records(desk.rig, last)
    assert [each.code for each in new if isinstance(each, OrderDenied)] == ["NO_ROUTE"]
    assert [each.exchange for each in new if isinstance(each, OrderAccepted)] == ["ADX"]
    assert {each.line[:3] for each in new if isinstance(each, FixSent)} <= {"ADX"}, "no message waits for a line"
    desk.rig.relay("EGX-2", "open")
    await desk.logged_on("EGX-2")
    acks = await desk.flow(10)
    assert set(desk.lines_of(acks)) == {"EGX-2"}
    desk.rig.relay("EGX-1", "open")
    await desk.logged_on(*BOTH)
    acks += await desk.flow(40)
    assert set(desk.lines_of(acks)) == BOTH
    await desk.settled([*acks, elsewhere])


async def test_a_cancel_waits_for_the_line_of_its_order(desk: Desk) -> None:
    order, order_id = await desk.rest("EGX-1")
    desk.rig.relay("EGX-1", "refuse")
    await desk.logged_on("EGX-2")
    ack = await desk.stream.cancel(
        pb.CancelRequest(account=RESTER, client_order_id=new_id("C"), orig_client_order_id=order.client_order_id)
    )
    assert not ack.HasField("refusal")
    assert ack.state == pb.PENDING_CANCEL, "written down and asked for; nobody has cancelled anything yet"
    await asyncio.sleep(0.3)
    assert desk.stream.state(order_id) == pb.NEW
    desk.rig.relay("EGX-1", "open")
    async with asyncio.timeout(10):
        assert await desk.stream.reached(order_id) == pb.CANCELED
    await desk.settled([])


async def test_reports_that_a_line_missed_come_after_its_logon(desk: Desk) -> None:
    _, order_id = await desk.rest("EGX-1")
    desk.rig.relay("EGX-1", "refuse")
    await desk.logged_on("EGX-2")
    # Fills the resting order at the venue, whose report has no line to come over.
    while True:
        sell = desk.order(SELLER, price=desk.rig.low_prices["EGX"], time_in_force=pb.IMMEDIATE_OR_CANCEL)
        hit = await desk.stream.place(sell)
        await desk.stream.reached(hit.order_id)
        if await asyncio.to_thread(filled_at_venue, desk.rig, order_id):
            break
    assert desk.stream.state(order_id) == pb.NEW
    desk.rig.relay("EGX-1", "open")
    async with asyncio.timeout(10):
        assert await desk.stream.reached(order_id) == pb.FILLED
    await desk.settled([hit])


def filled_at_venue(rig: LineRig, order_id: int) -> bool:
    with urllib.request.urlopen(f"http://{rig.configuration.venue_admin['EGX']}/orders", timeout=10) as answer:
        rows = [json.loads(text) for text in answer.read().splitlines()]
    return any(row["client_order_id"] == str(order_id) and row["state"] == "FILLED" for row in rows)


async def test_a_worker_does_not_start_without_a_line_on_which_orders_are_open(tmp_path: Path) -> None:
    with running_rig(tmp_path) as rig:
        log = OrderLog(tmp_path / "client.jsonl")
        async with OrderStream(rig.worker_address, rig.token, trust=rig.trust(), order_log=log) as stream:
            await Desk(rig, stream).rest("EGX-2")
        log.close()
        rig.kill_worker()
        before = inspect(rig.journal).last_sequence
        mesh_file = rig.configuration.mesh_config_file
        settings = yaml.safe_load(mesh_file.read_text(encoding="utf-8"))
        settings["connection_pool"]["lines_per_exchange"] = 1
        mesh_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "trading_workers.order_worker", "--name", WORKER],
            cwd=REPOSITORY,
            env={**rig.environment, "TRADSYS_LINES": ""},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 1
        assert "orders are open on EGX-2, which this configuration does not open" in done.stderr
        assert inspect(rig.journal).last_sequence == before
