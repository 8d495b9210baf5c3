"""A journal as JSON lines, for people and for independent readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from trading_workers.journal.records import RecordType, UnknownRecord, decode
from trading_workers.journal.recovery import read_all


def dump(directory: Path, from_sequence: int = 1) -> Iterator[str]:
    """One JSON object a record: sequence, epoch, time (ns UTC), type and payload; FIX messages with ``|`` for SOH.

    A record of a type that this version does not know has ``"payload": null`` and ``"unknown"`` with the reason.
    Raises ``JournalDamaged`` where the journal is damaged, after the records before it.
    """
    for record in read_all(directory, from_sequence):
        head = {"sequence": record.sequence, "epoch": record.epoch, "time": record.time}
        try:
            payload = decode(record.type, record.payload)
        except UnknownRecord as unknown:
            yield json.dumps({**head, "type": record.type, "payload": None, "unknown": str(unknown)})
            continue
        fields = {name: _plain(getattr(payload, name)) for name in payload.__struct_fields__}
        yield json.dumps({**head, "type": RecordType(record.type).name, "payload": fields})


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.replace(b"\x01", b"|").decode("latin-1")
    return msgspec.to_builtins(value)
