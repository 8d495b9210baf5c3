"""Reads of the price history. Shared tables: whoever asks must have been allowed the exchange before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import BigIntegerField, DateTimeField, F, Func, Max, Min, Q, QuerySet, Sum, Value

from exchanges.market_data.intervals import Interval
from exchanges.price_history.models import DailyBar, MarketNotice, MinuteCandle

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CANDLE_FIELDS = ("time", "open", "high", "low", "close", "volume")


class _First(Func):
    """The first element of an array."""

    template = "(%(expressions)s)[1]"
    output_field = BigIntegerField()


class _Midnight(Func):
    """Midnight UTC of a date."""

    template = "(%(expressions)s::timestamp AT TIME ZONE 'UTC')"
    output_field = DateTimeField()


def candles(
    *, exchange: str, symbol: str, interval: Interval, first: datetime | None = None, end: datetime | None = None
) -> QuerySet[Any, Mapping[str, Any]]:
    """Rows of `CANDLE_FIELDS` (prices in micros, `time` a moment UTC) of [first, end), the oldest first. One query.

    A bound within a candle takes it in whole. A day is given as midnight UTC of its date at the exchange.
    """
    begin = None if first is None else _moment(interval.floor(_seconds(first)))
    until = None if end is None else _moment(interval.ceiling(_seconds(end)))
    own = {"exchange": exchange, "symbol": symbol}
    if interval is Interval.DAY:
        days = DailyBar.objects.filter(**own)
        days = days if begin is None else days.filter(day__gte=begin.date())
        days = days if until is None else days.filter(day__lt=until.date())
        return days.annotate(time=_Midnight("day")).order_by("time").values(*CANDLE_FIELDS)
    minutes = MinuteCandle.objects.filter(**own)
    minutes = minutes if begin is None else minutes.filter(minute__gte=begin)
    minutes = minutes if until is None else minutes.filter(minute__lt=until)
    if interval is Interval.MINUTE:
        return minutes.annotate(time=F("minute")).order_by("time").values(*CANDLE_FIELDS)
    bins = Func(Value(timedelta(seconds=interval.seconds)), F("minute"), Value(EPOCH), function="date_bin")
    bins.output_field = DateTimeField()
    return (
        minutes.annotate(time=bins)
        .values("time")
        .annotate(
            first=_First(ArrayAgg("open", order_by="minute")),
            last=_First(ArrayAgg("close", order_by="-minute")),
            highest=Max("high"),
            lowest=Min("low"),
            shares=Sum("volume"),
        )
        .order_by("time")
        .values("time", open=F("first"), high=F("highest"), low=F("lowest"), close=F("last"), volume=F("shares"))
    )


def notices(*, exchange: str, symbol: str = "") -> QuerySet[MarketNotice]:
    """The newest first: all of an exchange, or those of an instrument and of the whole market."""
    found = MarketNotice.objects.filter(exchange=exchange).order_by("-time", "-notice_id")
    return found.filter(Q(symbols__contains=[symbol]) | Q(symbols=[])) if symbol else found


def _seconds(moment: datetime) -> int:
    return -((EPOCH - moment) // timedelta(seconds=1))


def _moment(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)
