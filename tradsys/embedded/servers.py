"""PostgreSQL and Redis alone, without the rest of the platform: for test runs and for work on one part.

``python -m tradsys.embedded.servers --var DIR`` starts both on free ports, prints their URLs as NAME=value lines, and runs
until it is interrupted.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tradsys.embedded.ports import any_free_port
from tradsys.embedded.postgres import Postgres, PostgresError
from tradsys.embedded.redis_server import RedisError, RedisServer
from tradsys.embedded.secret_files import ensure_secrets, read_secret
from tradsys.embedded.server_home import ServerHome, ServerHomeError, prepare_server_home

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """Ports of the two servers."""

    postgres: int
    redis: int

    @classmethod
    def free(cls) -> ServerPorts:
        """Two free ports."""
        postgres = any_free_port()
        return cls(postgres, any_free_port(but_not={postgres}))


@dataclass(slots=True)
class EmbeddedServers:
    """Both servers as children of this process. Each can be stopped and started alone, as the tests of outages do."""

    var: Path
    postgres: Postgres
    redis: RedisServer
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, var: Path, *, ports: ServerPorts, durable: bool = True, say: Callable[[str], None] = lambda line: None
    ) -> EmbeddedServers:
        """Make folders, secrets, cluster and configuration below `var`; starts nothing yet."""
        home = prepare_server_home(var, say=say)
        ensure_secrets(var / "secrets")
        postgres, redis = server_pair(var, home, ports=ports, durable=durable)
        postgres.initialise()
        redis.configure()
        return cls(var, postgres, redis)

    def start(self) -> None:
        """Start both and return when both answer; raises PostgresError or RedisError with the last lines of the log."""
        self._spawn("postgres", self.postgres.command)
        self._spawn("redis", self.redis.command)
        self._await("postgres", self.postgres.wait_until_ready)
        self._await("redis", self.redis.wait_until_ready)
        self.postgres.ensure_role_and_database()

    def start_postgres(self) -> None:
        """Start PostgreSQL again after `stop_postgres`."""
        self._spawn("postgres", self.postgres.command)
        self._await("postgres", self.postgres.wait_until_ready)

    def start_redis(self) -> None:
        """Start Redis again after `stop_redis`."""
        self._spawn("redis", self.redis.command)
        self._await("redis", self.redis.wait_until_ready)

    def stop_postgres(self, *, kill: bool = False) -> None:
        """Stop PostgreSQL: a fast shutdown, or SIGKILL."""
        self._end("postgres", signal.SIGKILL if kill else signal.SIGINT)

    def stop_redis(self, *, kill: bool = False) -> None:
        """Stop Redis: a clean shutdown, or SIGKILL."""
        self._end("redis", signal.SIGKILL if kill else signal.SIGTERM)

    def stop(self) -> None:
        """Stop what runs."""
        self.stop_postgres()
        self.stop_redis()

    def log(self, name: str) -> Path:
        """Log file of ``postgres`` or ``redis``."""
        return self.var / "log" / f"{name}.log"

    def _spawn(self, name: str, command: tuple[str, ...]) -> None:
        if name in self._running:
            raise RuntimeError(f"{name} runs already")
        self.log(name).parent.mkdir(exist_ok=True)
        account = self.postgres.home.account
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.postgres.home.folder / name,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
                start_new_session=True,  # Ctrl-C in the terminal is for the parent, which then stops them in order
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                preexec_fn=signal_on_parents_death(signal.SIGINT if name == "postgres" else signal.SIGTERM),
            )

    def _await(self, name: str, wait_until_ready: Callable[[], None]) -> None:
        try:
            wait_until_ready()
        except (PostgresError, RedisError) as error:
            tail = "\n".join(self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
            self.stop()
            raise type(error)(f"{error}\nlast lines of {self.log(name)}:\n{tail}") from error

    def _end(self, name: str, with_signal: signal.Signals) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def server_pair(var: Path, home: ServerHome, *, ports: ServerPorts, durable: bool = True) -> tuple[Postgres, RedisServer]:
    """Both servers of `var` with their passwords from its secrets folder."""
    folder = var / "secrets"
    postgres = Postgres(
        home,
        ports.postgres,
        superuser_password=read_secret(folder, "postgres-superuser-password"),
        password=read_secret(folder, "postgres-password"),
        durable=durable,
    )
    return postgres, RedisServer(home, ports.redis, read_secret(folder, "redis-password"), durable=durable)


@contextmanager
def embedded_servers(var: Path, *, ports: ServerPorts | None = None, durable: bool = True) -> Iterator[EmbeddedServers]:
    """Both servers, running while the block runs."""
    servers = EmbeddedServers.prepare(var, ports=ports or ServerPorts.free(), durable=durable)
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


def signal_on_parents_death(with_signal: signal.Signals) -> Callable[[], None] | None:
    """A function for the child, between fork and exec: `with_signal` reaches it even when its parent is killed outright.

    None where the system has no such thing (it is Linux's own).
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), with_signal)

    return ask


def main() -> int:
    """Run both servers until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tradsys.embedded.servers", description=__doc__)
    parser.add_argument("--var", type=Path, required=True, help="data folder")
    options = parser.parse_args()
    stopped = threading.Event()
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda number, frame: stopped.set())
    try:
        with embedded_servers(options.var.absolute()) as servers:
            print(f"TRADSYS_VAR={servers.var}")
            print(f"TRADSYS_DATABASE_URL={servers.postgres.url}")
            print(f"TRADSYS_REDIS_URL={servers.redis.url}", flush=True)
            stopped.wait()
    except (PostgresError, RedisError, ServerHomeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
