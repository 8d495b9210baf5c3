"""Data dictionary: which fields exist, of which type and with which values, and which fields and groups a message type may have.

Dictionaries are written as text tables (see `fields_from_table`, `members_from_text`), as counterparties' dialects differ by
rows, not by code.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """One field. `type` is the FIX 4.4 data type in capitals; `values` is empty when any value of the type is allowed."""

    tag: int
    name: str
    type: str
    values: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Group:
    """A repeating group: its entries start with `delimiter`; `members` are the fields of one entry, nested groups by their
    count tag.
    """

    count_tag: int
    delimiter: int
    members: "Members"


@dataclass(frozen=True, slots=True)
class Members:
    """Fields of a message, a component or an entry of a group. `tags` contains the count tags of `groups` too."""

    tags: frozenset[int] = frozenset()
    required: tuple[int, ...] = ()
    groups: Mapping[int, Group] = field(default_factory=dict)
    #: Tag named first; an entry of a group starts with it. 0 when there are no members.
    first: int = 0

    def __or__(self, other: "Members") -> "Members":
        return Members(
            self.tags | other.tags,
            self.required + tuple(tag for tag in other.required if tag not in self.required),
            {**self.groups, **other.groups},
            self.first or other.first,
        )

    def optional(self) -> "Members":
        """The same fields, none of them required (but those inside an entry of a group)."""
        return Members(self.tags, (), self.groups, self.first)


@dataclass(frozen=True, slots=True)
class Dictionary:
    """Everything the engine checks for one FIX version or one counterparty's dialect of it."""

    begin_string: bytes
    fields: Mapping[int, FieldDefinition]
    header: Members
    trailer: Members
    #: MsgType → body fields, without header and trailer.
    messages: Mapping[str, Members]
    #: Types that exist in this version but are not described in `messages`: answered by "unsupported", not by "invalid".
    other_types: frozenset[str] = frozenset()


def fields_from_table(table: str) -> dict[int, FieldDefinition]:
    """Fields of lines `tag Name TYPE value value …`; an indented line continues the one before it, # starts a comment.

    Raises ValueError for a repeated tag.
    """
    fields: dict[int, FieldDefinition] = {}
    for line in table.replace("\n  ", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        tag, name, kind, *values = line.split()
        if int(tag) in fields:
            raise ValueError(f"field {tag} is in the table twice")
        fields[int(tag)] = FieldDefinition(int(tag), name, kind, frozenset(value.encode() for value in values))
    return fields


_MEMBER = re.compile(r"(\d+)(!?)(\()?|(\))|([A-Za-z]+)(!?)|(\S)")


def members_from_text(text: str, components: Mapping[str, Members] | None = None) -> Members:
    """Members of a text such as `11! 1 Parties 78(79! 80) 40!`: `!` = required, a name = a component, brackets = group after
    its count tag.

    A component named with `!` keeps its own required fields; without it they are optional, as the whole component is. Raises
    ValueError.
    """
    return _read_members(_MEMBER.finditer(text), components or {}, in_group=False)


def _read_members(tokens: Iterator[re.Match[str]], components: Mapping[str, Members], in_group: bool) -> Members:
    """Members up to the closing bracket of the group, or to the end."""
    result = Members()
    for token in tokens:
        tag_text, tag_required, opens, closes, component, component_required, unknown = token.groups()
        if unknown or (closes and not in_group):
            raise ValueError(f"cannot read {unknown or closes!r} in a table of members")
        if closes:
            return result
        if component:
            part = components[component]
            result |= part if component_required else part.optional()
            continue
        tag = int(tag_text)
        groups: dict[int, Group] = {}
        if opens:
            entry = _read_members(tokens, components, in_group=True)
            groups[tag] = Group(tag, entry.first, entry)
        result |= Members(frozenset({tag}), (tag,) if tag_required else (), groups, tag)
    if in_group:
        raise ValueError("a group in a table of members is not closed")
    return result
