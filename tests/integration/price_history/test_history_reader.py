"""What a process without Django reads of the history: the same candles as the doors of people, also after PostgreSQL was away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from exchanges.market_data.candles import Candle
from exchanges.market_data.history_reader import HistoryUnavailable, PostgresHistory
from exchanges.market_data.intervals import Interval
from exchanges.price_history import selectors
from exchanges.price_history.taking_in import take_in
from tenants.kernel.entry_points import platform_scope
from tests.integration.price_history.conftest import FIRST, Stream, candle
from tradsys.configuration import Configuration
from tradsys.embedded.servers import EmbeddedServers

pytestmark = pytest.mark.django_db(transaction=True)
NOW = (FIRST + 86_400) * 1_000_000_000
MINUTES = 130


def fill(stream: Stream) -> None:
    for minute in range(MINUTES):
        stream.add(candle(minute, 100 + minute % 7, high=120 + minute % 11, low=90 - minute % 5, close=100 + minute % 3))
    with platform_scope():
        take_in(stream.client, kept_days=30, now=NOW)


async def read(interval: Interval, first: int, end: int, limit: int = 1_000) -> list[Candle]:
    history = PostgresHistory(Configuration.from_environment().database_url)
    await history.open()
    try:
        return await history.candles("EGX", "COMI", interval, first, end, limit)
    finally:
        await history.close()


@pytest.mark.parametrize("interval", list(Interval))
@pytest.mark.parametrize(("begin", "length"), [(0, MINUTES * 60), (90, 3_000), (-86_400, 2 * 86_400)])
def test_it_gives_what_the_selectors_give(stream: Stream, interval: Interval, begin: int, length: int) -> None:
    fill(stream)
    first, end = FIRST + begin, FIRST + begin + length
    found = asyncio.run(read(interval, first, end))
    with platform_scope():
        rows = list(
            selectors.candles(
                exchange="EGX",
                symbol="COMI",
                interval=interval,
                first=datetime.fromtimestamp(first, UTC),
                end=datetime.fromtimestamp(end, UTC),
            )
        )
    assert [Candle(int(row.pop("time").timestamp()), **row) for row in map(dict, rows)] == found
    assert found or interval is Interval.DAY


def test_a_limit_gives_the_oldest(stream: Stream) -> None:
    fill(stream)
    found = asyncio.run(read(Interval.MINUTE, FIRST, FIRST + 3_600, limit=2))
    assert [each.time for each in found] == [FIRST, FIRST + 60]


def test_while_postgresql_is_away_it_says_so_and_then_goes_on(stream: Stream, servers: EmbeddedServers) -> None:
    fill(stream)

    async def away_and_back() -> None:
        history = PostgresHistory(Configuration.from_environment().database_url)
        await history.open()
        try:
            assert await history.candles("EGX", "COMI", Interval.HOUR, FIRST, FIRST + 3_600, 5)
            await asyncio.to_thread(servers.stop_postgres)
            try:
                with pytest.raises(HistoryUnavailable):
                    await history.candles("EGX", "COMI", Interval.HOUR, FIRST, FIRST + 3_600, 5)
            finally:
                # Not in a thread: the server would end with the thread that started it.
                servers.start_postgres()
            end = datetime.now(UTC) + timedelta(seconds=20)
            while datetime.now(UTC) < end:
                try:
                    assert await history.candles("EGX", "COMI", Interval.HOUR, FIRST, FIRST + 3_600, 5)
                    return
                except HistoryUnavailable:
                    await asyncio.sleep(0.2)
            raise AssertionError("it did not come back")
        finally:
            await history.close()

    asyncio.run(away_and_back())
