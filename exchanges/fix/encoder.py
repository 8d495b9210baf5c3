"""Frames of one session: the fields of the caller, framed by the session's standard header, from bytes templates kept per
shape.
"""

from collections.abc import Sequence
from zlib import adler32

from exchanges.fix import tags
from exchanges.fix.message import SOH, TRAILERS, Field, Message, UnsendableField, check_sendable, checksum, encode
from exchanges.fix.shape import SET_BY_SESSION, Filled, Shape, is_plain
from exchanges.fix.store import Frame

_MAX_TEMPLATES = 1024
#: Up to this length of body the byte sum is adler32's low half itself (see checksum in exchanges.fix.message).
_ONE_SLICE = 256


class _Heads(dict[int, tuple[bytes, int]]):
    """Length of the body → BeginString and BodyLength, and what their bytes add to adler32 of the body to give the CheckSum."""

    def __init__(self, begin_string: bytes) -> None:
        super().__init__()
        self._begin_string = begin_string

    def __missing__(self, length: int) -> tuple[bytes, int]:
        head = b"8=%b\x019=%d\x01" % (self._begin_string, length)
        known = self[length] = (head, checksum(head) - 1)
        return known


class FrameEncoder:
    """Encodes the messages of one session. Header: 8, 9, 35, then ascending tags; the body keeps the caller's order (groups
    need it).
    """

    def __init__(self, begin_string: str, sender_comp_id: str, target_comp_id: str) -> None:
        self.begin_string = begin_string.encode("ascii")
        self._sender = sender_comp_id.encode("ascii")
        self._target = target_comp_id.encode("ascii")
        self._heads = _Heads(self.begin_string)
        #: (MsgType, tags) → bytes template, number of SOH in a good body.
        self._templates: dict[tuple[str, tuple[int, ...]], tuple[bytes, int]] = {}
        self._of_shapes: dict[Shape, bytes] = {}

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
        head, head_sum = self._heads[len(body)]
        return head + body + TRAILERS[(head_sum + (adler32(body) if len(body) <= _ONE_SLICE else checksum(body) + 1)) & 255]

    def filled_frames(self, number: int, sending_time: bytes, messages: Sequence[Filled]) -> list[Frame]:
        """Frames of checked messages with consecutive numbers from `number` on."""
        frames: list[Frame] = []
        add, heads, shape, template = frames.append, self._heads, None, b""
        for message in messages:
            if message.shape is not shape:
                shape = message.shape
                template = self._of_shapes.get(shape) or self._shape_template(shape)
            body = template % (number, sending_time, *message.values)
            size = len(body)
            head, head_sum = heads[size]
            total = head_sum + (adler32(body) if size <= _ONE_SLICE else checksum(body) + 1)
            add((number, head + body + TRAILERS[total & 255]))
            number += 1
        return frames

    def _shape_template(self, shape: Shape) -> bytes:
        template = self._template(shape.msg_type, shape.tags)
        if len(self._of_shapes) < _MAX_TEMPLATES:
            self._of_shapes[shape] = template
        return template

    def _new_template(self, msg_type: str, shape: tuple[int, ...]) -> bytes | None:
        """Template, or None when some fields belong into the header or hold data, which only the general way can do."""
        for tag in shape:
            if tag in SET_BY_SESSION:
                raise UnsendableField(f"tag {tag} is set by the session")
        if not all(is_plain(tag) for tag in shape):
            return None
        if not msg_type.isalnum() or not msg_type.isascii():
            raise UnsendableField(f"{msg_type!r} is not a message type")
        return self._template(msg_type, shape)

    def _template(self, msg_type: str, shape: tuple[int, ...]) -> bytes:
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
