"""The launcher and the supervisor under it: one real start after another on one data folder."""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis

from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.readiness import becomes_true
from tradsys.embedded.server_home import remove_fallback_folder

READY_SECONDS = 30


class Started:
    """A launcher process and what it printed."""

    def __init__(self, var: Path, *options: str) -> None:
        self.var = var
        self.output = var.with_name("output.txt")
        command = [sys.executable, "-m", "tests.integration.embedded.small_platform", *options, "--var", str(var), "--ports", "any"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(command, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT)

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def addresses(self) -> dict[str, Any]:
        return json.loads((self.var / "addresses.json").read_text(encoding="utf-8"))

    def wait_until_up(self) -> None:
        assert becomes_true(
            lambda: "Ctrl-C stops everything" in self.text or self.process.poll() is not None, seconds=READY_SECONDS
        )
        assert self.process.poll() is None, self.text

    def end(self, with_signal: signal.Signals) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(timeout=30)


def running_in(var: Path) -> list[str]:
    """Command lines of all processes that name the folder or work in it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        try:
            folder = process.cwd()
        except psutil.Error:
            folder = ""
        if process.pid != os.getpid() and (str(var) in command or folder.startswith(str(var))):
            found.append(command)
    return found


def nothing_runs(var: Path) -> Callable[[], bool]:
    return lambda: not running_in(var)


@pytest.fixture(scope="module")
def var() -> Iterator[Path]:
    """One data folder for all starts: a later one works on the data of the earlier."""
    # Short enough for a socket, and where the servers' account gets in.
    folder = REPOSITORY / "var" / f"launch-{os.getpid()}"
    folder.mkdir(parents=True)
    yield folder / "var"
    remove_fallback_folder(folder / "var")
    subprocess.run(["rm", "-rf", str(folder)], check=True)


@contextmanager
def started(var: Path, *options: str) -> Iterator[Started]:
    launcher = Started(var, *options)
    try:
        yield launcher
    finally:
        if launcher.process.poll() is None:
            launcher.end(signal.SIGTERM)
        assert becomes_true(nothing_runs(var), seconds=20), running_in(var)


def test_a_start_tells_its_addresses_restarts_a_killed_child_alone_and_stops_cleanly(var: Path) -> None:
    with started(var) as launcher:
        launcher.wait_until_up()
        before = launcher.addresses["processes"]
        assert set(before) == {"postgres", "redis", "first", "second"}
        for name in ("operator-demo", "http://nile.localhost:", "http://localhost:", "/admin/", "amana-viewer"):
            assert name in launcher.text

        environment = var / "run" / "environment"
        assert stat.S_IMODE(environment.stat().st_mode) == 0o600
        configuration = Configuration.from_environment({"TRADSYS_VAR": str(var)})
        assert str(configuration.web_address) == launcher.addresses["web_address"]
        with psycopg.connect(configuration.database_url) as connection:
            connection.execute("CREATE TABLE kept (word text)")
        with redis.Redis.from_url(configuration.redis_url) as client:
            assert client.set("kept", "yes")

        second = subprocess.run(
            [sys.executable, "-m", "tests.integration.embedded.small_platform", "--var", str(var)],
            cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"runs on {var} already (process {launcher.process.pid})" in second.stderr

        os.kill(before["first"], signal.SIGKILL)
        assert becomes_true(lambda: launcher.addresses["processes"]["first"] != before["first"], seconds=10)
        after = launcher.addresses["processes"]
        assert {name for name in before if before[name] != after[name]} == {"first"}
        assert "first ended and runs again" in launcher.text
        assert becomes_true(lambda: answers(launcher.addresses["web_address"]), seconds=10)

        own = psutil.Process(after["second"]).environ()
        assert {name for name in own if name.startswith("TRADSYS_")} == {"TRADSYS_VAR", "TRADSYS_SUPERVISED_FOR"}

        assert launcher.end(signal.SIGINT) == 0
        assert "nothing is left running" in launcher.text
        assert not (var / "addresses.json").exists()
        assert not environment.exists()


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("mode", "complaint", "log_line"),
    [
        ("exits", "failing did not start: it ended", "the ledger is missing"),
        ("never-ready", "failing did not start: it was not ready after 2 s", "still thinking"),
    ],
)
def test_a_failing_start_names_the_part_shows_its_log_and_leaves_nothing_running(
    var: Path, mode: str, complaint: str, log_line: str
) -> None:
    with started(var, "--failing", mode) as launcher:
        assert launcher.process.wait(timeout=READY_SECONDS) == 1
        assert complaint in launcher.text
        assert log_line in launcher.text
        assert not running_in(var)


def test_the_children_of_a_killed_launcher_end_and_the_next_start_finds_the_data(var: Path) -> None:
    with started(var) as launcher:
        launcher.wait_until_up()
        launcher.end(signal.SIGKILL)
        assert becomes_true(nothing_runs(var), seconds=20), running_in(var)
    with started(var) as launcher:
        launcher.wait_until_up()
        assert "making the database cluster" not in launcher.text
        configuration = Configuration.from_environment({"TRADSYS_VAR": str(var)})
        with psycopg.connect(configuration.database_url) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        with redis.Redis.from_url(configuration.redis_url) as client:
            assert client.get("kept") == b"yes"


def test_a_killed_supervisor_is_reported_and_its_children_are_ended(var: Path) -> None:
    with started(var) as launcher:
        launcher.wait_until_up()
        supervisor = psutil.Process(launcher.addresses["processes"]["first"]).parent()
        supervisor.kill()
        assert launcher.process.wait(timeout=READY_SECONDS) == 1
        assert "the supervisor" in launcher.text
        assert not running_in(var)


def test_what_a_killed_launcher_and_supervisor_left_is_ended_by_the_next_start(var: Path) -> None:
    with started(var) as launcher:
        launcher.wait_until_up()
        left = launcher.addresses["processes"]
        supervisor = psutil.Process(left["first"]).parent()
        launcher.process.send_signal(signal.SIGSTOP)  # it must not see its supervisor die
        supervisor.kill()
        launcher.end(signal.SIGKILL)
        assert all(psutil.pid_exists(pid) for pid in left.values())
        again = Started(var)
        try:
            again.wait_until_up()
            assert "left behind by an earlier start" in again.text
            assert not any(psutil.pid_exists(pid) for pid in left.values())
        finally:
            assert again.end(signal.SIGHUP) == 0
