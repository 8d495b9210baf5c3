"""Whatever is written is read back, and whatever is cut off leaves whole batches."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from trading_workers.journal.framing import HEADER_BYTES, RecordDamaged, RecordIncomplete, frame_batch, parse, segment_seed
from trading_workers.journal.reader import JournalReader
from trading_workers.journal.records import (
    AnyPayload,
    CancelDenied,
    CancelRejected,
    CancelRequested,
    EpochStarted,
    Execution,
    FixReceived,
    FixReset,
    FixSent,
    OrderAccepted,
    OrderDenied,
    decode,
    encode,
)
from trading_workers.journal.recovery import read_all, recover
from trading_workers.journal.segments import list_segments, segment_path
from trading_workers.journal.writer import JournalWriter, SyncPolicy

NOW = 1_800_000_000_000_000_000

payloads = st.binary(max_size=200)
batches = st.lists(st.lists(st.tuples(st.integers(1, 10), payloads), min_size=1, max_size=5), min_size=1, max_size=8)
int64 = st.integers(-(2**63), 2**63 - 1)


def typed(kind: type[AnyPayload]) -> st.SearchStrategy[AnyPayload]:
    return st.builds(kind, **{name: int64 for name, hint in kind.__annotations__.items() if hint == "int"})


typed_payloads = st.one_of(
    *(
        typed(kind)
        for kind in (
            EpochStarted, OrderAccepted, OrderDenied, CancelRequested, CancelDenied, FixSent, FixReceived, Execution,
            CancelRejected, FixReset,
        )
    )
)  # fmt: skip


@given(typed_payloads)
def test_a_typed_payload_is_the_same_after_a_round_trip(payload: AnyPayload) -> None:
    assert decode(*encode(payload)) == payload


@given(st.lists(st.tuples(st.integers(0, 2**16 - 1), payloads), min_size=1), st.integers(1, 2**40), st.integers(0, 2**63))
def test_frames_parse_back_and_the_chain_holds(records: list[tuple[int, bytes]], first: int, time: int) -> None:
    seed = segment_seed(first)
    data, crc_after = frame_batch(seed, first, 3, time, records)
    offset, crc = 0, seed
    for place, (record_type, payload) in enumerate(records):
        record, offset, crc = parse(data, offset, crc, first + place)
        assert (record.type, record.payload, record.time, record.epoch) == (record_type, payload, time, 3)
        assert record.ends_batch == (place == len(records) - 1)
    assert (offset, crc) == (len(data), crc_after)


@given(payloads, st.data())
def test_no_changed_byte_parses(payload: bytes, data: st.DataObject) -> None:
    seed = segment_seed(1)
    framed, _ = frame_batch(seed, 1, 1, NOW, [(2, payload)])
    position = data.draw(st.integers(0, len(framed) - 1))
    changed = bytearray(framed)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        parse(bytes(changed), 0, seed, 1)
    except (RecordDamaged, RecordIncomplete):
        return
    raise AssertionError("a changed record was taken for good")


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_break_the_parser(data: bytes) -> None:
    try:
        parse(data, 0, segment_seed(1), 1)
    except (RecordDamaged, RecordIncomplete):
        return
    assert len(data) >= HEADER_BYTES


@settings(max_examples=60, deadline=None)
@given(batches, st.integers(100, 2_000))
def test_writer_recovery_and_reader_agree_on_every_sequence_of_batches(
    written: list[list[tuple[int, bytes]]], segment_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        writer = JournalWriter(directory, recover(directory), policy=SyncPolicy.OS, segment_bytes=segment_bytes)
        first = [writer.append(batch, NOW) for batch in written]
        writer.close()
        expected = [record for batch in written for record in batch]
        assert [(record.type, record.payload) for record in read_all(directory)] == expected
        assert [(record.type, record.payload) for record in JournalReader(directory).read(1, 10_000)] == expected
        assert recover(directory).last_sequence == len(expected)
        assert first == [1 + sum(len(batch) for batch in written[:place]) for place in range(len(written))]


@settings(max_examples=60, deadline=None)
@given(batches, st.data())
def test_a_cut_anywhere_in_the_last_segment_leaves_whole_batches(
    written: list[list[tuple[int, bytes]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        writer = JournalWriter(directory, recover(directory), policy=SyncPolicy.OS)
        ends = [0]
        for batch in written:
            writer.append(batch, NOW)
            ends.append(list_segments(directory)[-1].path.stat().st_size)
        writer.close()
        path = segment_path(directory, 1)
        cut = data.draw(st.integers(0, ends[-1]))
        path.write_bytes(path.read_bytes()[:cut])
        whole = sum(1 for end in ends[1:] if end <= cut)
        recover(directory)
        expected = [record for batch in written[:whole] for record in batch]
        assert [(record.type, record.payload) for record in read_all(directory)] == expected
