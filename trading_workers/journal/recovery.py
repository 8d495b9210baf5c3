"""Reads a journal back after a stop of any kind, and tells a torn tail from damage.

A torn tail is what a dying process or machine leaves: the last batch, not wholly written, and therefore never
acknowledged. It is cut, a copy is kept beside the segment. Anything else that does not verify may have been
acknowledged: the journal is refused, with the file and the offset.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trading_workers.journal.framing import (
    ALIGNMENT,
    HEADER_BYTES,
    MAX_PAYLOAD,
    Record,
    RecordDamaged,
    RecordIncomplete,
    header_at,
    parse,
    segment_seed,
    verifies_with_length,
)
from trading_workers.journal.segments import JournalDamaged, Segment, WriterLock, list_segments, sync_directory

SECTOR = 512
"""The unit that a disk writes whole: a torn write leaves whole sectors of zeros."""


class TornTail(NamedTuple):
    """What was cut: ``discarded`` bytes from ``offset`` on, kept in ``copy``."""

    path: Path
    offset: int
    discarded: int
    copy: Path | None
    """None when the journal was only looked at."""


class Recovery(NamedTuple):
    """Where a journal ends, which is where its writer goes on."""

    last_sequence: int
    last_epoch: int
    segment: Segment | None
    """The one to append to; None for an empty journal."""
    offset: int
    crc: int
    torn: TornTail | None


class _End(NamedTuple):
    """Of the last whole batch in a segment."""

    offset: int
    crc: int
    sequence: int
    epoch: int


def read_segments(segments: list[Segment], start: int = 1) -> Iterator[tuple[Segment, bytes, bool]]:
    """Yield (segment, its bytes, whether it is the last), those that end before ``start`` left out."""
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if last or segments[number + 1].first_sequence > start:
            yield segment, segment.path.read_bytes(), last


def recover(directory: Path) -> Recovery:
    """Verify every record, cut a torn tail, and return where to go on.

    Raises ``JournalDamaged`` (nothing was changed then) and ``JournalLocked``.
    """
    lock = WriterLock(directory)
    try:
        found = inspect(directory)
        if found.torn is None:
            return found
        return found._replace(torn=_cut(found.torn))
    finally:
        lock.release()


def inspect(directory: Path) -> Recovery:
    """As ``recover``, but changes nothing. Raises ``JournalDamaged``."""
    segments = list_segments(directory)
    end = _End(0, 0, 0, 0)
    torn = None
    expected: int | None = None
    for segment, data, last in read_segments(segments):
        if expected is not None and segment.first_sequence != expected:
            raise JournalDamaged(segment.path, 0, f"the segment before it ends at sequence {expected - 1}")
        end, torn = _scan(segment, data, end.epoch, last)
        expected = end.sequence + 1
    if segments and segments[0].first_sequence != 1:
        raise JournalDamaged(segments[0].path, 0, "the segments before it are missing")
    return Recovery(end.sequence, end.epoch, segments[-1] if segments else None, end.offset, end.crc, torn)


def _scan(segment: Segment, data: bytes, epoch: int, last: bool) -> tuple[_End, TornTail | None]:
    crc, offset = segment_seed(segment.first_sequence), 0
    sequence = segment.first_sequence - 1
    end = _End(0, crc, sequence, epoch)
    while offset < len(data):
        try:
            record, offset_after, crc_after = parse(data, offset, crc, sequence + 1)
        except (RecordIncomplete, RecordDamaged) as problem:
            why = _why_not_torn(data, offset, crc, sequence + 1, problem)
            if why is None and last:
                break
            raise JournalDamaged(segment.path, offset, why or "it ends in mid-record and is not the last segment") from None
        if record.epoch < epoch:
            raise JournalDamaged(segment.path, offset, f"epoch {record.epoch} after epoch {epoch}")
        offset, crc, sequence, epoch = offset_after, crc_after, record.sequence, record.epoch
        if record.ends_batch:
            end = _End(offset, crc, sequence, epoch)
    if end.offset == len(data):
        return end, None
    if not last:
        raise JournalDamaged(segment.path, end.offset, "it ends in mid-batch and is not the last segment")
    return end, TornTail(segment.path, end.offset, len(data) - end.offset, None)


def _why_not_torn(data: bytes, offset: int, crc: int, sequence: int, problem: Exception) -> str | None:
    """Return what proves damage at ``offset``, or None when the bytes from there on are a torn write."""
    later = _later_record(data, offset, sequence)
    if later is not None:
        return f"record {sequence} does not verify, but a later record follows at offset {later}"
    if isinstance(problem, RecordIncomplete):
        if verifies_with_length(data, offset, crc):
            return f"the length of record {sequence} was changed"
        return None
    if _has_empty_sector(data, offset):
        return None
    return f"record {sequence} was written whole and does not verify ({problem})"


def _later_record(data: bytes, offset: int, sequence: int) -> int | None:
    """Offset of a header that can only be a later record's, or None.

    Its own CRC cannot be checked, as the chain is broken before it, so the header itself must make sense: the
    sequence counts on from the damaged record, and the record ends within the data.
    """
    at = offset + HEADER_BYTES
    while (header := header_at(data, at)) is not None:
        length, crc, found, epoch = header
        most = (at - offset) // HEADER_BYTES
        if sequence < found <= sequence + most and epoch > 0 and crc and length <= MAX_PAYLOAD:
            end = at + HEADER_BYTES + length + -length % ALIGNMENT
            if end <= len(data):
                return at
        at += ALIGNMENT
    return None


def _has_empty_sector(data: bytes, offset: int) -> bool:
    """Tell whether a part of the data from ``offset`` on, cut at the disk's sectors, is all zeros."""
    while offset < len(data):
        end = min(len(data), offset - offset % SECTOR + SECTOR)
        if not any(data[offset:end]):
            return True
        offset = end
    return False


def _cut(torn: TornTail) -> TornTail:
    copy = torn.path.with_name(f"{torn.path.name}.{torn.offset}.torn")
    number = 1
    while copy.exists():
        copy = torn.path.with_name(f"{torn.path.name}.{torn.offset}.{number}.torn")
        number += 1
    with torn.path.open("r+b") as stream:
        stream.seek(torn.offset)
        with copy.open("xb") as kept:
            kept.write(stream.read())
            kept.flush()
            os.fsync(kept.fileno())
        stream.truncate(torn.offset)
        os.fsync(stream.fileno())
    sync_directory(torn.path.parent)
    return torn._replace(copy=copy)


def read_all(directory: Path, from_sequence: int = 1) -> Iterator[Record]:
    """Yield the records of whole batches from ``from_sequence`` on; a torn tail ends the reading.

    Raises ``JournalDamaged`` for anything that is not a torn tail.
    """
    for segment, data, last in read_segments(list_segments(directory), from_sequence):
        crc, offset, sequence = segment_seed(segment.first_sequence), 0, segment.first_sequence
        batch: list[Record] = []
        while offset < len(data):
            try:
                record, offset_after, crc_after = parse(data, offset, crc, sequence)
            except (RecordIncomplete, RecordDamaged) as problem:
                why = _why_not_torn(data, offset, crc, sequence, problem)
                if why is None and last:
                    return
                raise JournalDamaged(segment.path, offset, why or "it ends in mid-record") from None
            offset, crc, sequence = offset_after, crc_after, sequence + 1
            batch.append(record)
            if record.ends_batch:
                for whole in batch:
                    if whole.sequence >= from_sequence:
                        yield whole
                batch.clear()
