"""Takes candles and notices from their Redis stream into the tables, in batches.

Rows and checkpoint move in one transaction, and a row that is there is replaced by itself, so that a run that dies in between, or a
database that was away, repeats and loses nothing. What the bounded stream had lost meanwhile is counted, and the lists of candles
and notices, which hold the last 500 minutes and 50 notices, are read instead.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
import redis
from django.contrib.postgres.aggregates import ArrayAgg
from django.db import transaction
from django.db.models import Max, Min, Sum

from exchanges.market_data.candles import KEPT
from exchanges.market_data.history_stream import FIELD, STREAM, CandleEntry, Entry, NoticeEntry, decode
from exchanges.market_data.payloads import dated_candle, notices_from_payload
from exchanges.market_data.status import HaltReason, NoticeKind
from exchanges.price_history.models import DailyBar, HistoryCheckpoint, MarketNotice, MinuteCandle
from exchanges.price_history.partitions import make_partitions
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("exchanges.price_history")

BATCH = 2_000
MOST_BATCHES = 50
"""Of one run; the next run goes on."""
FIGURES = ("open", "high", "low", "close", "volume")
CANDLE_LISTS = "md:candles:"
NOTICE_LISTS = "md:notices:"


def take_in(client: redis.Redis, *, kept_days: int, now: int | None = None) -> Counter[str]:
    """Store what the stream has; returns how many entries were written, refetched, dropped or unreadable.

    `now` is ns UTC. In the platform's scope. Raises RedisError and DatabaseError; what was not stored is stored by the next run.
    """
    totals: Counter[str] = Counter()
    moment = datetime.fromtimestamp((time.time_ns() if now is None else now) // 1_000_000_000, UTC)
    for _ in range(MOST_BATCHES):
        with transaction.atomic():
            counts, more = _batch(client, oldest=moment.date() - timedelta(days=kept_days), moment=moment)
        for result, count in counts.items():
            METRICS.price_history(result, count)
        totals.update(counts)
        if not more:
            break
    return totals


def _batch(client: redis.Redis, *, oldest: date, moment: datetime) -> tuple[Counter[str], bool]:
    HistoryCheckpoint.objects.get_or_create(stream=STREAM)
    checkpoint = HistoryCheckpoint.objects.select_for_update().get(stream=STREAM)
    entries = _read(client, checkpoint)
    if not entries:
        return Counter(), False
    counts: Counter[str] = Counter()
    candles: list[MinuteCandle] = []
    notices: list[MarketNotice] = []
    refetch = False
    for position, fields in entries:
        checkpoint.position = position.decode("ascii")
        try:
            entry = decode(fields.get(FIELD.encode(), b""))
            row = _row(entry)
        except (msgspec.MsgspecError, ValueError) as error:
            log.error("entry %s of %s cannot be read: %s", checkpoint.position, STREAM, error)
            counts["unreadable"] += 1
            continue
        expected = checkpoint.number + 1 if entry.run == checkpoint.run else 1
        if entry.run != checkpoint.run or entry.number != expected:
            refetch = True
            counts["dropped"] += max(0, entry.number - expected)
        checkpoint.run, checkpoint.number = entry.run, entry.number
        if isinstance(row, MinuteCandle):
            candles.append(row)
        else:
            notices.append(row)
        counts["written"] += 1
    if refetch:
        found, noticed = _lists(client, moment)
        counts["refetched"] += len(found) + len(noticed)
        candles += found
        notices += noticed
    checkpoint.dropped += counts["dropped"]
    if counts["dropped"]:
        log.warning("%s had lost %d entries before they were read; the lists were read instead", STREAM, counts["dropped"])
    _store([each for each in candles if each.minute.date() >= oldest])
    MarketNotice.objects.bulk_create(notices, ignore_conflicts=True)
    checkpoint.save()
    return counts, len(entries) == BATCH


def _read(client: redis.Redis, checkpoint: HistoryCheckpoint) -> Sequence[tuple[bytes, dict[bytes, bytes]]]:
    newest = client.xrevrange(STREAM, count=1)
    if newest and _place(newest[0][0].decode("ascii")) < _place(checkpoint.position):
        # Another stream, of a Redis that began anew with an earlier clock.
        checkpoint.position = "0-0"
    return client.xrange(STREAM, min=f"({checkpoint.position}", count=BATCH)  # type: ignore[no-any-return]


def _place(position: str) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split("-"))


def _lists(client: redis.Redis, moment: datetime) -> tuple[list[MinuteCandle], list[MarketNotice]]:
    """What the lists hold of minutes that are over, and of notices."""
    candles: list[MinuteCandle] = []
    over = int(moment.timestamp()) - 60
    for key in sorted(client.scan_iter(f"{CANDLE_LISTS}*", count=1_000)):
        exchange, _, symbol = key.decode().removeprefix(CANDLE_LISTS).partition(":")
        for text in client.lrange(key, 0, KEPT - 1):
            try:
                one, day = dated_candle(text)
                if one.time <= over and day:
                    entry = CandleEntry(0, 0, exchange, symbol, day, one.time, one.open, one.high, one.low, one.close, one.volume)
                    candles.append(_minute(entry))
            except ValueError as error:
                log.error("a candle of %s cannot be read: %s", key.decode(), error)
    notices: list[MarketNotice] = []
    for key in sorted(client.scan_iter(f"{NOTICE_LISTS}*", count=1_000)):
        try:
            found = notices_from_payload(client.get(key) or b"[]")
        except ValueError as error:
            log.error("the notices of %s cannot be read: %s", key.decode(), error)
            continue
        notices += [
            MarketNotice(
                notice_id=one.notice_id,
                exchange=one.exchange,
                kind=one.kind.value,
                symbols=list(one.symbols),
                headline=one.headline,
                text=one.text,
                reason=one.reason.value,
                time=one.time,
            )
            for one in found
        ]
    return candles, notices


def _store(candles: Iterable[MinuteCandle]) -> None:
    """Write minutes and derive the days that they are in."""
    rows = {(each.exchange, each.symbol, each.minute): each for each in candles}
    if not rows:
        return
    make_partitions(each.minute.date() for each in rows.values())
    MinuteCandle.objects.bulk_create(
        rows.values(),
        batch_size=1_000,
        update_conflicts=True,
        unique_fields=["exchange", "symbol", "minute"],
        update_fields=["day", *FIGURES],
    )
    days = {each.day for each in rows.values()}
    touched = {(each.exchange, each.symbol, each.day) for each in rows.values()}
    # The minutes of an exchange's day lie within a day of it by UTC; saying so spares the other partitions.
    begin = datetime.combine(min(days), datetime.min.time(), UTC) - timedelta(days=1)
    found = (
        MinuteCandle.objects.filter(minute__gte=begin, minute__lt=begin + (max(days) - min(days)) + timedelta(days=3))
        .filter(day__in=days, symbol__in={symbol for _, symbol, _ in touched}, exchange__in={each for each, _, _ in touched})
        .values("exchange", "symbol", "day")
        .annotate(
            opens=ArrayAgg("open", order_by="minute"),
            closes=ArrayAgg("close", order_by="-minute"),
            highest=Max("high"),
            lowest=Min("low"),
            shares=Sum("volume"),
        )
    )
    bars = [
        DailyBar(
            exchange=row["exchange"],
            symbol=row["symbol"],
            day=row["day"],
            open=row["opens"][0],
            high=row["highest"],
            low=row["lowest"],
            close=row["closes"][0],
            volume=row["shares"],
        )
        for row in found
        if (row["exchange"], row["symbol"], row["day"]) in touched
    ]
    DailyBar.objects.bulk_create(
        bars, update_conflicts=True, unique_fields=["exchange", "symbol", "day"], update_fields=list(FIGURES)
    )


def _row(entry: Entry) -> MinuteCandle | MarketNotice:
    """Raises ValueError for what the tables would refuse: one such entry would hold up all that come after it."""
    if isinstance(entry, NoticeEntry):
        NoticeKind(entry.notice_kind), HaltReason(entry.reason)
        return _notice(entry)
    return _minute(entry)


def _minute(entry: CandleEntry) -> MinuteCandle:
    """Raises ValueError."""
    if not 0 < entry.low <= min(entry.open, entry.close) <= max(entry.open, entry.close) <= entry.high or entry.volume < 0:
        raise ValueError(f"the candle of {entry.symbol} at {entry.time} cannot be")
    return MinuteCandle(
        exchange=entry.exchange,
        symbol=entry.symbol,
        minute=datetime.fromtimestamp(entry.time, UTC),
        day=date.fromisoformat(entry.day),
        open=entry.open,
        high=entry.high,
        low=entry.low,
        close=entry.close,
        volume=entry.volume,
    )


def _notice(entry: NoticeEntry) -> MarketNotice:
    return MarketNotice(
        notice_id=entry.notice_id,
        exchange=entry.exchange,
        kind=entry.notice_kind,
        symbols=list(entry.symbols),
        headline=entry.headline,
        text=entry.text,
        reason=entry.reason,
        time=entry.time,
    )
