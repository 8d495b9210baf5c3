"""Processes that a killed launcher or supervisor left running on a data folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil

from tradsys.embedded.server_home import fallback_folder
from tradsys.embedded.supervision import MARK


class LeftBehindError(RuntimeError):
    """A process of an earlier run cannot be ended; the text names it."""


def end_left_behind(var: Path, *, say: Callable[[str], None]) -> None:
    """End what earlier runs on `var` left: the supervisor first, which ends its children in order, then what remains.

    Only processes that carry the launcher's mark for this folder, or servers that work inside it, are touched. Raises
    LeftBehindError for one that survives SIGKILL or belongs to another user.
    """
    supervisors = [process for process in _marked(var) if "supervisor.supervisord" in _command(process)]
    _end(supervisors, signal.SIGTERM, seconds=60, say=say)
    _end(_marked(var), signal.SIGTERM, seconds=10, say=say)
    _end(_servers(var), signal.SIGINT, seconds=30, say=say)
    remaining = [*_marked(var), *_servers(var)]
    if remaining:
        raise LeftBehindError("still running from an earlier start: " + ", ".join(f"process {p.pid}" for p in remaining))


def _end(processes: Iterable[psutil.Process], with_signal: signal.Signals, *, seconds: float, say: Callable[[str], None]) -> None:
    asked = []
    for process in processes:
        try:
            say(f"ending process {process.pid} ({process.info['name']}), left behind by an earlier start")
            process.send_signal(with_signal)
        except psutil.NoSuchProcess:
            continue
        except psutil.AccessDenied as error:
            raise LeftBehindError(f"process {process.pid} is left from an earlier start and belongs to another user") from error
        asked.append(process)
    _, stubborn = psutil.wait_procs(asked, timeout=seconds)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=10)


def _marked(var: Path) -> list[psutil.Process]:
    return [process for process in _others() if _environment(process).get(MARK) == str(var)]


def _servers(var: Path) -> list[psutil.Process]:
    """PostgreSQL's postmaster and Redis; both overwrite their environment, but each works inside its data folder."""
    folders = {str(place) for home in (var, fallback_folder(var)) for place in (home / "postgres" / "cluster", home / "redis")}
    found = [
        process for process in _others() if process.info["name"] in ("postgres", "redis-server") and _folder(process) in folders
    ]
    pids = {process.pid for process in found}
    # A backend ends with its postmaster; SIGINT to a backend would only cancel its query.
    return [process for process in found if _parent(process) not in pids]


def _others() -> Iterator[psutil.Process]:
    # Listed with the name read already, so that a process which ends meanwhile raises nothing later.
    for process in psutil.process_iter(["name"]):
        if process.pid != os.getpid() and process.is_running() and process.info["name"]:
            yield process


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}  # another user's, or gone: not one of ours


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _parent(process: psutil.Process) -> int:
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


def _folder(process: psutil.Process) -> str:
    try:
        return str(process.cwd())
    except psutil.Error:
        return ""
