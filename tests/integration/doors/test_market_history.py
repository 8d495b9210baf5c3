"""``/api/v1/candles``, ``/api/v1/notices`` and the chart of the trading page: whose, which, and how many statements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.test import Client

from exchanges.market_data.candles import Candle
from exchanges.market_data.payloads import candle_payload
from exchanges.price_history.models import DailyBar, MarketNotice, MinuteCandle
from exchanges.price_history.partitions import make_partitions
from tenants.kernel.entry_points import platform_scope
from tenants.models import Tenant
from tests.integration.doors.test_query_counts import compare, statements
from tests.integration.doors.test_rest import problem

pytestmark = pytest.mark.django_db
CANDLES, NOTICES = "/api/v1/candles", "/api/v1/notices"
START = datetime(2026, 9, 23, 8, tzinfo=UTC)
COMI = {"exchange": "EGX", "symbol": "COMI"}


@pytest.fixture
def trader(client_on: Callable[..., Client], tenant_a: Tenant, publish_alpha: Callable[[], None]) -> Client:
    publish_alpha()
    return client_on("alpha.localhost", "alpha-trader")


@pytest.fixture
def newest() -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(os.environ["TRADSYS_REDIS_URL"])
    client.delete("md:candles:EGX:COMI")
    yield client
    client.delete("md:candles:EGX:COMI")
    client.close()


def add(first: datetime, count: int, *, symbol: str = "COMI") -> None:
    """Minutes whose open is 100 and then one micro more each."""
    with platform_scope():
        moments = [first + timedelta(minutes=number) for number in range(count)]
        make_partitions(each.date() for each in moments)
        rows = [
            MinuteCandle(
                exchange="EGX",
                symbol=symbol,
                minute=moment,
                day=moment.date(),
                open=100_000_000 + number,
                high=102_000_000 + number,
                low=99_000_000 - number,
                close=101_000_000 + number,
                volume=10,
            )
            for number, moment in enumerate(moments)
        ]
        MinuteCandle.objects.bulk_create(rows)


def add_days(count: int) -> None:
    with platform_scope():
        DailyBar.objects.bulk_create(
            DailyBar(
                exchange="EGX",
                symbol="COMI",
                day=(START - timedelta(days=number)).date(),
                open=1_000_000,
                high=3_000_000,
                low=1_000_000,
                close=2_000_000,
                volume=number,
            )
            for number in range(count)
        )


def add_notices(first: int, count: int) -> None:
    with platform_scope():
        MarketNotice.objects.bulk_create(
            MarketNotice(
                notice_id=f"{number:032d}",
                exchange="EGX",
                kind="HALT",
                symbols=[["COMI"], ["TMGH"], []][number % 3],
                reason="NOT_GIVEN",
                time=number,
            )
            for number in range(first, first + count)
        )


def found(client: Client, address: str = CANDLES, **query: object) -> dict[str, Any]:
    answer = client.get(address, query)
    assert answer.status_code == 200, answer.content
    document: dict[str, Any] = answer.json()
    return document


def test_minutes_come_oldest_first_with_exact_prices_between_two_moments(trader: Client) -> None:
    add(START, 10)
    add(START, 3, symbol="TMGH")
    rows = found(trader, **COMI, **{"from": "2026-09-23T08:02:30Z", "to": "2026-09-23T10:05:00+02:00"})["results"]
    assert [row["time"] for row in rows] == ["2026-09-23T08:02:00Z", "2026-09-23T08:03:00Z", "2026-09-23T08:04:00Z"]
    assert rows[0] == {
        "time": "2026-09-23T08:02:00Z",
        "open": "100.000002",
        "high": "102.000002",
        "low": "98.999998",
        "close": "101.000002",
        "volume": 10,
    }
    assert len(found(trader, **COMI)["results"]) == 10


@pytest.mark.parametrize(("interval", "minutes"), [("5m", 5), ("1h", 60)])
def test_longer_candles_open_with_their_first_minute_and_close_with_their_last(trader: Client, interval: str, minutes: int) -> None:
    add(START, 2 * minutes)
    rows = found(trader, **COMI, interval=interval)["results"]
    assert [row["time"] for row in rows] == ["2026-09-23T08:00:00Z", f"2026-09-23T0{8 + minutes // 60}:0{minutes % 60}:00Z"]
    assert [(row["open"], row["volume"]) for row in rows] == [
        ("100.00", 10 * minutes),
        (f"100.{minutes:06d}".rstrip("0"), 10 * minutes),
    ]
    assert rows[0]["close"] == f"101.{minutes - 1:06d}".rstrip("0")
    assert (rows[0]["high"], rows[0]["low"]) == (
        f"102.{minutes - 1:06d}".rstrip("0"),
        f"98.{1_000_000 - minutes + 1:06d}".rstrip("0"),
    )


def test_days_are_midnight_utc_of_their_date(trader: Client) -> None:
    add_days(3)
    rows = found(trader, **COMI, interval="1d", **{"from": "2026-09-22"})["results"]
    assert [row["time"] for row in rows] == ["2026-09-22T00:00:00Z", "2026-09-23T00:00:00Z"]


@pytest.mark.parametrize("interval", ["1m", "5m", "1h", "1d"])
def test_pages_follow_each_other_without_a_hole(trader: Client, interval: str) -> None:
    add(START, 600)
    add_days(10)
    whole = found(trader, **COMI, interval=interval, page_size=1_000)["results"]
    page = found(trader, **COMI, interval=interval, page_size=7)
    rows = list(page["results"])
    while page["next"]:
        page = trader.get(page["next"]).json()
        rows += page["results"]
    assert rows == whole
    assert len(rows) == {"1m": 600, "5m": 120, "1h": 10, "1d": 10}[interval]
    problem(trader.get(CANDLES, {**COMI, "cursor": "cD1ub25zZW5zZQ=="}), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"exchange": "EGX"},
        {**COMI, "interval": "2m"},
        {**COMI, "from": "yesterday"},
        {**COMI, "from": "2026-13-45"},
        {**COMI, "from": "2026-09-23T08:00:00"},
        {**COMI, "from": "9999-01-01"},
        {**COMI, "from": "2026-09-24", "to": "2026-09-23"},
    ],
)
def test_what_cannot_be_read_is_refused_with_its_field(trader: Client, query: dict[str, str]) -> None:
    assert problem(trader.get(CANDLES, query), 400, "MALFORMED_REQUEST")["figures"]["field"]


def test_an_exchange_outside_the_licence_and_an_unknown_instrument_are_refused(
    trader: Client, client_on: Callable[..., Client], tenant_b: Tenant
) -> None:
    with platform_scope():
        make_partitions([START.date()])
    for address in (CANDLES, NOTICES):
        refused = problem(trader.get(address, {"exchange": "ADX", "symbol": "FAB"}), 402, "FEATURE_NOT_LICENSED")
        assert refused["figures"]["feature"] == "exchange:ADX"
        problem(trader.get(address, {"exchange": "EGX", "symbol": "FAB"}), 404, "NOT_FOUND")
        problem(trader.get(address, {"exchange": "LSE", "symbol": "COMI"}), 404, "NOT_FOUND")
        problem(client_on("alpha.localhost").get(address, COMI), 401, "UNAUTHENTICATED")
        assert client_on("beta.localhost", "beta-trader").get(address, COMI).status_code in (402, 503)


def test_notices_are_the_newest_first_those_of_an_instrument_with_the_markets(trader: Client) -> None:
    add_notices(0, 6)
    assert [row["time"] for row in found(trader, NOTICES, exchange="EGX")["results"]] == [5, 4, 3, 2, 1, 0]
    assert [row["symbols"] for row in found(trader, NOTICES, **COMI)["results"]] == [[], ["COMI"], [], ["COMI"]]
    assert found(trader, NOTICES, exchange="EGX", page_size=2)["next"]


def test_the_lists_take_as_many_statements_for_many_rows_as_for_one(trader: Client) -> None:
    addresses = {
        "GET /api/v1/candles": f"{CANDLES}?exchange=EGX&symbol=COMI&interval=5m",
        "GET /api/v1/notices": f"{NOTICES}?exchange=EGX",
        "GET /trade/candles": "/trade/candles?instrument=EGX:COMI&range=1W",
    }
    add(START, 1)
    add_notices(0, 1)
    few = {page: statements(trader, address) for page, address in addresses.items()}
    add(START + timedelta(minutes=1), 40)
    add_notices(1, 20)
    assert {page: statements(trader, address) for page, address in addresses.items()} == few
    compare(few)


def test_the_chart_joins_the_tables_and_the_newest_minutes_without_counting_any_twice(trader: Client, newest: redis.Redis) -> None:
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    add(start, 60)
    # The worker has the last 33 of them too, and 7 that are not in the tables yet.
    for number in range(27, 67):
        time = int((start + timedelta(minutes=number)).timestamp())
        newest.lpush("md:candles:EGX:COMI", candle_payload(Candle(time, 100, 110, 90, 105, 10), "x"))
    answer = trader.get("/trade/candles", {"instrument": "EGX:COMI", "range": "1W"}).json()
    assert answer["interval"] == 300
    assert sum(bar["volume"] for bar in answer["candles"]) == 670
    times = [bar["time"] for bar in answer["candles"]]
    assert times == sorted(set(times))
    assert answer["candles"][-1]["text"] == ["0.0001", "0.00011", "0.00009", "0.000105"]


def test_the_chart_is_for_known_ranges_and_licensed_exchanges(trader: Client) -> None:
    for choice in ("1D", "1W", "1M", "3M", "1Y"):
        assert trader.get("/trade/candles", {"instrument": "EGX:COMI", "range": choice}).json()["candles"] == []
    assert trader.get("/trade/candles", {"instrument": "EGX:COMI", "range": "9Z"}).json() == {"code": "RANGE_UNKNOWN"}
    answer = trader.get("/trade/candles", {"instrument": "ADX:FAB"})
    assert (answer.status_code, answer.json()) == (402, {"code": "FEATURE_NOT_LICENSED"})
