"""Application messages of a fixed shape: the type and its tags are named once, a message then is its values only.

A `Shape` is made once for each kind of message an application sends. `fill` checks the values of one message where they come from;
the encoder then has nothing left to check and formats them with one compiled template (exchanges.fix.encoder).
"""

from __future__ import annotations

from collections.abc import Sequence

from exchanges.fix import tags
from exchanges.fix.message import DATA_FIELDS, SOH, Field, UnsendableField, check_sendable

SET_BY_SESSION = frozenset({8, 9, 10, 34, 35, 43, 49, 52, 56, 122})
_DATA_TAGS = frozenset(DATA_FIELDS.values())


class Shape:
    """MsgType and body tags in the order of sending (groups: count, then the entries' tags as often as there are entries).

    Raises UnsendableField for a type or a tag that no template can have: header and trailer fields, data, what the session sets.
    """

    __slots__ = ("msg_type", "tags")

    def __init__(self, msg_type: str, body_tags: Sequence[int]) -> None:
        if not msg_type.isalnum() or not msg_type.isascii():
            raise UnsendableField(f"{msg_type!r} is not a message type")
        for tag in body_tags:
            if tag in SET_BY_SESSION:
                raise UnsendableField(f"tag {tag} is set by the session")
            if not is_plain(tag):
                raise UnsendableField(f"tag {tag} cannot be part of a shape")
        self.msg_type = msg_type
        self.tags = tuple(body_tags)

    def fill(self, values: Sequence[bytes]) -> Filled:
        """One message. Raises UnsendableField for an empty value, an SOH in one, or another number of values than tags."""
        if b"" in values or SOH in b"".join(values):
            check_sendable(list(zip(self.tags, values, strict=False)))
        if len(values) != len(self.tags):
            raise UnsendableField(f"{len(values)} values for the {len(self.tags)} tags of {self.msg_type}")
        return Filled(self, tuple(values))


class Filled:
    """A message of a shape whose values have been checked; made by `Shape.fill` only."""

    __slots__ = ("shape", "values")

    def __init__(self, shape: Shape, values: tuple[bytes, ...]) -> None:
        self.shape = shape
        self.values = values

    @property
    def fields(self) -> list[Field]:
        return list(zip(self.shape.tags, self.values, strict=True))


def is_plain(tag: int) -> bool:
    """Whether the field is of the body and its value cannot hold an SOH."""
    return tag not in tags.HEADER_TAGS and tag not in tags.TRAILER_TAGS and tag not in _DATA_TAGS
