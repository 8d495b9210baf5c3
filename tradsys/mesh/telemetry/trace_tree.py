"""The spans of one trace as a tree, for people and for programs. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from tradsys.mesh.telemetry.span_file import KeptSpan

NS_PER_US = 1_000


class TreeSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A span with those below it. Times in whole microseconds; `offset` counts from the first span's start."""

    name: str
    process: str
    offset_us: int
    duration_us: int
    error: str
    attributes: dict[str, str | int | float | bool]
    below: tuple[TreeSpan, ...]


def tree_of(spans: Sequence[KeptSpan]) -> tuple[TreeSpan, ...]:
    """The roots, each by its start. A span whose parent is not among `spans` (a caller's own) is a root."""
    known = {span.span: span for span in spans}
    below: dict[str, list[KeptSpan]] = defaultdict(list)
    for span in known.values():
        below[span.parent if span.parent in known and span.parent != span.span else ""].append(span)
    begin = min((span.start for span in spans), default=0)

    def built(span: KeptSpan) -> TreeSpan:
        return TreeSpan(
            name=span.name,
            process=span.process,
            offset_us=(span.start - begin) // NS_PER_US,
            duration_us=(span.end - span.start) // NS_PER_US,
            error=span.error,
            attributes=span.attributes,
            below=children(span.span),
        )

    def children(parent: str) -> tuple[TreeSpan, ...]:
        return tuple(built(span) for span in sorted(below[parent], key=lambda span: (span.start, span.span)))

    return children("")


def lines_of(roots: Sequence[TreeSpan]) -> Iterator[str]:
    """Offset, duration, name and process of each span, the names drawn as a tree. Milliseconds."""
    named = [*_named(roots, "", first=True)]
    width = max((len(name) for name, _ in named), default=0)
    for name, span in named:
        details = [f"{key}={value}" for key, value in sorted(span.attributes.items())]
        if span.error:
            details.append(f"error: {span.error}")
        yield (
            f"{_milliseconds(span.offset_us):>12} {_milliseconds(span.duration_us):>11}  "
            f"{name:<{width}}  {span.process:<12} {' '.join(details)}".rstrip()
        )


def _named(spans: Sequence[TreeSpan], indent: str, *, first: bool = False) -> Iterator[tuple[str, TreeSpan]]:
    for number, span in enumerate(spans):
        last = number == len(spans) - 1
        branch, deeper = ("", "") if first else ("└─ " if last else "├─ ", "   " if last else "│  ")
        yield indent + branch + span.name, span
        yield from _named(span.below, indent + deeper)


def _milliseconds(microseconds: int) -> str:
    return f"{'-' if microseconds < 0 else ''}{abs(microseconds) // 1000}.{abs(microseconds) % 1000:03d} ms"
