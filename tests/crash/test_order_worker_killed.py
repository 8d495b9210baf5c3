"""What a dying process costs: nothing that was acknowledged, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from tests.order_platform import (
    configuration_of,
    limit_order,
    new_id,
    platform,
    projected_up_to,
    token,
    wait_for,
)
from tests.smoke import readers
from tests.smoke.platform import Platform
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from trading_workers.journal.recovery import inspect
from trading_workers.reconciliation import Ledger, check_fills_against_orders, compare
from tradsys.configuration import REPOSITORY
from tradsys.v1 import orders_pb2 as pb

__all__ = ["platform"]

TENANTS = ("nile", "corniche", "amana")


def process(platform: Platform, name: str) -> int:
    """The present process number of a child, as the launcher says it."""
    addresses = json.loads((platform.var / "addresses.json").read_text(encoding="utf-8"))
    return int(addresses["processes"][name])


def is_alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(platform: Platform, name: str) -> int:
    """Kill -9 one child and wait until it is gone; returns its process number."""
    number = process(platform, name)
    os.kill(number, signal.SIGKILL)
    wait_for(lambda: not is_alive(number), what=f"the end of {name}")
    return number


def children_of(number: int) -> list[int]:
    tasks = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
    return [int(child) for child in tasks.split()]


def supervisor(platform: Platform) -> int:
    """The process that starts children again."""
    [number] = [child for child in children_of(platform.addresses["launcher"]) if "supervisord" in command_line(child)]
    return number


def command_line(number: int) -> str:
    return Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()


@contextmanager
def stopped(number: int) -> Iterator[None]:
    """The process exists and does nothing."""
    os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(number, signal.SIGCONT)


def ledgers(platform: Platform, logs: list[Path]) -> list[Ledger]:
    """The journal's, the venues', the tables' and the client's own."""
    admin = {code: str(address) for code, address in platform.addresses["venue_admin"].items()}
    with psycopg.connect(configuration_of(platform).database_url, autocommit=True) as connection:
        database = readers.database_ledger(connection, [f"t_{slug}" for slug in TENANTS])
    return [
        readers.journal_ledger(platform.manage("journal", "dump")),
        database,
        readers.venue_ledger(admin),
        readers.client_ledger(logs),
    ]


def reconcile(platform: Platform, logs: list[Path]) -> Ledger:
    """Wait for the projection, compare all four readers; returns the journal's ledger."""
    journal = platform.var / "worker-1" / "journal"
    wait_for(lambda: projected_up_to(platform) == inspect(journal).last_sequence, seconds=30, what="the projection")
    found = ledgers(platform, logs)
    assert [str(each) for each in compare(found)] == []
    assert [str(each) for ledger in found for each in check_fills_against_orders(ledger)] == []
    with psycopg.connect(configuration_of(platform).database_url, autocommit=True) as connection:
        row = connection.execute("SELECT count(*) FROM t_corniche.metering_usageevent").fetchone()
    assert row is not None
    assert row[0] == len(found[0].orders), "usage events, one for each accepted order"
    return found[0]


async def trade(
    platform: Platform, log: Path, *, orders: int, meanwhile: dict[int, Callable[[], object]] | None = None
) -> list[pb.OrderAck]:
    """Place `orders` buys and sells that meet, through one stream; `meanwhile` maps an order's place to what happens just then.

    Returns when every order has been answered and none is on its way any more.
    """
    own = OrderLog(log)
    async with OrderStream(platform.order_worker, lambda: token(platform), trust=platform.trust, order_log=own) as stream:
        answers = []
        for place in range(orders):
            buys = place % 2 == 0
            account = "COR-BUY" if buys else "COR-SELL"
            answers.append(stream.place(limit_order(pb.BUY if buys else pb.SELL, 10, account=account, client_order_id=new_id("K"))))
            if meanwhile is not None and place in meanwhile:
                await asyncio.to_thread(meanwhile[place])
            if place % 20 == 0:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(60):
            acks = list(await asyncio.gather(*answers))
            accepted = [ack.order_id for ack in acks if not ack.HasField("refusal")]
            before: list[int] = []
            # Still for a second: reports of the last fills may be on their way to the other side of a trade.
            while (states := [stream.state(each) for each in accepted]) != before or pb.PENDING_NEW in states:
                before = states
                await asyncio.sleep(1)
    own.close()
    return acks


@pytest.mark.timeout(300)
async def test_a_worker_killed_in_full_flow_and_before_projection_loses_nothing_and_repeats_nothing(platform: Platform) -> None:
    log = platform.var / "client.jsonl"
    killed: list[int] = []

    def kill_worker() -> None:
        killed.append(kill(platform, "order-worker-1"))
        wait_for(lambda: process(platform, "order-worker-1") not in killed, what="the worker's new start")

    projector = process(platform, "projector")
    with stopped(projector):
        before = projected_up_to(platform)
        acks = await trade(platform, log, orders=2_000, meanwhile={300: kill_worker, 900: kill_worker, 1_500: kill_worker})
        kill_worker()
        assert projected_up_to(platform) == before, "the projector was stopped, so nothing is in the tables yet"
    assert len(set(killed)) == 4
    assert {ack.refusal.code for ack in acks} <= {"", "NO_ROUTE"}, "a starting worker refuses until its line is up"
    journal = await asyncio.to_thread(reconcile, platform, [log])
    assert len(journal.orders) == sum(not ack.HasField("refusal") for ack in acks)


@pytest.mark.timeout(300)
def test_orders_flow_without_servers_also_from_a_worker_that_starts_without_them_and_the_tables_catch_up(
    platform: Platform, tmp_path: Path
) -> None:
    logs = [platform.var / name for name in ("client.jsonl", "without-servers.jsonl", "from-disk.jsonl")]
    keeper = supervisor(platform)
    own: subprocess.Popen[bytes] | None = None
    try:
        # Stopped, it starts nothing again: what is killed stays dead.
        with stopped(keeper):
            for name in ("postgres", "redis"):
                kill(platform, name)
            assert_servers_are_gone(platform)
            acks = asyncio.run(trade(platform, logs[1], orders=200))
            assert not any(ack.HasField("refusal") for ack in acks)
            kill(platform, "order-worker-1")
            own = subprocess.Popen(
                [sys.executable, "-m", "trading_workers.order_worker", "--name", "worker-1"],
                cwd=REPOSITORY,
                env={**os.environ, "TRADSYS_VAR": str(platform.var)},
                stdout=(tmp_path / "worker.log").open("wb"),
                stderr=subprocess.STDOUT,
            )
            output = tmp_path / "worker.log"
            wait_for(
                lambda: "->EGX logged on" in output.read_text(), seconds=30, what="the line of the worker that starts from its disk"
            )
            assert_servers_are_gone(platform)
            acks = asyncio.run(trade(platform, logs[2], orders=200))
            assert not any(ack.HasField("refusal") for ack in acks)
    finally:
        if own is not None:
            own.send_signal(signal.SIGTERM)
            assert own.wait(10) == 0, (tmp_path / "worker.log").read_text()
    wait_for(lambda: answers(platform), seconds=60, what="the servers' return")
    reconcile(platform, [path for path in logs if path.exists()])


def answers(platform: Platform) -> bool:
    configuration = configuration_of(platform)
    try:
        with psycopg.connect(configuration.database_url, connect_timeout=2):
            pass
        return bool(redis.Redis.from_url(configuration.redis_url).ping())
    except (psycopg.Error, redis.RedisError):
        return False


def assert_servers_are_gone(platform: Platform) -> None:
    configuration = configuration_of(platform)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(configuration.database_url, connect_timeout=2)
    with pytest.raises(redis.RedisError):
        redis.Redis.from_url(configuration.redis_url).ping()
