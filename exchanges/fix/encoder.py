"""Frames of one session: the fields of the caller, framed by the session's standard header, from bytes templates kept per
shape.
"""

from collections.abc import Sequence
from zlib import adler32

from exchanges.fix import tags
from exchanges.fix.message import DATA_FIELDS, SOH, TRAILERS, Field, Message, UnsendableField, check_sendable, checksum, encode

_SET_BY_SESSION = frozenset({8, 9, 10, 34, 35, 43, 49, 52, 56, 122})
_DATA_TAGS = frozenset(DATA_FIELDS.values())
_MAX_TEMPLATES = 1024


class FrameEncoder:
    """Encodes the messages of one session. Header: 8, 9, 35, then ascending tags; the body keeps the caller's order (groups
    need it).
    """

    def __init__(self, begin_string: str, sender_comp_id: str, target_comp_id: str) -> None:
        self.begin_string = begin_string.encode("ascii")
        self._sender = sender_comp_id.encode("ascii")
        self._target = target_comp_id.encode("ascii")
        #: Length of the body → BeginString and BodyLength.
        self._heads: dict[int, bytes] = {}
        #: (MsgType, tags) → bytes template, number of SOH in a good body.
        self._templates: dict[tuple[str, tuple[int, ...]], tuple[bytes, int]] = {}

    def frame(self, msg_type: str, number: int, sending_time: bytes, fields: Sequence[Field]) -> bytes:
        """Complete bytes of message `number`. Raises UnsendableField when a value is empty, holds an SOH, or is the session's
        to set.
        """
        shape, values = zip(*fields, strict=False) if fields else ((), ())
        known = self._templates.get((msg_type, shape))
        if known is None:
            template = self._new_template(msg_type, shape)
            if template is None:
                return self._with_header_fields(msg_type, number, sending_time, fields)
            known = (template, template.count(SOH))
            if len(self._templates) < _MAX_TEMPLATES:
                self._templates[msg_type, shape] = known
        body: bytes = known[0] % (number, sending_time, *values)
        if body.count(SOH) != known[1] or b"" in values:
            check_sendable(fields)
            raise UnsendableField(f"message {msg_type}: the type cannot be sent")
        head = self._heads.get(len(body))
        if head is None:
            head = self._heads[len(body)] = b"8=%b\x019=%d\x01" % (self.begin_string, len(body))
        frame = head + body
        return frame + TRAILERS[(adler32(frame) - 1) & 255 if len(frame) <= 256 else checksum(frame)]

    def _new_template(self, msg_type: str, shape: tuple[int, ...]) -> bytes | None:
        """Template, or None when some fields belong into the header or hold data, which only the general way can do."""
        for tag in shape:
            if tag in _SET_BY_SESSION:
                raise UnsendableField(f"tag {tag} is set by the session")
        if any(tag in tags.HEADER_TAGS or tag in tags.TRAILER_TAGS or tag in _DATA_TAGS for tag in shape):
            return None
        if not msg_type.isalnum() or not msg_type.isascii():
            raise UnsendableField(f"{msg_type!r} is not a message type")
        sender, target = self._sender.replace(b"%", b"%%"), self._target.replace(b"%", b"%%")
        head = b"35=%b\x0134=%%d\x0149=%b\x0152=%%b\x0156=%b\x01" % (msg_type.encode("ascii"), sender, target)
        return head + b"".join([b"%d=%%b\x01" % tag for tag in shape])

    def _with_header_fields(self, msg_type: str, number: int, sending_time: bytes, fields: Sequence[Field]) -> bytes:
        header = [(34, b"%d" % number), (49, self._sender), (52, sending_time), (56, self._target)]
        header += [field for field in fields if field[0] in tags.HEADER_TAGS]
        body = [field for field in fields if field[0] not in tags.HEADER_TAGS]
        return encode(self.begin_string, [(35, msg_type.encode("ascii")), *sorted(header, key=_tag), *body])

    def sent_again(self, message: Message, sending_time: bytes) -> bytes:
        """The frame of a message that was sent before: same number and body, 43=Y, 122 = its first SendingTime, 52 =
        `sending_time`.
        """
        header = [(43, b"Y"), (52, sending_time), (122, message.required(tags.SENDING_TIME))]
        body: list[Field] = []
        for tag, value in message.fields:
            if tag in (8, 9, 10, 35, 43, 52, 122):
                continue
            (header if tag in tags.HEADER_TAGS else body).append((tag, value))
        return encode(self.begin_string, [(35, message.required(35)), *sorted(header, key=_tag), *body])

    def gap_fill(self, number: int, new_number: int, sending_time: bytes) -> bytes:
        """SequenceReset-GapFill in place of the messages number … new_number - 1."""
        return encode(self.begin_string, [
            (35, b"4"), (34, b"%d" % number), (43, b"Y"), (49, self._sender), (52, sending_time), (56, self._target), (122,
            sending_time),
            (36, b"%d" % new_number), (123, b"Y"),
        ])  # fmt: skip


def _tag(field: Field) -> int:
    return field[0]
