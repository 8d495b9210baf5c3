"""The journal as the parts of a worker share it: typed records in, sequences out, one lasting failure for all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from trading_workers.journal.framing import Record
from trading_workers.journal.reader import JournalReader
from trading_workers.journal.records import AnyPayload, encode
from trading_workers.journal.writer import JournalWriter, SyncPolicy

READ_RECORDS = 1_000


class WorkerJournal:
    """`now` gives nanoseconds UTC. Everything raises trading_workers.journal.segments.JournalUnavailable."""

    def __init__(self, writer: JournalWriter, now: Callable[[], int]) -> None:
        self._writer = writer
        self._now = now

    @property
    def directory(self) -> Path:
        return self._writer.directory

    @property
    def last_sequence(self) -> int:
        return self._writer.last_sequence

    @property
    def failure(self) -> str | None:
        """Why nothing can be written any more; None while it can."""
        return self._writer.failure

    def append(self, payloads: Sequence[AnyPayload]) -> int:
        """Write one batch; the sequence of its first record. Durable only after `sync`."""
        return self._writer.append([encode(payload) for payload in payloads], self._now())

    def append_encoded(self, records: Sequence[tuple[int, bytes]], now: int) -> int:
        """As `append`, for records that are bytes already, stamped `now`."""
        return self._writer.append(records, now)

    def append_durably(self, payloads: Sequence[AnyPayload]) -> int:
        """For rare records outside the group: their number may never be given out again, not even after a power cut."""
        first = self.append(payloads)
        self._writer.sync()
        return first

    async def sync(self) -> None:
        """Make everything appended before this call durable, as the policy asks, while the event loop goes on."""
        if self._writer.policy is SyncPolicy.GROUP:
            await asyncio.to_thread(self._writer.sync)

    def read_from(self, sequence: int) -> Iterator[Record]:
        """Written records from `sequence` on, up to the present end."""
        reader = JournalReader(self._writer.directory)
        while records := reader.read(sequence, READ_RECORDS):
            yield from records
            sequence = records[-1].sequence + 1

    def close(self) -> None:
        self._writer.close()
