"""The journal on a real disk: batches, segments, torn tails, damage, failures of the disk, and a reader beside the writer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trading_workers.journal.dump import dump, verify
from trading_workers.journal.framing import HEADER_BYTES, Record, frame_batch, segment_seed
from trading_workers.journal.reader import JournalReader
from trading_workers.journal.records import FixReset, FixSent, UnknownRecord, decode, encode
from trading_workers.journal.recovery import inspect, read_all, recover
from trading_workers.journal.segments import (
    JournalBehind,
    JournalDamaged,
    JournalLocked,
    JournalUnavailable,
    list_segments,
    segment_path,
)
from trading_workers.journal.writer import JournalWriter, SyncPolicy

REPOSITORY = Path(__file__).resolve().parents[3]
NOW = 1_800_000_000_000_000_000


def open_writer(directory: Path, policy: SyncPolicy = SyncPolicy.OS, segment_bytes: int = 64 * 1024 * 1024) -> JournalWriter:
    return JournalWriter(directory, recover(directory), policy=policy, segment_bytes=segment_bytes)


def batch(*texts: str) -> list[tuple[int, bytes]]:
    return [encode(FixSent(line="EGX", number=len(text), message=text.encode())) for text in texts]


def texts(records: list[Record]) -> list[str]:
    found = []
    for record in records:
        payload = decode(record.type, record.payload)
        assert isinstance(payload, FixSent)
        found.append(payload.message.decode())
    return found


def written(directory: Path, *batches: tuple[str, ...], segment_bytes: int = 64 * 1024 * 1024) -> list[int]:
    """Write the batches and return the size of the last segment after each."""
    writer = open_writer(directory, segment_bytes=segment_bytes)
    sizes = []
    for one in batches:
        writer.append(batch(*one), NOW)
        sizes.append(list_segments(directory)[-1].path.stat().st_size)
    writer.close()
    return sizes


def only_segment(directory: Path) -> Path:
    (segment,) = list_segments(directory)
    return segment.path


def test_what_was_appended_is_read_back_with_rising_sequences(tmp_path: Path) -> None:
    written(tmp_path, ("a", "b"), ("c",))
    records = list(read_all(tmp_path))
    assert [(record.sequence, record.epoch, record.time, record.ends_batch) for record in records] == [
        (1, 1, NOW, False), (2, 1, NOW, True), (3, 1, NOW, True),
    ]  # fmt: skip
    assert texts(records) == ["a", "b", "c"]
    assert texts(list(read_all(tmp_path, 3))) == ["c"]


def test_every_record_starts_at_a_multiple_of_eight(tmp_path: Path) -> None:
    assert all(size % 8 == 0 for size in written(tmp_path, *((("x" * length),) for length in range(1, 20))))


def test_each_writer_begins_a_new_epoch_and_goes_on_counting(tmp_path: Path) -> None:
    written(tmp_path, ("a",))
    written(tmp_path, ("b",))
    assert [(record.sequence, record.epoch) for record in read_all(tmp_path)] == [(1, 1), (2, 2)]


def test_segments_rotate_at_their_size_and_read_as_one(tmp_path: Path) -> None:
    written(tmp_path, *((f"text {number}",) for number in range(50)), segment_bytes=250)
    assert len(list_segments(tmp_path)) > 5
    assert texts(list(read_all(tmp_path))) == [f"text {number}" for number in range(50)]
    assert texts(list(read_all(tmp_path, 40))) == [f"text {number}" for number in range(39, 50)]
    assert texts(JournalReader(tmp_path).read(1)) == [f"text {number}" for number in range(50)]
    assert recover(tmp_path).last_sequence == 50


def test_a_cut_at_any_byte_of_the_last_two_records_leaves_the_acknowledged_prefix(tmp_path: Path) -> None:
    source = tmp_path / "source"
    sizes = written(source, ("first", "second"), ("third",), ("the fourth, a little longer",))
    whole = only_segment(source).read_bytes()
    acknowledged = {sizes[0]: ["first", "second"], sizes[1]: ["first", "second", "third"]}
    for cut in range(sizes[0], sizes[2]):
        directory = tmp_path / f"cut-{cut}"
        directory.mkdir()
        path = segment_path(directory, 1)
        path.write_bytes(whole[:cut])
        kept = max(size for size in acknowledged if size <= cut)
        found = recover(directory)
        assert texts(list(read_all(directory))) == acknowledged[kept]
        assert path.stat().st_size == kept
        if cut == kept:
            assert found.torn is None
        else:
            assert found.torn is not None
            assert found.torn.copy is not None
            assert (found.torn.offset, found.torn.copy.read_bytes()) == (kept, whole[kept:cut])
        writer = JournalWriter(directory, found, policy=SyncPolicy.OS)
        writer.append(batch("after"), NOW)
        writer.close()
        assert texts(list(read_all(directory))) == [*acknowledged[kept], "after"]


def test_a_batch_of_which_only_the_beginning_was_written_is_cut_as_a_whole(tmp_path: Path) -> None:
    sizes = written(tmp_path, ("first",), ("a", "b", "c"))
    path = only_segment(tmp_path)
    per_record = (sizes[1] - sizes[0]) // 3
    os.truncate(path, sizes[0] + 2 * per_record)
    found = recover(tmp_path)
    assert found.torn is not None
    assert (found.last_sequence, path.stat().st_size) == (1, sizes[0])


@pytest.mark.parametrize("tail", [bytes(4096), bytes(8), b"\x40" + bytes(600)])
def test_zeros_where_a_record_should_be_are_a_torn_tail(tmp_path: Path, tail: bytes) -> None:
    written(tmp_path, ("first",))
    path = only_segment(tmp_path)
    with path.open("ab") as stream:
        stream.write(tail)
    found = recover(tmp_path)
    assert found.torn is not None
    assert (found.last_sequence, found.torn.discarded) == (1, len(tail))


def test_every_flipped_bit_of_whole_records_is_found_and_refused_with_the_offset(tmp_path: Path) -> None:
    source = tmp_path / "source"
    sizes = written(source, ("first record",), ("second record, of some length",), ("third",))
    whole = only_segment(source).read_bytes()
    starts = [0, sizes[0], sizes[1]]
    path = segment_path(tmp_path, 1)
    for position in range(len(whole)):
        for bit in (0, 7):
            damaged = bytearray(whole)
            damaged[position] ^= 1 << bit
            path.write_bytes(damaged)
            with pytest.raises(JournalDamaged) as caught:
                recover(tmp_path)
            assert caught.value.offset == max(start for start in starts if start <= position)
            assert path.read_bytes() == damaged
            with pytest.raises(JournalDamaged):
                list(read_all(tmp_path))


def test_a_torn_record_that_is_not_in_the_last_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, *((f"text {number}",) for number in range(20)), segment_bytes=250)
    first = list_segments(tmp_path)[0].path
    size = first.stat().st_size
    os.truncate(first, size - 5)
    with pytest.raises(JournalDamaged):
        recover(tmp_path)
    assert first.stat().st_size == size - 5


def test_a_missing_or_renamed_segment_is_damage(tmp_path: Path) -> None:
    written(tmp_path, *((f"text {number}",) for number in range(20)), segment_bytes=250)
    segments = list_segments(tmp_path)
    bytes_of_second = segments[1].path.read_bytes()
    segments[1].path.unlink()
    with pytest.raises(JournalDamaged):
        inspect(tmp_path)
    segments[1].path.write_bytes(bytes_of_second)
    assert inspect(tmp_path).last_sequence == 20
    segments[0].path.unlink()
    with pytest.raises(JournalDamaged):
        inspect(tmp_path)
    segments[1].path.rename(segment_path(tmp_path, 1))
    with pytest.raises(JournalDamaged):
        inspect(tmp_path)


def test_two_swapped_records_do_not_verify(tmp_path: Path) -> None:
    sizes = written(tmp_path, ("one",), ("two",), ("end",))
    path = only_segment(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[sizes[0] : sizes[1]] + data[: sizes[0]] + data[sizes[1] :])
    with pytest.raises(JournalDamaged) as caught:
        recover(tmp_path)
    assert caught.value.offset == 0


def test_one_writer_at_a_time_and_no_recovery_beside_it(tmp_path: Path) -> None:
    recovery = recover(tmp_path)
    writer = JournalWriter(tmp_path, recovery)
    with pytest.raises(JournalLocked):
        JournalWriter(tmp_path, recovery)
    with pytest.raises(JournalLocked):
        recover(tmp_path)
    writer.close()
    open_writer(tmp_path).close()


def test_a_full_disk_is_an_error_that_leaves_no_part_of_the_batch(tmp_path: Path) -> None:
    """In a process of its own, as a file-size limit stands in for the end of the disk."""
    written(tmp_path, ("before",))
    size = only_segment(tmp_path).stat().st_size
    program = f"""
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.unit.journal.test_journal import batch, open_writer, NOW
from trading_workers.journal.segments import JournalUnavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
directory = Path({str(tmp_path)!r})
writer = open_writer(directory)
resource.setrlimit(resource.RLIMIT_FSIZE, ({size + 100}, resource.RLIM_INFINITY))
try:
    writer.append(batch("x" * 40, "y" * 4000), NOW)
except JournalUnavailable as error:
    print("refused:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print("then", writer.append(batch("after"), NOW))
writer.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert "refused: the journal cannot be written" in done.stdout
    assert "then 2" in done.stdout
    assert texts(list(read_all(tmp_path))) == ["before", "after"]


def test_group_sync_says_what_is_durable_and_os_does_not_sync(tmp_path: Path) -> None:
    group = open_writer(tmp_path / "group", SyncPolicy.GROUP)
    group.append(batch("a", "b"), NOW)
    assert group.durable_sequence == 0
    thread = threading.Thread(target=group.sync)
    thread.start()
    thread.join()
    assert group.durable_sequence == 2
    always = open_writer(tmp_path / "always", SyncPolicy.ALWAYS)
    always.append(batch("a"), NOW)
    assert always.durable_sequence == 1
    plain = open_writer(tmp_path / "os", SyncPolicy.OS)
    plain.append(batch("a"), NOW)
    plain.sync()
    assert plain.durable_sequence == 0
    for writer in (group, always, plain):
        writer.close()


def test_a_rotation_during_syncs_keeps_everything_durable(tmp_path: Path) -> None:
    writer = open_writer(tmp_path, SyncPolicy.GROUP, segment_bytes=2_000)
    stop = threading.Event()

    def keep_syncing() -> None:
        while not stop.is_set():
            writer.sync()

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for number in range(300):
        writer.append(batch(f"text {number}"), NOW)
    stop.set()
    thread.join()
    assert writer.sync() == writer.durable_sequence == 300
    writer.close()
    assert recover(tmp_path).last_sequence == 300


def test_a_closed_writer_takes_nothing(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    writer.close()
    with pytest.raises(JournalUnavailable):
        writer.append(batch("a"), NOW)


def test_a_reader_follows_the_writer_across_segments_and_restarts(tmp_path: Path) -> None:
    reader = JournalReader(tmp_path)
    assert reader.read(1) == []
    seen: list[str] = []
    for run in range(3):
        writer = open_writer(tmp_path, segment_bytes=400)
        for number in range(10):
            writer.append(batch(f"{run} {number}", "more"), NOW)
            seen += texts(reader.read(len(seen) + 1))
            assert reader.read(len(seen) + 1) == []
        writer.close()
    assert seen == [text for run in range(3) for number in range(10) for text in (f"{run} {number}", "more")]


def test_a_reader_never_sees_a_part_of_a_batch(tmp_path: Path) -> None:
    sizes = written(tmp_path, ("first",), ("a", "b"))
    path = only_segment(tmp_path)
    data = path.read_bytes()
    reader = JournalReader(tmp_path)
    for cut in range(sizes[0], sizes[1]):
        path.write_bytes(data[:cut])
        assert texts(reader.read(1)) == ["first"]
        assert reader.read(2) == []
    path.write_bytes(data)
    assert texts(reader.read(2)) == ["a", "b"]


def test_a_reader_keeps_batches_whole_within_its_limit(tmp_path: Path) -> None:
    written(tmp_path, ("a", "b", "c"), ("d", "e"))
    reader = JournalReader(tmp_path)
    assert texts(reader.read(1, limit=1)) == ["a", "b", "c"]
    assert texts(reader.read(4, limit=1)) == ["d", "e"]
    assert texts(reader.read(2)) == ["b", "c", "d", "e"]


def test_a_reader_reports_damage_and_a_journal_that_ends_too_early(tmp_path: Path) -> None:
    sizes = written(tmp_path, ("first",), ("second",), ("third",))
    path = only_segment(tmp_path)
    with pytest.raises(JournalBehind):
        JournalReader(tmp_path).read(5)
    with pytest.raises(JournalBehind):
        JournalReader(tmp_path / "absent").read(5)
    data = bytearray(path.read_bytes())
    data[sizes[0] + HEADER_BYTES] ^= 1
    path.write_bytes(data)
    reader = JournalReader(tmp_path)
    assert texts(reader.read(1)) == ["first"]
    with pytest.raises(JournalDamaged) as caught:
        for _ in range(5):
            reader.read(2)
    assert caught.value.offset == sizes[0]


def test_the_dump_is_one_json_object_a_record(tmp_path: Path) -> None:
    writer = open_writer(tmp_path)
    writer.append([encode(FixSent(line="EGX", number=4, message=b"8=FIX.4.4\x0135=D\x01")), encode(FixReset(line="EGX"))], NOW)
    writer.close()
    lines = [json.loads(line) for line in dump(tmp_path)]
    assert lines == [
        {"sequence": 1, "epoch": 1, "time": NOW, "type": "FIX_SENT",
         "payload": {"line": "EGX", "number": 4, "message": "8=FIX.4.4|35=D|"}},
        {"sequence": 2, "epoch": 1, "time": NOW, "type": "FIX_RESET", "payload": {"line": "EGX"}},
    ]  # fmt: skip
    assert [json.loads(line)["sequence"] for line in dump(tmp_path, 2)] == [2]


def test_verify_counts_everything_and_changes_nothing(tmp_path: Path) -> None:
    written(tmp_path, *((f"text {number}",) for number in range(20)), segment_bytes=250)
    last = list_segments(tmp_path)[-1].path
    with last.open("ab") as stream:
        stream.write(bytes(40))
    found = verify(tmp_path)
    assert (found.records, found.last_sequence, found.last_epoch) == (20, 20, 1)
    assert found.torn is not None
    assert found.torn.discarded == 40
    assert verify(tmp_path) == found


def test_a_record_of_another_version_is_named(tmp_path: Path) -> None:
    data, _ = frame_batch(segment_seed(1), 1, 1, NOW, [(999, b"?")])
    tmp_path.mkdir(exist_ok=True)
    segment_path(tmp_path, 1).write_bytes(data)
    with pytest.raises(UnknownRecord, match="999"):
        verify(tmp_path)
