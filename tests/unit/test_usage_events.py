"""Which usage events can be counted, and when two of them say the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from licensing.metering.events import Rejection, ReportedUsage, body_hash, rejection_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EVENT = ReportedUsage(source="worker-1", event_id="7", meter="orders", quantity=1, event_time=NOW)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"quantity": "1.000000001"}, None),
        ({"event_time": NOW + timedelta(minutes=5)}, None),
        ({"event_time": datetime(2020, 1, 1, tzinfo=UTC)}, None),
        ({"quantity": "-1", "corrects": "6"}, None),
        ({"source": ""}, Rejection.SOURCE_INVALID),
        ({"source": "a" * 65}, Rejection.SOURCE_INVALID),
        ({"event_id": "line\nbreak"}, Rejection.EVENT_ID_INVALID),
        ({"event_id": 7}, Rejection.EVENT_ID_INVALID),
        ({"meter": "dreams"}, Rejection.METER_UNKNOWN),
        ({"quantity": 1.5}, Rejection.QUANTITY_NOT_DECIMAL),
        ({"quantity": True}, Rejection.QUANTITY_NOT_DECIMAL),
        ({"quantity": "many"}, Rejection.QUANTITY_NOT_DECIMAL),
        ({"quantity": "NaN"}, Rejection.QUANTITY_NOT_DECIMAL),
        ({"quantity": Decimal("Infinity")}, Rejection.QUANTITY_NOT_DECIMAL),
        ({"quantity": "1E+19"}, Rejection.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "1E-10"}, Rejection.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "1." + "0" * 40 + "1"}, Rejection.QUANTITY_OUT_OF_RANGE),
        ({"quantity": "-1"}, Rejection.QUANTITY_NEGATIVE),
        ({"event_time": NOW.replace(tzinfo=None)}, Rejection.EVENT_TIME_INVALID),
        ({"event_time": NOW + timedelta(minutes=5, microseconds=1)}, Rejection.EVENT_TIME_IN_FUTURE),
        ({"corrects": ""}, Rejection.CORRECTED_EVENT_UNKNOWN),
    ],
)
def test_an_event_is_counted_or_rejected_for_one_named_reason(changes: dict[str, object], expected: Rejection | None) -> None:
    assert rejection_of(replace(EVENT, **changes), now=NOW) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "1.000"},
        {"quantity": Decimal("1E0")},
        {"event_time": NOW.astimezone(timezone(timedelta(hours=4)))},
    ],
)
def test_two_spellings_of_one_event_are_one_body(changes: dict[str, object]) -> None:
    assert body_hash(replace(EVENT, **changes)) == body_hash(EVENT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 2},
        {"meter": "api_calls"},
        {"event_time": NOW + timedelta(microseconds=1)},
        {"corrects": "6"},
    ],
)
def test_any_other_content_is_another_body(changes: dict[str, object]) -> None:
    assert body_hash(replace(EVENT, **changes)) != body_hash(EVENT)  # type: ignore[arg-type]
