"""Follows a journal that another process is writing."""

from __future__ import annotations

from pathlib import Path

from trading_workers.journal.framing import Record, RecordDamaged, RecordIncomplete, parse, segment_seed
from trading_workers.journal.segments import JournalBehind, JournalDamaged, Segment, list_segments, segment_path

CHUNK_BYTES = 4 * 1024 * 1024
PATIENCE = 3
"""Reads in a row that may find the same bytes unreadable, as when a writer cuts back a failed write."""


class JournalReader:
    """Reads whole batches only, so that nothing is seen that a failed write takes back. Never changes the journal."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._segment: Segment | None = None
        self._offset = 0
        self._crc = 0
        self._next = 0
        self._unreadable: tuple[int, int] | None = None
        self._patience = 0

    def read(self, from_sequence: int, limit: int = 1000) -> list[Record]:
        """Return records from ``from_sequence`` on in order: about ``limit``, and never a part of a batch.

        Empty: nothing new yet. Going on where the last read ended costs no search. Raises ``JournalDamaged``, and
        ``JournalBehind`` when the journal ends before the record before ``from_sequence``.
        """
        if from_sequence < 1:
            raise ValueError("sequences start at 1")
        if from_sequence != self._next or self._segment is None:
            segments = list_segments(self.directory)
            before = [segment for segment in segments if segment.first_sequence <= from_sequence]
            if segments and not before:
                raise JournalDamaged(segments[0].path, 0, f"the segment with record {from_sequence} is missing")
            if not before:
                if from_sequence > 1:
                    raise JournalBehind(f"the journal is empty, and record {from_sequence - 1} was read from it")
                return []
            self._enter(before[-1])
        found: list[Record] = []
        while len(found) < limit:
            records = self._read_chunk(limit - len(found))
            if not records and not self._next_segment():
                break
            # A search starts at its segment's beginning: what lies before the asked sequence is passed over.
            found += [record for record in records if record.sequence >= from_sequence]
        if self._next < from_sequence:
            raise JournalBehind(f"the journal ends at record {self._next - 1}, before record {from_sequence - 1}")
        return found

    def _enter(self, segment: Segment) -> None:
        self._segment = segment
        self._offset = 0
        self._crc = segment_seed(segment.first_sequence)
        self._next = segment.first_sequence

    def _next_segment(self) -> bool:
        """Enter the segment that starts with the next record, if there is one."""
        assert self._segment is not None
        path = segment_path(self.directory, self._next)
        if path == self._segment.path or not path.exists():
            return False
        self._enter(Segment(path, self._next))
        return True

    def _read_chunk(self, limit: int) -> list[Record]:
        assert self._segment is not None
        size = CHUNK_BYTES
        while True:
            with self._segment.path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read(size)
            records = self._whole_batches(data, limit)
            if records or len(data) < size:
                return records
            size *= 2

    def _whole_batches(self, data: bytes, limit: int) -> list[Record]:
        records: list[Record] = []
        committed = position = 0
        crc, sequence = self._crc, self._next
        start = self._offset
        while position < len(data):
            try:
                record, position, crc = parse(data, position, crc, sequence)
            except RecordIncomplete:
                break
            except RecordDamaged as problem:
                self._lose_patience(start + position, len(data), problem)
                break
            records.append(record)
            sequence += 1
            if record.ends_batch:
                committed = len(records)
                self._offset, self._crc, self._next = start + position, crc, sequence
                self._unreadable = None
                if committed >= limit:
                    break
        return records[:committed]

    def _lose_patience(self, offset: int, size: int, problem: RecordDamaged) -> None:
        """The same bytes unreadable again and again are damage, not a write in progress."""
        assert self._segment is not None
        if self._unreadable != (offset, size):
            self._unreadable, self._patience = (offset, size), PATIENCE
        self._patience -= 1
        if self._patience <= 0:
            raise JournalDamaged(self._segment.path, offset, str(problem))
