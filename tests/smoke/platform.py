"""One platform of its own for a smoke run: free ports, a temporary folder, stopped for certain."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from trading_workers.client.workers import WorkerDoor
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.mesh.channels.process import channel_trust
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.trust.credentials import ChannelTrust

START_SECONDS = 80.0


class CommandFailed(Exception):
    """A management command ended with an error; ``answer`` is its JSON where it printed any."""

    def __init__(self, command: str, output: str) -> None:
        super().__init__(f"{command}: {output[-800:]}")
        self.answer: dict[str, Any] = {}
        text = output[output.find("{") : output.rfind("}") + 1]
        if text:
            self.answer = json.loads(text)


class Platform:
    """A running platform: its addresses and its management commands."""

    def __init__(self, var: Path, addresses: dict[str, Any]) -> None:
        self.var = var
        self.addresses = addresses

    @property
    def web(self) -> tuple[str, int]:
        host, _, port = self.addresses["web_address"].rpartition(":")
        return host, int(port)

    @property
    def order_worker(self) -> str:
        return str(next(iter(self.addresses["order_workers"].values())))

    @cached_property
    def trust(self) -> ChannelTrust | None:
        """Of a program outside the platform, which has its authority's file and a token."""
        configuration = Configuration.from_environment({"TRADSYS_VAR": str(self.var)})
        return channel_trust(configuration, load_mesh_config(configuration.mesh_config_file), None)

    @cached_property
    def worker_door(self) -> WorkerDoor:
        return WorkerDoor(self.order_worker, self.trust)

    def manage(self, *arguments: str, seconds: float = 90) -> str:
        """Standard output of a command. Raises CommandFailed."""
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "manage.py"), *arguments],
            env=_environment(self.var),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=seconds,
        )
        if done.returncode != 0:
            raise CommandFailed(" ".join(arguments[:3]), done.stdout + done.stderr)
        return done.stdout

    def manage_json(self, *arguments: str) -> dict[str, Any]:
        lines = self.manage(*arguments).strip().splitlines()
        answer: dict[str, Any] = json.loads(lines[-1])
        return answer


def _environment(var: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRADSYS_", "DJANGO_"))}
    return {**kept, "TRADSYS_VAR": str(var), "DJANGO_SETTINGS_MODULE": "tradsys.settings"}


@contextmanager
def running_platform(*, without: str = "demo-flow,demo-liquidity", quiet: bool = False) -> Iterator[Platform]:
    """Start everything but the demonstration's own orders, which would move the books under the comparison.

    Raises RuntimeError with the launcher's last lines when it does not come up in time.
    """
    folder = Path(tempfile.mkdtemp(prefix="tradsys-smoke-"))
    # The embedded PostgreSQL may run under an account of its own, which has to reach its folder.
    folder.chmod(0o711)
    var = folder / "var"
    ready = folder / "ready"
    output = (folder / "launch.log").open("w+", encoding="utf-8")
    launcher = subprocess.Popen(
        [
            *(sys.executable, "-m", "tradsys.embedded.launch", "--var", str(var), "--ports", "any"),
            *("--without", without, "--once-ready-file", str(ready)),
        ],
        cwd=REPOSITORY,
        env=_environment(var),
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists():
            if launcher.poll() is not None or time.monotonic() > deadline:
                output.seek(0)
                raise RuntimeError("the platform did not start:\n" + output.read()[-4000:])
            time.sleep(0.1)
        yield Platform(var, json.loads((var / "addresses.json").read_text(encoding="utf-8")))
    finally:
        _stop(launcher)
        output.close()
        if os.environ.get("TRADSYS_SMOKE_KEEP"):
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _stop(launcher: subprocess.Popen[bytes]) -> None:
    if launcher.poll() is None:
        launcher.send_signal(signal.SIGTERM)
        try:
            launcher.wait(40)
        except subprocess.TimeoutExpired:
            os.killpg(launcher.pid, signal.SIGKILL)
            launcher.wait(10)
