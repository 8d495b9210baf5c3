"""Message stores of the venue's sessions: a view of the event log for members, a short memory for market data."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from exchanges.fix.store import Frame, require_consecutive
from exchanges.simulator import records
from exchanges.simulator.event_log import Entry, EventLog, RecordType

_KEPT_FOR_MARKET_DATA = 256


class LoggedStore:
    """Numbers and frames of one member's session; every frame lies in the event log, here is only where."""

    def __init__(self, log: EventLog, member: str, now: Callable[[], int]) -> None:
        self.member = member
        self.generation = 0
        self.next_sender = 1
        self.next_target = 1
        self._log = log
        self._now = now
        self._waiting_from: int | None = None
        self._first = 1
        self._segments = array("Q")
        self._ends = array("Q")
        self._lengths = array("L")

    # ---- MessageStore

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        require_consecutive(frames, self.next_sender)
        now = self._now()
        entries = self.entries(frames, RecordType.SESSION_FRAME, now)
        self.kept(frames, entries, self._log.append(entries))

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        for number in range(max(begin, self._first), min(end, self.next_sender - 1) + 1):
            place = number - self._first
            length = self._lengths[place]
            if length:
                yield number, self._log.read(self._segments[place], self._ends[place] - length, length)

    def set_next_target(self, number: int) -> None:
        """Kept with the next frame that is sent, or implied by the message's own record; one lost in between is asked for again."""
        self.next_target = number

    def commit(self) -> None:
        """Nothing: see set_next_target."""

    def reset(self) -> None:
        self._log.append([Entry(RecordType.NUMBERS_RESET, self._now(), records.encode(records.LineEvent(self.member)))])
        self.forget()

    # ---- for the venue

    def wait_for(self, number: int) -> None:
        """The message `number` is taken but not in the log yet; until `logged`, no record may say that it is."""
        if self._waiting_from is None:
            self._waiting_from = number

    def logged(self) -> None:
        self._waiting_from = None

    def entries(self, frames: Sequence[Frame], kind: RecordType, now: int) -> list[Entry]:
        """Log entries of `frames`, for the caller to append and then report by `kept`."""
        target = self.next_target if self._waiting_from is None else self._waiting_from
        return [Entry(kind, now, records.encode(records.Outbound(self.member, number, target, frame))) for number, frame in frames]

    def kept(self, frames: Sequence[Frame], entries: Sequence[Entry], offsets: Sequence[int]) -> None:
        """`frames` are in the log: payload i of `entries` begins at offset i of the present segment."""
        for (number, frame), entry, offset in zip(frames, entries, offsets, strict=True):
            self.place(number, self._log.segment, offset + len(entry.payload), len(frame))

    def place(self, number: int, segment: int, end: int, length: int) -> None:
        """Frame `number` ends at offset `end` of `segment`."""
        if self.next_sender == self._first:
            self._first = number
        else:
            while self.next_sender < number:
                self._put(0, 0, 0)
        self.next_sender = number
        self._put(segment, end, length)

    def forget(self) -> None:
        """Numbers back to 1, in memory."""
        self.generation += 1
        self.continue_from(records.Numbers(self.generation, 1, 1))

    def continue_from(self, numbers: records.Numbers) -> None:
        """Numbers as a day's first record has them; frames of the days before are placed by whoever read them."""
        self.generation = numbers.generation
        self.next_target = numbers.next_target
        self._waiting_from = None
        if numbers.next_sender != self.next_sender:
            self._first = self.next_sender = numbers.next_sender
            self._segments, self._ends, self._lengths = array("Q"), array("Q"), array("L")

    @property
    def numbers(self) -> records.Numbers:
        return records.Numbers(self.generation, self.next_sender, self.next_target)

    def _put(self, segment: int, end: int, length: int) -> None:
        self._segments.append(segment)
        self._ends.append(end)
        self._lengths.append(length)
        self.next_sender += 1


class RecentFrames:
    """Store of a market-data session: nobody wants an old price again, so only the last few frames are kept."""

    def __init__(self) -> None:
        self.next_sender = 1
        self.next_target = 1
        self._frames: deque[Frame] = deque(maxlen=_KEPT_FOR_MARKET_DATA)

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        require_consecutive(frames, self.next_sender)
        self._frames.extend(frames)
        self.next_sender += len(frames)

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        yield from [frame for frame in self._frames if begin <= frame[0] <= end]

    def set_next_target(self, number: int) -> None:
        self.next_target = number

    def commit(self) -> None:
        """Nothing: see set_next_target."""

    def reset(self) -> None:
        self.next_sender = 1
        self.next_target = 1
        self._frames.clear()
