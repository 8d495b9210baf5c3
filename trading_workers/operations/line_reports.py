"""What the order workers say of their lines in the registry. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tradsys.mesh.registry.instance import Instance

UP = "up"


@dataclass(frozen=True, slots=True)
class LineReport:
    """One line: the processes at which it takes new orders, and those at which it does not."""

    line: str
    up_at: tuple[str, ...]
    down_at: tuple[str, ...]

    @property
    def tone(self) -> str:
        """good: up wherever it is opened; warn: at some; bad: at none, or no process opens it."""
        if not self.up_at:
            return "bad"
        return "warn" if self.down_at else "good"


def line_reports(lines: Iterable[str], instances: Iterable[Instance]) -> tuple[LineReport, ...] | None:
    """Of every line in `lines`; None where no process speaks of lines, so that nobody knows."""
    telling = [each for each in instances if each.lines]
    if not telling:
        return None
    return tuple(
        LineReport(
            line,
            tuple(sorted(each.process for each in telling if each.lines.get(line) == UP)),
            tuple(sorted(each.process for each in telling if line in each.lines and each.lines[line] != UP)),
        )
        for line in lines
    )
