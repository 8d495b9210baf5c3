"""A venue's messages as the worker reads them."""

from __future__ import annotations

import pytest

from exchanges.fix.message import Field, FieldError, Message, Parser, encode
from exchanges.fix_venue.dialect import FIX44_REPORTS
from trading_workers.order_worker.venue_messages import ReportReader, rejected_message
from trading_workers.orders import ExecutionKind, VenueCancelReject, VenueReport

READER = ReportReader("EGX-1", FIX44_REPORTS)
REPORT: list[Field] = [
    (35, b"8"), (34, b"9"), (37, b"V-1"), (11, b"1000000000001"), (17, b"X-1"), (150, b"F"), (39, b"1"), (55, b"COMI"), (54, b"1"),
    (32, b"60"), (31, b"139.25"), (14, b"60"), (151, b"40"), (60, b"20261124-10:00:00.000"),
]  # fmt: skip


def message(fields: list[Field]) -> Message:
    [parsed] = Parser().feed(encode(b"FIX.4.4", fields))
    return parsed


def changed(*changes: Field, without: int = 0) -> Message:
    new = dict(changes)
    fields = [(tag, new.pop(tag, value)) for tag, value in REPORT if tag != without]
    return message([*fields, *new.items()])


def test_a_fill_is_read_with_exact_price() -> None:
    report = READER.read(message(REPORT))
    assert isinstance(report, VenueReport)
    assert (report.order_id, report.exec_id, report.kind) == (1000000000001, "X-1", ExecutionKind.TRADE)
    assert (report.last_quantity, report.last_price, report.cumulative, report.fix_number) == (60, 139_250_000, 60, 9)


def test_a_confirmed_cancel_is_about_the_original_order() -> None:
    report = READER.read(changed((150, b"4"), (11, b"1000000000002"), (41, b"1000000000001")))
    assert isinstance(report, VenueReport)
    assert (report.order_id, report.kind, report.last_quantity) == (1000000000001, ExecutionKind.CANCELED, 0)


def test_an_order_status_and_the_refusal_of_a_repetition_change_nothing() -> None:
    assert READER.read(changed((150, b"I"))) is None
    assert READER.read(changed((150, b"8"), (103, b"6"))) is None


def test_a_refused_cancel_names_order_and_cancel() -> None:
    fields: list[Field] = [(35, b"9"), (34, b"4"), (37, b"V"), (11, b"12"), (41, b"11"), (39, b"2"), (434, b"1"), (58, b"too late")]
    reject = READER.read(message(fields))
    assert reject == VenueCancelReject(order_id=11, cancel_id=12, text="too late", line="EGX-1", fix_number=4)


def test_a_business_reject_of_an_order_rejects_the_order_under_an_id_of_its_own() -> None:
    fields: list[Field] = [(35, b"j"), (34, b"5"), (45, b"3"), (372, b"D"), (379, b"11"), (380, b"0"), (58, b"no")]
    report = READER.read(message(fields))
    assert isinstance(report, VenueReport)
    assert (report.order_id, report.kind, report.exec_id) == (11, ExecutionKind.REJECTED, "EGX-1-REJECT-5")
    assert report == READER.read(message(fields))


def test_a_reject_of_anything_else_concerns_no_order() -> None:
    assert rejected_message(b"H", 1, 1, text="", line="EGX-1", number=1) is None


@pytest.mark.parametrize("missing", [17, 37, 11, 150, 32, 31])
def test_a_report_without_what_it_must_have_is_refused(missing: int) -> None:
    with pytest.raises(FieldError):
        READER.read(changed(without=missing))


@pytest.mark.parametrize("identity", [b"ABC", b"-5", b"9" * 19])
def test_an_id_that_is_not_ours_is_refused(identity: bytes) -> None:
    with pytest.raises(FieldError):
        READER.read(changed((11, identity)))
