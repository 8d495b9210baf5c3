"""Reading of messages and fields, timestamps, and the FIX 4.4 dictionary itself."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from exchanges.fix.dictionary.dictionary import Members, fields_from_table, members_from_text
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.dictionary.validation import dictionary_refusal
from exchanges.fix.message import FieldFormat, FieldMissing, Message, Parser, encode
from exchanges.fix.rejects import Refusal, RejectReason
from exchanges.fix.timestamps import TimestampReader, TimestampWriter


def message(*fields: tuple[int, bytes]) -> Message:
    [parsed] = Parser().feed(encode(b"FIX.4.4", [(35, b"W"), (34, b"1"), *fields]))
    return parsed


def test_fields_are_read_by_type_and_missing_ones_are_named() -> None:
    parsed = message((38, b"-7"), (44, b"83.25"), (58, "نص".encode()))
    assert (parsed.get_int(38), parsed.get_price(44), parsed.get_text(58)) == (-7, 83_250_000, "نص")
    assert (parsed.get(99), 44 in parsed, 99 in parsed) == (None, True, False)
    with pytest.raises(FieldMissing, match="tag 99"):
        parsed.required(99)


@pytest.mark.parametrize("text", [b"+1", b"1_0", b" 1", b"1.0", b"-", b"9" * 19, "١".encode()])
def test_what_is_not_a_fix_int_is_refused(text: bytes) -> None:
    with pytest.raises(FieldFormat):
        message((38, text)).required_int(38)


def test_a_group_gives_its_entries_and_ends_where_the_message_goes_on() -> None:
    parsed = message((268, b"2"), (269, b"0"), (270, b"1"), (269, b"1"), (270, b"2"), (271, b"5"))
    assert parsed.group(268) == [{269: b"0", 270: b"1"}, {269: b"1", 270: b"2", 271: b"5"}]
    assert message((268, b"0")).group(268) == message((55, b"X")).group(268) == []
    with pytest.raises(FieldFormat):
        message((268, b"3"), (269, b"0"), (269, b"1")).group(268)
    with pytest.raises(FieldFormat):
        message((268, b"1"), (269, b"0"), (269, b"1")).group(268)


@pytest.mark.parametrize(
    ("text", "seconds", "nanoseconds"),
    [(b"20260302-09:30:05", 5, 0), (b"20260302-09:30:05.123", 5, 123_000_000), (b"20260302-09:30:60.000000001", 60, 1)],
)
def test_timestamps_are_read_to_the_nanosecond(text: bytes, seconds: int, nanoseconds: int) -> None:
    minute = int((datetime(2026, 3, 2, 9, 30, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    reader = TimestampReader()
    assert reader.read(text) == reader.read(text) == (minute + seconds) * 10**9 + nanoseconds


@pytest.mark.parametrize("text", [
        b"", b"20260302", b"20260230-09:30:05", b"20260302-24:00:00", b"20260302-09:30:05.", b"20260302-09:30:61",
        b"20260302-09:30:05.1234567890", b"20260302-09:30:05 ", b"2026030 -09:30:05",
    ])  # fmt: skip
def test_what_is_not_a_timestamp_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="UTCTimestamp"):
        TimestampReader().read(text)


def test_timestamps_are_written_in_milliseconds_also_when_the_second_is_known() -> None:
    writer = TimestampWriter()
    assert [writer.write(second * 10**9 + 7_999_999) for second in (0, 0, 1)] == [
        b"19700101-00:00:00.007", b"19700101-00:00:00.007", b"19700101-00:00:01.007",
    ]  # fmt: skip


def tags_of(members: Members) -> Iterator[int]:
    yield from members.tags
    for group in members.groups.values():
        assert group.delimiter in group.members.tags
        yield from tags_of(group.members)


def test_every_tag_of_every_message_is_a_described_field_and_counts_are_counts() -> None:
    for members in (FIX44.header, FIX44.trailer, *FIX44.messages.values()):
        assert set(tags_of(members)) <= set(FIX44.fields)
        assert all(FIX44.fields[tag].type == "NUMINGROUP" for tag in members.groups)


def test_tables_with_mistakes_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        fields_from_table("1 A STRING\n1 B STRING")
    for text in ("1 2)", "1 [2]", "1(2"):
        with pytest.raises(ValueError, match=r"not closed|cannot read"):
            members_from_text(text)


def market_data(msg_type: bytes, *fields: tuple[int, bytes]) -> Message:
    [parsed] = Parser().feed(
        encode(b"FIX.4.4", [(35, msg_type), (34, b"1"), (49, b"A"), (52, b"20260302-09:30:00"), (56, b"B"), *fields])
    )
    return parsed


def test_groups_that_start_with_an_instrument_are_checked_by_their_symbol() -> None:
    request = [(262, b"1"), (263, b"1"), (264, b"0"), (265, b"1"), (267, b"2"), (269, b"0"), (269, b"1")]
    good = market_data(b"V", *request, (146, b"2"), (55, b"COMI"), (55, b"HRHO"), (207, b"XCAI"))
    assert dictionary_refusal(FIX44, good) is None
    wrong = market_data(b"V", *request, (146, b"3"), (55, b"COMI"), (55, b"HRHO"))
    assert dictionary_refusal(FIX44, wrong) == Refusal(RejectReason.GROUP_COUNT_INCORRECT, 146)


def test_snapshots_and_increments_with_the_number_of_the_instrument_are_good() -> None:
    level = [(269, b"0"), (270, b"83.25"), (271, b"100")]
    assert dictionary_refusal(FIX44, market_data(b"W", (262, b"1"), (55, b"COMI"), (83, b"7"), (268, b"2"), *level, *level)) is None
    change = [(279, b"0"), (269, b"2"), (55, b"COMI"), (270, b"83.25"), (271, b"100"), (83, b"8")]
    assert dictionary_refusal(FIX44, market_data(b"X", (262, b"1"), (268, b"2"), *change, *change)) is None
    assert dictionary_refusal(FIX44, market_data(b"X", (268, b"1"), *change, (269, b"0"))) == Refusal(
        RejectReason.TAG_REPEATED, 269
    )
