"""A usage event as a sender gives it: validation and fingerprint. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from licensing.catalogue import Meter
from licensing.entitlements import nanoseconds
from licensing.rating import EXACT

# A sender's clock may run ahead of ours by this much; further ahead, the day it would count for is a guess.
CLOCK_TOLERANCE = timedelta(minutes=5)
LONGEST_SOURCE = 64
LONGEST_EVENT_ID = 128
WHOLE_DIGITS = 19
FRACTION_DIGITS = 9


class ItemStatus(StrEnum):
    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Rejection(StrEnum):
    """Why an event can never be counted, however often it is sent."""

    SOURCE_INVALID = "SOURCE_INVALID"
    EVENT_ID_INVALID = "EVENT_ID_INVALID"
    METER_UNKNOWN = "METER_UNKNOWN"
    QUANTITY_NOT_DECIMAL = "QUANTITY_NOT_DECIMAL"
    QUANTITY_OUT_OF_RANGE = "QUANTITY_OUT_OF_RANGE"
    QUANTITY_NEGATIVE = "QUANTITY_NEGATIVE"
    EVENT_TIME_INVALID = "EVENT_TIME_INVALID"
    EVENT_TIME_IN_FUTURE = "EVENT_TIME_IN_FUTURE"
    CORRECTED_EVENT_UNKNOWN = "CORRECTED_EVENT_UNKNOWN"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportedUsage:
    """One event as reported. ``corrects`` names an earlier event of the same source and meter."""

    source: str
    event_id: str
    meter: str
    quantity: Decimal | str | int
    event_time: datetime
    corrects: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.source, self.event_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemResult:
    """The answer to one event of a batch; the same answer however often the event is sent again."""

    event_id: str
    status: ItemStatus
    reason: Rejection | None = None


def exact_quantity(value: object) -> Decimal | None:
    """The decimal that ``value`` spells, or None for anything but Decimal, text and whole numbers."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, str) or type(value) is int:
        try:
            return Decimal(value)
        except ArithmeticError:
            return None
    return None


def _printable(text: object, longest: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= longest and text.isascii() and text.isprintable()


def _fits(quantity: Decimal) -> bool:
    """Whether NUMERIC(28, 9) holds ``quantity`` exactly."""
    # Counted before normalising: a context rounds what has more digits than its precision.
    if len(quantity.as_tuple().digits) > WHOLE_DIGITS + FRACTION_DIGITS:
        return False
    exponent = quantity.normalize(EXACT).as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -FRACTION_DIGITS and quantity.adjusted() < WHOLE_DIGITS


def rejection_of(event: ReportedUsage, *, now: datetime) -> Rejection | None:
    """Why ``event`` cannot be counted, or None. Whether the corrected event exists is asked elsewhere."""
    if not _printable(event.source, LONGEST_SOURCE):
        return Rejection.SOURCE_INVALID
    if not _printable(event.event_id, LONGEST_EVENT_ID):
        return Rejection.EVENT_ID_INVALID
    if event.corrects is not None and not _printable(event.corrects, LONGEST_EVENT_ID):
        return Rejection.CORRECTED_EVENT_UNKNOWN
    if event.meter not in set(Meter):
        return Rejection.METER_UNKNOWN
    quantity = exact_quantity(event.quantity)
    if quantity is None or not quantity.is_finite():
        return Rejection.QUANTITY_NOT_DECIMAL
    if not _fits(quantity):
        return Rejection.QUANTITY_OUT_OF_RANGE
    if quantity < 0 and event.corrects is None:
        return Rejection.QUANTITY_NEGATIVE
    if not isinstance(event.event_time, datetime) or event.event_time.tzinfo is None:
        return Rejection.EVENT_TIME_INVALID
    if event.event_time > now + CLOCK_TOLERANCE:
        return Rejection.EVENT_TIME_IN_FUTURE
    return None


def body_hash(event: ReportedUsage) -> str:
    """SHA-256 over everything but the key, in one spelling: ``1``, ``1.0`` and ``"1.00"`` are one quantity."""
    quantity = exact_quantity(event.quantity)
    if quantity is None:
        raise ValueError(f"usage event {event.key} has no decimal quantity")
    spelled = "0" if quantity == 0 else f"{quantity.normalize(EXACT):f}"
    time = nanoseconds(event.event_time.astimezone(UTC))
    body = "\n".join((event.meter, spelled, str(time), event.corrects or ""))
    return hashlib.sha256(body.encode()).hexdigest()
