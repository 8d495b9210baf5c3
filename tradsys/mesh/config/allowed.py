"""What a field of the mesh configuration allows, in words, from its type. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

_UNITS = {
    "_per_second": "calls a second",
    "_ms": "milliseconds",
    "_seconds": "seconds",
    "_hours": "hours",
    "_days": "days",
    "_percent": "percent",
    "_megabytes": "MiB",
}


def allowed_values(annotation: Any) -> str:
    """What may stand in a field of the type `annotation`, such as ``a whole number from 1 to 10``."""
    return _allowed(msgspec.inspect.type_info(annotation))


def unit(name: str) -> str:
    """Unit of the field `name` by its ending, such as ``milliseconds``; empty where there is none."""
    return next((words for ending, words in _UNITS.items() if name.endswith(ending)), "")


def _allowed(kind: msgspec.inspect.Type) -> str:
    match kind:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return "a whole number" + _bounds(kind)
        case msgspec.inspect.FloatType():
            return "a number" + _bounds(kind)
        case msgspec.inspect.LiteralType(values=values):
            return ", ".join(str(each) for each in values) if len(values) < 2 else f"one of {', '.join(map(str, values))}"
        case msgspec.inspect.StrType():
            return "a text" + _form(kind)
        case msgspec.inspect.VarTupleType(item_type=item):
            return f"a list, each entry {_allowed(item)}"
        case msgspec.inspect.DictType(value_type=value):
            return f"names, each with {_allowed(value)}"
        case msgspec.inspect.StructType(cls=cls):
            return f"the fields {', '.join(cls.__struct_fields__)}"
    raise TypeError(f"the schema has a type that nobody described: {kind!r}")


def _bounds(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    low = "" if kind.ge is None else f"from {kind.ge:g}" if kind.ge < 100_000 else f"from {kind.ge}"
    high = "" if kind.le is None else f"to {kind.le}"
    above = "" if kind.gt is None else f"above {kind.gt}"
    return "".join(f" {each}" for each in (above, low, high) if each)


def _form(kind: msgspec.inspect.StrType) -> str:
    if kind.pattern is not None:
        return f" of the form {kind.pattern}"
    if kind.min_length is not None and kind.max_length is not None:
        return f" of {kind.min_length} to {kind.max_length} characters"
    if kind.max_length is not None:
        return f" of at most {kind.max_length} characters"
    return ""
