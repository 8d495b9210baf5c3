"""Whatever the rows say, a calendar is in order; whatever the price, a limit is inside."""

from datetime import date, timedelta
from itertools import pairwise

from hypothesis import assume, given
from hypothesis import strategies as st

from exchanges.adx.plugin import plugin as adx
from exchanges.api import Phase, Trust
from exchanges.calendar import compile_intervals, interval_at, phase_at, plan_day, validate_calendar
from exchanges.dated_rules import DatedRule, RuleKind
from exchanges.egx.plugin import plugin as egx
from exchanges.prices import (
    PriceLimit,
    TickBand,
    band_limits,
    is_on_tick,
    price_to_text,
    round_down_to_tick,
    round_up_to_tick,
    text_to_price,
)
from exchanges.reference import load_rule_file

MARKETS = (load_rule_file(egx.rules_path).rules, load_rule_file(adx.rules_path).rules)
ZONES = ("Africa/Cairo", "Asia/Dubai", "Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC")
TICKS = (
    TickBand(0, 1_000),
    TickBand(1_000_000, 10_000),
    TickBand(10_000_000, 20_000),
    TickBand(50_000_000, 50_000),
    TickBand(100_000_000, 100_000),
)
# Days on which one of the zones changes its clock, often: that is where intervals could cross.
CLOCK_CHANGES = (date(2026, 3, 8), date(2026, 3, 29), date(2026, 4, 5), date(2026, 4, 24), date(2026, 10, 4), date(2026, 10, 25))
DAYS = st.dates(min_value=date(2021, 1, 1), max_value=date(2028, 12, 31)) | st.sampled_from(CLOCK_CHANGES)


def rule(kind: RuleKind, value: dict[str, object], scope: str = "") -> DatedRule:
    return DatedRule(
        kind=kind,
        scope=scope,
        valid_from=None,
        valid_to=None,
        value=value,
        label=f"{kind} {scope}",
        trust=Trust.SINGLE_SOURCE,
        sources=(),
        active=True,
    )


@st.composite
def calendars(draw: st.DrawFn) -> list[DatedRule]:
    """Any zone, any week, any sequence of phases of a day, cut at distinct minutes, the last up to midnight."""
    cuts = sorted(draw(st.sets(st.integers(0, 24 * 60), min_size=2, max_size=9)))
    phases = [phase for phase in Phase if phase is not Phase.CLOSED]
    entries = [
        {"phase": draw(st.sampled_from(phases)).value, "start": _clock(start), "end": _clock(end)}
        for start, end in zip(cuts[::2], cuts[1::2], strict=False)
    ]
    return [
        rule(RuleKind.TIME_ZONE, {"zone": draw(st.sampled_from(ZONES))}),
        rule(RuleKind.WEEKDAYS, {"days": sorted(draw(st.sets(st.integers(1, 7), min_size=1)))}),
        rule(RuleKind.SESSION, {"phases": entries}, "normal"),
    ]


def _clock(minutes: int) -> str:
    return "24:00" if minutes == 24 * 60 else f"{minutes // 60:02d}:{minutes % 60:02d}"


@given(rules=calendars(), day=DAYS, days=st.integers(0, 40))
def test_intervals_are_in_order_and_never_overlap(rules: list[DatedRule], day: date, days: int) -> None:
    validate_calendar(rules)
    intervals = compile_intervals(rules, day, days)
    assert all(interval.start < interval.end for interval in intervals)
    for earlier, later in pairwise(intervals):
        assert earlier.end <= later.start


@given(rules=st.sampled_from(MARKETS), day=DAYS)
def test_a_closed_day_is_empty_and_an_open_day_is_not(rules: tuple[DatedRule, ...], day: date) -> None:
    assert bool(compile_intervals(rules, day, 1)) == bool(plan_day(rules, day).phases)


@given(rules=st.sampled_from(MARKETS), day=DAYS, days=st.integers(1, 30))
def test_a_range_of_days_is_its_days_one_after_the_other(rules: tuple[DatedRule, ...], day: date, days: int) -> None:
    together = compile_intervals(rules, day, days)
    apart = [interval for offset in range(days) for interval in compile_intervals(rules, day + timedelta(days=offset), 1)]
    assert list(together) == apart


@given(rules=calendars(), day=DAYS, moment=st.integers(-2 * 86_400, 9 * 86_400))
def test_the_phase_found_is_the_phase_of_the_only_interval_that_holds(rules: list[DatedRule], day: date, moment: int) -> None:
    intervals = compile_intervals(rules, day, 7)
    assume(intervals)
    now = intervals[0].start + moment * 1_000_000_000
    holding = [interval for interval in intervals if interval.start <= now < interval.end]
    assert len(holding) <= 1
    assert interval_at(intervals, now) == (holding[0] if holding else None)
    assert phase_at(intervals, now) == (holding[0].phase if holding else Phase.CLOSED)


@given(micros=st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_price_survives_its_text(micros: int) -> None:
    assert text_to_price(price_to_text(micros)) == micros


@given(price=st.integers(0, 10**12))
def test_rounding_to_a_tick_moves_less_than_a_tick_and_not_across_the_price(price: int) -> None:
    low, high = round_down_to_tick(price, TICKS), round_up_to_tick(price, TICKS)
    assert low <= price <= high
    assert is_on_tick(low, TICKS)
    assert is_on_tick(high, TICKS)
    assert high - low in (0, 1_000, 10_000, 20_000, 50_000, 100_000)


@given(reference=st.integers(1_000, 10**12), up=st.integers(0, 30_000), down=st.integers(0, 10_000))
def test_limits_lie_inside_the_exact_ones_and_on_tick(reference: int, up: int, down: int) -> None:
    low, high = band_limits(reference, PriceLimit(up_bp=up, down_bp=down), TICKS)
    assert high * 10_000 <= reference * (10_000 + up)
    assert low * 10_000 >= reference * (10_000 - down)
    assert is_on_tick(low, TICKS)
    assert is_on_tick(high, TICKS)
