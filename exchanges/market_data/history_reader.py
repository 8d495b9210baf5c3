"""Candles of the past from the tables of ``exchanges.price_history``, for processes without Django."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from exchanges.market_data.candles import Candle
from exchanges.market_data.intervals import Interval

CONNECT_SECONDS: Final = 2
STATEMENT_MS: Final = 5_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_MINUTES: Final = """
    SELECT minute, open, high, low, close, volume FROM public.price_history_minutecandle
    WHERE exchange = %(exchange)s AND symbol = %(symbol)s AND minute >= %(first)s AND minute < %(end)s
    ORDER BY minute LIMIT %(limit)s
"""
_LONGER: Final = """
    SELECT date_bin(%(length)s, minute, 'epoch'::timestamptz) AS start, (array_agg(open ORDER BY minute))[1], max(high), min(low),
        (array_agg(close ORDER BY minute DESC))[1], sum(volume)::bigint
    FROM public.price_history_minutecandle
    WHERE exchange = %(exchange)s AND symbol = %(symbol)s AND minute >= %(first)s AND minute < %(end)s
    GROUP BY start ORDER BY start LIMIT %(limit)s
"""
_DAYS: Final = """
    SELECT day, open, high, low, close, volume FROM public.price_history_dailybar
    WHERE exchange = %(exchange)s AND symbol = %(symbol)s AND day >= %(first)s::timestamptz AT TIME ZONE 'UTC'
        AND day < %(end)s::timestamptz AT TIME ZONE 'UTC'
    ORDER BY day LIMIT %(limit)s
"""


class HistoryUnavailable(Exception):
    """The database does not answer; the text names the kind of failure."""


class CandleHistory(Protocol):
    async def candles(self, exchange: str, symbol: str, interval: Interval, first: int, end: int, limit: int) -> list[Candle]:
        """At most `limit` candles of [first, end), seconds UTC, the oldest first. Raises HistoryUnavailable."""
        ...


class PostgresHistory:
    """`CandleHistory` of a PostgreSQL at `database_url`, which may come and go. Close it when done."""

    def __init__(self, database_url: str) -> None:
        self._pool = AsyncConnectionPool(
            database_url,
            min_size=0,
            max_size=4,
            open=False,
            timeout=CONNECT_SECONDS,
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_SECONDS,
                "application_name": "tradsys price history",
                "options": f"-c statement_timeout={STATEMENT_MS}",
            },
        )

    async def open(self) -> None:
        """Does not wait for the database."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        await self._pool.close()

    async def candles(self, exchange: str, symbol: str, interval: Interval, first: int, end: int, limit: int) -> list[Candle]:
        sql = _DAYS if interval is Interval.DAY else _MINUTES if interval is Interval.MINUTE else _LONGER
        values = {
            "exchange": exchange,
            "symbol": symbol,
            "first": EPOCH + timedelta(seconds=interval.floor(first)),
            "end": EPOCH + timedelta(seconds=interval.ceiling(end)),
            "limit": limit,
            "length": timedelta(seconds=interval.seconds),
        }
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(sql, values)
                rows = await cursor.fetchall()
        except (psycopg.Error, PoolTimeout, OSError) as error:
            raise HistoryUnavailable(type(error).__name__) from error
        return [Candle(_seconds(start), *figures) for start, *figures in rows]


def _seconds(moment: datetime | date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return (moment - EPOCH) // timedelta(seconds=1)
