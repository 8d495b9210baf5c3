"""Answer to a ResendRequest: application messages again, every run of administrative messages or holes as one GapFill, in
bounded chunks.
"""

from collections.abc import Callable, Iterator

from exchanges.fix import tags
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.message import Message, Parser
from exchanges.fix.store import MessageStore

#: By the specification Reject is the one administrative message that is sent again.
_REPLACED_BY_GAP_FILL = tags.ADMIN_TYPES - {tags.REJECT}


class Resend:
    """One ResendRequest being served: numbers begin … end (both included, all written before)."""

    def __init__(
        self,
        store: MessageStore,
        encoder: FrameEncoder,
        begin: int,
        end: int,
        may_resend: Callable[[Message], bool],
    ) -> None:
        self._encoder = encoder
        self._may_resend = may_resend
        self._end = end
        #: First number that has been neither sent again nor covered by a GapFill.
        self._open = begin
        self._frames: Iterator[tuple[int, bytes]] = store.outgoing(begin, end)
        self.finished = begin > end

    def chunk(self, sending_time: bytes, limit: int) -> list[bytes]:
        """The next frames to write, made from at most `limit` stored messages. Sets `finished` with the last."""
        frames: list[bytes] = []
        for _ in range(limit):
            stored = next(self._frames, None)
            if stored is None:
                if self._open <= self._end:
                    frames.append(self._encoder.gap_fill(self._open, self._end + 1, sending_time))
                self.finished = True
                return frames
            number, raw = stored
            message = _parsed(raw)
            if message is None or message.msg_type in _REPLACED_BY_GAP_FILL or not self._may_resend(message):
                continue
            if number > self._open:
                frames.append(self._encoder.gap_fill(self._open, number, sending_time))
            frames.append(self._encoder.sent_again(message, sending_time))
            self._open = number + 1
        return frames


def _parsed(raw: bytes) -> Message | None:
    messages = Parser(max_body_length=len(raw)).feed(raw)
    return messages[0] if messages else None
