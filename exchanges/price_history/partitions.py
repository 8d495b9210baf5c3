"""The partitions of the minutes: one for each day UTC, made ahead, dropped whole when it is too old. In the platform's scope."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db.models import DateField, F, Func, IntegerField, Value

from exchanges.market_data.history_stream import STREAM
from exchanges.price_history.models import HistoryCheckpoint

AHEAD_DAYS = 7


def make_partitions(days: Iterable[date]) -> int:
    """Make those that are missing; returns how many. Doing it again, or at the same time elsewhere, makes none twice."""
    wanted = sorted(set(days))
    return _call("price_history_make_partitions", Value(wanted, output_field=ArrayField(DateField()))) if wanted else 0


def drop_partitions(*, before: date) -> int:
    """Drop the days before `before` with all their minutes; returns how many. Daily bars stay."""
    return _call("price_history_drop_partitions", Value(before, output_field=DateField()))


def keep_partitions(today: date, *, kept_days: int) -> tuple[int, int]:
    """Have the days from yesterday to a week ahead, and none older than `kept_days`; (made, dropped)."""
    made = make_partitions(today + timedelta(days=offset) for offset in range(-1, AHEAD_DAYS + 1))
    return made, drop_partitions(before=today - timedelta(days=kept_days))


def _call(function: str, argument: Value) -> int:
    # A statement of the ORM's: it goes over the connection that the tenancy kernel watches.
    HistoryCheckpoint.objects.get_or_create(stream=STREAM)
    rows = HistoryCheckpoint.objects.filter(stream=STREAM).annotate(
        count=Func(argument, function=f"public.{function}", output_field=IntegerField())
    )
    return int(rows.values_list(F("count"), flat=True).get())
