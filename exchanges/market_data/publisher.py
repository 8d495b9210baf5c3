"""Publishes books to Redis for people: at most ten updates a second per instrument and channel.

Without Redis the books live on; when it is back, everything is published afresh. Keys and channels: ``md:quotes:EGX:COMI``,
``md:depth:…``, ``md:trades:…`` (PUBLISH, and the last payload under the same key), ``md:candles:…`` (list, newest first).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from typing import Final, cast

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from exchanges.fix.clock import Clock
from exchanges.market_data.candles import KEPT, Candle
from exchanges.market_data.payloads import (
    candle_from_payload,
    candle_payload,
    depth_payload,
    quote_payload,
    trade_payload,
)
from exchanges.market_data.subscriber import Instrument, MarketDataSubscriber

log = logging.getLogger("exchanges.market_data")

PERIOD_SECONDS: Final = 0.1
MARK: Final = "md:publisher"
"""Present as long as Redis has what we have published."""
_MARK_CHECK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)


class Publisher:
    """Takes what has changed in the subscribers' instruments to Redis."""

    def __init__(self, redis: Redis, subscribers: Sequence[MarketDataSubscriber], clock: Clock) -> None:
        self._redis = redis
        self._subscribers = subscribers
        self._clock = clock
        # Rises over restarts too, so that whoever follows the numbers sees a jump and asks for the state.
        self._sequence = time.time_ns() // 1_000_000
        self._written: dict[str, int] = {}
        """By instrument key: the minute of the candle that heads its list in Redis."""
        self._mark_checked = 0.0
        self._adopted = False

    async def run(self) -> None:
        """Publish until cancelled."""
        failures = 0
        while True:
            try:
                if not self._adopted:
                    await self._adopt_candles()
                await self._check_mark()
                await self.publish()
            except (RedisError, OSError, TimeoutError) as error:
                if not failures:
                    log.warning("Redis cannot be reached, the books go on without it: %s", error)
                self._everything_is_new()
                await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
                failures += 1
                continue
            if failures:
                log.info("Redis is back, everything has been published afresh")
                failures = 0
            await asyncio.sleep(PERIOD_SECONDS)

    async def publish(self) -> int:
        """Publish what has changed; returns the number of instruments. Raises RedisError or OSError."""
        changed = [each for each in self._instruments() if each.book_changed or each.trade_changed]
        if not changed:
            return 0
        now = self._clock.now()
        async with self._redis.pipeline(transaction=False) as pipeline:
            for instrument in changed:
                self._put(pipeline, instrument, now)
            await pipeline.execute()
        return len(changed)

    def _instruments(self) -> Iterable[Instrument]:
        for subscriber in self._subscribers:
            yield from subscriber.instruments.values()

    def _put(self, pipeline: Pipeline, instrument: Instrument, now: int) -> None:
        key, book = instrument.key, instrument.book
        self._sequence += 1
        seq = self._sequence
        if instrument.book_changed:
            quote = quote_payload(book, exchange=instrument.exchange, previous=instrument.previous, seq=seq, now=now)
            _tell(pipeline, f"md:quotes:{key}", quote)
            _tell(pipeline, f"md:depth:{key}", depth_payload(book, seq=seq, now=now))
            instrument.book_changed = False
        if instrument.trade_changed and instrument.last_trade is not None:
            _tell(pipeline, f"md:trades:{key}", trade_payload(instrument.last_trade, seq=seq))
        instrument.trade_changed = False
        self._put_candles(pipeline, key, instrument.candles.candles)

    def _put_candles(self, pipeline: Pipeline, key: str, candles: list[Candle]) -> None:
        if not candles:
            return
        name, written = f"md:candles:{key}", self._written.get(key)
        newest = candles[-1]
        fresh = [candle for candle in candles if written is not None and candle.time > written]
        if written is None:
            pipeline.delete(name)
            pipeline.rpush(name, *[candle_payload(candle) for candle in reversed(candles)])
        elif written == newest.time:
            pipeline.lset(name, 0, candle_payload(newest).decode())
        else:
            known = next((candle for candle in reversed(candles) if candle.time == written), None)
            if known is not None:
                pipeline.lset(name, 0, candle_payload(known).decode())
            pipeline.lpush(name, *[candle_payload(candle) for candle in fresh])
            pipeline.ltrim(name, 0, KEPT - 1)
        self._written[key] = newest.time

    async def _adopt_candles(self) -> None:
        """Go on with the candles that an earlier run has left in Redis."""
        for instrument in self._instruments():
            rows = await cast("Awaitable[list[bytes]]", self._redis.lrange(f"md:candles:{instrument.key}", 0, KEPT - 1))
            try:
                instrument.candles.adopt([candle_from_payload(row) for row in reversed(rows)])
            except ValueError as error:
                log.warning("candles of %s in Redis cannot be read and are made anew: %s", instrument.key, error)
        self._adopted = True

    async def _check_mark(self) -> None:
        """Notice a Redis that came back empty, also when nothing trades."""
        moment = asyncio.get_running_loop().time()
        if moment - self._mark_checked < _MARK_CHECK_SECONDS:
            return
        if not await self._redis.exists(MARK):
            self._everything_is_new()
            await self._redis.set(MARK, self._clock.now())
        self._mark_checked = moment

    def _everything_is_new(self) -> None:
        self._written.clear()
        for instrument in self._instruments():
            if instrument.book.sequence is not None or instrument.book.last_price:
                instrument.book_changed = True
            instrument.trade_changed = instrument.last_trade is not None


def _tell(pipeline: Pipeline, name: str, payload: bytes) -> None:
    pipeline.set(name, payload)
    pipeline.publish(name, payload)
