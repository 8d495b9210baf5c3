"""``python -m tradsys.embedded.launch``: the whole platform on one machine, from nothing to a banner with addresses."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tradsys.configuration import REPOSITORY, Configuration, environment_file
from tradsys.embedded.addresses import PortPlan, addresses, certified_processes, write_addresses, write_environment
from tradsys.embedded.banner import banner
from tradsys.embedded.children import DEMONSTRATION, PUBLISHERS, SERVERS, VENUES, WORKERS, Child, children
from tradsys.embedded.launch_lock import AlreadyLaunched, take_launch_lock
from tradsys.embedded.left_behind import LeftBehindError, end_left_behind
from tradsys.embedded.ports import NoFreePort
from tradsys.embedded.postgres import Postgres, PostgresError
from tradsys.embedded.redis_server import RedisError, RedisServer
from tradsys.embedded.secret_files import ensure_secrets
from tradsys.embedded.server_home import ServerHomeError, prepare_server_home
from tradsys.embedded.servers import server_pair, signal_on_parents_death
from tradsys.embedded.supervision import MARK, SupervisionError, Supervisor, inherited_environment, last_lines
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.trust.certificates import ensure_certificates, renew_certificates
from tradsys.mesh.trust.x509_files import CertificateError

# Run once, in this order, when the servers are up and before anything that reads the database starts.
PREPARATIONS: Mapping[str, str] = {
    "migrate_schemas": "tables",
    "load_reference_data": "reference data",
    "create_demo": "demo tenants",
}


PLUGIN_REPORT = "exchanges.plugin_report"
"""The module that tells, as JSON, which exchange plugins load."""

CERTIFY_SECONDS = 60.0
"""Between two looks at the certificates, which live for hours."""

Table = Callable[[Configuration, Postgres, RedisServer, Path], list[Child]]


class StartFailed(RuntimeError):
    """A part did not start; the text names it and shows the end of its log."""


_FAILURES = (
    StartFailed,
    AlreadyLaunched,
    SupervisionError,
    LeftBehindError,
    ServerHomeError,
    PostgresError,
    RedisError,
    NoFreePort,
    MeshConfigError,
    CertificateError,
    OSError,
)


class Launch:
    """One run of the platform on one data folder.

    `table` answers the children of a configuration; `preparations` are the management commands that run once, and what they make.
    """

    def __init__(
        self, options: argparse.Namespace, *, table: Table = children, preparations: Mapping[str, str] = PREPARATIONS
    ) -> None:
        self.table = table
        self.preparations = preparations
        self.var: Path = options.var.absolute()
        self.without: frozenset[str] = frozenset(filter(None, options.without.split(",")))
        self.anywhere: bool = options.ports == "any"
        self.ready_file: Path | None = options.once_ready_file
        self.began = time.monotonic()
        self.supervisor: Supervisor | None = None
        self.content: dict[str, Any] = {}
        self._first_processes: dict[str, int] = {}
        self._lock: IO[str] | None = None
        self._configuration: Configuration | None = None

    def say(self, line: str) -> None:
        """Print one line of progress with the seconds since the beginning."""
        print(f"[{time.monotonic() - self.began:5.1f} s] {line}", flush=True)

    def start(self) -> Supervisor:
        """Bring everything up; raises StartFailed (or an error of one part) when that is not possible."""
        self._lock = take_launch_lock(self.var)
        end_left_behind(self.var, say=self.say)
        logs = self._begin_logs()
        home = prepare_server_home(self.var, say=self.say)
        ensure_secrets(self.var / "secrets")
        ports = PortPlan.choose(anywhere=self.anywhere, say=self.say, exchanges=self._exchanges())
        postgres, redis = server_pair(self.var, home, ports=ports.servers)
        self._initialise(postgres)
        redis.configure()
        variables = ports.variables(database_url=postgres.url, redis_url=redis.url, without=self.without)
        if settings := os.environ.get("TRADSYS_EXCHANGE_SETTINGS"):
            variables["TRADSYS_EXCHANGE_SETTINGS"] = str(Path(settings).absolute())
        write_environment(self.var, variables)
        configuration = Configuration.from_environment(variables | {"TRADSYS_VAR": str(self.var)})
        self._configuration = configuration
        self._certify(configuration)
        table = self._chosen(self.table(configuration, postgres, redis, logs))
        self.supervisor = supervisor = Supervisor(var=self.var, children=table)
        supervisor.start()

        def start(stage: int) -> list[Child]:
            members = [child for child in table if child.stage == stage]
            self._start_children(supervisor, members)
            return members

        self._await_children(supervisor, start(SERVERS))
        postgres.ensure_role_and_database()
        venues = start(VENUES)  # they need no tables, so they come up while the tables are made
        self._prepare(logs)
        self._await_children(supervisor, venues)
        for stage in (PUBLISHERS, WORKERS, DEMONSTRATION):
            self._await_children(supervisor, start(stage))
        processes = {name: state.pid for name, state in supervisor.states().items()}
        self.content = addresses(configuration, ports, processes, os.getpid())
        write_addresses(self.var, self.content)
        print(banner(self.content, seconds=time.monotonic() - self.began), flush=True)
        if self.ready_file is not None:
            self.ready_file.write_text("ready\n", encoding="ascii")
        return supervisor

    def watch(self, supervisor: Supervisor) -> None:
        """Say which child ended and runs again, until interrupted; raises SupervisionError when the supervisor is gone."""
        before = supervisor.states()
        certified = time.monotonic()
        while True:
            time.sleep(0.5)
            if self._configuration is not None and time.monotonic() - certified > CERTIFY_SECONDS:
                certified = time.monotonic()
                self._certify(self._configuration)
            if not supervisor.is_alive():
                raise SupervisionError(f"the supervisor ended; the end of {supervisor.output}:\n{last_lines(supervisor.output)}")
            now = supervisor.states()
            for name, state in now.items():
                if state.gave_up:
                    supervisor.start_child(name)
                elif state.is_alive and state.pid != before[name].pid:
                    self.say(f"{name} ended and runs again as process {state.pid}; its log: {supervisor.log(name)}")
                    self.content["processes"][name] = state.pid
                    write_addresses(self.var, self.content)
            before = {name: state if state.is_alive else before[name] for name, state in now.items()}

    def stop(self) -> None:
        """Stop every child, last started first, then the supervisor; what others read of the addresses goes too."""
        if self._lock is None:
            return  # the folder is another launcher's, or nothing was begun
        self.say("stopping")
        with suppress(FileNotFoundError):
            (self.var / "addresses.json").unlink()
        if self.supervisor is not None:
            table = self.supervisor.children.values()
            for stage in sorted({child.stage for child in table}, reverse=True):
                if self.supervisor.is_alive():
                    self._stop_stage([child.name for child in table if child.stage == stage])
            self.supervisor.shut_down()
            # With the supervisor killed, its children are nobody's: end them as the next start would.
            end_left_behind(self.var, say=self.say)
        with suppress(FileNotFoundError):
            environment_file(self.var).unlink()
        self.say("stopped: nothing is left running")

    def _exchanges(self) -> list[str]:
        """Codes of the exchanges whose plugins load, as a process of their own says: whatever a plugin does, it does it there."""
        done = subprocess.run(
            [sys.executable, "-m", PLUGIN_REPORT], cwd=REPOSITORY, env=inherited_environment(), capture_output=True, text=True
        )
        if done.returncode != 0:
            raise StartFailed(f"the exchange plugins cannot be listed (status {done.returncode}): {done.stderr.strip()[-2000:]}")
        report = json.loads(done.stdout.splitlines()[-1])
        for name, reason in report["refused"].items():
            self.say(f"exchange plugin {name} is refused: {reason}")
        loaded: list[str] = report["loaded"]
        return loaded

    def _certify(self, configuration: Configuration) -> None:
        """Certificates for every process that has none, or whose own is due. A process takes up a new one by itself."""
        mesh = load_mesh_config(configuration.mesh_config_file)
        if not mesh.mtls.enabled:
            self.say(f"{configuration.mesh_config_file} switches TLS between the services off")
            return
        folder, now = configuration.var / mesh.mtls.folder, time.time_ns()
        made = ensure_certificates(folder, mesh, certified_processes(configuration.venues), now)
        # Also what `manage.py certs` has issued beside them: further workers, programs of tenants.
        made += renew_certificates(folder, mesh, now)
        if made:
            self.say(f"certificates are made: {', '.join(made)}")

    def _begin_logs(self) -> Path:
        logs = self.var / "log"
        logs.mkdir(exist_ok=True)
        for log in logs.glob("*.log"):
            if not log.stem.endswith(".previous"):
                log.rename(log.with_name(f"{log.stem}.previous.log"))
        return logs

    def _initialise(self, postgres: Postgres) -> None:
        if not postgres.data.exists():
            self.say("making the database cluster")
        postgres.initialise()

    def _chosen(self, table: list[Child]) -> list[Child]:
        unknown = self.without - {child.name for child in table}
        if unknown:
            raise StartFailed(f"--without: there is no child {', '.join(sorted(unknown))}")
        return [child for child in table if child.name not in self.without]

    def _start_children(self, supervisor: Supervisor, members: list[Child]) -> None:
        for child in members:
            supervisor.start_child(child.name)
        states = supervisor.states()
        self._first_processes |= {child.name: states[child.name].pid for child in members}

    def _await_children(self, supervisor: Supervisor, members: list[Child]) -> None:
        """Return when all are ready; raises StartFailed when the first process of one is gone or one takes too long."""
        waiting = {child.name: child for child in members}
        began = time.monotonic()
        while waiting:
            states = supervisor.states()
            for name, child in list(waiting.items()):
                # The supervisor may have started another since: that the first one failed is still what has to be told.
                if not states[name].is_alive or states[name].pid != self._first_processes[name]:
                    status = states[name].exit_status
                    raise _not_started(supervisor, child, f"ended with status {status}" if status else "ended")
                if child.is_ready():
                    self.say(f"{child.about} is ready")
                    del waiting[name]
                elif time.monotonic() - began > child.start_seconds:
                    raise _not_started(supervisor, child, f"was not ready after {child.start_seconds:g} s")
            time.sleep(0.1 if waiting else 0)

    def _prepare(self, logs: Path) -> None:
        if not self.preparations:
            return
        log, running = logs / "preparation.log", "loading Django"
        command = [sys.executable, "-m", "tradsys.preparation", *self.preparations]
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                cwd=REPOSITORY,
                env=inherited_environment() | {"TRADSYS_VAR": str(self.var), "PYTHONUNBUFFERED": "1", MARK: str(self.var)},
                start_new_session=True,
                preexec_fn=signal_on_parents_death(signal.SIGKILL),
            )
            try:
                for line in process.stdout or ():
                    output.write(line)
                    match line.split():
                        case ["begin", name] if name in self.preparations:
                            running = name
                        case ["done", name] if name in self.preparations:
                            self.say(f"{self.preparations[name]} are ready")
                status = process.wait()
            finally:
                if process.poll() is None:  # interrupted
                    process.kill()
                    process.wait()
        if status != 0:
            raise StartFailed(f"preparation failed at {running} (status {status}); the end of {log}:\n{last_lines(log)}")

    def _stop_stage(self, names: list[str]) -> None:
        assert self.supervisor is not None
        try:
            self.supervisor.stop_children(names)
        except SupervisionError as error:
            self.say(str(error))


def _not_started(supervisor: Supervisor, child: Child, why: str) -> StartFailed:
    log = supervisor.log(child.name)
    return StartFailed(f"{child.name} did not start: it {why}; the end of {log}:\n{last_lines(log)}")


def parse(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tradsys.embedded.launch", description=__doc__)
    parser.add_argument("--var", type=Path, default=Path(os.environ.get("TRADSYS_VAR") or REPOSITORY / "var"), help="data folder")
    parser.add_argument("--without", default="", metavar="NAME,…", help="children to leave out, such as demo-flow,demo-liquidity")
    parser.add_argument("--ports", choices=("usual", "any"), default="usual", help="any: free ports drawn at random")
    parser.add_argument("--once-ready-file", type=Path, metavar="FILE", help="written when everything is up")
    return parser.parse_args(None if arguments is None else list(arguments))


def run(launch: Launch) -> int:
    """Start, watch until SIGINT, SIGTERM or SIGHUP, stop. Status 0 after a clean stop, 1 when a part failed."""
    # SIGINT too: a shell starts background jobs with it ignored, and Python then leaves it so.
    for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(asked, signal.default_int_handler)
    status = 0
    try:
        launch.watch(launch.start())
    except KeyboardInterrupt:
        pass  # the usual way to stop
    except _FAILURES as error:
        print(f"\n{error}\n", file=sys.stderr, flush=True)
        status = 1
    finally:
        for asked in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(asked, lambda number, frame: launch.say("stopping already"))
        launch.stop()
    return status


if __name__ == "__main__":
    sys.exit(run(Launch(parse())))
