"""Checks a message against a dictionary. What depends on the tags alone is analysed once per shape, so a usual message costs
value checks only.

A shape without a problem also gets one compiled pattern of its good frames: most messages cost one match, and only one that does
not match is looked into for the reason.

Order of the checks: MsgType, order of header, body and trailer, tags and groups, required tags, then values (present, format,
allowed value,
number of group entries) in wire order.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from exchanges.fix.dictionary.dictionary import Dictionary, FieldDefinition, Group, Members
from exchanges.fix.message import Layout, Message
from exchanges.fix.rejects import Refusal, RejectReason
from exchanges.fix.tags import HEADER_TAGS, TRAILER_TAGS
from exchanges.fix.timestamps import TimestampReader

_NUMBER = re.compile(rb"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_TIME_ONLY = re.compile(rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?")
_DATE = re.compile(rb"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])")
_MONTH = re.compile(rb"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]|w[1-5])?")
_TIMESTAMPS = TimestampReader()


def _is_number(value: bytes) -> bool:
    return value.isdigit() or _NUMBER.fullmatch(value) is not None


def _is_int(value: bytes) -> bool:
    return _is_count(value[1:] if value[:1] == b"-" else value)


def _is_count(value: bytes) -> bool:
    return value.isdigit() and len(value) <= 18


def _is_timestamp(value: bytes) -> bool:
    try:
        _TIMESTAMPS.read(value)
    except ValueError:
        return False
    return True


#: Data type → whether a text is of it; types that any text belongs to are not here.
_FORMATS: dict[str, Callable[[bytes], bool]] = {
    "INT": _is_int,
    **dict.fromkeys(("LENGTH", "SEQNUM", "NUMINGROUP"), _is_count),
    **dict.fromkeys(("FLOAT", "QTY", "PRICE", "PRICEOFFSET", "AMT", "PERCENTAGE"), _is_number),
    "CHAR": lambda value: len(value) == 1,
    "BOOLEAN": lambda value: value in (b"Y", b"N"),
    "UTCTIMESTAMP": _is_timestamp,
    "UTCTIMEONLY": lambda value: _TIME_ONLY.fullmatch(value) is not None,
    "UTCDATEONLY": lambda value: _DATE.fullmatch(value) is not None,
    "LOCALMKTDATE": lambda value: _DATE.fullmatch(value) is not None,
    "MONTHYEAR": lambda value: _MONTH.fullmatch(value) is not None,
}


@dataclass(slots=True)
class ShapeChecks:
    """What is known of one MsgType with one order of tags."""

    problem: Refusal | None = None
    #: Place, tag, format check, allowed values, whether the field is a list of values; only fields that need more than being
    #: present.
    values: list[tuple[int, int, Callable[[bytes], bool] | None, frozenset[bytes], bool]] = field(default_factory=list)
    #: Place and tag of a group's count field, and the number of entries that follow it.
    group_counts: list[tuple[int, int, int]] = field(default_factory=list)
    #: Whole frames that pass every check. Narrower than the checks where a pattern cannot say the same: what it misses is checked.
    good: re.Pattern[bytes] | None = None


def dictionary_refusal(dictionary: Dictionary, message: Message) -> Refusal | None:
    """The first reason to reject the message, or None. Types in `other_types` are not looked into: the application answers
    them.
    """
    layout = message.layout
    checks: ShapeChecks | None = layout.checks.get(message.values[2])
    if checks is None:
        checks = layout.checks[message.values[2]] = _checks_of(dictionary, message.msg_type, layout)
    if checks.good is not None and checks.good.fullmatch(message.raw) is not None:
        return None
    values = message.values
    if b"" in values:
        tag = layout.tags[values.index(b"")]
        if checks.problem is None or checks.problem.reason is not RejectReason.TAG_OUT_OF_ORDER:
            return Refusal(RejectReason.TAG_WITHOUT_VALUE, tag)
    if checks.problem is not None:
        return checks.problem
    for place, tag, has_format, allowed, is_list in checks.values:
        value = values[place]
        if allowed:
            if value in allowed or (is_list and allowed.issuperset(value.split(b" "))):
                continue
            return Refusal(RejectReason.VALUE_INCORRECT, tag)
        if has_format is not None and not has_format(value):
            return Refusal(RejectReason.INCORRECT_FORMAT, tag)
    for place, tag, entries in checks.group_counts:
        if int(values[place]) != entries:
            return Refusal(RejectReason.GROUP_COUNT_INCORRECT, tag)
    return None


def _checks_of(dictionary: Dictionary, msg_type: str, layout: Layout) -> ShapeChecks:
    members = dictionary.messages.get(msg_type)
    checks = ShapeChecks()
    if members is None:
        if msg_type not in dictionary.other_types:
            checks.problem = Refusal(RejectReason.INVALID_MSG_TYPE)
        return checks
    analysis = _Analysis(dictionary, layout.tags, checks)
    checks.problem = analysis.problem(members)
    if checks.problem is None and not layout.has_data:
        checks.good = _good_frames(dictionary, layout.tags, {place: entries for place, _, entries in checks.group_counts})
    return checks


#: Data type → pattern of texts that are of it for sure; any other type takes every text that is not empty.
_GOOD_NUMBER = rb"-?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)"
_GOOD_DATE = rb"[0-9]{4}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])"
_GOOD_TIME = rb"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?"
_GOOD_TEXTS: dict[str, bytes] = {
    "INT": rb"-?[0-9]{1,18}",
    **dict.fromkeys(("LENGTH", "SEQNUM", "NUMINGROUP"), rb"[0-9]{1,18}"),
    **dict.fromkeys(("FLOAT", "QTY", "PRICE", "PRICEOFFSET", "AMT", "PERCENTAGE"), _GOOD_NUMBER),
    "CHAR": rb"[^\x01]",
    "BOOLEAN": rb"[YN]",
    "UTCTIMESTAMP": _GOOD_DATE + b"-" + _GOOD_TIME,
    "UTCTIMEONLY": _GOOD_TIME,
    **dict.fromkeys(("UTCDATEONLY", "LOCALMKTDATE", "MONTHYEAR"), _GOOD_DATE),
}


def _good_frames(dictionary: Dictionary, tags: tuple[int, ...], group_counts: dict[int, int]) -> re.Pattern[bytes]:
    """Frames with these tags whose values all pass; the number of a group's entries is the one that follows."""
    parts: list[bytes] = []
    for place, tag in enumerate(tags):
        definition = dictionary.fields[tag]
        if place in group_counts:
            text = b"0{0,9}%d" % group_counts[place]
        elif definition.values:
            one = b"(?:%b)" % b"|".join([re.escape(value) for value in sorted(definition.values, reverse=True)])
            if all(len(value) == 1 for value in definition.values):
                one = b"[%b]" % b"".join([re.escape(value) for value in sorted(definition.values)])
            text = one + b"(?: %b)*+" % one if definition.type == "MULTIPLEVALUESTRING" else one
        else:
            text = _GOOD_TEXTS.get(definition.type, rb"[^\x01]++")
        parts.append(b"%d=%b\x01" % (tag, text))
    return re.compile(b"".join(parts))


class _Analysis:
    """Walks over the tags of one shape."""

    def __init__(self, dictionary: Dictionary, tags: tuple[int, ...], checks: ShapeChecks) -> None:
        self._dictionary = dictionary
        self._tags = tags
        self._checks = checks
        self._place = 0

    def problem(self, body: Members) -> Refusal | None:
        first_problem = self._order_problem()
        for section, end in ((self._dictionary.header, HEADER_TAGS), (body, None), (self._dictionary.trailer, TRAILER_TAGS)):
            if first_problem is not None:
                break
            first_problem = self._section(section, end)
        return first_problem

    def _order_problem(self) -> Refusal | None:
        """Header, body, trailer: the first field that comes after its section has ended."""
        section = 0
        for tag in self._tags:
            own = 0 if tag in HEADER_TAGS else 2 if tag in TRAILER_TAGS else 1
            if own < section:
                return Refusal(RejectReason.TAG_OUT_OF_ORDER, tag)
            section = own
        return None

    def _section(self, members: Members, own_tags: frozenset[int] | None) -> Refusal | None:
        seen: set[int] = set()
        while self._place < len(self._tags):
            tag = self._tags[self._place]
            if (tag in TRAILER_TAGS) if own_tags is None else (tag not in own_tags):
                break
            if tag in seen:
                return Refusal(RejectReason.TAG_REPEATED, tag)
            if tag not in members.tags:
                return self._stranger(tag)
            seen.add(tag)
            refusal = self._field(members, tag)
            if refusal is not None:
                return refusal
        return _missing(members, seen)

    def _stranger(self, tag: int) -> Refusal:
        known = tag in self._dictionary.fields
        return Refusal(RejectReason.TAG_NOT_DEFINED_FOR_TYPE if known else RejectReason.INVALID_TAG, tag)

    def _field(self, members: Members, tag: int) -> Refusal | None:
        definition = self._dictionary.fields[tag]
        self._check_value(definition)
        place = self._place
        self._place += 1
        group = members.groups.get(tag)
        return None if group is None else self._group(group, place)

    def _check_value(self, definition: FieldDefinition) -> None:
        has_format = _FORMATS.get(definition.type)
        if definition.values or has_format is not None:
            is_list = definition.type == "MULTIPLEVALUESTRING"
            self._checks.values.append((self._place, definition.tag, has_format, definition.values, is_list))

    def _group(self, group: Group, count_place: int) -> Refusal | None:
        entries = 0
        while self._place < len(self._tags) and self._tags[self._place] == group.delimiter:
            entries += 1
            refusal = self._entry(group)
            if refusal is not None:
                return refusal
        if entries == 0 and self._place < len(self._tags) and self._tags[self._place] in group.members.tags:
            return Refusal(RejectReason.GROUP_OUT_OF_ORDER, self._tags[self._place])
        self._checks.group_counts.append((count_place, group.count_tag, entries))
        return None

    def _entry(self, group: Group) -> Refusal | None:
        seen: set[int] = set()
        while self._place < len(self._tags):
            tag = self._tags[self._place]
            if tag not in group.members.tags or (tag == group.delimiter and seen):
                break
            if tag in seen:
                return Refusal(RejectReason.TAG_REPEATED, tag)
            seen.add(tag)
            refusal = self._field(group.members, tag)
            if refusal is not None:
                return refusal
        return _missing(group.members, seen)


def _missing(members: Members, seen: set[int]) -> Refusal | None:
    for tag in members.required:
        if tag not in seen:
            return Refusal(RejectReason.REQUIRED_TAG_MISSING, tag)
    return None
