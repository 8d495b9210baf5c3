"""The venue's log on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from exchanges.simulator.event_log import Entry, EventLog, LogDamaged, RecordType


def filled(folder: Path, count: int) -> EventLog:
    log = EventLog(folder)
    log.start_segment(1, b"day")
    log.append([Entry(RecordType.INBOUND, number, b"x" * number) for number in range(count)])
    return log


def test_what_was_appended_is_read_back_in_order(tmp_path: Path) -> None:
    log = filled(tmp_path, 20)
    found = list(log.records(1))
    assert [record.sequence for record in found] == list(range(1, 22))
    assert [record.payload for record in found[1:]] == [b"x" * number for number in range(20)]
    assert log.read(1, found[5].offset, 4) == b"xxxx"


@pytest.mark.parametrize("lost", [1, 7, 8, 31, 33])
def test_a_torn_tail_is_cut_and_kept_beside(tmp_path: Path, lost: int) -> None:
    log = filled(tmp_path, 3)
    path = log.path(1)
    log.close()
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    again = EventLog(tmp_path)
    torn = again.recover()
    assert torn is not None
    assert path.read_bytes() + torn.read_bytes() == data[:-lost]
    again.append([Entry(RecordType.INBOUND, 9, b"after")])
    assert [record.payload for record in again.records(1)] == [b"day", b"", b"x", b"after"]


def test_zeros_behind_the_last_record_are_cut(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    path = log.path(1)
    log.close()
    with path.open("ab") as file:
        file.write(bytes(4096))
    again = EventLog(tmp_path)
    assert again.recover() is not None
    assert again.next_sequence == 5


def test_damage_before_whole_records_is_refused_with_its_place(tmp_path: Path) -> None:
    log = filled(tmp_path, 30)
    path = log.path(1)
    place = list(log.records(1))[10].offset
    log.close()
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(LogDamaged, match=f"offset {place - 32}"):
        EventLog(tmp_path).recover()


def test_a_segment_without_its_first_record_never_gets_its_name(tmp_path: Path) -> None:
    log = filled(tmp_path, 1)
    (tmp_path / "0000000000000003.new").write_bytes(b"half")
    log.close()
    again = EventLog(tmp_path)
    again.recover()
    again.start_segment(2, b"next day")
    assert again.segments() == [1, 3]
    assert [record.payload for record in again.records(3)] == [b"next day"]
