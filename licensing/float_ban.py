"""Refuses binary floating point in the billing package: ``python -m licensing.float_ban [FOLDER]``.

Money and metered quantities are ``Decimal``; one float on the way and a customer's recomputed invoice differs.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BANNED_NAMES = frozenset({"float", "FloatField"})
BANNED_LITERALS = frozenset({"float", "complex"})
# These answer in binary fractions of a second or of a unit, so a float would come in by the back door.
BANNED_METHODS = frozenset({"timestamp", "total_seconds", "fromtimestamp"})


@dataclass(frozen=True, slots=True)
class Finding:
    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def findings_in(source: str, path: Path) -> Iterator[Finding]:
    """Yield every float literal, use of ``float`` and call that answers with a float in ``source``."""
    for node in ast.walk(ast.parse(source, filename=str(path))):
        if isinstance(node, ast.Constant) and type(node.value).__name__ in BANNED_LITERALS:
            yield Finding(path, node.lineno, f"float literal {node.value!r}")
        elif isinstance(node, ast.Name) and node.id in BANNED_NAMES:
            yield Finding(path, node.lineno, f"use of {node.id}")
        elif isinstance(node, ast.Attribute) and node.attr in BANNED_NAMES:
            yield Finding(path, node.lineno, f"use of {node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in BANNED_METHODS:
            yield Finding(path, node.lineno, f"{node.func.attr}() answers with a float")


def findings_below(folder: Path) -> list[Finding]:
    """Check every Python file below ``folder``, in order of path and line."""
    return [
        finding
        for path in sorted(folder.rglob("*.py"))
        for finding in sorted(findings_in(path.read_text(encoding="utf-8"), path), key=lambda each: each.line)
    ]


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    if not folder.is_dir():
        print(f"{folder} is not a folder", file=sys.stderr)
        return 2
    findings = findings_below(folder)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
