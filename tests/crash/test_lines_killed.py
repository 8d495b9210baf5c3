"""Lines and the worker die under flow: nothing is lost, nothing is there twice, and an exchange with a line left takes orders."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.line_ledgers import reconcile
from bench.line_rig import BUYER, INSTRUMENTS, running_rig
from tests.order_platform import new_id
from trading_workers.client.order_log import OrderLog
from trading_workers.client.stream import OrderStream
from tradsys.configuration import REPOSITORY
from tradsys.v1 import orders_pb2 as pb


def soak(*options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "bench/soak_lines.py", *options],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(220)
def test_lines_killed_at_random_under_flow_lose_nothing_and_leave_every_exchange_routable() -> None:
    found = soak("--seconds", "25", "--seed", "11")
    assert found["kills"] >= 6
    assert min(found["kills_cut"], found["kills_refuse"], found["kills_stall"]) >= 1
    assert (found["lost"], found["twice"], found["differences"], found["refused_otherwise"]) == (0, 0, 0, {})
    assert found["orders"] + found["no_route"] >= 1_000
    assert found["routable_percent"] >= 99.9


@pytest.mark.timeout(220)
def test_a_worker_killed_between_kills_of_its_lines_loses_nothing_and_repeats_nothing() -> None:
    found = soak("--seconds", "20", "--seed", "12", "--worker-kills", "4")
    assert found["worker_kills"] == 4
    assert found["kills"] >= 4
    assert (found["lost"], found["twice"], found["differences"], found["refused_otherwise"]) == (0, 0, 0, {})


@pytest.mark.timeout(120)
@pytest.mark.parametrize("arrives", [True, False], ids=["late", "never"])
async def test_orders_in_a_black_hole_reach_the_venue_once_also_when_the_worker_is_killed_meanwhile(
    tmp_path: Path, arrives: bool
) -> None:
    with running_rig(tmp_path) as rig:
        log = OrderLog(tmp_path / "client.jsonl")
        async with OrderStream(rig.worker_address, rig.token, trust=rig.trust(), order_log=log) as stream:
            lines = [line for line in rig.lines if line.startswith("EGX-")]
            for line in lines:
                rig.relay(line, "stall")
            acks = await asyncio.gather(*[stream.place(order(rig.prices["EGX"])) for _ in range(50)])
            assert {ack.state for ack in acks} == {pb.PENDING_NEW}
            rig.kill_worker()
            for line in lines:
                if not arrives:
                    rig.relay(line, "cut")
                rig.relay(line, "open")
            rig.start_worker()
            await asyncio.to_thread(rig.wait_for, lambda: rig.lines_up() == set(rig.lines), "the lines' logon")
            async with asyncio.timeout(20):
                for ack in acks:
                    await stream.reached(ack.order_id, (pb.NEW,))
            again = await stream.place(order(rig.prices["EGX"]))
            await stream.reached(again.order_id, (pb.NEW,))
        log.close()
        verdict = reconcile(rig, [tmp_path / "client.jsonl"])
    assert verdict == (51, 0, 0, 0, [])


def order(price: int) -> pb.NewOrder:
    return pb.NewOrder(
        client_order_id=new_id("K"), account=BUYER, exchange="EGX", symbol=INSTRUMENTS["EGX"], side=pb.BUY, type=pb.LIMIT,
        time_in_force=pb.DAY, quantity=10, price=price,
    )  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("interruption", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_soak_leaves_no_process_behind(interruption: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "bench/soak_lines.py", "--seconds", "60"],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    deadline = time.monotonic() + 30
    while len(found := children.read_text(encoding="ascii").split()) < 7:
        assert time.monotonic() < deadline, "two venues, four relays and a worker"
        time.sleep(0.05)
    process.send_signal(interruption)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert not any(Path(f"/proc/{child}").exists() for child in found)
