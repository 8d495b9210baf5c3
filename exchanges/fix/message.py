"""FIX messages as bytes: `Message` (ordered fields), `encode` (frame with BodyLength and CheckSum), `Parser` (stream to
messages).

Pure: no clock, no I/O. Values are bytes exactly as on the wire; tags are ints. Framing rules: FIX 4.4 volume 1, "Message format";
speed figures behind the two techniques used here (bytes templates with adler32, compiled layouts): facts of this project's
bench/bench_fix.py.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import adler32

from exchanges.prices import text_to_price

SOH = b"\x01"
Field = tuple[int, bytes]

BEGIN_STRING, BODY_LENGTH, CHECK_SUM, MSG_TYPE, MSG_SEQ_NUM = 8, 9, 10, 35, 34

#: Length field → data field that may hold any byte, SOH included (FIX 4.4 data type "data").
DATA_FIELDS: dict[int, int] = {
    90: 91, 93: 89, 95: 96, 212: 213, 348: 349, 350: 351, 352: 353, 354: 355, 356: 357, 358: 359, 360: 361, 362: 363, 364: 365,
    445: 446, 618: 619, 621: 622,
}  # fmt: skip
_DATA_TAGS = frozenset(DATA_FIELDS.values())

#: CheckSum → the field that ends a frame.
TRAILERS = [b"10=%03d\x01" % value for value in range(256)]
#: Text of CheckSum → low byte of the sum of a whole frame that ends with it, its own field included.
_SUMS_WITH_TRAILER = {b"%03d" % value: (value + sum(trailer)) & 255 for value, trailer in enumerate(TRAILERS)}
_IDENTITY = (49, 56, 52, 34)
_MAX_LAYOUTS = 512
_LAYOUT_USES_BEFORE_COMPILED = 3
_PATTERNS_PER_TYPE = 4
_MAX_MSG_TYPES = 64


class FieldError(ValueError):
    """A field of a received message cannot be used. `tag` is the field's tag."""

    def __init__(self, tag: int, text: str) -> None:
        super().__init__(f"tag {tag}: {text}")
        self.tag = tag


class FieldMissing(FieldError):
    """The message has no such field."""

    def __init__(self, tag: int) -> None:
        super().__init__(tag, "required tag missing")


class FieldFormat(FieldError):
    """The field is there, but its text is not of the asked type."""

    def __init__(self, tag: int, value: bytes) -> None:
        super().__init__(tag, f"incorrect data format: {value[:40]!r}")


class UnsendableField(ValueError):
    """A field to be sent is empty or contains the field separator; nothing was sent."""


def checksum(frame: bytes) -> int:
    """FIX CheckSum of `frame`: sum of its bytes modulo 256.

    adler32's low half is 1 + byte sum modulo 65,521, so up to 256 bytes (at most 65,280) it is the sum itself; longer frames
    are folded.
    """
    if len(frame) <= 256:
        return (adler32(frame) - 1) & 255
    total = 0
    for start in range(0, len(frame), 256):
        total += adler32(frame[start : start + 256]) - 1
    return total & 255


def seal(begin_string: bytes, body: bytes) -> bytes:
    """Complete frame around `body` (from `35=` up to and including the SOH before `10=`)."""
    frame = b"8=%b\x019=%d\x01%b" % (begin_string, len(body), body)
    return frame + TRAILERS[checksum(frame)]


def encode(begin_string: bytes, fields: Sequence[Field]) -> bytes:
    """Frame with `fields` in the given order; the first must be MsgType (35). BodyLength and CheckSum are computed.

    Raises UnsendableField for an empty value, or an SOH in a field that is not of type data.
    """
    check_sendable(fields)
    return seal(begin_string, b"".join([b"%d=%b\x01" % field for field in fields]))


def check_sendable(fields: Sequence[Field]) -> None:
    """Raises UnsendableField when a value would break the frame, so that no text of a user can add a field of its own."""
    for tag, value in fields:
        if not value or (SOH in value and tag not in _DATA_TAGS):
            raise UnsendableField(f"tag {tag}: value {value[:40]!r} cannot be sent")


class Layout:
    """The tags of a message in order, shared by all messages of the same shape, so that each shape is analysed once."""

    __slots__ = ("checks", "entry_places", "first_places", "has_data", "header_places", "tags", "uses")

    def __init__(self, tags: tuple[int, ...]) -> None:
        self.tags = tags
        self.first_places: dict[int, int] = {}
        for place, tag in enumerate(tags):
            self.first_places.setdefault(tag, place)
        self.has_data = any(tag in DATA_FIELDS for tag in tags)
        #: Places of SenderCompID, TargetCompID, SendingTime and MsgSeqNum; None when one of them is missing.
        places = [self.first_places.get(tag, -1) for tag in _IDENTITY]
        self.header_places = None if -1 in places else (places[0], places[1], places[2], places[3])
        self.uses = 0
        #: MsgType → the dictionary's analysis of this shape, kept here by exchanges.fix.dictionary.validation.
        self.checks: dict[bytes, Any] = {}
        #: Where the entries of a market data message stand, kept here by exchanges.market_data.book.
        self.entry_places: Any = None


class Message:
    """One complete message with a good BodyLength and CheckSum: fields in wire order, 8, 9 and 10 included."""

    __slots__ = ("layout", "raw", "values")

    def __init__(self, raw: bytes, layout: Layout, values: Sequence[bytes]) -> None:
        self.raw = raw
        self.layout = layout
        self.values = values

    @property
    def tags(self) -> tuple[int, ...]:
        return self.layout.tags

    @property
    def fields(self) -> Iterator[Field]:
        return zip(self.layout.tags, self.values, strict=True)

    @property
    def begin_string(self) -> bytes:
        return self.values[0]

    @property
    def msg_type(self) -> str:
        return self.values[2].decode("latin-1")

    @property
    def number(self) -> int | None:
        """MsgSeqNum; None when it is missing or not a number."""
        place = self.layout.first_places.get(MSG_SEQ_NUM)
        if place is None:
            return None
        text = self.values[place]
        return int(text) if text.isdigit() and len(text) <= 18 else None

    def __contains__(self, tag: int) -> bool:
        return tag in self.layout.first_places

    def get(self, tag: int) -> bytes | None:
        """Value of the first field with this tag, or None."""
        place = self.layout.first_places.get(tag)
        return None if place is None else self.values[place]

    def required(self, tag: int) -> bytes:
        """Value of the first field with this tag. Raises FieldMissing."""
        place = self.layout.first_places.get(tag)
        if place is None:
            raise FieldMissing(tag)
        return self.values[place]

    def get_text(self, tag: int) -> str | None:
        value = self.get(tag)
        return None if value is None else _decode(tag, value)

    def required_text(self, tag: int) -> str:
        return _decode(tag, self.required(tag))

    def get_int(self, tag: int) -> int | None:
        """Whole number, or None when absent. Raises FieldFormat."""
        value = self.get(tag)
        return None if value is None else field_int(tag, value)

    def required_int(self, tag: int) -> int:
        return field_int(tag, self.required(tag))

    def get_price(self, tag: int) -> int | None:
        """Price in micros (int64 millionths), exact; None when absent. Raises FieldFormat."""
        value = self.get(tag)
        return None if value is None else _price(tag, value)

    def required_price(self, tag: int) -> int:
        return _price(tag, self.required(tag))

    def group(self, count_tag: int) -> list[dict[int, bytes]]:
        """Entries of the repeating group counted by `count_tag`; an entry starts at each repeat of the first tag after the count.

        The group ends at CheckSum or, after the announced number of entries, at a tag that the last entry already has. Raises
        FieldFormat
        when the announced number of entries is not there. An absent group gives an empty list. Nested groups are not taken apart.
        """
        place = self.layout.first_places.get(count_tag)
        if place is None:
            return []
        count = field_int(count_tag, self.values[place])
        if count == 0:
            return []
        tags, entries = self.layout.tags, list[dict[int, bytes]]()
        delimiter = tags[place + 1] if place + 1 < len(tags) else CHECK_SUM
        for tag, value in zip(tags[place + 1 :], self.values[place + 1 :], strict=True):
            if tag == CHECK_SUM:
                break
            if tag == delimiter:
                if len(entries) == count:
                    raise FieldFormat(count_tag, self.values[place])
                entries.append({})
            elif tag in entries[-1]:
                break
            entries[-1][tag] = value
        if len(entries) != count:
            raise FieldFormat(count_tag, self.values[place])
        return entries

    def __repr__(self) -> str:
        return f"Message({self.raw.replace(SOH, b'|')!r})"


def field_int(tag: int, value: bytes) -> int:
    """FIX int: optional minus sign and ASCII digits only (Python's own int() also takes `+1`, `1_0` and spaces). Raises
    FieldFormat.
    """
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or len(digits) > 18:
        raise FieldFormat(tag, value)
    return int(value)


def _decode(tag: int, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise FieldFormat(tag, value) from None


def _price(tag: int, value: bytes) -> int:
    try:
        return text_to_price(value.decode("ascii"))
    except ValueError:
        raise FieldFormat(tag, value) from None


def _pattern_of(layout: Layout) -> re.Pattern[bytes]:
    """Frames of the layout, one capture for each value; BodyLength and CheckSum have their form, so both can be computed with."""
    forms = {BEGIN_STRING: rb"FIX[^\x01]{0,10}", BODY_LENGTH: rb"[0-9]{1,8}", CHECK_SUM: rb"(?:[01][0-9]{2}|2[0-4][0-9]|25[0-5])"}
    last = len(layout.tags) - 1
    parts = [
        (tag, forms.get(tag, rb"[^\x01]*+") if place < 2 or place == last else rb"[^\x01]*+")
        for place, tag in enumerate(layout.tags)
    ]
    return re.compile(b"".join([b"%d=(%b)\x01" % part for part in parts]))


class Parser:
    """Cuts a byte stream into messages. Broken frames are dropped (their number is not used) and parsing resumes at the next
    `8=FIX`.

    A BodyLength that is too long takes the following message with it, as FIX engines do: the frame ends at the first CheckSum
    field at or
    after the announced end. `dropped_frames` and `dropped_bytes` count what was thrown away. `feed` never raises on any input.
    """

    def __init__(self, max_body_length: int = 131_072) -> None:
        self.max_body_length = max_body_length
        self.dropped_frames = 0
        self.dropped_bytes = 0
        self._rest = b""
        self._layouts: dict[tuple[bytes, ...], Layout] = {}
        self._patterns: dict[bytes, list[tuple[re.Pattern[bytes], Layout]]] = {}
        #: Shape of the last message of a compiled layout: most streams are runs of one shape.
        self._last: tuple[re.Pattern[bytes], Layout] | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Messages completed by `data`, in order."""
        buffer = self._rest + data if self._rest else bytes(data)
        messages: list[Message] = []
        start, size = 0, len(buffer)
        while start < size:
            if self._last is not None:
                run_end = self._run(buffer, start, messages)
                if run_end > start:
                    start = run_end
                    continue
            found = buffer.find(b"8=FIX", start)
            if found != start:
                start = self._skip_garbage(buffer, start, found)
                if found < 0:
                    break
            end = self._frame_end(buffer, start, size)
            if end is None:
                break
            if end < 0:
                self.dropped_frames += 1
                self.dropped_bytes += -end - start
                start = -end
                continue
            message = self._message(buffer[start:end])
            if message is None:
                self.dropped_frames += 1
                self.dropped_bytes += end - start
            else:
                messages.append(message)
            start = end
        self._rest = buffer[start:]
        return messages

    def _run(self, buffer: bytes, start: int, messages: list[Message]) -> int:
        """Take the messages from `start` on that have the shape of the last one; returns where the first other thing begins.

        One match finds the end of the frame and its values. Whatever is not perfect is left to the general way, which says why.
        """
        assert self._last is not None
        pattern, layout = self._last
        match_at, limit, add = pattern.match, self.max_body_length, messages.append
        while True:
            match = match_at(buffer, start)
            if match is None:
                return start
            values, end, frame = match.groups(), match.end(), match[0]
            digits = values[1]
            length = int(digits)
            # 8, 9 and 10 with their separators are around the body.
            if length != len(frame) - len(values[0]) - len(digits) - 13 or length > limit:
                return start
            total = adler32(frame) - 1 if len(frame) <= 256 else checksum(frame)
            if total & 255 != _SUMS_WITH_TRAILER[values[-1]]:
                return start
            add(Message(frame, layout, values))
            start = end

    def _skip_garbage(self, buffer: bytes, start: int, found: int) -> int:
        """Place where the buffer goes on: the next frame, or the last bytes that may be the beginning of one."""
        if found < 0:
            found = len(buffer)
            for length in range(4, 0, -1):
                if buffer.endswith(b"8=FIX"[:length], start):
                    found -= length
                    break
        self.dropped_bytes += found - start
        return found

    def _frame_end(self, buffer: bytes, start: int, size: int) -> int | None:
        """End of the frame; None when more bytes are needed; minus the place to resume at when the frame is broken."""
        after_begin = buffer.find(SOH, start, start + 16)
        if after_begin < 0:
            return None if size < start + 16 else -(start + 5)
        if after_begin + 2 >= size:
            return None
        if buffer[after_begin + 1 : after_begin + 3] != b"9=":
            return -(start + 5)
        body = buffer.find(SOH, after_begin + 3, after_begin + 12) + 1
        if body == 0:
            return None if size < after_begin + 12 else -(start + 5)
        digits = buffer[after_begin + 3 : body - 1]
        if not digits.isdigit() or int(digits) > self.max_body_length:
            return -(start + 5)
        trailer = body + int(digits)
        if size < trailer + 3:
            return None
        if buffer[trailer - 1 : trailer + 3] == b"\x0110=":
            if size < trailer + 7:
                # A cut-off CheckSum such as `10=4` SOH would otherwise hold back the stream until three more bytes come.
                cut = buffer.find(SOH, trailer + 3)
                return None if cut < 0 else -(cut + 1)
            if buffer[trailer + 6] == 1:
                return trailer + 7
            cut = buffer.find(SOH, trailer + 3)
            return -(cut + 1) if cut >= 0 else None if size < trailer + 16 else -(start + 5)
        found = buffer.find(b"\x0110=", max(trailer - 1, body - 1))
        if found < 0:
            return None if size - trailer < self.max_body_length else -(start + 5)
        cut = buffer.find(SOH, found + 4)
        if cut < 0:
            return None if size - found < 16 else -(start + 5)
        return -(cut + 1)

    def _message(self, frame: bytes) -> Message | None:
        """The frame's message; None when its CheckSum is wrong or a field is not `tag=value`."""
        size = len(frame)
        if size <= 263:
            if TRAILERS[(adler32(frame[:-7]) - 1) & 255] != frame[-7:]:
                return None
        elif TRAILERS[checksum(frame[:-7])] != frame[-7:]:
            return None
        type_start = frame.find(b"\x0135=", 11, 32) + 1
        key = frame[type_start : frame.find(SOH, type_start + 3, type_start + 12)]
        patterns = self._patterns.get(key)
        if patterns is not None:
            for pattern, layout in patterns:
                match = pattern.fullmatch(frame)
                if match is not None:
                    self._last = pattern, layout
                    return Message(frame, layout, match.groups())
        return self._split(frame, key)

    def _split(self, frame: bytes, key: bytes) -> Message | None:
        pairs = [part.partition(b"=") for part in frame[:-1].split(SOH)]
        layout = self._layout(tuple([pair[0] for pair in pairs]))
        if layout is None:
            return self._split_with_data(frame)
        if layout.has_data:
            return self._split_with_data(frame)
        if layout.tags[2] != MSG_TYPE or not all(pair[1] for pair in pairs):
            return None
        layout.uses += 1
        if layout.uses == _LAYOUT_USES_BEFORE_COMPILED and len(self._patterns) < _MAX_MSG_TYPES:
            patterns = self._patterns.setdefault(key, [])
            if len(patterns) < _PATTERNS_PER_TYPE:
                patterns.append((_pattern_of(layout), layout))
        return Message(frame, layout, [pair[2] for pair in pairs])

    def _split_with_data(self, frame: bytes) -> Message | None:
        """Field by field, as a data field's length decides where it ends."""
        tags: list[bytes] = []
        values: list[bytes] = []
        data_length, data_tag, place = -1, b"", 0
        while place < len(frame):
            equals = frame.find(b"=", place)
            if equals < 0:
                return None
            tag = frame[place:equals]
            end = frame.find(SOH, equals + 1)
            if tag == data_tag and data_length >= 0:
                end = equals + 1 + data_length
                if end >= len(frame) or frame[end] != 1:
                    return None
            value = frame[equals + 1 : end]
            tags.append(tag)
            values.append(value)
            data_length = -1
            if tag.isdigit() and len(tag) < 10 and int(tag) in DATA_FIELDS and value.isdigit() and len(value) < 10:
                data_length, data_tag = int(value), b"%d" % DATA_FIELDS[int(tag)]
            place = end + 1
        layout = self._layout(tuple(tags))
        if layout is None or len(layout.tags) < 4 or layout.tags[2] != MSG_TYPE:
            return None
        return Message(frame, layout, values)

    def _layout(self, tag_texts: tuple[bytes, ...]) -> Layout | None:
        layout = self._layouts.get(tag_texts)
        if layout is None:
            try:
                tags = tuple([field_int(0, text) for text in tag_texts])
            except FieldFormat:
                return None
            if len(tags) < 4:
                return None
            layout = Layout(tags)
            if len(self._layouts) < _MAX_LAYOUTS:
                self._layouts[tag_texts] = layout
        return layout
