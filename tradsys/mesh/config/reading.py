"""Reads the mesh configuration from YAML and says of everything wrong in it where it is, what was found and what is allowed.

YAML is composed to nodes first, because only nodes know their lines; each node is then held against its part of the schema. Nothing
is guessed: a key that stands twice, a text that YAML takes for a truth value, an octal number are errors, not surprises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import yaml

from tradsys.mesh.config.allowed import allowed_values
from tradsys.mesh.config.rules import broken_rules
from tradsys.mesh.config.schema import Section, ServiceMeshConfig

LARGEST_FILE_BYTES = 256 * 1024

_TAG = "tag:yaml.org,2002:"
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_LONGEST_FOUND = 60
_WRONG: Any = object()
"""Stands for a value that cannot be used; its error has been noted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong. `line` and `column` count from 1; 0 where the whole file is meant."""

    line: int
    column: int
    field: str
    """Path of the field, ``circuit_breaker.default.failures``; empty where there is none."""
    text: str


class MeshConfigError(ValueError):
    """The configuration cannot be used; the text has one line for each problem. Nothing of it was taken over."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda each: (each.line, each.column)))
        super().__init__("\n".join(self._line(each) for each in self.problems))

    def _line(self, problem: Problem) -> str:
        place = f", line {problem.line}, column {problem.column}" if problem.line else ""
        field = f"{problem.field}: " if problem.field else ""
        return f"{self.path}{place}: {field}{problem.text}"


def load_mesh_config(path: Path) -> ServiceMeshConfig:
    """The configuration of the file `path`. Raises MeshConfigError with everything that is wrong."""
    return parse_mesh_config(_read(path), path)


def parse_mesh_config(text: str, path: Path) -> ServiceMeshConfig:
    """As `load_mesh_config`; `path` only names the text in errors."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise MeshConfigError(path, [_syntax(error)]) from error
    except yaml.YAMLError as error:
        raise MeshConfigError(path, [Problem(0, 0, "", f"not YAML: {' '.join(str(error).split())}")]) from error
    except RecursionError as error:
        raise MeshConfigError(path, [Problem(0, 0, "", "not usable YAML: nested too deeply")]) from error
    if node is None:
        fields = ", ".join(ServiceMeshConfig.__struct_fields__)
        raise MeshConfigError(path, [Problem(0, 0, "", f"the file is empty; needed: the fields {fields}")])
    reader = _Reader()
    config = reader.value(node, ServiceMeshConfig, ())
    if reader.problems:
        raise MeshConfigError(path, reader.problems)
    assert isinstance(config, ServiceMeshConfig)
    return config


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise MeshConfigError(path, [Problem(0, 0, "", "there is no such file; TRADSYS_MESH_CONFIG names it")]) from error
    except OSError as error:
        raise MeshConfigError(path, [Problem(0, 0, "", f"cannot be read: {error.strerror}")]) from error
    if len(content) > LARGEST_FILE_BYTES:
        raise MeshConfigError(path, [Problem(0, 0, "", f"has {len(content)} bytes; allowed: at most {LARGEST_FILE_BYTES}")])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MeshConfigError(path, [Problem(line, 1, "", "not UTF-8 text")]) from error


def _syntax(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in said:
        said += " (indent with spaces, not with tabs)"
    if isinstance(error, yaml.composer.ComposerError) and "single document" in said:
        said = "a second document begins; allowed: one"
    return Problem(line, column, "", f"not YAML: {said}")


@cache
def _fields(section: type[Section]) -> dict[str, Any]:
    return get_type_hints(section, include_extras=True)


class _Reader:
    """Turns nodes into values of the schema's types, and notes what it could not."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, kind: Any, path: tuple[str, ...]) -> Any:
        """The value of `node`, or `_WRONG`."""
        if isinstance(kind, type) and issubclass(kind, Section):
            return self._section(node, kind, path)
        if get_origin(kind) is dict:
            return self._names(node, get_args(kind)[1], path)
        if get_origin(kind) is tuple:
            return self._list(node, kind, path)
        return self._scalar(node, kind, path)

    def _section(self, node: yaml.Node, kind: type[Section], path: tuple[str, ...]) -> Any:
        entries = self._entries(node, path, f"the fields {', '.join(kind.__struct_fields__)}")
        if entries is None:
            return _WRONG
        fields = _fields(kind)
        values: dict[str, Any] = {}
        right = True
        for name, (key, value) in entries.items():
            if name not in fields:
                near = get_close_matches(name, fields, n=1)
                meant = f" (is {near[0]} meant?)" if near else ""
                self._note(key, (*path, name), f"unknown field{meant}; allowed: {', '.join(fields)}")
                right = False
                continue
            values[name] = self.value(value, fields[name], (*path, name))
            right = right and values[name] is not _WRONG
        for name, annotation in fields.items():
            if name not in entries:
                self._note(node, (*path, name), f"the field is missing; allowed: {allowed_values(annotation)}")
                right = False
        if not right:
            return _WRONG
        section = msgspec.convert(values, kind)
        for below, text in broken_rules(section):
            where = node
            for name in below:
                found = next((pair for pair in _pairs(where) if pair[0].value == name), None)
                where = where if found is None else found[1]
            self._note(where, (*path, *below), text)
        return section

    def _names(self, node: yaml.Node, kind: Any, path: tuple[str, ...]) -> Any:
        entries = self._entries(node, path, f"names, each with {allowed_values(kind)}")
        if entries is None:
            return _WRONG
        values = {name: self.value(value, kind, (*path, name)) for name, (_, value) in entries.items()}
        return _WRONG if any(each is _WRONG for each in values.values()) else values

    def _list(self, node: yaml.Node, kind: Any, path: tuple[str, ...]) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self._note(node, path, f"found {_found(node)}; allowed: {allowed_values(kind)}")
            return _WRONG
        item = get_args(kind)[0]
        *before, last = path
        values = tuple(self.value(each, item, (*before, f"{last}[{number}]")) for number, each in enumerate(node.value))
        return _WRONG if any(each is _WRONG for each in values) else values

    def _entries(self, node: yaml.Node, path: tuple[str, ...], allowed: str) -> dict[str, tuple[yaml.Node, yaml.Node]] | None:
        """Keys of a mapping with their nodes; None when `node` is none."""
        if not isinstance(node, yaml.MappingNode):
            self._note(node, path, f"found {_found(node)}; allowed: {allowed}")
            return None
        entries: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if key.tag == f"{_TAG}merge":
                self._note(key, path, "found a merge key (<<); allowed: every field written out where it belongs")
            elif key.tag != f"{_TAG}str":
                self._note(key, path, f"found {_found(key)} as a name; allowed: a text, in quotes where YAML reads something else")
            elif key.value in entries:
                first = entries[key.value][0].start_mark.line + 1
                self._note(key, (*path, key.value), f"stands twice, first in line {first}; allowed: once")
            else:
                entries[key.value] = (key, value)
        return entries

    def _scalar(self, node: yaml.Node, kind: Any, path: tuple[str, ...]) -> Any:
        value: Any = _WRONG
        if isinstance(node, yaml.ScalarNode) and node.tag.startswith(_TAG):
            try:
                value = self._constructor.construct_object(node)
            except (yaml.YAMLError, ValueError):
                value = _WRONG
        if value is not _WRONG and not (node.tag == f"{_TAG}int" and not _DECIMAL.fullmatch(node.value)):
            try:
                found = msgspec.convert(value, kind)
            except msgspec.ValidationError:
                found = _WRONG
            # A pattern's $ lets a line end through.
            if found is not _WRONG and not (isinstance(found, str) and not found.isprintable()):
                return found
        self._note(node, path, f"found {_found(node)}; allowed: {allowed_values(kind)}")
        return _WRONG

    def _note(self, node: yaml.Node, path: tuple[str, ...], text: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, node.start_mark.column + 1, ".".join(path), text))


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node, yaml.Node]]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


_READ_AS = {
    f"{_TAG}bool": "which YAML reads as true or false",
    f"{_TAG}timestamp": "which YAML reads as a date",
    f"{_TAG}float": "which YAML reads as a number",
    f"{_TAG}int": "which YAML reads as a number",
}


def _found(node: yaml.Node) -> str:
    """What stands there, shortened, with what YAML makes of it where that surprises."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if node.tag == f"{_TAG}null":
        return "nothing"
    text = str(node.value)
    shown = text if len(text) <= _LONGEST_FOUND else f"{text[:_LONGEST_FOUND]}…"
    if node.tag == f"{_TAG}str":
        return f"the text {shown!r}"
    if not node.tag.startswith(_TAG):
        return f"the tag {node.tag}"
    if node.tag == f"{_TAG}int" and not _DECIMAL.fullmatch(text):
        return f"{shown}, which YAML reads as {_other_base(text)}"
    surprising = node.tag not in (f"{_TAG}bool",) or text.lower() not in ("true", "false")
    return f"{shown}, {_READ_AS[node.tag]}" if surprising and node.tag in _READ_AS and not _plain(text) else shown


def _plain(text: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9.]+", text) is not None


def _other_base(text: str) -> str:
    if ":" in text:
        return "a number of base 60"
    return "an octal number" if re.fullmatch(r"[-+]?0[0-7_]+", text) else "a number of another notation"
