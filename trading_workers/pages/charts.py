"""What the chart of the trading page draws: the history from the tables, and its newest minutes from Redis.

The chart's script works in floating point; these figures are for the eye and go nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_GET

from exchanges.market_data.candles import KEPT
from exchanges.market_data.intervals import Interval
from exchanges.price_history import selectors
from exchanges.prices import price_to_text, text_to_price
from tenants.access import membership_of_request, permission_required
from tenants.roles import Permission
from trading_workers.snapshot.published import NothingPublished, platform_document
from trading_workers.web_calls import web_calls
from tradsys.configuration import Configuration

RANGES: Mapping[str, tuple[timedelta, Interval]] = {
    "1D": (timedelta(days=1), Interval.MINUTE),
    "1W": (timedelta(days=7), Interval.FIVE_MINUTES),
    "1M": (timedelta(days=31), Interval.HOUR),
    "3M": (timedelta(days=92), Interval.DAY),
    "1Y": (timedelta(days=366), Interval.DAY),
}
"""Name → how far back, and the length of a candle, so that a chart has some hundred to two thousand of them."""
USUAL_RANGE = "1D"

Bar = dict[str, int]
"""time (s UTC), open, high, low, close (micros), volume."""


@require_GET
@permission_required(Permission.SEE_MARKET)
def candles(request: HttpRequest) -> JsonResponse:
    """``{"interval" (s), "candles": [{"time" (s), "open", "high", "low", "close", "volume", "text": […]}, …]}``, oldest first."""
    instrument = request.GET.get("instrument", "")
    try:
        known = {each.key: each for each in platform_document().instruments}
    except NothingPublished:
        return JsonResponse({"code": "CONFIGURATION_MISSING"}, status=503)
    found = known.get(instrument)
    span = RANGES.get(request.GET.get("range", USUAL_RANGE))
    if found is None or span is None:
        return JsonResponse({"code": "INSTRUMENT_UNKNOWN" if found is None else "RANGE_UNKNOWN"}, status=404)
    membership = membership_of_request(request)
    assert membership is not None, "the view's guard has let a stranger in"
    refusal = web_calls().refusal(membership.tenant.slug, (f"exchange:{found.exchange}",))
    if refusal is not None:
        return JsonResponse({"code": refusal.name}, status=refusal.http_status)
    back, interval = span
    bars = chart_bars(found.exchange, found.symbol, interval, since=timezone.now() - back, minutes=_newest_minutes(instrument))
    return JsonResponse({"interval": interval.seconds, "candles": [_drawn(bar) for bar in bars]})


def chart_bars(exchange: str, symbol: str, interval: Interval, *, since: datetime, minutes: Sequence[Bar]) -> list[Bar]:
    """History from `since` on, continued by the newest `minutes` (oldest first, without a hole) that it may not have yet."""
    end, tail = None, list[Bar]()
    if minutes and interval is not Interval.DAY:
        # From the first candle that lies in the newest minutes whole, they say everything.
        seam = interval.ceiling(minutes[0]["time"])
        end = datetime.fromtimestamp(seam, UTC)
        start = since.timestamp()
        tail = longer_bars((bar for bar in minutes if bar["time"] >= seam and bar["time"] >= start), interval)
    rows = selectors.candles(exchange=exchange, symbol=symbol, interval=interval, first=since, end=end)
    return [{**row, "time": int(row["time"].timestamp())} for row in rows] + tail


def longer_bars(minutes: Iterable[Bar], interval: Interval) -> list[Bar]:
    """Minutes, oldest first, put together into candles of `interval`."""
    made: list[Bar] = []
    for bar in minutes:
        start = interval.floor(bar["time"])
        if not made or made[-1]["time"] != start:
            made.append({**bar, "time": start})
            continue
        last = made[-1]
        last["high"], last["low"] = max(last["high"], bar["high"]), min(last["low"], bar["low"])
        last["close"] = bar["close"]
        last["volume"] += bar["volume"]
    return made


def _newest_minutes(instrument: str) -> list[Bar]:
    """What the market-data worker keeps in Redis; none while Redis is away."""
    client = redis.Redis.from_url(Configuration.from_environment().redis_url, decode_responses=True, socket_timeout=2)
    try:
        raw: Any = client.lrange(f"md:candles:{instrument}", 0, KEPT)
    except redis.RedisError:
        raw = []
    finally:
        client.close()
    rows = {row["time"]: row for row in map(json.loads, raw)}
    prices = ("open", "high", "low", "close")
    return [
        {"time": time, "volume": row["volume"], **{name: text_to_price(row[name]) for name in prices}}
        for time, row in sorted(rows.items())
    ]


def _drawn(bar: Bar) -> dict[str, object]:
    texts = {name: price_to_text(bar[name]) for name in ("open", "high", "low", "close")}
    return {
        "time": bar["time"],
        **{name: float(text) for name, text in texts.items()},
        "volume": bar["volume"],
        "text": list(texts.values()),
    }
