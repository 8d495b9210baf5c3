"""Reads of one tenant's usage. Totals are sums over the events; nothing is cached here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db.models import Sum
from django.db.models.functions import TruncDate

from licensing.catalogue import Meter
from licensing.metering.models import UsageEvent
from tenants.kernel.context import current_tenant

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class MonthSpan:
    """A billed month: half-open [start, end) in UTC, as its billing time zone sees the month."""

    first_day: date
    next_first_day: date
    time_zone: str

    @property
    def start(self) -> datetime:
        return _midnight(self.first_day, self.time_zone)

    @property
    def end(self) -> datetime:
        return _midnight(self.next_first_day, self.time_zone)

    @property
    def days(self) -> list[date]:
        return [self.first_day + each * ONE_DAY for each in range((self.next_first_day - self.first_day).days)]

    def contains(self, day: date) -> bool:
        return self.first_day <= day < self.next_first_day


def _midnight(day: date, time_zone: str) -> datetime:
    # fold=0: where the clocks skip or repeat midnight, the day begins at the first instant that has its date.
    return datetime.combine(day, time(), ZoneInfo(time_zone)).astimezone(UTC)


def month_span(month: date, time_zone: str) -> MonthSpan:
    """The span of the month that contains the date ``month``."""
    first = month.replace(day=1)
    following = (first + 31 * ONE_DAY).replace(day=1)
    return MonthSpan(first, following, time_zone)


def day_of(moment: datetime, time_zone: str) -> date:
    """The calendar day of an instant in ``time_zone``."""
    return moment.astimezone(ZoneInfo(time_zone)).date()


def usage_by_day(span: MonthSpan, *, as_of: datetime | None = None) -> Mapping[Meter, Mapping[date, Decimal]]:
    """Per meter, the activated tenant's quantity of each day that has events.

    ``as_of`` leaves out what was recorded later. Raises ``TenantNotSet`` outside a tenant.
    """
    current_tenant()
    events = UsageEvent.objects.filter(event_time__gte=span.start, event_time__lt=span.end)
    if as_of is not None:
        events = events.filter(recorded_at__lte=as_of)
    rows = (
        events.annotate(day=TruncDate("event_time", tzinfo=ZoneInfo(span.time_zone)))
        .values_list("meter", "day")
        .annotate(total=Sum("quantity"))
        .order_by("meter", "day")
    )
    usage: dict[Meter, dict[date, Decimal]] = {}
    for meter, day, total in rows:
        usage.setdefault(Meter(meter), {})[day] = total
    return usage
