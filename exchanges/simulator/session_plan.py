"""The timetable of a venue's day: when it enters a phase, when an auction call ends in its uncross, when it closes. Pure.

Where a dated session row has ``random_end_from`` and ``random_end_to``, the call ends at a time between the two that only the
venue's seed knows; the same seed gives the same time, so a venue that starts again in the middle of the day keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from exchanges.api import Phase
from exchanges.calendar import CalendarError, PhaseInterval, compile_intervals, time_zone_on
from exchanges.dated_rules import DatedRule, RuleKind, rules_on

CALLS: Final = frozenset({Phase.PRE_OPEN, Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION})
"""The phases that collect orders for an uncross."""

_OPENING_CALLS: Final = frozenset({Phase.PRE_OPEN, Phase.OPENING_AUCTION})
_MILLISECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SessionStep(Enum):
    """What the venue does at a time of its timetable."""

    ENTER_PHASE = "enter_phase"
    UNCROSS = "uncross"
    CLOSE = "close"


class SessionEvent(NamedTuple):
    """One line of the timetable, at ``at`` ns UTC.

    ``phase`` is the one entered, or the one whose call is uncrossed; after CLOSE it is CLOSED. Events of one time stand in the
    order in which they happen: the uncross before the phase that follows it.
    """

    at: int
    step: SessionStep
    phase: Phase
    label: str
    """The dated row it comes from."""


@dataclass(frozen=True, slots=True)
class RandomEnd:
    """The call that ends at ``call_end`` may end at any time from ``earliest`` to ``latest`` instead; ns UTC."""

    call_end: int
    earliest: int
    latest: int


def session_plan(rules: Sequence[DatedRule], day: date, seed: str) -> tuple[SessionEvent, ...]:
    """Return the timetable of ``day``; empty when there is no session. Raises ``CalendarError``."""
    intervals = compile_intervals(rules, day, 1)
    return session_events(intervals, random_ends(rules, day, intervals), f"{seed} {day.isoformat()}")


def session_events(intervals: Sequence[PhaseInterval], ends: Sequence[RandomEnd], seed: str) -> tuple[SessionEvent, ...]:
    """Return the timetable of the phases ``intervals`` of one day, in order.

    A call's last interval ends in an uncross; between a call that ended early and the next phase the phase is CLOSED, as it
    is in any gap: nothing is taken until the venue goes on.
    """
    random_of = {end.call_end: end for end in ends}
    events: list[SessionEvent] = []
    for number, interval in enumerate(intervals):
        following = intervals[number + 1] if number + 1 < len(intervals) else None
        events.append(SessionEvent(interval.start, SessionStep.ENTER_PHASE, interval.phase, interval.label))
        end = interval.end
        goes_on = following is not None and following.start == end
        same_call = goes_on and following is not None and interval.phase in _OPENING_CALLS and following.phase in _OPENING_CALLS
        if interval.phase in CALLS and not same_call:
            if interval.end in random_of:
                end = _drawn(random_of[interval.end], interval, seed)
            events.append(SessionEvent(end, SessionStep.UNCROSS, interval.phase, interval.label))
        if following is None:
            if end < interval.end:
                events.append(SessionEvent(end, SessionStep.ENTER_PHASE, Phase.CLOSED, interval.label))
            events.append(SessionEvent(interval.end, SessionStep.CLOSE, Phase.CLOSED, interval.label))
        elif not goes_on or end < interval.end:
            events.append(SessionEvent(end, SessionStep.ENTER_PHASE, Phase.CLOSED, interval.label))
    return tuple(events)


def random_ends(rules: Sequence[DatedRule], day: date, intervals: Sequence[PhaseInterval]) -> tuple[RandomEnd, ...]:
    """Return the random ends that the session rows of ``day`` give to its ``intervals``.

    Raises ``CalendarError`` when a row has half of a window, or one that does not lie in its phase.
    """
    found: list[RandomEnd] = []
    zone = time_zone_on(rules, day) if intervals else None
    for row in rules_on(rules, day, RuleKind.SESSION):
        for entry in row.value["phases"]:
            if zone is None or not {"random_end_from", "random_end_to"} & set(entry):
                continue
            start = _at(day, entry["start"], zone)
            for interval in intervals:
                # Neighbours of one phase and row are one interval, so the entry may begin inside it.
                if interval.start <= start < interval.end and (interval.phase, interval.label) == (entry["phase"], row.label):
                    found.append(_random_end(row.label, entry, day, zone, interval))
    return tuple(found)


def _random_end(label: str, entry: dict[str, str], day: date, zone: ZoneInfo, interval: PhaseInterval) -> RandomEnd:
    try:
        earliest, latest = _at(day, entry["random_end_from"], zone), _at(day, entry["random_end_to"], zone)
    except (KeyError, ValueError) as error:
        raise CalendarError(f"{label}: a random end has random_end_from and random_end_to as HH:MM ({error})") from error
    if interval.phase not in CALLS or not interval.start < earliest <= latest <= interval.end:
        raise CalendarError(f"{label}: the random end of {interval.phase} lies in an auction call, in order and before its end")
    return RandomEnd(interval.end, earliest, latest)


def _drawn(end: RandomEnd, interval: PhaseInterval, seed: str) -> int:
    """The same seed, phase and row give the same millisecond, on any machine."""
    digest = hashlib.sha256(f"{seed} {interval.phase} {interval.label}".encode()).digest()
    choices = (end.latest - end.earliest) // _MILLISECOND + 1
    return end.earliest + int.from_bytes(digest) % choices * _MILLISECOND


def _at(day: date, local: str, zone: ZoneInfo) -> int:
    moment = datetime.combine(day, time.fromisoformat(local), tzinfo=zone).astimezone(UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
