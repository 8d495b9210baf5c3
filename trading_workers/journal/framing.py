"""The bytes of a journal record: a 32-byte header, the payload, zeros up to a multiple of eight.

Header, little-endian: length u32 (of the payload), crc u32, sequence u64, epoch u32, type u16, flags u16, time u64 (ns UTC).
The CRC-32C runs over the whole record with its own field as zero and starts from the CRC of the record before it in
the segment, so that a record cannot be lost, repeated or moved unnoticed. The first record of a segment starts from
``segment_seed``.

A batch is written as a whole or not at all: only its last record carries ``LAST_OF_BATCH``, and whatever follows the
last such record does not count.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import google_crc32c

HEADER: Final = struct.Struct("<IIQIHHQ")
HEADER_BYTES: Final = HEADER.size
ALIGNMENT: Final = 8
MAX_PAYLOAD: Final = 16 * 1024 * 1024
LAST_OF_BATCH: Final = 1

_KNOWN_FLAGS: Final = LAST_OF_BATCH
_NO_CRC: Final = bytes(4)
_PADDING: Final = tuple(bytes(-length % ALIGNMENT) for length in range(ALIGNMENT))


class Record(NamedTuple):
    sequence: int
    epoch: int
    type: int
    flags: int
    time: int
    payload: bytes

    @property
    def ends_batch(self) -> bool:
        return bool(self.flags & LAST_OF_BATCH)


class Parsed(NamedTuple):
    record: Record
    end: int
    """Offset of the next record."""
    crc: int
    """From which the next record's CRC starts."""


class RecordIncomplete(Exception):
    """The bytes end before the record does."""


class RecordDamaged(Exception):
    """The bytes are no record that belongs here; the text says why."""


def segment_seed(first_sequence: int) -> int:
    """The CRC from which a segment starts: a renamed segment does not verify."""
    return int(google_crc32c.value(first_sequence.to_bytes(8, "little")))


def frame_batch(crc: int, first_sequence: int, epoch: int, time: int, records: Sequence[tuple[int, bytes]]) -> tuple[bytes, int]:
    """Return the bytes of ``records`` (type, payload) with rising sequences, and the CRC after the last one.

    Raises ``ValueError`` for an empty batch and for a payload above ``MAX_PAYLOAD``.
    """
    if not records:
        raise ValueError("a batch holds at least one record")
    pieces = []
    sequence, last = first_sequence, first_sequence + len(records) - 1
    extend, pack = google_crc32c.extend, HEADER.pack
    for record_type, payload in records:
        length = len(payload)
        if length > MAX_PAYLOAD:
            raise ValueError(f"a payload of {length} bytes is above the largest, {MAX_PAYLOAD}")
        flags = LAST_OF_BATCH if sequence == last else 0
        body = payload + _PADDING[length % ALIGNMENT]
        crc = extend(crc, pack(length, 0, sequence, epoch, record_type, flags, time) + body)
        pieces.append(pack(length, crc, sequence, epoch, record_type, flags, time))
        pieces.append(body)
        sequence += 1
    return b"".join(pieces), crc


def parse(data: bytes, offset: int, crc: int, sequence: int) -> Parsed:
    """Return the record at ``offset``, which must have this ``sequence`` and continue the chain at ``crc``.

    Raises ``RecordIncomplete`` or ``RecordDamaged``.
    """
    body = offset + HEADER_BYTES
    if body > len(data):
        raise RecordIncomplete
    length, stored_crc, found, epoch, record_type, flags, time = HEADER.unpack_from(data, offset)
    if length > MAX_PAYLOAD:
        raise RecordDamaged(f"a length of {length} bytes")
    end = body + length + -length % ALIGNMENT
    if end > len(data):
        raise RecordIncomplete
    if google_crc32c.extend(crc, data[offset : offset + 4] + _NO_CRC + data[offset + 8 : end]) != stored_crc:
        raise RecordDamaged("the CRC does not match")
    if found != sequence:
        raise RecordDamaged(f"sequence {found} where {sequence} belongs")
    if flags & ~_KNOWN_FLAGS:
        raise RecordDamaged(f"unknown flags {flags:#x}")
    return Parsed(Record(found, epoch, record_type, flags, time, data[body : body + length]), end, stored_crc)


def header_at(data: bytes, offset: int) -> tuple[int, int, int, int] | None:
    """Return (length, crc, sequence, epoch) of the header at ``offset``, unchecked, or None when it does not fit."""
    if offset + HEADER_BYTES > len(data):
        return None
    length, crc, sequence, epoch, _, _, _ = HEADER.unpack_from(data, offset)
    return length, crc, sequence, epoch


def verifies_with_length(data: bytes, offset: int, crc: int) -> bool:
    """Tell whether the record at ``offset`` verifies when it is taken to end where the data ends.

    True only for a record that was written whole and whose length field was damaged afterwards.
    """
    padded = len(data) - offset - HEADER_BYTES
    if padded < 0 or padded % ALIGNMENT:
        return False
    stored = data[offset + 4 : offset + 8]
    rest = data[offset + 8 :]
    for length in range(max(0, padded - ALIGNMENT + 1), padded + 1):
        guess = google_crc32c.extend(crc, length.to_bytes(4, "little") + _NO_CRC + rest)
        if guess.to_bytes(4, "little") == stored:
            return True
    return False
