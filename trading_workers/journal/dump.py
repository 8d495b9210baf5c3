"""The journal as text for people and for other programs: one JSON object per record. Reads only, also beside a running writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from trading_workers.journal.framing import Record
from trading_workers.journal.records import RecordType, decode
from trading_workers.journal.recovery import TornTail, inspect, read_all
from trading_workers.journal.segments import list_segments


def dump(directory: Path, from_sequence: int = 1) -> Iterator[str]:
    """Yield a line per record: sequence, epoch, time (ns UTC), type, and the payload by field names.

    FIX messages are text with ``|`` for the separator. Raises ``JournalDamaged`` and ``UnknownRecord``.
    """
    for record in read_all(directory, from_sequence):
        yield to_json(record)


def to_json(record: Record) -> str:
    payload = msgspec.structs.asdict(decode(record.type, record.payload))
    message = payload.get("message")
    if isinstance(message, bytes):
        payload["message"] = message.replace(b"\x01", b"|").decode("latin-1")
    line = {
        "sequence": record.sequence,
        "epoch": record.epoch,
        "time": record.time,
        "type": RecordType(record.type).name,
        "payload": payload,
    }
    return msgspec.json.encode(line).decode()


class Verification(NamedTuple):
    segments: int
    records: int
    last_sequence: int
    last_epoch: int
    torn: TornTail | None
    """The start of a batch that is being written just now, or one that a recovery will cut."""


def verify(directory: Path) -> Verification:
    """Check every CRC, sequence and payload. Raises ``JournalDamaged`` and ``UnknownRecord``."""
    found = inspect(directory)
    records = 0
    for record in read_all(directory):
        decode(record.type, record.payload)
        records += 1
    return Verification(len(list_segments(directory)), records, found.last_sequence, found.last_epoch, found.torn)
