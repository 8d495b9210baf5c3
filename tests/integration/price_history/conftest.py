"""A stream of candles as the market-data worker leaves it in Redis."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis

from exchanges.market_data.candles import Candle
from exchanges.market_data.history_stream import FIELD, MOST_ENTRIES, STREAM, HistoryNumbers
from exchanges.market_data.payloads import candle_payload, notices_payload
from exchanges.market_data.status import Notice
from tradsys.embedded.servers import EmbeddedServers

FIRST = 1_790_150_400  # 2026-09-23 08:00:00 UTC, 11:00 in Cairo
DAY = "2026-09-23"


class Stream:
    """`numbers` are those of the present run of a publisher."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.numbers = HistoryNumbers(1_000)

    def add(self, candle: Candle, *, symbol: str = "COMI", day: str = DAY, kept: int = MOST_ENTRIES) -> None:
        entry = self.numbers.candle("EGX", symbol, day, candle)
        self.client.xadd(STREAM, {FIELD: entry}, maxlen=kept, approximate=False)
        self.client.lpush(f"md:candles:EGX:{symbol}", candle_payload(candle, day))

    def notice(self, notice: Notice) -> None:
        self.client.xadd(STREAM, {FIELD: self.numbers.notice(notice)})
        self.client.set(f"md:notices:{notice.exchange}", notices_payload([notice]))


def candle(minute: int, price: int = 100, *, high: int = 0, low: int = 0, close: int = 0, volume: int = 5) -> Candle:
    return Candle(FIRST + 60 * minute, price, high or max(price, close), low or min(price, close or price), close or price, volume)


@pytest.fixture
def stream(servers: EmbeddedServers) -> Iterator[Stream]:
    client = redis.Redis.from_url(os.environ["TRADSYS_REDIS_URL"], socket_timeout=5)
    for key in client.scan_iter("md:*"):
        client.delete(key)
    yield Stream(client)
    client.close()
