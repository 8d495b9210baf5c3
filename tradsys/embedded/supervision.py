"""The supervisor: its configuration file, and the calls that start, watch and stop children."""

from __future__ import annotations

import http.client
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.states import ProcessStates
from supervisor.xmlrpc import SupervisorTransport

from tradsys.configuration import REPOSITORY
from tradsys.embedded.children import Child
from tradsys.embedded.readiness import becomes_true
from tradsys.embedded.secret_files import write_private
from tradsys.embedded.servers import signal_on_parents_death

# Every process below the supervisor carries this variable with its data folder: a later start finds what a killed one left.
MARK = "TRADSYS_SUPERVISED_FOR"
_LONGEST_SOCKET_NAME = 100
_SETTLED = (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.FATAL)


class SupervisionError(RuntimeError):
    """The supervisor cannot be started or asked; the text says why."""


@dataclass(frozen=True, slots=True)
class ChildState:
    """What the supervisor knows of one child. `pid` is 0 while it does not run."""

    name: str
    pid: int
    state: int
    state_name: str
    exit_status: int

    @property
    def is_alive(self) -> bool:
        """Whether a process of this child exists."""
        return self.pid != 0

    @property
    def gave_up(self) -> bool:
        """Whether the supervisor will not start it again of its own accord."""
        return self.state in (ProcessStates.FATAL, ProcessStates.STOPPED)


class Supervisor:
    """supervisord as a child of this process, told through a socket that only its owner opens."""

    def __init__(self, *, var: Path, children: Iterable[Child]) -> None:
        self.var = var
        self.children = {child.name: child for child in children}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket_folder: Path | None = None
        self._rpc: xmlrpc.client.ServerProxy | None = None

    @property
    def output(self) -> Path:
        """Log file of the supervisor itself."""
        return self.var / "log" / "supervisord.log"

    def log(self, name: str) -> Path:
        """Log file of a child."""
        return self.var / "log" / f"{name}.log"

    def start(self) -> None:
        """Start supervisord with every child at rest; raises SupervisionError when it does not come up."""
        configuration, socket = self.var / "run" / "supervisord.conf", self._socket()
        socket.unlink(missing_ok=True)
        write_private(configuration, _configuration_text(self, socket))
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                env=inherited_environment() | {MARK: str(self.var)},
                start_new_session=True,  # Ctrl-C in the terminal is for the launcher, which then stops everything in order
                preexec_fn=signal_on_parents_death(signal.SIGTERM),
            )
        self._rpc = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=SupervisorTransport(serverurl=f"unix://{socket}"))
        if not becomes_true(self._answers, seconds=20):
            raise SupervisionError(f"the supervisor did not come up; see {self.output}")

    def start_child(self, name: str) -> None:
        """Start one child; returns at once. Raises SupervisionError when its program cannot be found or run."""
        try:
            self._call("startProcess", name, False)
        except xmlrpc.client.Fault as error:
            raise SupervisionError(f"{name} cannot be started: {error.faultString}") from error

    def states(self) -> dict[str, ChildState]:
        """State of every child by name; raises SupervisionError when the supervisor does not answer."""
        rows = self._call("getAllProcessInfo")
        return {row["name"]: ChildState(row["name"], row["pid"], row["state"], row["statename"], row["exitstatus"]) for row in rows}

    def is_alive(self) -> bool:
        """Whether supervisord itself runs."""
        return self._process is not None and self._process.poll() is None

    def stop_children(self, names: Iterable[str]) -> None:
        """Stop these children at once and return when none runs; the supervisor kills what outlasts its time to stop."""
        wanted = [name for name in names if self.states()[name].state not in _SETTLED]
        for name in wanted:
            try:
                self._call("stopProcess", name, False)
            except xmlrpc.client.Fault:
                continue  # it ended in between; the question below tells
        longest = max((self.children[name].stop_seconds for name in wanted), default=0.0) + 10
        if not becomes_true(
            lambda: all(state.state in _SETTLED for state in map(self.states().get, wanted) if state), seconds=longest
        ):
            raise SupervisionError(f"still running {longest:g} s after being told to stop: {', '.join(wanted)}")

    def shut_down(self) -> None:
        """End supervisord, which first ends what still runs."""
        process, self._process = self._process, None
        if process is not None:
            try:
                self._call("shutdown")  # it looks up from its sleep for a call, but not for a signal
            except SupervisionError:
                process.terminate()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._socket_folder is not None:
            shutil.rmtree(self._socket_folder, ignore_errors=True)
            self._socket_folder = None

    def _socket(self) -> Path:
        socket = self.var / "run" / "supervisor.sock"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_NAME:
            return socket
        if self._socket_folder is None:
            self._socket_folder = Path(tempfile.mkdtemp(prefix="tradsys-"))
        return self._socket_folder / "supervisor.sock"

    def _answers(self) -> bool:
        if not self.is_alive():
            raise SupervisionError(f"the supervisor ended at once; the end of {self.output}:\n{last_lines(self.output)}")
        try:
            self._call("getState")
        except SupervisionError:
            return False
        return True

    def _call(self, method: str, *arguments: object) -> Any:
        if self._rpc is None:
            raise SupervisionError("the supervisor was not started")
        try:
            return getattr(self._rpc.supervisor, method)(*arguments)
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            self._rpc("close")()  # else the next call would find the half-finished one on the same connection
            raise SupervisionError(f"the supervisor does not answer: {error}") from error


def inherited_environment() -> dict[str, str]:
    """The part of our environment that every child gets: enough to find programs, packages, a home folder and a time zone."""
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "TZ") if name in os.environ}


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, indented; says so when there is none."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:]
    except FileNotFoundError:
        lines = []
    return "\n".join(f"    {line}" for line in lines) or "    (it wrote nothing)"


def _configuration_text(supervisor: Supervisor, socket: Path) -> str:
    run, log = supervisor.var / "run", supervisor.var / "log"
    sections: list[tuple[str, Mapping[str, object]]] = [
        (
            "supervisord",
            {
                "nodaemon": "true",
                "silent": "true",
                "logfile": supervisor.output,
                "logfile_maxbytes": "5MB",
                "logfile_backups": 1,
                "pidfile": run / "supervisord.pid",
                "childlogdir": log,
                "minfds": _open_files(),
                # Said so that it does not warn about it: the servers that must not run as root have an account of their own.
                **({"user": "root"} if os.geteuid() == 0 else {}),
            },
        ),
        ("unix_http_server", {"file": socket, "chmod": "0700"}),
        ("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}),
    ]
    sections += [(f"program:{child.name}", _program(child, supervisor.log(child.name))) for child in supervisor.children.values()]
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={_escaped(value)}\n" for key, value in settings.items()) for name, settings in sections
    )


def _program(child: Child, log: Path) -> dict[str, object]:
    return {
        "command": shlex.join(child.command),
        "directory": child.folder,
        **({"user": child.account.name} if child.account else {}),
        "environment": ",".join(f"{name}={_quoted(value)}" for name, value in child.environment.items()),
        "priority": child.stage,  # supervisord ends the highest first when it is left alone
        "autostart": "false",
        "autorestart": "true",
        "startsecs": 1,
        # After these (1 + 2 + 3 s of waiting) the launcher asks again: the pause between two attempts does not grow for ever.
        "startretries": 3,
        "stopsignal": child.stop_signal.name.removeprefix("SIG"),
        "stopwaitsecs": int(child.stop_seconds),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": log,
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": 2,
    }


def _escaped(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(value: str) -> str:
    # supervisor's own reading of this option knows quotes, but no way to write a quote inside the same quotes.
    quote = "'" if '"' in value else '"'
    if quote in value:
        raise SupervisionError(f"{value!r} holds both kinds of quotes, which supervisor cannot read")
    return f"{quote}{value}{quote}"


def _open_files() -> int:
    """The limit of open files for supervisord and its children: as high as we may, up to what one machine's demo needs."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
