"""A private PostgreSQL and Redis for one pytest run.

`prepare_environment` comes first, before Django reads its settings: it points the environment of this run, and of every process
it starts, at a new folder ``var/test-…`` and at ports of its own, whatever the shell had set. The `servers` fixture starts the
servers when the first test asks for them; they end with the run, however it ends.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from tradsys.configuration import REPOSITORY
from tradsys.embedded.secret_files import ensure_secrets
from tradsys.embedded.server_home import prepare_server_home, remove_fallback_folder
from tradsys.embedded.servers import EmbeddedServers, ServerPorts, server_pair

_LOCK = "run.lock"


@dataclass(frozen=True, slots=True)
class TestRun:
    """Folder and ports of this pytest run. The lock says that it lives; it is released by the system when the run dies."""

    __test__ = False

    var: Path
    ports: ServerPorts
    lock: IO[str]


_run: TestRun | None = None


def prepare_environment() -> TestRun:
    """Choose folder and ports of this run and put them into ``os.environ``; the same answer when called again."""
    global _run
    if _run is None:
        folder = REPOSITORY / "var"
        _remove_left_behind(folder)
        name = f"test-{os.getpid()}-{secrets.token_hex(3)}"
        # Locked under another name first, so that no other run takes it for a folder left behind.
        unlocked, var = folder / f"new-{name}", folder / name
        unlocked.mkdir(parents=True)
        lock = (unlocked / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(var)
        _run = TestRun(var, ServerPorts.free(), lock)
        atexit.register(_remove, var)
        ensure_secrets(var / "secrets")
        postgres, redis = server_pair(var, prepare_server_home(var), ports=_run.ports, durable=False)
        for name in [name for name in os.environ if name.startswith("TRADSYS_")]:
            del os.environ[name]
        os.environ["TRADSYS_VAR"] = str(var)
        os.environ["TRADSYS_DATABASE_URL"] = postgres.url
        os.environ["TRADSYS_REDIS_URL"] = redis.url
    return _run


@pytest.fixture(scope="session")
def servers() -> Iterator[EmbeddedServers]:
    """The run's PostgreSQL and Redis, running; a test that stops one starts it again before it ends."""
    run = prepare_environment()
    servers = EmbeddedServers.prepare(run.var, ports=run.ports, durable=False)
    atexit.register(servers.stop)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: EmbeddedServers) -> None:
    """pytest-django asks for this before it makes the test database, so the servers are there by then."""


def _remove(var: Path) -> None:
    remove_fallback_folder(var)
    shutil.rmtree(var, ignore_errors=True)


def _remove_left_behind(folder: Path) -> None:
    """Delete the folders of runs that were killed: their lock is free. Their servers ended with them."""
    for var in folder.glob("test-*-*"):
        try:
            with (var / _LOCK).open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(var)
        except OSError:
            continue  # it lives, or it goes away while we look
