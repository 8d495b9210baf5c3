"""A venue as its own process, and a member that speaks to it over the loopback."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from exchanges.fix.clock import Clock, SystemClock
from exchanges.fix.connection import Initiator
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from tests.unit.simulator.in_memory_lines import HandClock, MemberApplication, MemberLine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def until(condition: Callable[[], bool], seconds: float = 20, what: str = "") -> None:
    """Wait for `condition`; fails with `what` when it does not come."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"did not happen in {seconds} s: {what or condition}")


class VenueProcess:
    """`python -m exchanges.simulator` on ports that stay the same over restarts."""

    def __init__(self, folder: Path, exchange: str = "EGX") -> None:
        self.exchange = exchange
        self.folder = folder
        self.port, self.admin_port = free_port(), free_port()
        self.process: subprocess.Popen[str] | None = None

    @property
    def command(self) -> list[str]:
        addresses = ["--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{self.admin_port}"]
        return [sys.executable, "-m", "exchanges.simulator", "--exchange", self.exchange, *addresses, "--data", str(self.folder)]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(os.environ),
        )
        assert self.process.stdout is not None
        seen = []
        for line in self.process.stdout:
            seen.append(line)
            if line.startswith(f"{self.exchange}: FIX on"):
                break
        else:
            raise AssertionError("the venue did not start: " + "".join(seen))
        os.set_blocking(self.process.stdout.fileno(), False)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=8)

    def switch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``python -m exchanges.simulator.faults`` with these arguments."""
        command = [sys.executable, "-m", "exchanges.simulator.faults", "--admin", f"127.0.0.1:{self.admin_port}"]
        token = ["--token-file", str(self.folder / "admin-token")]
        return subprocess.run([*command, *token, *arguments], capture_output=True, text=True, timeout=30, check=False)

    def page(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin_port}{path}", timeout=10) as answer:
            body = answer.read()
            if answer.headers["Content-Type"] == "application/x-ndjson":
                return [json.loads(line) for line in body.splitlines()]
            return json.loads(body)


class LoopbackMember:
    """A member's initiator; its store outlives the venue's deaths, as a worker's journal does."""

    def __init__(self, comp_id: str, venue: VenueProcess, clock: Clock | None = None) -> None:
        """A `clock` that jumps stands still for heartbeats, which would end the line otherwise."""
        moment = clock or SystemClock()
        config = SessionConfig(
            sender_comp_id=comp_id,
            target_comp_id=venue.exchange,
            hosts=(("127.0.0.1", venue.port),),
            dictionary=FIX44,
            reconnect_seconds=(0, 0, 1),
            heartbeat_seconds=5 if clock is None else 0,
        )
        self.application = MemberApplication()
        self.initiator = Initiator(config, self.application, MemoryStore(), moment)
        line = MemberLine(comp_id, HandClock(moment.now()))
        self.fields, self.replace_fields = line.order_fields, line.replace_fields
        self._task = asyncio.create_task(self.initiator.run())

    @property
    def logged_on(self) -> bool:
        return self.initiator.logged_on

    async def leave(self) -> None:
        await self.initiator.stop()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
