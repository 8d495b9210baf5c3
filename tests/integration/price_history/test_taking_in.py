"""From the Redis stream into partitioned tables: once, also when it is told twice, and also after PostgreSQL was away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime

import psycopg
import pytest
from django.db import OperationalError

from exchanges.market_data.candles import Candle
from exchanges.market_data.history_stream import FIELD, STREAM
from exchanges.market_data.status import HaltReason, NoticeKind, notice
from exchanges.price_history.models import DailyBar, HistoryCheckpoint, MarketNotice, MinuteCandle
from exchanges.price_history.partitions import drop_partitions, keep_partitions, make_partitions
from exchanges.price_history.taking_in import BATCH, take_in
from exchanges.price_history.tasks import take_in_prices
from tenants.kernel.entry_points import platform_scope
from tests.integration.price_history.conftest import FIRST, Stream, candle
from tradsys.embedded.servers import EmbeddedServers
from tradsys.mesh.telemetry.metrics import METRICS

pytestmark = pytest.mark.django_db
NOW = (FIRST + 86_400) * 1_000_000_000
KEPT_DAYS = 30
HALT = notice("EGX", NoticeKind.HALT, ("COMI",), text="why", reason=HaltReason.NEWS_PENDING, time=NOW)


@pytest.fixture(autouse=True)
def platform() -> Iterator[None]:
    with platform_scope():
        yield


def taken(stream: Stream) -> dict[str, int]:
    return dict(take_in(stream.client, kept_days=KEPT_DAYS, now=NOW))


def minutes(symbol: str = "COMI") -> list[tuple[int, ...]]:
    return [
        ((row.minute - datetime.fromtimestamp(FIRST, UTC)).seconds // 60, row.open, row.high, row.low, row.close, row.volume)
        for row in MinuteCandle.objects.filter(symbol=symbol).order_by("minute")
    ]


def test_entries_of_the_stream_become_minutes_and_days(stream: Stream) -> None:
    written = METRICS._price_history.child("written")  # tradsys_price_history_entries_total
    before = written.value
    stream.add(candle(0, 100, high=130, close=120))
    stream.add(candle(1, 110, low=90, close=95, volume=7))
    stream.add(candle(0, 50), symbol="TMGH")
    stream.notice(HALT)
    taken(stream)
    assert written.value == before + 4
    assert minutes() == [(0, 100, 130, 100, 120, 5), (1, 110, 110, 90, 95, 7)]
    bars = {(each.symbol, each.day.isoformat()): each for each in DailyBar.objects.all()}
    bar = bars["COMI", "2026-09-23"]
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (100, 130, 90, 95, 12)
    assert bars["TMGH", "2026-09-23"].volume == 5
    told = MarketNotice.objects.get()
    assert (told.kind, told.symbols, told.reason, told.text) == ("HALT", ["COMI"], "NEWS_PENDING", "why")
    assert taken(stream) == {}, "everything is read once"


def test_the_same_minute_again_is_kept_once_with_its_newest_figures(stream: Stream) -> None:
    stream.add(candle(0, 100))
    stream.notice(HALT)
    taken(stream)
    stream.add(candle(0, 100, high=140, volume=9))
    stream.notice(HALT)
    taken(stream)
    assert minutes() == [(0, 100, 140, 100, 100, 9)]
    assert DailyBar.objects.get().volume == 9
    assert MarketNotice.objects.count() == 1


def test_a_day_of_the_exchange_is_its_own_and_not_that_of_utc(stream: Stream) -> None:
    stream.add(candle(15 * 60, 100), day="2026-09-23")  # 23:00 UTC is 02:00 of the next day in Cairo, if it traded
    stream.add(candle(15 * 60 + 1, 101), day="2026-09-24")
    stream.add(candle(17 * 60, 102), day="2026-09-24")
    taken(stream)
    assert {each.day.isoformat(): (each.open, each.close) for each in DailyBar.objects.all()} == {
        "2026-09-23": (100, 100),
        "2026-09-24": (101, 102),
    }
    assert partitions() >= {"20260923", "20260924"}


def partitions() -> set[str]:
    """Days that have a partition, as another connection sees the catalogue of this test's transaction's end."""
    found = HistoryCheckpoint.objects.raw(
        "SELECT 'x' AS stream, child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
        " WHERE inhparent = 'public.price_history_minutecandle'::regclass"
    )
    return {row.name.rpartition("_")[2] for row in found}


def test_partitions_are_made_once_and_dropped_whole(stream: Stream) -> None:
    assert keep_partitions(date(2026, 9, 23), kept_days=KEPT_DAYS) == (9, 0)
    assert keep_partitions(date(2026, 9, 23), kept_days=KEPT_DAYS) == (0, 0)
    assert make_partitions([date(2026, 8, 1), date(2026, 8, 1)]) == 1
    stream.add(candle(0))
    taken(stream)
    assert keep_partitions(date(2026, 9, 23), kept_days=KEPT_DAYS) == (0, 1)
    assert "20260801" not in partitions()
    assert drop_partitions(before=date(2026, 9, 24)) == 2
    assert (minutes(), DailyBar.objects.count()) == ([], 1), "the day is kept without its minutes"


def test_a_minute_that_is_no_longer_kept_is_not_stored(stream: Stream) -> None:
    stream.add(candle(-60 * 24 * 40), day="2026-08-14")
    taken(stream)
    assert (minutes(), partitions() & {"20260814"}) == ([], set())


def test_entries_lost_from_the_stream_are_counted_and_read_from_the_lists(stream: Stream) -> None:
    stream.add(candle(0))
    taken(stream)
    for minute in range(1, 11):
        stream.add(candle(minute), kept=3)
    found = taken(stream)
    assert (found["dropped"], found["written"]) == (7, 3)
    assert [row[0] for row in minutes()] == list(range(11))
    assert HistoryCheckpoint.objects.get().dropped == 7


def test_a_new_run_of_the_publisher_reads_the_lists_too(stream: Stream) -> None:
    stream.add(candle(0))
    taken(stream)
    stream.client.lpush("md:candles:EGX:COMI", b"{}", _text(candle(1)))
    stream.numbers.start(2_000)
    stream.add(candle(2))
    found = taken(stream)
    assert [row[0] for row in minutes()] == [0, 1, 2]
    assert found.get("dropped", 0) == 0


def _text(one: Candle) -> bytes:
    from exchanges.market_data.payloads import candle_payload

    return candle_payload(one, "2026-09-23")


def test_a_minute_that_is_not_over_is_not_taken_from_a_list(stream: Stream) -> None:
    stream.client.lpush("md:candles:EGX:COMI", _text(Candle(NOW // 1_000_000_000 - 30, 1, 1, 1, 1, 1)))
    stream.add(candle(0))
    taken(stream)
    assert [row[0] for row in minutes()] == [0]


def test_a_redis_that_began_anew_with_an_earlier_clock_is_read_from_its_beginning(stream: Stream) -> None:
    stream.add(candle(0))
    taken(stream)
    stream.client.delete(STREAM)
    stream.numbers.start(3_000)
    stream.client.xadd(STREAM, {FIELD: stream.numbers.candle("EGX", "COMI", "2026-09-23", candle(1))}, id="5-1")
    taken(stream)
    assert [row[0] for row in minutes()] == [0, 1]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"kind":"candle","run":1000,"number":1,"exchange":"EGX","symbol":"COMI","day":"2026-09-23","time":1790150400,'
        b'"open":5,"high":4,"low":1,"close":2,"volume":1}',
        b'{"kind":"candle","run":1000,"number":1,"exchange":"EGX","symbol":"COMI","day":"someday","time":1790150400,'
        b'"open":1,"high":1,"low":1,"close":1,"volume":1}',
    ],
)
def test_an_entry_that_cannot_be_is_counted_and_holds_up_nothing(stream: Stream, raw: bytes) -> None:
    stream.client.xadd(STREAM, {FIELD: raw})
    stream.add(candle(0))
    assert taken(stream)["unreadable"] == 1
    assert [row[0] for row in minutes()] == [0]


def test_more_than_a_batch_is_taken_in_one_run(stream: Stream) -> None:
    with stream.client.pipeline() as pipeline:
        for number in range(BATCH + 5):
            text = stream.numbers.candle("EGX", f"S{number % 50}", "2026-09-23", candle(number // 50))
            pipeline.xadd(STREAM, {FIELD: text})
        pipeline.execute()
    assert taken(stream)["written"] == BATCH + 5
    assert MinuteCandle.objects.count() == BATCH + 5


@pytest.mark.django_db(transaction=True)
def test_while_postgresql_is_away_the_stream_keeps_everything(stream: Stream, servers: EmbeddedServers) -> None:
    stream.add(candle(0))
    taken(stream)
    servers.stop_postgres()
    try:
        stream.add(candle(1))
        stream.add(candle(2))
        assert take_in_prices.run() == 0
    finally:
        servers.start_postgres()
    found: dict[str, int] = {}
    for _ in range(6):  # the next runs; a pool that was refused tries again after a while
        with suppress(OperationalError):
            found = taken(stream)
            break
    assert found == {"written": 2}
    assert [row[0] for row in minutes()] == [0, 1, 2]
    assert stream.client.xlen(STREAM) == 3


@pytest.mark.django_db(transaction=True)
def test_a_partition_is_made_while_others_read_and_write(stream: Stream) -> None:
    make_partitions([date(2026, 9, 23)])
    with psycopg.connect(os.environ["TRADSYS_DATABASE_URL"]) as other:
        other.execute("SELECT count(*) FROM public.price_history_minutecandle")
        assert make_partitions([date(2026, 9, 24)]) == 1
