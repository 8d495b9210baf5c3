"""When a session may be logged on, in its venue's time zone, and which period a moment belongs to: numbers last for one period."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from exchanges.fix.timestamps import NS_PER_SECOND

EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class SessionSchedule:
    """A period begins at `start` on each of `weekdays` (0 is Monday) and lasts until the next `end`.

    Both are local times of `zone`; an `end` at or before `start` is on the next day, so equal times are a session of a whole day.
    A period that begins on a listed day is whole, also where it ends on another.
    """

    start: time
    end: time
    zone: ZoneInfo
    weekdays: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= EVERY_DAY:
            raise ValueError(f"weekdays are numbers from 0 to 6, not {sorted(self.weekdays)}")

    def period_start(self, now: int) -> int | None:
        """Begin of the period that `now` lies in, ns UTC; None outside of every period."""
        moment = datetime.fromtimestamp(now // NS_PER_SECOND, UTC)
        today = moment.astimezone(self.zone).date()
        for day in (today, today - timedelta(days=1)):
            if day.weekday() not in self.weekdays:
                continue
            begin = datetime.combine(day, self.start, self.zone)
            last_day = day if self.end > self.start else day + timedelta(days=1)
            # Compared in UTC: between times of one zone Python compares the clock's face, which the change of the hour moves.
            if begin.astimezone(UTC) <= moment < datetime.combine(last_day, self.end, self.zone).astimezone(UTC):
                return int(begin.timestamp()) * NS_PER_SECOND
        return None
