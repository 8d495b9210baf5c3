"""What instruments traded at: minutes, days, and the notices beside them. Shared by all tenants; prices in micros.

The minutes are partitioned by day (UTC) in PostgreSQL itself, see migration 0001: a day is made ahead and dropped whole.
"""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from exchanges.market_data.status import HaltReason, NoticeKind


class Bar(models.Model):
    """What both lengths share. The database refuses figures that cannot be."""

    exchange = models.CharField(max_length=12)
    symbol = models.CharField(max_length=32)
    open = models.BigIntegerField()
    high = models.BigIntegerField()
    low = models.BigIntegerField()
    close = models.BigIntegerField()
    volume = models.BigIntegerField()

    class Meta:
        abstract = True


def _possible(name: str) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=models.Q(
            low__gt=0,
            volume__gte=0,
            low__lte=models.F("open"),
            open__lte=models.F("high"),
            close__gte=models.F("low"),
            close__lte=models.F("high"),
        ),
        name=name,
    )


class MinuteCandle(Bar):
    """A minute with at least one trade; `day` is the exchange's own date of it."""

    pk = models.CompositePrimaryKey("exchange", "symbol", "minute")
    minute = models.DateTimeField()
    day = models.DateField()

    class Meta:
        constraints = [_possible("minute_candle_possible")]

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol} {self.minute:%Y-%m-%d %H:%M}"


class DailyBar(Bar):
    """A day of the exchange, derived from its minutes and kept when they are gone."""

    pk = models.CompositePrimaryKey("exchange", "symbol", "day")
    day = models.DateField()

    class Meta:
        constraints = [_possible("daily_bar_possible")]

    def __str__(self) -> str:
        return f"{self.exchange}:{self.symbol} {self.day}"


class MarketNotice(models.Model):
    """A halt, a resumption, a corporate action or news, as the venue told it; `symbols` is empty for the whole market."""

    notice_id = models.CharField(max_length=32, primary_key=True)
    exchange = models.CharField(max_length=12)
    kind = models.CharField(max_length=24, choices=[(each.value, each.value) for each in NoticeKind])
    symbols = ArrayField(models.CharField(max_length=32))
    headline = models.TextField(blank=True)
    text = models.TextField(blank=True)
    reason = models.CharField(max_length=32, choices=[(each.value, each.value) for each in HaltReason])
    time = models.BigIntegerField(help_text="Nanoseconds UTC")

    class Meta:
        ordering = ["-time", "-notice_id"]
        indexes = [models.Index(fields=["exchange", "-time", "-notice_id"], name="market_notice_recent")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind__in=[each.value for each in NoticeKind]), name="market_notice_kind_known"
            ),
            models.CheckConstraint(
                condition=models.Q(reason__in=[each.value for each in HaltReason]), name="market_notice_reason_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.exchange} {self.kind} {', '.join(self.symbols)}"


class HistoryCheckpoint(models.Model):
    """Up to which entry of the stream the tables hold; moves in the same transaction as the rows."""

    stream = models.CharField(max_length=64, primary_key=True)
    position = models.CharField(max_length=48, default="0-0", help_text="Of the entry in the stream")
    run = models.BigIntegerField(default=0, help_text="Publisher's run of the last entry, nanoseconds UTC of its beginning")
    number = models.BigIntegerField(default=0)
    dropped = models.BigIntegerField(default=0, help_text="Entries that the stream had lost before they were read")
    advanced_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.stream} at {self.position}"
