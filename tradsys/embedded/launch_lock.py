"""One launcher at a time on one data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class AlreadyLaunched(RuntimeError):
    """Another launcher works on the folder; the text names its process."""


def take_launch_lock(var: Path) -> IO[str]:
    """Lock `var` until the returned file is closed, at the latest when this process ends; raises AlreadyLaunched."""
    (var / "run").mkdir(mode=0o755, parents=True, exist_ok=True)
    lock = (var / "run" / "launch.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise AlreadyLaunched(
            f"a platform runs on {var} already (process {holder}): stop it first, or choose another folder with --var"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock
