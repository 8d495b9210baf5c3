"""Usage in a tenant's schema: counted once for ever, answered per item, never changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from licensing.catalogue import Meter
from licensing.metering.events import ItemStatus, Rejection, ReportedUsage
from licensing.metering.models import UsageConflict, UsageEvent
from licensing.metering.selectors import month_span, usage_by_day
from licensing.metering.services import BatchTooLarge, record_usage
from tenants.kernel.context import TenantNotSet
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOVEMBER = month_span(date(2026, 11, 5), "UTC")
FIRST = ReportedUsage(source="worker-1", event_id="1", meter="orders", quantity=1, event_time=NOW)
SECOND = replace(FIRST, event_id="2", quantity="2.5")


@pytest.fixture
def alpha(tenant_a: Tenant) -> Iterator[None]:
    with enter_for_command(tenant_a.slug):
        yield


def statuses(*events: ReportedUsage) -> list[ItemStatus]:
    return [result.status for result in record_usage(events=events, now=NOW)]


def total() -> Decimal:
    return sum(usage_by_day(NOVEMBER).get(Meter.ORDERS, {}).values(), Decimal(0))


@pytest.mark.django_db
@pytest.mark.usefixtures("alpha")
class TestOneTenant:
    def test_new_events_are_accepted_and_counted(self) -> None:
        assert statuses(FIRST, SECOND) == ["accepted", "accepted"]
        assert total() == Decimal("3.5")

    def test_sending_a_batch_again_changes_nothing(self) -> None:
        statuses(FIRST, SECOND)
        assert statuses(FIRST, SECOND) == ["duplicate", "duplicate"]
        assert statuses(SECOND, replace(FIRST, event_id="3")) == ["duplicate", "accepted"]
        assert total() == Decimal("4.5")

    def test_a_repetition_inside_a_batch_is_counted_once(self) -> None:
        assert statuses(FIRST, FIRST, replace(FIRST, quantity="1.0")) == ["accepted", "duplicate", "duplicate"]
        assert total() == Decimal(1)

    def test_another_body_under_a_known_id_is_a_conflict_and_kept_for_the_operator(self) -> None:
        statuses(FIRST)
        changed = replace(FIRST, quantity=7)
        assert statuses(changed) == ["conflict"]
        assert statuses(changed) == ["conflict"]
        assert total() == Decimal(1)
        assert [row.quantity for row in UsageConflict.objects.all()] == [Decimal(7)]

    def test_a_conflict_inside_a_batch_leaves_the_first_standing(self) -> None:
        assert statuses(FIRST, replace(FIRST, quantity=7)) == ["accepted", "conflict"]
        assert total() == Decimal(1)

    def test_one_bad_event_does_not_touch_the_others(self) -> None:
        results = record_usage(events=[FIRST, replace(FIRST, event_id="x", meter="dreams"), SECOND], now=NOW)
        assert [(each.status, each.reason) for each in results] == [
            (ItemStatus.ACCEPTED, None),
            (ItemStatus.REJECTED, Rejection.METER_UNKNOWN),
            (ItemStatus.ACCEPTED, None),
        ]

    def test_the_same_id_of_another_source_is_another_event(self) -> None:
        assert statuses(FIRST, replace(FIRST, source="worker-2")) == ["accepted", "accepted"]
        assert total() == Decimal(2)

    def test_a_correction_is_a_new_event_that_names_the_old_one(self) -> None:
        statuses(SECOND)
        correction = replace(FIRST, event_id="2-corrected", quantity="-2", corrects="2")
        assert statuses(correction) == ["accepted"]
        assert total() == Decimal("0.5")

    @pytest.mark.parametrize("changes", [{"corrects": "absent"}, {"corrects": "2c"}, {"meter": "api_calls"}])
    def test_a_correction_of_nothing_is_rejected(self, changes: dict[str, str]) -> None:
        statuses(SECOND)
        correction = replace(FIRST, event_id="2c", quantity="-2", corrects="2")
        results = record_usage(events=[replace(correction, **changes)], now=NOW)  # type: ignore[arg-type]
        assert results[0].reason is Rejection.CORRECTED_EVENT_UNKNOWN
        assert total() == Decimal("2.5")

    def test_a_correction_may_come_in_the_batch_of_its_original(self) -> None:
        assert statuses(replace(FIRST, event_id="c", quantity=-1, corrects="1"), FIRST) == ["accepted", "accepted"]
        assert total() == Decimal(0)

    def test_an_empty_batch_has_no_answers(self) -> None:
        assert record_usage(events=[], now=NOW) == []

    def test_a_batch_of_more_than_500_is_refused_whole(self) -> None:
        with pytest.raises(BatchTooLarge):
            record_usage(events=[replace(FIRST, event_id=str(number)) for number in range(501)], now=NOW)
        assert UsageEvent.objects.count() == 0

    def test_the_database_refuses_to_change_or_remove_usage(self) -> None:
        statuses(FIRST)
        statuses(replace(FIRST, quantity=7))
        for model in (UsageEvent, UsageConflict):
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                model.objects.update(quantity=0)
            with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
                model.objects.all().delete()
        assert total() == Decimal(1)

    def test_a_total_can_be_asked_as_of_an_earlier_recording(self) -> None:
        statuses(FIRST)
        record_usage(events=[SECOND], now=NOW + timedelta(hours=1))
        before = usage_by_day(NOVEMBER, as_of=NOW + timedelta(minutes=59))
        assert before == {Meter.ORDERS: {date(2026, 11, 23): Decimal(1)}}

    def test_an_event_belongs_to_the_day_of_the_billing_time_zone(self) -> None:
        late = replace(FIRST, event_time=datetime(2026, 10, 31, 21, 0, tzinfo=UTC))
        statuses(late)
        cairo = month_span(date(2026, 10, 1), "Africa/Cairo")
        # Cairo ends summer time on the last Friday of October: on the 31st it is two hours ahead.
        assert cairo.end == datetime(2026, 10, 31, 22, 0, tzinfo=UTC)
        assert usage_by_day(cairo) == {Meter.ORDERS: {date(2026, 10, 31): Decimal(1)}}
        dubai = month_span(date(2026, 11, 1), "Asia/Dubai")
        assert dubai.start == datetime(2026, 10, 31, 20, 0, tzinfo=UTC)
        assert usage_by_day(dubai) == {Meter.ORDERS: {date(2026, 11, 1): Decimal(1)}}

    def test_a_batch_that_a_failing_caller_rolls_back_was_never_recorded(self) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            statuses(FIRST)
            raise RuntimeError
        assert statuses(FIRST) == ["accepted"]


@pytest.mark.django_db
def test_usage_of_one_tenant_is_not_seen_by_another(tenant_a: Tenant, tenant_b: Tenant) -> None:
    with enter_for_command(tenant_a.slug):
        assert statuses(FIRST) == ["accepted"]
    with enter_for_command(tenant_b.slug):
        assert total() == Decimal(0)
        assert statuses(FIRST) == ["accepted"]


@pytest.mark.django_db
def test_usage_without_a_tenant_is_refused() -> None:
    with platform_scope(), pytest.raises(TenantNotSet):
        record_usage(events=[FIRST], now=NOW)
    with platform_scope(), pytest.raises(TenantNotSet):
        usage_by_day(NOVEMBER)


@pytest.mark.django_db(transaction=True)
def test_two_senders_of_one_batch_count_it_once(tenant_a: Tenant) -> None:
    batch = [replace(FIRST, event_id=str(number)) for number in range(100)]
    answers: list[list[ItemStatus]] = []
    start = threading.Barrier(4)

    def send(events: list[ReportedUsage]) -> None:
        from django.db import connection

        try:
            with enter_for_command(tenant_a.slug):
                start.wait(10)
                answers.append([each.status for each in record_usage(events=events, now=NOW)])
        finally:
            connection.close()

    senders = [threading.Thread(target=send, args=(order,)) for order in (batch, batch[::-1], batch, batch[::-1])]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(30)
    flat = [status for answer in answers for status in answer]
    assert (len(flat), flat.count(ItemStatus.ACCEPTED), flat.count(ItemStatus.DUPLICATE)) == (400, 100, 300)
    with enter_for_command(tenant_a.slug):
        assert total() == Decimal(100)
