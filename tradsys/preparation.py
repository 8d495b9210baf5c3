"""``python -m tradsys.preparation COMMAND…``: several management commands in one process, which loads Django once.

Each command is announced as ``begin NAME`` and ``done NAME`` between what the commands themselves print.
"""

from __future__ import annotations

import os
import sys


def main(commands: list[str]) -> None:
    """Run `commands` in order; whatever one raises ends the process."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
    import django
    from django.core.management import call_command

    django.setup()
    for name in commands:
        print(f"begin {name}", flush=True)
        call_command(name)
        print(f"done {name}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
