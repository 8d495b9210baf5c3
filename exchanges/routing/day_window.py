"""A window of the local day on some weekdays, asked with nanoseconds UTC."""

from __future__ import annotations

from calendar import timegm
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from exchanges.routing.rules import DAY_SECONDS

_SECOND = 1_000_000_000


class DayWindow:
    """Holds from `from_time` until before `until_time` by the wall clock of `zone`, on `weekdays` (empty: on all).

    Remembers the day that it was asked for last: orders come in the order of time, and a look into the zone's rules for each would
    cost more than the rest of the decision. Without a zone nobody knows the local time, and it never holds.
    """

    __slots__ = ("_begins", "_day_begins", "_day_ends", "_ends", "_from", "_until", "_weekdays", "_zone")

    def __init__(
        self, zone: ZoneInfo | None, *, from_time: int | None = None, until_time: int | None = None, weekdays: tuple[int, ...] = ()
    ) -> None:
        self._zone = zone
        self._from = 0 if from_time is None else from_time
        self._until = DAY_SECONDS if until_time is None else until_time
        self._weekdays = frozenset(weekdays)
        self._day_begins = self._day_ends = self._begins = self._ends = 0

    def holds_at(self, now: int) -> bool:
        """`now` in nanoseconds UTC."""
        if not self._day_begins <= now < self._day_ends:
            self._look_at(now)
        return self._begins <= now < self._ends

    def _look_at(self, now: int) -> None:
        if self._zone is None:
            return
        day = datetime.fromtimestamp(now // _SECOND, self._zone).date()
        self._day_begins = self._instant(day, 0)
        self._day_ends = self._instant(day + timedelta(days=1), 0)
        self._begins = self._ends = 0
        if not self._weekdays or day.isoweekday() in self._weekdays:
            self._begins = self._instant(day, self._from)
            self._ends = self._day_ends if self._until == DAY_SECONDS else self._instant(day, self._until)

    def _instant(self, day: date, seconds: int) -> int:
        clock = time(seconds // 3600, seconds // 60 % 60, seconds % 60, tzinfo=self._zone)
        return timegm(datetime.combine(day, clock).utctimetuple()) * _SECOND
