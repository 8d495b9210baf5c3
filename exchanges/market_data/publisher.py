"""Publishes books to Redis for people: at most ten updates a second per instrument and channel.

Without Redis the books live on; when it is back, everything is published afresh. Keys and channels: ``md:quotes:EGX:COMI``,
``md:depth:…``, ``md:trades:…``, ``md:notices:EGX`` (PUBLISH, and the last payload under the same key), ``md:candles:…`` (list,
newest first), ``md:history`` (stream, see ``history_stream``). Each payload is encoded once, however many listen.
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
from exchanges.market_data.history_stream import FIELD, MOST_ENTRIES, STREAM, HistoryNumbers
from exchanges.market_data.payloads import (
    candle_from_payload,
    candle_payload,
    depth_payload,
    notices_from_payload,
    notices_payload,
    quote_payload,
    trade_payload,
)
from exchanges.market_data.subscriber import Instrument, MarketDataSubscriber

log = logging.getLogger("exchanges.market_data")

PERIOD_SECONDS: Final = 0.1
MARK: Final = "md:publisher"
"""Present as long as Redis has what we have published."""
_MARK_CHECK_SECONDS: Final = 1.0
NOTICES_SHOWN: Final = 50
_RETRY_SECONDS: Final = (0.2, 0.5, 1.0, 2.0)


class Publisher:
    """Takes what has changed in the subscribers' instruments to Redis."""

    def __init__(self, redis: Redis, subscribers: Sequence[MarketDataSubscriber], clock: Clock) -> None:
        self._redis = redis
        self._subscribers = subscribers
        self._clock = clock
        # Rises over restarts too, so that whoever follows the numbers sees a jump and asks for the state.
        self._sequence = time.time_ns() // 1_000_000
        self._history = HistoryNumbers(clock.now())
        self._noticed: dict[str, set[str]] = {}
        """By exchange: ids of the notices that the history has been told of."""
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
                    await self._adopt()
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
        now = self._clock.now()
        changed = 0
        async with self._redis.pipeline(transaction=False) as pipeline:
            for subscriber in self._subscribers:
                for instrument in subscriber.instruments.values():
                    if instrument.book_changed or instrument.trade_changed:
                        self._put(pipeline, subscriber, instrument, now)
                        changed += 1
                    self._put_history(pipeline, subscriber, instrument, now)
                if subscriber.notices_changed:
                    self._put_notices(pipeline, subscriber)
            if len(pipeline):
                await pipeline.execute()
        return changed

    def _instruments(self) -> Iterable[Instrument]:
        for subscriber in self._subscribers:
            yield from subscriber.instruments.values()

    def _put(self, pipeline: Pipeline, subscriber: MarketDataSubscriber, instrument: Instrument, now: int) -> None:
        key, book = instrument.key, instrument.book
        self._sequence += 1
        seq = self._sequence
        if instrument.book_changed:
            quote = quote_payload(
                book,
                exchange=instrument.exchange,
                previous=instrument.previous,
                seq=seq,
                now=now,
                status=instrument.status,
            )
            _tell(pipeline, f"md:quotes:{key}", quote)
            _tell(pipeline, f"md:depth:{key}", depth_payload(book, seq=seq, now=now))
            instrument.book_changed = False
        if instrument.trade_changed and instrument.last_trade is not None:
            _tell(pipeline, f"md:trades:{key}", trade_payload(instrument.last_trade, seq=seq))
        instrument.trade_changed = False
        self._put_candles(pipeline, subscriber, key, instrument.candles.candles)

    def _put_notices(self, pipeline: Pipeline, subscriber: MarketDataSubscriber) -> None:
        newest = list(reversed(subscriber.notices))[:NOTICES_SHOWN]
        _tell(pipeline, f"md:notices:{subscriber.exchange}", notices_payload(newest))
        told = self._noticed.setdefault(subscriber.exchange, set())
        for notice in subscriber.notices:
            if notice.notice_id not in told:
                pipeline.xadd(STREAM, {FIELD: self._history.notice(notice)}, maxlen=MOST_ENTRIES, approximate=False)
        self._noticed[subscriber.exchange] = {notice.notice_id for notice in subscriber.notices}
        subscriber.notices_changed = False

    def _put_history(self, pipeline: Pipeline, subscriber: MarketDataSubscriber, instrument: Instrument, now: int) -> None:
        for candle in self._history.finished(instrument.key, instrument.candles.candles, now):
            day = subscriber.day_of(candle.time)
            entry = self._history.candle(instrument.exchange, instrument.book.symbol, day, candle)
            pipeline.xadd(STREAM, {FIELD: entry}, maxlen=MOST_ENTRIES, approximate=False)

    def _put_candles(self, pipeline: Pipeline, subscriber: MarketDataSubscriber, key: str, candles: list[Candle]) -> None:
        if not candles:
            return

        def payload(candle: Candle) -> bytes:
            return candle_payload(candle, subscriber.day_of(candle.time))

        name, written = f"md:candles:{key}", self._written.get(key)
        newest = candles[-1]
        fresh = [candle for candle in candles if written is not None and candle.time > written]
        if written is None:
            pipeline.delete(name)
            pipeline.rpush(name, *[payload(candle) for candle in reversed(candles)])
        elif written == newest.time:
            pipeline.lset(name, 0, payload(newest).decode())
        else:
            known = next((candle for candle in reversed(candles) if candle.time == written), None)
            if known is not None:
                pipeline.lset(name, 0, payload(known).decode())
            pipeline.lpush(name, *[payload(candle) for candle in fresh])
            pipeline.ltrim(name, 0, KEPT - 1)
        self._written[key] = newest.time

    async def _adopt(self) -> None:
        """Go on with the candles and notices that an earlier run has left in Redis. The history reads those lists itself."""
        now = self._clock.now()
        for instrument in self._instruments():
            rows = await cast("Awaitable[list[bytes]]", self._redis.lrange(f"md:candles:{instrument.key}", 0, KEPT - 1))
            try:
                earlier = [candle_from_payload(row) for row in reversed(rows)]
            except ValueError as error:
                log.warning("candles of %s in Redis cannot be read and are made anew: %s", instrument.key, error)
                continue
            self._history.finished(instrument.key, earlier, now)
            instrument.candles.adopt(earlier)
        for subscriber in self._subscribers:
            text = await self._redis.get(f"md:notices:{subscriber.exchange}")
            try:
                found = notices_from_payload(text) if text else []
            except ValueError as error:
                log.warning("notices of %s in Redis cannot be read and are left: %s", subscriber.exchange, error)
                continue
            subscriber.adopt_notices(found)
            self._noticed[subscriber.exchange] = {notice.notice_id for notice in found}
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
        # What was on its way may be lost; the history finds the lists whole.
        self._history.start(self._clock.now())
        for subscriber in self._subscribers:
            subscriber.notices_changed = bool(subscriber.notices)
        for instrument in self._instruments():
            if instrument.book.sequence is not None or instrument.book.last_price:
                instrument.book_changed = True
            instrument.trade_changed = instrument.last_trade is not None


def _tell(pipeline: Pipeline, name: str, payload: bytes) -> None:
    pipeline.set(name, payload)
    pipeline.publish(name, payload)
