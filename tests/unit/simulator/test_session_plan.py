"""The timetable of a venue's day from the dated session rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exchanges.api import Phase, Trust
from exchanges.calendar import CalendarError
from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.reference import load_rule_file
from exchanges.registry import registry
from exchanges.simulator.session_plan import SessionEvent, SessionStep, session_plan

CAIRO, ABU_DHABI = ZoneInfo("Africa/Cairo"), ZoneInfo("Asia/Dubai")
NORMAL, RAMADAN = date(2026, 11, 25), date(2026, 3, 1)
ENTER, UNCROSS, CLOSE = SessionStep.ENTER_PHASE, SessionStep.UNCROSS, SessionStep.CLOSE


def rules_of(exchange: str) -> tuple[DatedRule, ...]:
    return load_rule_file(registry().get(exchange).rules_path).rules


def rule(kind: RuleKind, scope: str = "", **value: Any) -> DatedRule:
    return DatedRule(
        kind=kind,
        scope=scope,
        valid_from=None,
        valid_to=None,
        value=value,
        label=f"a row of {kind}",
        trust=Trust.VERIFIED,
        sources=(),
        active=True,
    )


def session(*phases: dict[str, str]) -> list[DatedRule]:
    return [
        rule(RuleKind.TIME_ZONE, zone="Africa/Cairo"),
        rule(RuleKind.WEEKDAYS, days=[1, 2, 3, 4, 5, 6, 7]),
        rule(RuleKind.SESSION, "normal", phases=list(phases)),
    ]


def phase(name: str, start: str, end: str, **more: str) -> dict[str, str]:
    return {"phase": name, "start": start, "end": end, **more}


def told(events: tuple[SessionEvent, ...], zone: ZoneInfo) -> list[tuple[str, SessionStep, Phase]]:
    """Wall time to the minute, step and phase."""
    return [
        (datetime.fromtimestamp(event.at // 1_000_000_000, zone).strftime("%H:%M"), event.step, event.phase) for event in events
    ]


def test_a_day_at_adx_has_both_auctions_and_trade_at_last() -> None:
    assert told(session_plan(rules_of("ADX"), NORMAL, "s"), ABU_DHABI) == [
        ("09:30", ENTER, Phase.PRE_OPEN),
        ("10:00", UNCROSS, Phase.PRE_OPEN),
        ("10:00", ENTER, Phase.CONTINUOUS),
        ("14:45", ENTER, Phase.CLOSING_AUCTION),
        ("14:55", UNCROSS, Phase.CLOSING_AUCTION),
        ("14:55", ENTER, Phase.TRADE_AT_LAST),
        ("15:00", CLOSE, Phase.CLOSED),
    ]


def test_in_ramadan_egx_ends_its_closing_call_at_a_random_time_and_takes_nothing_until_trade_at_last() -> None:
    events = told(session_plan(rules_of("EGX"), RAMADAN, "s"), CAIRO)
    assert [(step, one) for _, step, one in events] == [
        (ENTER, Phase.PRE_OPEN),
        (UNCROSS, Phase.PRE_OPEN),
        (ENTER, Phase.CONTINUOUS),
        (ENTER, Phase.CLOSING_AUCTION),
        (UNCROSS, Phase.CLOSING_AUCTION),
        (ENTER, Phase.CLOSED),
        (ENTER, Phase.TRADE_AT_LAST),
        (CLOSE, Phase.CLOSED),
    ]
    assert events[4][0] == events[5][0]
    assert [at for at, _, _ in events if at not in (events[4][0],)] == ["09:30", "10:00", "10:00", "13:15", "13:25", "13:30"]


def test_the_random_end_lies_in_its_window_follows_the_seed_and_differs_between_days() -> None:
    rules = rules_of("EGX")
    drawn = {}
    for seed in range(200):
        events = session_plan(rules, RAMADAN, str(seed))
        assert events == session_plan(rules, RAMADAN, str(seed))
        end = next(event.at for event in events if (event.step, event.phase) == (UNCROSS, Phase.CLOSING_AUCTION))
        assert end % 1_000_000 == 0
        drawn[seed] = end
    window = [int(datetime(2026, 3, 1, 13, minute, tzinfo=CAIRO).timestamp()) * 1_000_000_000 for minute in (23, 24, 25)]
    assert all(window[0] <= end <= window[2] for end in drawn.values())
    assert 60 < sum(end < window[1] for end in drawn.values()) < 140
    assert len(set(drawn.values())) > 190
    other = session_plan(rules, date(2026, 3, 2), "0")
    following = next(event.at for event in other if (event.step, event.phase) == (UNCROSS, Phase.CLOSING_AUCTION))
    assert (following - drawn[0]) % (24 * 3_600 * 1_000_000_000) != 0


def test_without_a_verified_opening_call_the_day_begins_continuous() -> None:
    events = session_plan(rules_of("EGX"), NORMAL, "s")
    assert (events[0].step, events[0].phase) == (ENTER, Phase.CONTINUOUS)
    assert [event.phase for event in events if event.step is UNCROSS] == [Phase.CLOSING_AUCTION]


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 1, 7)])
def test_a_weekend_and_a_closure_have_no_timetable(day: date) -> None:
    assert session_plan(rules_of("EGX"), day, "s") == ()


def test_two_parts_of_the_opening_call_have_one_uncross_and_a_gap_is_closed() -> None:
    rules = session(
        phase("PRE_OPEN", "09:00", "09:30"),
        phase("OPENING_AUCTION", "09:30", "10:00", random_end_from="09:58", random_end_to="09:58"),
        phase("CONTINUOUS", "10:00", "12:00"),
        phase("CLOSING_AUCTION", "13:00", "13:10"),
    )
    assert told(session_plan(rules, NORMAL, "s"), CAIRO) == [
        ("09:00", ENTER, Phase.PRE_OPEN),
        ("09:30", ENTER, Phase.OPENING_AUCTION),
        ("09:58", UNCROSS, Phase.OPENING_AUCTION),
        ("09:58", ENTER, Phase.CLOSED),
        ("10:00", ENTER, Phase.CONTINUOUS),
        ("12:00", ENTER, Phase.CLOSED),
        ("13:00", ENTER, Phase.CLOSING_AUCTION),
        ("13:10", UNCROSS, Phase.CLOSING_AUCTION),
        ("13:10", CLOSE, Phase.CLOSED),
    ]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (phase("CLOSING_AUCTION", "13:00", "13:10", random_end_from="13:05"), "random_end_from and random_end_to as HH:MM"),
        (phase("CLOSING_AUCTION", "13:00", "13:10", random_end_from="soon", random_end_to="13:10"), "as HH:MM"),
        (phase("CLOSING_AUCTION", "13:00", "13:10", random_end_from="13:05", random_end_to="13:11"), "lies in an auction call"),
        (phase("CLOSING_AUCTION", "13:00", "13:10", random_end_from="13:09", random_end_to="13:08"), "lies in an auction call"),
        (phase("CONTINUOUS", "13:00", "13:10", random_end_from="13:08", random_end_to="13:09"), "lies in an auction call"),
    ],
)
def test_a_random_end_that_makes_no_sense_is_refused(call: dict[str, str], message: str) -> None:
    with pytest.raises(CalendarError, match=f"a row of session: .*{message}"):
        session_plan(session(call), NORMAL, "s")
