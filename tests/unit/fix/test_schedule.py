"""Hours of a session: time zone, change of the hour, nights and weekends, and what a session does at their borders."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from exchanges.fix.schedule import SessionSchedule
from tests.unit.fix.harness import Counterparty, EchoApplication, new_session

CAIRO = ZoneInfo("Africa/Cairo")
SUNDAY_TO_THURSDAY = frozenset({6, 0, 1, 2, 3})
DAY = SessionSchedule(time(9, 0), time(15, 30), CAIRO, SUNDAY_TO_THURSDAY)
NIGHT = SessionSchedule(time(22, 0), time(4, 0), CAIRO, frozenset({3}))
LOGON = "35=A|34=1|98=0|108=30"
ORDER = "11=1|40=1|54=1|55=COMI|60=20260302-09:30:00"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("schedule", "now", "start"),
    [
        (DAY, "2026-03-02T06:59:59", None),  # Monday 08:59:59, winter time of Cairo is UTC+2
        (DAY, "2026-03-02T07:00:00", "2026-03-02T07:00:00"),
        (DAY, "2026-03-02T13:29:59", "2026-03-02T07:00:00"),
        (DAY, "2026-03-02T13:30:00", None),
        (DAY, "2026-03-06T10:00:00", None),  # Friday
        (DAY, "2026-06-01T06:00:00", "2026-06-01T06:00:00"),  # summer time: an hour earlier by UTC
        (NIGHT, "2026-03-05T20:00:00", "2026-03-05T20:00:00"),  # Thursday 22:00
        (NIGHT, "2026-03-06T01:59:59", "2026-03-05T20:00:00"),  # Friday 03:59:59
        (NIGHT, "2026-03-06T02:00:00", None),
        (NIGHT, "2026-03-06T20:00:00", None),  # Friday night does not begin a period
        (SessionSchedule(time(6), time(6), CAIRO), "2026-03-06T03:59:59", "2026-03-05T04:00:00"),
        (SessionSchedule(time(6), time(6), CAIRO), "2026-03-06T04:00:00", "2026-03-06T04:00:00"),
    ],
)
def test_a_moment_belongs_to_the_period_that_began_last_or_to_none(schedule: SessionSchedule, now: str, start: str | None) -> None:
    assert schedule.period_start(ns(now)) == (None if start is None else ns(start))


def test_a_period_over_the_change_of_the_hour_ends_by_the_clock_on_the_wall() -> None:
    # On Friday 2026-04-24 at 00:00 the clocks of Cairo go to 01:00.
    night = SessionSchedule(time(22, 0), time(4, 0), CAIRO)
    assert night.period_start(ns("2026-04-24T00:59:59")) == ns("2026-04-23T20:00:00")
    assert night.period_start(ns("2026-04-24T01:00:00")) is None


def test_weekdays_are_checked() -> None:
    with pytest.raises(ValueError, match="0 to 6"):
        SessionSchedule(time(9), time(10), CAIRO, frozenset({7}))


def scheduled(now: str) -> tuple[Counterparty, EchoApplication]:
    _, counterparty, application = new_session("acceptor", reset_on_logon=False, schedule=DAY)
    counterparty.clock.time = datetime.fromisoformat(now).replace(tzinfo=UTC)
    return counterparty, application


def test_a_connection_outside_the_hours_is_closed_without_a_word() -> None:
    counterparty, application = scheduled("2026-03-02T06:00:00")
    counterparty.connect()
    counterparty.hears_nothing()
    assert counterparty.wire.closed
    assert application.events == []


def test_at_the_end_of_the_hours_the_session_logs_out() -> None:
    counterparty, application = scheduled("2026-03-02T13:29:59")
    counterparty.connect()
    counterparty.says(LOGON)
    counterparty.hears(LOGON)
    counterparty.wait(1)
    counterparty.hears("35=5|34=2|58=The hours of the session are over")
    counterparty.says("35=5|34=2")
    assert counterparty.wire.closed
    assert application.events == ["logon", "logout"]


def test_numbers_go_on_within_a_period_and_start_anew_with_the_next() -> None:
    counterparty, _ = scheduled("2026-03-02T08:00:00")
    counterparty.connect()
    counterparty.says(LOGON)
    counterparty.hears(LOGON)
    counterparty.says(f"35=D|34=2|{ORDER}")
    counterparty.hears(f"35=D|34=2|{ORDER}")
    counterparty.session.disconnected()
    counterparty.clock.time += timedelta(hours=1)
    counterparty.connect()
    counterparty.says("35=A|34=3|98=0|108=30")
    counterparty.hears("35=A|34=3|98=0|108=30")
    counterparty.session.disconnected()
    counterparty.clock.time += timedelta(days=1)
    counterparty.connect()
    counterparty.says(LOGON)
    counterparty.hears(LOGON)
    assert [number for number, _ in counterparty.session.store.outgoing(1, 99)] == [1]
