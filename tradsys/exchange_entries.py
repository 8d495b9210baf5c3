"""Which exchanges are installed, from the metadata of packages alone: no plugin is imported to know it.

A package announces its plugin in the entry-point group ``tradsys.exchanges``, under the exchange's code in lower case. The
project's own two are declared in ``pyproject.toml`` the same way, and read from there where it runs from its folder without being
installed.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final

ENTRY_POINT_GROUP: Final = "tradsys.exchanges"
PROJECT_FILE: Final = Path(__file__).resolve().parent.parent / "pyproject.toml"


def exchange_entries() -> tuple[EntryPoint, ...]:
    """Every announced plugin, each place of a module once: the project's own first, then those of other packages by name."""
    found = {entry.value: entry for entry in _own_entries()}
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda each: (each.name, each.value)):
        found.setdefault(entry.value, entry)
    return tuple(found.values())


def exchange_codes() -> tuple[str, ...]:
    """The codes of the announced exchanges, in the order of ``exchange_entries``. Whether a plugin loads is not known here."""
    return tuple(dict.fromkeys(entry.name.upper() for entry in exchange_entries()))


@cache
def _own_entries() -> tuple[EntryPoint, ...]:
    try:
        text = PROJECT_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    announced = tomllib.loads(text)["project"].get("entry-points", {}).get(ENTRY_POINT_GROUP, {})
    return tuple(EntryPoint(name=name, value=value, group=ENTRY_POINT_GROUP) for name, value in announced.items())
