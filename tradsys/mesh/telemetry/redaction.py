"""Takes secrets out of what is logged: by the name of their field, and by their shape wherever they stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"
DEEPEST = 6
"""Levels of a nested value that are looked through; what lies deeper is not shown."""

_SCHEMES = "(?:Bearer|Api-Key|Basic)"
_SHAPES = (
    # The end may be missing where a text was cut.
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), REDACTED),
    # redis://:password@host, postgresql://user:password@host; a password may hold anything but a space, a quote and the slash.
    (re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@\"']{0,100}):[^\s/\"']{1,400}@", re.IGNORECASE), rf"\1:{REDACTED}@"),
    (re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?"), REDACTED),
    (re.compile(r"\btsk_[A-Za-z0-9_.-]+"), REDACTED),
    (re.compile(rf"\b({_SCHEMES})[ \t]+[\w.~+/=-]{{12,}}", re.IGNORECASE), rf"\1 {REDACTED}"),
)
_TO_THE_END_OF_LINE = ("authorization", "cookie")
"""Fields whose values hold spaces and separators of their own."""
_SEPARATORS = re.compile(r"[^a-z0-9]")


class Redactor:
    """`names` of secret fields in any writing: ``api_key`` also stands for ``apiKey`` and ``X-Api-Key``."""

    def __init__(self, names: Iterable[str]) -> None:
        names = sorted(names)
        self._names = tuple(bare for bare in map(_bare, names) if bare)
        words = {name: r"[-_ ]?".join(map(re.escape, re.split(r"[-_ ]", name))) for name in names}
        long = [word for name, word in words.items() if any(each in _bare(name) for each in _TO_THE_END_OF_LINE)]
        short = [word for word in words.values() if word not in long]
        # Most lines name no secret field at all, and this is all they cost.
        self._any = re.compile("|".join(words.values()) or r"(?!)", re.IGNORECASE)
        self._fields = [
            *_field_pattern(long, r"(?:=>|[:=])", r"[^\r\n\"']+"),
            *_field_pattern(short, r"(?:=>|=)", rf"(?:{_SCHEMES}[ \t]+)?[^\s,;&\"')\]}}]+"),
            *_field_pattern(short, r":", r"[^\r\n,;&\"')\]}]+"),
        ]

    def names_secret(self, name: str) -> bool:
        """Whether a field of this name holds a secret."""
        bare = _bare(name)
        return any(secret in bare for secret in self._names)

    def text(self, text: str) -> str:
        for shape, instead in _SHAPES:
            text = shape.sub(instead, text)
        if self._any.search(text):
            for field in self._fields:
                text = field.sub(rf"\1{REDACTED}", text)
        return text

    def value(self, value: object, depth: int = 0) -> object:
        """`value` without its secrets, of types that JSON knows. Objects become their text."""
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth >= DEEPEST:
            return "[deeper]"
        if isinstance(value, Mapping):
            return {
                self.text(str(name)): REDACTED if self.names_secret(str(name)) else self.value(each, depth + 1)
                for name, each in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            if len(value) == 2 and isinstance(value, tuple | list) and isinstance(value[0], str) and self.names_secret(value[0]):
                return [self.text(value[0]), REDACTED]  # a pair of metadata or of headers
            return [self.value(each, depth + 1) for each in value]
        if isinstance(value, bytes | bytearray):
            return self.text(bytes(value).decode("utf-8", "replace"))
        return self.text(str(value))


def _field_pattern(words: list[str], separator: str, value: str) -> list[re.Pattern[str]]:
    """``name: value`` with a name that ends in one of `words`; the value may be quoted, and its end may be missing."""
    if not words:
        return []
    # Bounded repetitions: a long text without a secret must not cost more than its length.
    name = rf"[\w.-]{{0,40}}(?:{'|'.join(words)})(?:[._-][\w-]{{1,40}})?"
    quoted = r"\"(?:[^\"\\]|\\.)*\"?|'(?:[^'\\]|\\.)*'?"
    return [
        re.compile(rf"({name}[\"']?\s{{0,4}}{separator}\s{{0,4}}(?:b(?=[\"']))?)(?:\[redacted\]|{quoted}|{value})", re.IGNORECASE)
    ]


def _bare(name: str) -> str:
    return _SEPARATORS.sub("", name.lower())
