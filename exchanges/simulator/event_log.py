"""The venue's append-only log: segments of framed records, one segment per trading day.

Frame: a 32-byte little-endian header (payload length u32, CRC-32C u32, sequence u64, time i64 nanoseconds UTC, type u16,
6 zero bytes), then the payload padded with zeros to a multiple of 8. The CRC covers the header with its own field zero, and
the padded payload. One `append` is one write: what it returned for survives the death of the process, not that of the machine.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import IO, NamedTuple

import google_crc32c

_HEADER = struct.Struct("<IIQqH6x")
_MAX_PAYLOAD = 1 << 24
SUFFIX = ".events"


class LogDamaged(Exception):
    """A record inside the log is not what was written; the text names the file and the offset."""


class LogInUse(Exception):
    """Another process has the folder open."""


class RecordType(IntEnum):
    DAY_STARTED = 1
    """First record of each segment: what the days before have left behind."""
    INBOUND = 2
    """An application message of a member, before it is processed."""
    REPORT = 3
    """A frame to a member that follows from an event of this log."""
    SESSION_FRAME = 4
    """A frame to a member that belongs to the session only (Logon, Heartbeat, …)."""
    NUMBERS_RESET = 5
    """A session's numbers start at 1 again."""
    LINE_LOST = 6
    """A member whose orders live only as long as its line is gone."""
    DAY_ENDED = 7
    PHASE_ENTERED = 8
    """The session goes to another phase."""
    HALT_STARTED = 9
    """Trading is halted by hand; halts by a rule follow from the trades and are not logged by themselves."""
    HALTS_ENDED = 10
    INDEX_VALUE = 11
    """The market's index, which may halt or not halt the market."""
    DROP_COPY_BEGUN = 12
    SWITCHED = 13
    """What was asked of the admin port."""


class Record(NamedTuple):
    sequence: int
    time: int
    type: RecordType
    payload: bytes
    """Without padding."""
    offset: int
    """Of the payload in its segment."""


class Entry(NamedTuple):
    """What is to be appended."""

    type: RecordType
    time: int
    payload: bytes


class EventLog:
    """The folder of segments; one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Open or create. Raises LogInUse, or OSError when the folder cannot be used."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._lock = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise LogInUse(f"{folder} is in use by another venue") from error
        self.next_sequence = 1
        self._file: IO[bytes] | None = None
        self._end = 0
        self.segment = 0
        """First sequence of the segment that is being written; 0 before the first one."""
        self._readers: dict[int, int] = {}

    def segments(self) -> list[int]:
        """First sequences of the segments on disk, in order."""
        return sorted(int(path.stem) for path in self.folder.glob(f"*{SUFFIX}"))

    def path(self, segment: int) -> Path:
        return self.folder / f"{segment:016d}{SUFFIX}"

    def records(self, segment: int, *, verified: bool = False) -> Iterator[Record]:
        """Records of a segment in order. Stops at the first that is incomplete or damaged; see `recover`.

        ``verified`` leaves the check sums out: `recover` has just read them.
        """
        data = self.path(segment).read_bytes()
        place = 0
        while (record := _record_at(data, place, verified)) is not None:
            yield record
            place = record.offset + _padded(len(record.payload))

    def recover(self) -> Path | None:
        """Cut a torn tail off the last segment (a copy stays beside it), and go on writing behind what is left.

        Returns the copy's path, or None when nothing was torn. Raises LogDamaged when whole records follow a damaged one:
        cutting would lose them.
        """
        segments = self.segments()
        if not segments:
            return None
        last = segments[-1]
        path = self.path(last)
        data = path.read_bytes()
        place, next_sequence = 0, last
        while (record := _record_at(data, place)) is not None:
            if record.sequence != next_sequence:
                raise LogDamaged(f"{path}: record {record.sequence} at {place}, expected {next_sequence}")
            next_sequence += 1
            place = record.offset + _padded(len(record.payload))
        torn: Path | None = None
        if place < len(data):
            for later in range(place + 8, len(data), 8):
                if _record_at(data, later) is not None:
                    raise LogDamaged(f"{path}: damaged at offset {place}, whole records follow from offset {later}")
            torn = path.with_suffix(f".{place}.torn")
            torn.write_bytes(data[place:])
            os.truncate(path, place)
        self._open(last, place)
        self.next_sequence = next_sequence
        return torn

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Write `entries` in one write; returns the offsets of their payloads.

        Raises OSError; a part that went out is cut off again.
        """
        if self._file is None:
            raise LogDamaged("the log has no segment yet")
        frames: list[bytes] = []
        offsets: list[int] = []
        place, sequence = self._end, self.next_sequence
        for kind, time, payload in entries:
            frame = _frame(sequence, time, kind, payload)
            offsets.append(place + _HEADER.size)
            frames.append(frame)
            place += len(frame)
            sequence += 1
        data = b"".join(frames)
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file.fileno(), data[written:])
        except OSError:
            os.truncate(self._file.fileno(), self._end)
            raise
        self._end = place
        self.next_sequence = sequence
        return offsets

    def start_segment(self, time: int, payload: bytes) -> None:
        """Begin a new segment with its DAY_STARTED record, complete before it gets its name."""
        first = self.next_sequence
        path = self.path(first)
        draft = path.with_suffix(".new")
        frame = _frame(first, time, RecordType.DAY_STARTED, payload)
        draft.write_bytes(frame)
        draft.rename(path)
        self._open(first, len(frame))
        self.next_sequence = first + 1

    def remove(self, segment: int) -> None:
        """Delete a segment that nobody asks for any more."""
        descriptor = self._readers.pop(segment, None)
        if descriptor is not None:
            os.close(descriptor)
        self.path(segment).unlink(missing_ok=True)

    def read(self, segment: int, offset: int, length: int) -> bytes:
        """`length` bytes at `offset` of a segment."""
        descriptor = self._readers.get(segment)
        if descriptor is None:
            descriptor = self._readers[segment] = os.open(self.path(segment), os.O_RDONLY)
        return os.pread(descriptor, length, offset)

    def close(self) -> None:
        for descriptor in self._readers.values():
            os.close(descriptor)
        self._readers.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._lock.close()

    def _open(self, segment: int, end: int) -> None:
        if self._file is not None:
            self._file.close()
        self._file = self.path(segment).open("ab", buffering=0)
        self.segment = segment
        self._end = end


def _padded(length: int) -> int:
    return (length + 7) & ~7


def _frame(sequence: int, time: int, kind: RecordType, payload: bytes) -> bytes:
    length = len(payload)
    body = payload + b"\0" * (_padded(length) - length)
    crc = google_crc32c.value(_HEADER.pack(length, 0, sequence, time, kind) + body)
    return _HEADER.pack(length, crc, sequence, time, kind) + body


def _record_at(data: bytes, place: int, verified: bool = False) -> Record | None:
    """The record whose header begins at `place`, or None when there is no whole one."""
    start = place + _HEADER.size
    if start > len(data):
        return None
    length, crc, sequence, time, kind = _HEADER.unpack_from(data, place)
    end = start + _padded(length)
    if length > _MAX_PAYLOAD or end > len(data) or kind not in _KINDS:
        return None
    if not verified and google_crc32c.value(_HEADER.pack(length, 0, sequence, time, kind) + data[start:end]) != crc:
        return None
    return Record(sequence, time, _KINDS[kind], data[start : start + length], start)


_KINDS = {int(kind): kind for kind in RecordType}
