"""The FIX message store of an order line is a view of the journal: one append both journals an order and stores its message.

Outgoing messages are ``FIX_SENT`` records, found again by the sequence of their record. The number expected next is one more than
that of the last inbound application message in the journal: after a restart the session asks the venue again for whatever came
later, and what had been processed without a record (heartbeats) comes back as a gap fill.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence

from exchanges.fix.store import Frame, StoreError, require_consecutive
from trading_workers.journal.framing import Record
from trading_workers.journal.records import (
    AnyPayload,
    CancelRejected,
    Execution,
    FixReceived,
    FixReset,
    FixSent,
    decode,
)
from trading_workers.journal.segments import JournalError

Append = Callable[[Sequence[AnyPayload]], int]
"""Writes records as one batch, durable under every policy but ``os``, and returns the sequence of the first."""
ReadFrom = Callable[[int], Iterator[Record]]
"""Records of the journal from a sequence on."""


class JournalStore:
    """`exchanges.fix.store.MessageStore` of one line."""

    def __init__(self, line: str, append: Append, read_from: ReadFrom) -> None:
        self.line = line
        self._append = append
        self._read_from = read_from
        self._next_target = 1
        #: Sequence of the record that holds message number index + 1.
        self._records = array("q")

    @property
    def next_sender(self) -> int:
        return len(self._records) + 1

    @property
    def next_target(self) -> int:
        return self._next_target

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        """The session's own messages (Logon, Heartbeat, …). Raises StoreError."""
        require_consecutive(frames, self.next_sender)
        try:
            first = self._append(self.records_of(frames))
        except JournalError as error:
            raise StoreError(str(error)) from error
        self.written(frames, first)

    def records_of(self, frames: Sequence[Frame]) -> list[FixSent]:
        """The records of prepared messages, for a caller that appends them together with its own."""
        return [FixSent(line=self.line, number=number, message=message) for number, message in frames]

    def written(self, frames: Sequence[Frame], first_sequence: int) -> None:
        """The records of `frames` are in the journal, one after another from `first_sequence` on. Raises StoreError for a hole."""
        require_consecutive(frames, self.next_sender)
        self._records.extend(range(first_sequence, first_sequence + len(frames)))

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        begin, end = max(begin, 1), min(end, len(self._records))
        if begin > end:
            return
        for record in self._read_from(self._records[begin - 1]):
            payload = decode(record.type, record.payload)
            if isinstance(payload, FixSent) and payload.line == self.line:
                if payload.number > end:
                    return
                yield payload.number, payload.message
                if payload.number == end:
                    return

    def set_next_target(self, number: int) -> None:
        self._next_target = number

    def commit(self) -> None:
        """Nothing: the journal's records of inbound messages say which number is next."""

    def reset(self) -> None:
        try:
            self._append([FixReset(line=self.line)])
        except JournalError as error:
            raise StoreError(str(error)) from error
        self._forget()

    def recovered(self, sequence: int, payload: AnyPayload) -> None:
        """One record of this line read back at the start, in the order of the journal."""
        if isinstance(payload, FixSent):
            self.written([(payload.number, payload.message)], sequence)
        elif isinstance(payload, Execution | CancelRejected):
            self._next_target = payload.fix_number + 1
        elif isinstance(payload, FixReceived):
            self._next_target = payload.number + 1
        elif isinstance(payload, FixReset):
            self._forget()

    def _forget(self) -> None:
        self._next_target = 1
        del self._records[:]
