"""The venue as a process: killed in the middle of flow, given garbage, asked by its pages."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import urllib.error
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.integration.simulator.venue_process import LoopbackMember, VenueProcess, free_port, until
from tests.unit.simulator.in_memory_lines import BUY, SELL, kinds


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    venue = VenueProcess(tmp_path / "log")
    venue.start()
    yield venue
    venue.stop()


@pytest.fixture
async def members(venue: VenueProcess) -> AsyncIterator[tuple[LoopbackMember, LoopbackMember]]:
    pair = LoopbackMember("TRADSYS-W1", venue), LoopbackMember("TRADSYS-W2", venue)
    await until(lambda: all(member.logged_on for member in pair), what="logon")
    yield pair
    for member in pair:
        await member.leave()


async def test_a_venue_killed_again_and_again_loses_nothing_and_does_nothing_twice(
    venue: VenueProcess, members: tuple[LoopbackMember, LoopbackMember]
) -> None:
    source = random.Random(11)
    sent = 0
    for _round in range(4):
        killed = asyncio.get_running_loop().call_later(source.uniform(0.05, 0.25), venue.kill)
        for _ in range(40):
            for member in members:
                batch = []
                for _ in range(10):
                    sent += 1
                    side = source.choice((BUY, SELL))
                    price = f"{139 + source.randrange(-3, 4) / 100:.2f}"
                    batch.append(("D", member.fields(f"{sent}", side, source.randrange(1, 50), price)))
                member.initiator.send_many(batch)
            await asyncio.sleep(0.005)
        await until(lambda: venue.process is not None and venue.process.poll() is not None, what="the kill")
        assert killed.cancelled() is False
        venue.start()
    await until(lambda: all(member.logged_on for member in members), what="logon after the last kill")

    def new_reports() -> int:
        return sum(kind == "0" for member in members for _, kind in kinds(member.application.received))

    await until(lambda: new_reports() >= sent, seconds=40, what="a report for every order")
    await asyncio.sleep(0.5)
    orders, fills, state = venue.page("/orders"), venue.page("/fills"), venue.page("/state")
    assert len(orders) == sent
    filled: Counter[str] = Counter()
    for fill in fills:
        for party in (fill["buy"], fill["sell"]):
            filled[party["order_id"]] += fill["quantity"]
    for member, name in zip(members, ("TRADSYS-W1", "TRADSYS-W2"), strict=True):
        reports = member.application.received
        accepted = [client_order_id for client_order_id, kind in kinds(reports) if kind == "0"]
        assert len(accepted) == len(set(accepted))
        exec_ids = [message.required_text(17) for message in reports]
        assert len(exec_ids) == len(set(exec_ids))
        parties = [fill[side] for fill in fills for side in ("buy", "sell") if fill[side]["member"] == name]
        assert sorted(message.required_text(17) for message in reports if message.get(150) == b"F") == sorted(
            party["exec_id"] for party in parties
        )
    assert all(order["cumulative"] == filled[order["order_id"]] for order in orders)
    assert all(order["quantity"] == order["cumulative"] + order["leaves"] for order in orders)
    venue.kill()
    venue.start()
    assert venue.page("/state")["hash"] == state["hash"]


async def test_garbage_on_the_socket_is_dropped_and_the_venue_lives(
    venue: VenueProcess, members: tuple[LoopbackMember, LoopbackMember]
) -> None:
    source = random.Random(5)
    for junk in (
        source.randbytes(4000),
        b"GET / HTTP/1.1\r\n\r\n",
        b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01",
        b"8=FIX.4.4\x019=99999999999\x01",
        b"8=FIX.4.4\x01" * 5000,
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", venue.port)
        writer.write(junk)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
    # Garbage in the middle of a good line: it is skipped, what follows counts.
    session = members[0].initiator.session
    assert session._wire is not None
    session._wire.write(source.randbytes(500) + b"8=FIX.4.4\x019=20\x01 broken \x0110=999\x01")
    members[0].initiator.send("D", members[0].fields("1", BUY, 10, "139.00"))
    await until(lambda: bool(members[0].application.received), what="the report")
    assert kinds(members[0].application.received) == [("1", "0")]
    assert venue.page("/health")["ok"] is True


async def test_pages_tell_orders_fills_book_and_state(venue: VenueProcess, members: tuple[LoopbackMember, LoopbackMember]) -> None:
    first, second = members
    first.initiator.send_many([("D", first.fields(f"{number}", BUY, 10, "139.00")) for number in range(1, 1201)])
    await until(lambda: len(first.application.received) == 1200, what="1200 reports")
    second.initiator.send("D", second.fields("1", SELL, 15, "138.00"))
    await until(lambda: len(second.application.received) == 3, what="two fills")
    orders = await asyncio.to_thread(venue.page, "/orders")
    assert [order["number"] for order in orders] == list(range(1, 1202))
    page = await asyncio.to_thread(venue.page, "/orders?after=1198&limit=2")
    assert [order["number"] for order in page] == [1199, 1200]
    assert [order["member"] for order in await asyncio.to_thread(venue.page, "/orders?member=TRADSYS-W2")] == ["TRADSYS-W2"]
    fills = await asyncio.to_thread(venue.page, "/fills")
    assert [(fill["quantity"], fill["price_text"], fill["aggressor"]) for fill in fills] == [
        (10, "139.00", "SELL"),
        (5, "139.00", "SELL"),
    ]
    assert fills[0]["buy"]["client_order_id"] == "1"
    book = await asyncio.to_thread(venue.page, "/book/COMI")
    assert book["bids"] == [[139_000_000, 11985, 1199]]
    assert (await asyncio.to_thread(venue.page, "/state"))["orders"] == 1201
    for path, status in (("/nothing", 404), ("/book/NOSUCH", 404), ("/orders?after=x", 400)):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            await asyncio.to_thread(venue.page, path)
        assert refusal.value.code == status


async def test_a_venue_stops_cleanly_on_sigterm_and_its_orders_rest_on(
    venue: VenueProcess, members: tuple[LoopbackMember, LoopbackMember]
) -> None:
    members[0].initiator.send("D", members[0].fields("1", BUY, 10, "139.00"))
    await until(lambda: bool(members[0].application.received), what="the report")
    assert await asyncio.to_thread(venue.stop) == 0
    venue.start()
    assert venue.page("/book/COMI")["bids"] == [[139_000_000, 10, 1]]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--exchange", "NOSUCH", "--listen", "127.0.0.1:0"], "NOSUCH"),
        (["--exchange", "EGX", "--listen", "nonsense"], "host:port"),
    ],
)
def test_a_venue_that_cannot_start_says_why(tmp_path: Path, arguments: list[str], reason: str) -> None:
    admin = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "exchanges.simulator", *arguments, "--admin", admin, "--data", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "cannot start" in done.stderr
    assert reason in done.stderr


def test_a_second_venue_on_the_same_folder_is_refused(venue: VenueProcess) -> None:
    ports = ["--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}"]
    command = [sys.executable, "-m", "exchanges.simulator", "--exchange", "EGX", *ports, "--data", str(venue.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in use by another venue" in done.stderr
