"""An emergency cuts its time out of the day, whatever table holds, and moves what settles later."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from exchanges.adx.plugin import plugin as adx
from exchanges.api import Phase, Trust
from exchanges.calendar import CalendarError, compile_intervals, phase_at, plan_day
from exchanges.dated_rules import DatedRule, RuleError, RuleKind
from exchanges.egx.plugin import plugin as egx
from exchanges.reference import load_demo_market, load_rule_file, validate_value
from exchanges.settlement import is_trading_day, settlement_date

EGX, ADX = load_rule_file(egx.rules_path).rules, load_rule_file(adx.rules_path).rules
DEMO = tuple(rule for exchange, rule in load_demo_market().rules if exchange == "EGX")
WEDNESDAY, THURSDAY, SUNDAY, MONDAY = date(2026, 11, 25), date(2026, 11, 26), date(2026, 11, 29), date(2026, 11, 30)


def emergency(first: date, last: date | None = None, since: str = "00:00", until: str | None = None, **changes: Any) -> DatedRule:
    value = {"reason": "fire", "since": since, "until": until}
    row = DatedRule(
        kind=RuleKind.EMERGENCY, scope=since, valid_from=first, valid_to=last or first, value=value, label="closed: fire",
        trust=Trust.SINGLE_SOURCE, sources=("operator",), active=True,
    )  # fmt: skip
    return replace(row, **changes)


def phases(rules: tuple[DatedRule, ...], day: date) -> list[str]:
    return [f"{each.phase} {each.start:%H:%M}-{each.end:%H:%M}" for each in plan_day(rules, day).phases if each.end]


def test_a_session_is_cut_where_the_emergency_begins_and_the_day_still_counts() -> None:
    rules = (*EGX, emergency(WEDNESDAY, since="11:42:10"))
    plan = plan_day(rules, WEDNESDAY)
    assert phases(rules, WEDNESDAY) == ["CONTINUOUS 10:00-11:42"]
    assert (plan.reason, [stop.label for stop in plan.stops]) == ("EGX normal hours", ["closed: fire"])
    assert is_trading_day(rules, WEDNESDAY)
    intervals = compile_intervals(rules, WEDNESDAY, 1)
    assert [(each.phase, each.label) for each in intervals] == [
        (Phase.CONTINUOUS, "EGX normal hours"),
        (Phase.CLOSED, "closed: fire"),
    ]
    assert datetime.fromtimestamp(intervals[0].end // 10**9, UTC) == datetime(2026, 11, 25, 9, 42, 10, tzinfo=UTC)
    assert phase_at(intervals, intervals[0].end) is Phase.CLOSED


def test_reopened_within_a_phase_both_ends_of_it_are_left() -> None:
    rules = (*EGX, emergency(WEDNESDAY, since="11:00", until="12:30"))
    assert phases(rules, WEDNESDAY) == [
        "CONTINUOUS 10:00-11:00",
        "CONTINUOUS 12:30-14:15",
        "CLOSING_AUCTION 14:15-14:25",
        "TRADE_AT_LAST 14:25-14:30",
    ]


def test_emergencies_that_overlap_are_one_and_several_of_a_day_are_several() -> None:
    overlapping = (*EGX, emergency(WEDNESDAY, since="11:00", until="12:00"), emergency(WEDNESDAY, since="11:30", until="12:30"))
    apart = (*EGX, emergency(WEDNESDAY, since="10:30", until="11:00"), emergency(WEDNESDAY, since="13:00"))
    assert phases(overlapping, WEDNESDAY)[:2] == ["CONTINUOUS 10:00-11:00", "CONTINUOUS 12:30-14:15"]
    assert phases(apart, WEDNESDAY) == ["CONTINUOUS 10:00-10:30", "CONTINUOUS 11:00-13:00"]


def test_it_closes_the_demonstration_too_and_says_why() -> None:
    rules = (*EGX, *DEMO, emergency(WEDNESDAY, THURSDAY, since="15:00"))
    intervals = compile_intervals(rules, WEDNESDAY, 3)
    assert [(each.phase, each.label) for each in intervals] == [
        (Phase.CONTINUOUS, "DEMO: always open"),
        (Phase.CLOSED, "closed: fire"),
        (Phase.CONTINUOUS, "DEMO: always open"),
    ]
    assert intervals[1].end - intervals[1].start == 33 * 3_600 * 10**9
    assert plan_day(rules, THURSDAY).reason == "closed: fire"


def test_a_day_lost_to_an_emergency_moves_what_settles_over_it() -> None:
    assert settlement_date(EGX, WEDNESDAY) == SUNDAY
    lost = (*EGX, emergency(THURSDAY))
    assert settlement_date(lost, WEDNESDAY) == MONDAY
    assert not is_trading_day(lost, THURSDAY)
    assert settlement_date((*EGX, emergency(THURSDAY, since="12:00")), WEDNESDAY) == SUNDAY
    # What was re-dated for real: ADX on 2026-03-02 and 03.
    assert settlement_date(ADX, date(2026, 2, 27)) == date(2026, 3, 5)
    open_all_week = tuple(rule for rule in ADX if rule.valid_from != date(2026, 3, 2))
    assert settlement_date(open_all_week, date(2026, 2, 27)) == date(2026, 3, 3)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (emergency(WEDNESDAY, since="12:00", until="12:00"), "not after it begins"),
        (emergency(WEDNESDAY, valid_to=None), "a first and a last day"),
        (emergency(WEDNESDAY, value={"reason": "fire", "since": "25:00"}), "since"),
        (emergency(WEDNESDAY, value={"reason": "", "since": "12:00"}), "reason"),
    ],
)
def test_an_emergency_that_makes_no_sense_is_refused_by_name(row: DatedRule, problem: str) -> None:
    with pytest.raises(RuleError, match=problem) as refusal:
        validate_value(row)
    assert "closed: fire" in str(refusal.value)


def test_a_malformed_time_closes_nothing_silently() -> None:
    with pytest.raises(CalendarError, match="closed: fire"):
        plan_day((*EGX, emergency(WEDNESDAY, value={"reason": "x", "since": "noon"})), WEDNESDAY)
