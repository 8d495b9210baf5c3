"""A venue on the exchanges' own hours as a process: killed in every phase and halt of a day, it goes on as if it had not been."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.simulator.clocked_venue import ClockedVenueProcess, FileClock
from tests.integration.simulator.venue_process import LoopbackMember, until
from tests.unit.simulator.in_memory_lines import BUY, SELL, kinds


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


class KilledDay:
    """A day at a venue with a buyer, a seller and a drop copy; each step is killed off and found again."""

    def __init__(self, folder: Path, exchange: str, day: str, symbol: str, start: str) -> None:
        self.day, self.symbol = day, symbol
        self.clock = FileClock(folder / "clock", at(f"{day}T{start}"))
        self.venue = ClockedVenueProcess(folder / "log", self.clock, exchange)
        self.venue.start()
        names = ("TRADSYS-W1", "TRADSYS-W2", "TRADSYS-DC")
        self.buyer, self.seller, self.copies = (LoopbackMember(name, self.venue, self.clock) for name in names)
        self.sent = 0

    async def on_line(self) -> None:
        await until(lambda: all(m.logged_on for m in (self.buyer, self.seller, self.copies)), what="logon")

    async def page(self, path: str) -> Any:
        return await asyncio.to_thread(self.venue.page, path)

    async def at(self, time: str, phase: str) -> None:
        self.clock.set(at(f"{self.day}T{time}"))
        await self.phase_is(phase)

    async def phase_is(self, phase: str) -> None:
        for _ in range(100):
            if (await self.page("/session"))["phase"] == phase:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"{phase} was not entered: {await self.page('/session')}")

    async def order(self, side: bytes, quantity: int, price: str) -> None:
        member = self.buyer if side == BUY else self.seller
        before = len(member.application.received)
        self.sent += 1
        member.initiator.send("D", member.fields(f"{self.sent}", side, quantity, price, self.symbol))
        await until(lambda: len(member.application.received) > before, what=f"an answer to order {self.sent}")

    async def switch(self, *arguments: str) -> None:
        done = await asyncio.to_thread(self.venue.switch, *arguments)
        assert done.returncode == 0, done.stderr

    async def killed(self) -> None:
        """kill -9, start again: the same state."""
        before = await self.page("/state")
        session = await self.page("/session")
        await asyncio.to_thread(self.venue.kill)
        await asyncio.to_thread(self.venue.start)
        after = await self.page("/state")
        assert (after["hash"], after["orders"], after["fills"]) == (before["hash"], before["orders"], before["fills"])
        assert await self.page("/session") == session
        await self.on_line()

    async def leave(self) -> None:
        for member in (self.buyer, self.seller, self.copies):
            await member.leave()
        self.venue.stop()

    async def settled(self) -> None:
        """Every member has each report of its own once, and the drop copy has all of them."""
        own = [message for member in (self.buyer, self.seller) for message in member.application.received]
        exec_ids = sorted(message.required_text(17) for message in own if message.msg_type == "8")
        assert len(exec_ids) == len(set(exec_ids))
        copied = self.copies.application.received
        await until(lambda: sorted(message.required_text(17) for message in copied) == exec_ids, what="all copies")
        fills = await self.page("/fills")
        parties = sorted(fill[side]["exec_id"] for fill in fills for side in ("buy", "sell"))
        assert sorted(message.required_text(17) for message in own if message.get(150) == b"F") == parties


@pytest.fixture
async def egx(tmp_path: Path) -> AsyncIterator[KilledDay]:
    day = KilledDay(tmp_path, "EGX", "2027-02-09", "COMI", "07:00:00")
    await day.on_line()
    yield day
    await day.leave()


@pytest.fixture
async def adx(tmp_path: Path) -> AsyncIterator[KilledDay]:
    day = KilledDay(tmp_path, "ADX", "2026-11-18", "ADCB", "05:30:00")
    await day.on_line()
    yield day
    await day.leave()


async def test_a_venue_killed_in_every_phase_and_halt_of_an_egx_day_goes_on(egx: KilledDay) -> None:
    await egx.phase_is("CLOSED")
    await egx.at("07:30:00", "PRE_OPEN")
    await egx.order(BUY, 300, "140.00")
    await egx.order(SELL, 100, "138.00")
    await egx.order(SELL, 150, "139.50")
    await egx.killed()
    await egx.at("08:00:00", "CONTINUOUS")
    assert [fill["price_text"] for fill in await egx.page("/fills")] == ["140.00", "140.00"]
    await egx.killed()

    await egx.at("08:40:00", "CONTINUOUS")
    await egx.order(SELL, 1000, "153.00")
    await egx.order(BUY, 1000, "153.00")
    assert [halt["symbol"] for halt in (await egx.page("/session"))["halts"]] == ["COMI"]
    await egx.killed()
    egx.clock.set(at("2027-02-09T08:50:00"))
    await egx.order(BUY, 10, "150.00")
    assert kinds(egx.buyer.application.received)[-1][1] == "0"

    await egx.switch("index", "9000", "--previous-close", "10000")
    await egx.killed()
    await egx.order(BUY, 10, "150.00")
    assert egx.buyer.application.received[-1].get_text(58) == "the market is halted: EGX market-wide halt"
    await egx.switch("resume")

    await egx.at("11:15:00", "CLOSING_AUCTION")
    await egx.order(SELL, 500, "150.00")
    await egx.order(BUY, 490, "150.50")
    await egx.killed()
    await egx.at("11:25:00", "TRADE_AT_LAST")
    await egx.order(SELL, 5, "149.00")
    await egx.killed()
    await egx.at("11:30:00", "CLOSED")
    await egx.killed()
    assert (await egx.page("/state"))["open_orders"] == 0
    await egx.settled()


async def test_a_venue_killed_in_a_halt_auction_of_adx_uncrosses_it_all_the_same(adx: KilledDay) -> None:
    await adx.phase_is("PRE_OPEN")
    await adx.at("06:00:00", "CONTINUOUS")
    await adx.order(BUY, 100, "13.60")
    await adx.order(SELL, 100, "13.60")
    await adx.order(BUY, 300, "13.80")
    await adx.order(SELL, 200, "13.70")
    await adx.killed()
    assert [halt["kind"] for halt in (await adx.page("/session"))["halts"]] == ["auction"]
    adx.clock.set(at("2026-11-18T06:05:00"))
    await until(lambda: kinds(adx.seller.application.received)[-1][1] == "F", what="the uncross")
    assert [fill["price_text"] for fill in await adx.page("/fills")] == ["13.60", "13.80"]
    await adx.killed()
    await adx.settled()


async def test_the_venue_killed_just_as_the_clock_moves_on_misses_nothing(adx: KilledDay) -> None:
    await adx.order(BUY, 100, "14.40")
    await adx.order(SELL, 100, "14.20")
    await asyncio.to_thread(adx.venue.kill)
    adx.clock.set(at("2026-11-18T10:55:30"))
    await asyncio.to_thread(adx.venue.start)
    await adx.phase_is("TRADE_AT_LAST")
    await adx.on_line()
    await until(lambda: kinds(adx.buyer.application.received)[-1][1] == "F", what="the fill of the opening uncross")
    assert [fill["aggressor"] for fill in await adx.page("/fills")] == [None]
    await adx.settled()
