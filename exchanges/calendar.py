"""Trading calendars: dated rows in, UTC intervals of session phases out.

Pure. Local times become UTC through the IANA time zone of the day, so clock changes are right.
Which session table holds on a day: ``demo`` if an active row says so (it replaces the calendar,
closures and weekends included), else ``ramadan`` on the days of a Ramadan row, else ``normal``.
An emergency row cuts its time out of whatever table holds, the demonstration's included.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exchanges.api import Phase
from exchanges.dated_rules import DatedRule, RuleError, RuleKind, rule_on, rules_on

DEMO_TABLE = "demo"
RAMADAN_TABLE = "ramadan"
NORMAL_TABLE = "normal"


class CalendarError(RuleError):
    """The rows do not make a calendar; the message names the day and the rows."""


class IntervalLike(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def end(self) -> int: ...


IntervalT = TypeVar("IntervalT", bound=IntervalLike)


@dataclass(frozen=True, slots=True)
class PhaseInterval:
    """A half-open interval [start, end), in nanoseconds UTC, in which ``phase`` holds."""

    start: int
    end: int
    phase: Phase
    label: str
    """The dated row it comes from."""


@dataclass(frozen=True, slots=True)
class LocalPhase:
    """A phase of a day in local wall time; ``end`` is ``None`` for midnight at the day's end."""

    phase: Phase
    start: time
    end: time | None
    label: str


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What a day is: its phases in order, or none and the reason why."""

    day: date
    phases: tuple[LocalPhase, ...]
    reason: str
    """The table in force, or why there is no session."""
    stops: tuple[LocalPhase, ...] = ()
    """Emergency closures of the day; what they cover is no longer in ``phases``."""
    rules: tuple[DatedRule, ...] = ()
    """The rows that decide: the table's, or the one that closes the day; emergencies last."""


def time_zone_on(rules: Sequence[DatedRule], day: date) -> ZoneInfo:
    """Return the exchange's time zone. Raises ``CalendarError`` when no row names a known one."""
    rule = rule_on(rules, day, RuleKind.TIME_ZONE)
    if rule is None:
        raise CalendarError(f"no time zone holds on {day}")
    try:
        return ZoneInfo(rule.value["zone"])
    except (KeyError, ValueError, ZoneInfoNotFoundError) as error:
        raise CalendarError(f"{rule.label}: no known time zone in {dict(rule.value)}") from error


def plan_day(rules: Sequence[DatedRule], day: date) -> DayPlan:
    """Return the phases of ``day`` in local time. Raises ``CalendarError`` when the rows collide."""
    plan = _regular_day(rules, day)
    emergencies = tuple(rules_on(rules, day, RuleKind.EMERGENCY))
    stops = _stops(emergencies, day)
    if not stops:
        return plan
    phases = plan.phases
    for stop in stops:
        phases = tuple(piece for local in phases for piece in _outside(local, stop))
    closed = bool(plan.phases) and not phases
    return DayPlan(day, phases, stops[0].label if closed else plan.reason, stops, plan.rules + emergencies)


def _regular_day(rules: Sequence[DatedRule], day: date) -> DayPlan:
    sessions = rules_on(rules, day, RuleKind.SESSION)
    demo = _table(sessions, DEMO_TABLE)
    if demo:
        return _session_day(day, demo)
    closures = rules_on(rules, day, RuleKind.CLOSURE)
    if closures:
        return DayPlan(day, (), closures[0].label, rules=tuple(closures))
    weekdays = rule_on(rules, day, RuleKind.WEEKDAYS)
    if weekdays is None:
        return DayPlan(day, (), "no trading week is known for this day")
    if day.isoweekday() not in weekdays.value["days"]:
        return DayPlan(day, (), "weekend", rules=(weekdays,))
    ramadan = rules_on(rules, day, RuleKind.RAMADAN)
    if ramadan and (table := _table(sessions, RAMADAN_TABLE)):
        return _session_day(day, table, *ramadan)
    if table := _table(sessions, NORMAL_TABLE):
        return _session_day(day, table)
    return DayPlan(day, (), "no session hours are known for this day")


def _session_day(day: date, table: list[DatedRule], *because: DatedRule) -> DayPlan:
    return DayPlan(day, _local_phases(table, day), table[0].label, rules=(*table, *because))


def compile_intervals(rules: Sequence[DatedRule], from_day: date, days: int) -> tuple[PhaseInterval, ...]:
    """Return the phase intervals of ``days`` days from ``from_day`` on, in order, without overlap.

    Neighbours of the same phase and row that touch become one interval. An emergency closure is an interval of the phase
    ``CLOSED``, so that its label says why. Raises ``CalendarError``.
    """
    intervals: list[PhaseInterval] = []
    for offset in range(days):
        day = from_day + timedelta(days=offset)
        plan = plan_day(rules, day)
        if not (plan.phases or plan.stops):
            continue
        zone = time_zone_on(rules, day)
        for local in sorted((*plan.phases, *plan.stops), key=lambda local: local.start):
            start = _utc_nanoseconds(day, local.start, zone)
            end = (
                _utc_nanoseconds(day + timedelta(days=1), time(), zone)
                if local.end is None
                else _utc_nanoseconds(day, local.end, zone)
            )
            if end <= start:
                continue  # the clock jumped over the whole phase
            last = intervals[-1] if intervals else None
            if last and last.end > start:
                raise CalendarError(f"{day}: {local.label} {local.phase} begins before {last.label} {last.phase} ends")
            if last and (last.end, last.phase, last.label) == (start, local.phase, local.label):
                intervals[-1] = PhaseInterval(last.start, end, last.phase, last.label)
            else:
                intervals.append(PhaseInterval(start, end, local.phase, local.label))
    return tuple(intervals)


def interval_at(intervals: Sequence[IntervalT], now_ns: int) -> IntervalT | None:
    """Return the interval that holds at ``now_ns`` (nanoseconds UTC), or ``None`` when closed."""
    index = bisect_right(intervals, now_ns, key=lambda interval: interval.start) - 1
    if index >= 0 and now_ns < intervals[index].end:
        return intervals[index]
    return None


def phase_at(intervals: Sequence[PhaseInterval], now_ns: int) -> Phase:
    """Return the phase at ``now_ns``; ``Phase.CLOSED`` outside all intervals."""
    interval = interval_at(intervals, now_ns)
    return Phase.CLOSED if interval is None else interval.phase


def validate_session(rule: DatedRule) -> None:
    """Raise ``CalendarError`` when a session row's phases are malformed or overlap."""
    _local_phases([rule], rule.valid_from or rule.valid_to or date(2000, 1, 1))


def validate_emergency(rule: DatedRule) -> None:
    """Raise ``CalendarError`` unless an emergency row has both days and ends after it begins."""
    if rule.valid_from is None or rule.valid_to is None:
        raise CalendarError(f"{rule.label}: an emergency closure has a first and a last day")
    begins, ends = _stop_times(rule, rule.valid_from)
    if rule.valid_from == rule.valid_to and ends is not None and ends <= begins:
        raise CalendarError(f"{rule.label}: ends at {ends}, not after it begins at {begins}")


def validate_calendar(rules: Sequence[DatedRule]) -> None:
    """Raise ``CalendarError`` when the parts of a session table overlap on any day.

    The rows in force change only where a row starts or has ended, so those days stand for all others.
    """
    sessions = [rule for rule in rules if rule.active and rule.kind is RuleKind.SESSION]
    days = {date.min}
    for rule in sessions:
        if rule.valid_from is not None:
            days.add(rule.valid_from)
        if rule.valid_to is not None and rule.valid_to < date.max:
            days.add(rule.valid_to + timedelta(days=1))
    for day in sorted(days):
        in_force = rules_on(sessions, day, RuleKind.SESSION)
        for table in sorted({rule.scope.partition(":")[0] for rule in in_force}):
            _local_phases(_table(in_force, table), day)


def _stops(emergencies: Sequence[DatedRule], day: date) -> tuple[LocalPhase, ...]:
    """The emergency closures of a day in order, those that overlap as one."""
    stops: list[LocalPhase] = []
    for rule in emergencies:
        begins, ends = _stop_times(rule, day)
        if ends is None or begins < ends:
            stops.append(LocalPhase(Phase.CLOSED, begins, ends, rule.label))
    stops.sort(key=lambda stop: stop.start)
    merged: list[LocalPhase] = []
    for stop in stops:
        last = merged[-1] if merged else None
        if last is None or (last.end is not None and last.end < stop.start):
            merged.append(stop)
        elif last.end is not None and (stop.end is None or stop.end > last.end):
            merged[-1] = replace(last, end=stop.end)
    return tuple(merged)


def _stop_times(rule: DatedRule, day: date) -> tuple[time, time | None]:
    """From when until when of ``day``; ``None`` is the day's end."""
    try:
        since = time.fromisoformat(rule.value.get("since", "00:00"))
        until = rule.value.get("until")
        return (
            since if day == rule.valid_from else time(),
            time.fromisoformat(until) if until is not None and day == rule.valid_to else None,
        )
    except (TypeError, ValueError) as error:
        raise CalendarError(f"{rule.label}: since and until are HH:MM or HH:MM:SS ({error})") from error


def _outside(local: LocalPhase, stop: LocalPhase) -> Iterator[LocalPhase]:
    """What of a phase a stop leaves: nothing, one piece or two."""
    if local.start < stop.start:
        ends_before = local.end is not None and local.end <= stop.start
        yield replace(local, end=local.end if ends_before else stop.start)
        if ends_before:
            return
    if stop.end is not None and (local.end is None or local.end > stop.end):
        yield replace(local, start=max(local.start, stop.end))


def _table(sessions: list[DatedRule], name: str) -> list[DatedRule]:
    """The rows of a session table: the one of that scope and its parts (``name:part``), which may
    differ in trust. The table itself comes first, as it gives its label to the day."""
    rows = [rule for rule in sessions if rule.scope.partition(":")[0] == name]
    return sorted(rows, key=lambda rule: rule.scope)


def _local_phases(rows: list[DatedRule], day: date) -> tuple[LocalPhase, ...]:
    phases: list[LocalPhase] = []
    for row in rows:
        try:
            phases.extend(_local_phase(entry, row.label) for entry in row.value["phases"])
        except (KeyError, TypeError, ValueError) as error:
            raise CalendarError(f"{row.label}: a phase has phase, start and end as HH:MM ({error})") from error
    phases.sort(key=lambda local: local.start)
    for local in phases:
        if local.end is not None and local.end <= local.start:
            raise CalendarError(f"{local.label}: {local.phase} ends before it starts")
    for earlier, later in pairwise(phases):
        if earlier.end is None or earlier.end > later.start:
            raise CalendarError(f"{day}: {earlier.phase} of {earlier.label!r} and {later.phase} of {later.label!r} overlap")
    return tuple(phases)


def _local_phase(entry: Mapping[str, str], label: str) -> LocalPhase:
    end = entry["end"]
    return LocalPhase(
        phase=Phase(entry["phase"]),
        start=time.fromisoformat(entry["start"]),
        end=None if end == "24:00" else time.fromisoformat(end),
        label=label,
    )


def _utc_nanoseconds(day: date, local: time, zone: ZoneInfo) -> int:
    """A wall time that the clock skips is the instant of the jump; one that it shows twice is the first of the two."""
    early = datetime.combine(day, local, tzinfo=zone)
    moment = early.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != early.replace(tzinfo=None):
        moment = _jump_before(moment, early.replace(fold=1).astimezone(UTC), zone)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000


def _jump_before(after: datetime, before: datetime, zone: ZoneInfo) -> datetime:
    """Return the minute at which the offset of ``zone`` becomes that of ``after``, searching from ``before``."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > timedelta(minutes=1):
        middle = before + (after - before) // timedelta(minutes=2) * timedelta(minutes=1)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after
