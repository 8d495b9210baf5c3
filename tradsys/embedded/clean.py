"""``python -m tradsys.embedded.clean``: end what runs on a data folder and remove what the servers keep outside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tradsys.configuration import REPOSITORY
from tradsys.embedded.launch_lock import AlreadyLaunched, take_launch_lock
from tradsys.embedded.left_behind import LeftBehindError, end_left_behind
from tradsys.embedded.server_home import remove_fallback_folder


def main() -> int:
    """Status 1 when a platform runs on the folder, or a process left behind cannot be ended."""
    parser = argparse.ArgumentParser(prog="python -m tradsys.embedded.clean", description=__doc__)
    parser.add_argument("--var", type=Path, default=REPOSITORY / "var", help="data folder")
    var: Path = parser.parse_args().var.absolute()
    try:
        with take_launch_lock(var):
            end_left_behind(var, say=print)
    except (AlreadyLaunched, LeftBehindError) as error:
        print(error, file=sys.stderr)
        return 1
    remove_fallback_folder(var)
    return 0


if __name__ == "__main__":
    sys.exit(main())
