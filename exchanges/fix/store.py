"""Message stores: what a session must not forget. Outgoing frames are in the store before they are on the wire."""

from collections.abc import Iterator, Sequence
from typing import Protocol

#: One outgoing message: its number (tag 34) and its complete bytes.
Frame = tuple[int, bytes]


class StoreError(Exception):
    """The store cannot keep what it was given; the caller must not go on as if it had."""


class MessageStore(Protocol):
    """Both sequence numbers of a session and the bytes it has sent.

    Numbers start at 1. Every method that changes something raises when it could not be kept; then nothing may have changed.
    """

    @property
    def next_sender(self) -> int:
        """Number of the next message that we send: last number given to append_outgoing, plus 1."""
        ...

    @property
    def next_target(self) -> int:
        """Number of the next message that we expect."""
        ...

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        """Keep a batch with consecutive numbers, the first being next_sender. One write."""
        ...

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        """Frames with begin <= number <= end in rising order; numbers without a kept frame are left out."""
        ...

    def set_next_target(self, number: int) -> None:
        """The message before `number` has been taken by the application.

        Kept with the next change at the latest: `commit` or `append_outgoing`. If the process dies before, the peer sends those
        messages again with PossDupFlag, as it does for any that was taken but not yet counted.
        """
        ...

    def commit(self) -> None:
        """Keep what set_next_target has said. The session calls it after each read, before anything is written to the wire."""
        ...

    def reset(self) -> None:
        """Both numbers back to 1, all frames forgotten."""
        ...


def require_consecutive(frames: Sequence[Frame], next_sender: int) -> None:
    """Raises StoreError unless the batch's numbers go on from `next_sender` without a hole."""
    for expected, (number, _) in enumerate(frames, next_sender):
        if number != expected:
            raise StoreError(f"outgoing message has number {number}, the store expects {expected}")


class MemoryStore:
    """A store that lives as long as its process: for sessions that reset at every logon, and for tests."""

    def __init__(self) -> None:
        self.next_sender = 1
        self.next_target = 1
        self._frames: dict[int, bytes] = {}

    def append_outgoing(self, frames: Sequence[Frame]) -> None:
        require_consecutive(frames, self.next_sender)
        self._frames.update(frames)
        self.next_sender += len(frames)

    def outgoing(self, begin: int, end: int) -> Iterator[Frame]:
        for number in range(max(begin, 1), min(end, self.next_sender - 1) + 1):
            frame = self._frames.get(number)
            if frame is not None:
                yield number, frame

    def set_next_target(self, number: int) -> None:
        self.next_target = number

    def commit(self) -> None:
        """Memory has nothing to write."""

    def reset(self) -> None:
        self.next_sender = 1
        self.next_target = 1
        self._frames.clear()
