"""Phases of a day, closures, weeks and tables by date, from the plugins' own rows."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from exchanges.adx.plugin import plugin as adx
from exchanges.api import Phase, Trust
from exchanges.calendar import (
    CalendarError,
    compile_intervals,
    interval_at,
    phase_at,
    plan_day,
    validate_calendar,
)
from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.egx.plugin import plugin as egx
from exchanges.reference import load_demo_market, load_rule_file

EGX = load_rule_file(egx.rules_path).rules
ADX = load_rule_file(adx.rules_path).rules
DEMO = tuple(rule for exchange, rule in load_demo_market().rules if exchange == "EGX" and rule.kind is RuleKind.SESSION)


def nanoseconds(text: str) -> int:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000


def session(scope: str, *phases: tuple[str, str, str], valid_from: date | None = None) -> DatedRule:
    return DatedRule(
        kind=RuleKind.SESSION,
        scope=scope,
        valid_from=valid_from,
        valid_to=None,
        value={"phases": [{"phase": phase, "start": start, "end": end} for phase, start, end in phases]},
        label=f"test {scope}",
        trust=Trust.SINGLE_SOURCE,
        sources=(),
        active=True,
    )


def test_egx_trades_by_cairo_winter_time() -> None:
    intervals = compile_intervals(EGX, date(2026, 11, 22), 1)  # a Sunday
    assert [(interval.phase, interval.start) for interval in intervals] == [
        (Phase.CONTINUOUS, nanoseconds("2026-11-22T08:00")),
        (Phase.CLOSING_AUCTION, nanoseconds("2026-11-22T12:15")),
        (Phase.TRADE_AT_LAST, nanoseconds("2026-11-22T12:25")),
    ]
    assert intervals[-1].end == nanoseconds("2026-11-22T12:30")


def test_egx_trades_an_hour_earlier_in_utc_in_summer() -> None:
    (continuous, *_rest) = compile_intervals(EGX, date(2026, 6, 14), 1)
    assert continuous.start == nanoseconds("2026-06-14T07:00")


def test_the_unverified_pre_open_of_egx_does_not_act() -> None:
    assert Phase.PRE_OPEN not in {phase.phase for phase in plan_day(EGX, date(2026, 11, 22)).phases}
    activated = [replace(rule, active=True) if rule.scope == "normal:pre-open" else rule for rule in EGX]
    assert plan_day(activated, date(2026, 11, 22)).phases[0].phase is Phase.PRE_OPEN


def test_ramadan_shortens_the_egx_session_and_not_the_adx_session() -> None:
    assert plan_day(EGX, date(2026, 3, 1)).reason == "EGX Ramadan hours"
    assert f"{plan_day(EGX, date(2026, 3, 1)).phases[-1].end}" == "13:30:00"
    assert f"{plan_day(ADX, date(2026, 2, 27)).phases[-1].end}" == "15:00:00"


def test_adx_moved_its_week_to_monday_to_friday_in_2022() -> None:
    friday, sunday = date(2026, 11, 20), date(2026, 11, 22)
    assert plan_day(ADX, friday).phases
    assert plan_day(ADX, sunday).reason == "weekend"
    before = date(2021, 12, 31)  # a Friday
    assert plan_day(ADX, before).reason == "weekend"


def test_only_the_days_both_markets_share_overlap() -> None:
    week = [date(2026, 11, 22 + offset) for offset in range(7)]
    both = [day.isoweekday() for day in week if plan_day(EGX, day).phases and plan_day(ADX, day).phases]
    assert both == [1, 2, 3, 4]


@pytest.mark.parametrize("day", [date(2025, 7, 8), date(2026, 1, 1), date(2026, 1, 7)])
def test_egx_is_closed_on_announced_days(day: date) -> None:
    plan = plan_day(EGX, day)
    assert plan.phases == ()
    assert plan.reason.startswith("EGX closed")


def test_an_emergency_closure_of_adx_is_a_row_like_any_other() -> None:
    assert plan_day(ADX, date(2026, 3, 2)).reason == "ADX closed: emergency closure ordered by the regulator"


def test_an_unverified_closure_does_not_close_the_market() -> None:
    assert plan_day(EGX, date(2026, 4, 13)).phases


def test_the_demo_session_replaces_weekends_and_closures_and_only_while_it_is_active() -> None:
    saturday = date(2026, 11, 21)
    (interval,) = compile_intervals((*EGX, *DEMO), saturday, 5)
    assert interval.phase is Phase.CONTINUOUS
    assert interval.label == "DEMO: always open"
    assert interval.end - interval.start == 5 * 86_400 * 1_000_000_000
    off = tuple(replace(rule, active=False) for rule in DEMO)
    assert compile_intervals((*EGX, *off), saturday, 5) == compile_intervals(EGX, saturday, 5)


def test_a_day_on_which_clocks_change_is_covered_without_a_gap() -> None:
    for day, hours in ((date(2026, 4, 24), 23), (date(2026, 10, 29), 25)):
        (interval,) = compile_intervals((*EGX, *DEMO), day, 1)
        assert interval.end - interval.start == hours * 3_600 * 1_000_000_000
        (around,) = compile_intervals((*EGX, *DEMO), date(day.year, day.month, day.day - 1), 3)
        assert around.start < interval.start < interval.end < around.end


def test_a_phase_in_the_hour_that_the_clock_skips_is_left_out_and_its_neighbours_stay_whole() -> None:
    rows = [
        replace(EGX[0], value={"zone": "Europe/London"}),
        replace(EGX[1], value={"days": [7]}),
        session("normal", ("PRE_OPEN", "00:30", "01:20"), ("OPENING_AUCTION", "01:20", "01:40"), ("CONTINUOUS", "01:40", "03:00")),
    ]
    intervals = compile_intervals(rows, date(2026, 3, 29), 1)  # 01:00 becomes 02:00
    assert [(interval.phase, interval.start, interval.end) for interval in intervals] == [
        (Phase.PRE_OPEN, nanoseconds("2026-03-29T00:30"), nanoseconds("2026-03-29T01:00")),
        (Phase.CONTINUOUS, nanoseconds("2026-03-29T01:00"), nanoseconds("2026-03-29T02:00")),
    ]


def test_the_phase_at_an_instant_is_found_and_borders_belong_to_the_later_phase() -> None:
    intervals = compile_intervals(EGX, date(2026, 11, 22), 1)
    assert phase_at(intervals, nanoseconds("2026-11-22T07:59:59")) is Phase.CLOSED
    assert phase_at(intervals, nanoseconds("2026-11-22T08:00")) is Phase.CONTINUOUS
    assert phase_at(intervals, nanoseconds("2026-11-22T12:15")) is Phase.CLOSING_AUCTION
    assert phase_at(intervals, nanoseconds("2026-11-22T12:30")) is Phase.CLOSED
    assert interval_at((), 0) is None


def test_overlapping_phases_are_refused_by_name() -> None:
    rows = [session("normal", ("CONTINUOUS", "10:00", "14:00"), ("CLOSING_AUCTION", "13:50", "14:10"))]
    with pytest.raises(CalendarError, match="CONTINUOUS of 'test normal' and CLOSING_AUCTION of 'test normal' overlap"):
        validate_calendar(rows)


def test_parts_of_a_table_that_collide_only_on_a_later_day_are_refused() -> None:
    rows = [
        session("normal", ("CONTINUOUS", "10:00", "14:00")),
        session("normal:pre-open", ("PRE_OPEN", "09:30", "10:30"), valid_from=date(2030, 1, 1)),
    ]
    with pytest.raises(CalendarError, match="2030-01-01"):
        validate_calendar(rows)


@pytest.mark.parametrize("phase", [("CONTINUOUS", "14:00", "10:00"), ("CONTINUOUS", "10:00", "25:00"), ("LUNCH", "10:00", "11:00")])
def test_a_malformed_phase_is_refused(phase: tuple[str, str, str]) -> None:
    with pytest.raises(CalendarError, match="test normal"):
        validate_calendar([session("normal", phase)])


def test_a_day_without_any_rows_is_closed_and_says_why() -> None:
    assert plan_day((), date(2026, 11, 22)).reason == "no trading week is known for this day"
    assert compile_intervals((), date(2026, 11, 22), 7) == ()
