"""Two venues, one order worker and a relay before each of its lines, as real processes on loopback; no PostgreSQL, no Redis.

The worker takes its configuration from its own disk, as it does when everything else is down.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bench import bench_order_checks
from exchanges.reference import load_venue_reference
from exchanges.routing.balancers import LinePool
from trading_workers.order_worker.line_plan import line_name
from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.documents import PLATFORM, PlatformDocument, TenantDocument, TickBand
from trading_workers.snapshot.signing import encode_signed, sign
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.ports import any_free_port
from tradsys.embedded.secret_files import ensure_secrets
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.tokens import issue, load_signing_key
from tradsys.mesh.trust.certificates import BUNDLE, ensure_certificates
from tradsys.mesh.trust.credentials import ChannelTrust

WORKER = "worker-1"
START_SECONDS = 40.0
MICROS = bench_order_checks.MICROS
INSTRUMENTS = {"EGX": "COMI", "ADX": "FAB"}
BUYER, SELLER, RESTER = "ACC-000", "ACC-002", "ACC-004"
"""Accounts without a Sharia board."""


@dataclass
class LineRig:
    """``rig.relay("EGX-2", "cut")``; see bench.line_relay for the commands. Ends with `running_rig`."""

    configuration: Configuration
    environment: dict[str, str]
    lines: tuple[str, ...]
    prices: dict[str, int]
    """Exchange → reference price of its instrument, in micros."""
    low_prices: dict[str, int]
    """Exchange → the lowest price of its band: a bid there rests."""
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def worker_address(self) -> str:
        return str(self.configuration.order_workers[WORKER])

    @property
    def journal(self) -> Path:
        return self.configuration.var / WORKER / "journal"

    def trust(self) -> ChannelTrust:
        mesh = load_mesh_config(self.configuration.mesh_config_file)
        return ChannelTrust(self.configuration.var / mesh.mtls.folder / BUNDLE, None, mesh.mtls.reload_ms)

    def token(self) -> str:
        key = load_signing_key(self.configuration.token_signing_key)
        return issue(key, subject="program", tenant="nile", role="trader", accounts=["*"], now=time.time_ns())

    def relay(self, line: str, command: str) -> None:
        stream = self.processes[f"relay-{line}"].stdin
        assert stream is not None
        stream.write(f"{command}\n")
        stream.flush()

    def start_worker(self) -> None:
        self.start(WORKER, "-m", "trading_workers.order_worker", "--name", WORKER)

    def kill_worker(self) -> None:
        """SIGKILL, and wait until it is gone."""
        process = self.processes.pop(WORKER)
        process.kill()
        process.wait()

    def start(self, name: str, *arguments: str) -> None:
        with (self.configuration.var / f"{name}.log").open("a", encoding="utf-8") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=REPOSITORY,
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def log(self, name: str) -> str:
        return (self.configuration.var / f"{name}.log").read_text(encoding="utf-8")

    def metrics(self) -> str:
        """The worker's figures; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.configuration.metrics[WORKER]}/metrics", timeout=2) as answer:
                return str(answer.read().decode("utf-8"))
        except OSError:
            return ""

    def lines_up(self) -> set[str]:
        """Lines that are logged on, as the worker's figures say."""
        figures = self.metrics()
        return {
            line
            for line in self.lines
            if f'tradsys_exchange_connections{{exchange="{line.rpartition("-")[0]}",line="{line}"}} 1.0' in figures
        }

    def venue_page(self, exchange: str, page: str) -> Any:
        """``state`` of a venue."""
        with urllib.request.urlopen(f"http://{self.configuration.venue_admin[exchange]}/{page}", timeout=20) as answer:
            return json.loads(answer.read())

    def check(self) -> None:
        """Raises RuntimeError, with its log, when a process has ended."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                raise RuntimeError(f"{name} has ended with {process.returncode}\n{self.log(name)[-8_000:]}")

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
        """Raises RuntimeError, with the worker's log, when it takes longer, or when a process has ended."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(self.log(name)[-2_000:] for name in ended or [WORKER])
                raise RuntimeError(f"{what} did not come about; ended: {', '.join(ended) or 'nothing'}\n{logs}")
            time.sleep(0.05)


@contextmanager
def running_rig(var: Path, *, lines_per_exchange: int = 2) -> Iterator[LineRig]:
    """Everything up and every line logged on. However it ends, so do the processes."""
    rig = _prepared(var, lines_per_exchange)
    try:
        for exchange in INSTRUMENTS:
            _start_venue(rig, exchange)
        for line in rig.lines:
            venue = rig.configuration.venues[line.rpartition("-")[0]]
            [relay] = rig.configuration.lines[line]
            rig.start(f"relay-{line}", "-m", "bench.line_relay", "--listen", str(relay), "--to", str(venue))
        rig.wait_for(lambda: all("FIX on" in rig.log(f"venue-{exchange}") for exchange in INSTRUMENTS), "the venues' start")
        rig.wait_for(lambda: all("relay on" in rig.log(f"relay-{line}") for line in rig.lines), "the relays' start")
        rig.start_worker()
        rig.wait_for(lambda: rig.lines_up() == set(rig.lines), "the lines' logon")
        yield rig
    finally:
        _end(rig)


def _end(rig: LineRig) -> None:
    for process in rig.processes.values():
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 8
    for process in rig.processes.values():
        try:
            process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdin is not None:
            process.stdin.close()


def _start_venue(rig: LineRig, exchange: str) -> None:
    listen, admin = rig.configuration.venues[exchange], rig.configuration.venue_admin[exchange]
    data = rig.configuration.var / f"venue-{exchange}"
    where = ("--listen", str(listen), "--admin", str(admin), "--data", str(data))
    rig.start(f"venue-{exchange}", "-m", "exchanges.simulator", "--exchange", exchange, *where)


def _prepared(var: Path, lines_per_exchange: int) -> LineRig:
    taken: set[int] = set()

    def address() -> str:
        port = any_free_port(but_not=taken)
        taken.add(port)
        return f"127.0.0.1:{port}"

    lines = tuple(line_name(exchange, number) for exchange in INSTRUMENTS for number in range(1, lines_per_exchange + 1))
    nowhere = address()
    mesh_file = var / "mesh.yaml"
    settings = yaml.safe_load((REPOSITORY / "deploy" / "mesh.yaml").read_text(encoding="utf-8"))
    settings["connection_pool"]["lines_per_exchange"] = lines_per_exchange
    mesh_file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    variables = {
        "TRADSYS_VAR": str(var),
        "TRADSYS_MESH_CONFIG": str(mesh_file),
        "TRADSYS_REDIS_URL": f"redis://{nowhere}/0",
        "TRADSYS_DATABASE_URL": f"postgresql://nobody@{nowhere}/nowhere",
        "TRADSYS_ORDER_WORKERS": f"{WORKER}={address()}",
        "TRADSYS_MESH": f"{WORKER}={address()}",
        "TRADSYS_METRICS": f"{WORKER}={address()}",
        "TRADSYS_VENUES": ",".join(f"{exchange}={address()}" for exchange in INSTRUMENTS),
        "TRADSYS_VENUE_ADMIN": ",".join(f"{exchange}={address()}" for exchange in INSTRUMENTS),
        "TRADSYS_LINES": ",".join(f"{line}={address()}" for line in lines),
        "PYTHONUNBUFFERED": "1",
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRADSYS_", "DJANGO_"))}
    configuration = Configuration.from_environment(variables)
    mesh, now = load_mesh_config(mesh_file), time.time_ns()
    ensure_secrets(var / "secrets")
    ensure_certificates(var / mesh.mtls.folder, mesh, (WORKER,), now)
    platform = _platform(now, lines)
    key, copies = load_signing_key(configuration.snapshot_signing_key), DiskCopies(var / WORKER / "snapshots")
    copies.write(PLATFORM, encode_signed(sign(platform, key)))
    copies.write("nile", encode_signed(sign(_tenant(now), key)))
    prices = {each.exchange: each.reference_price or 0 for each in platform.instruments}
    low_prices = {each.exchange: each.band_low or 0 for each in platform.instruments}
    return LineRig(configuration, kept | variables, lines, prices, low_prices)


def _platform(now: int, lines: tuple[str, ...]) -> PlatformDocument:
    """Both exchanges open all day, one instrument each as its venue has it."""
    document = bench_order_checks.platform(now)
    [exchange] = document.exchanges
    exchanges, instruments, pools = [], [], []
    for code, symbol in INSTRUMENTS.items():
        reference = load_venue_reference(code, day=datetime.fromtimestamp(now // 1_000_000_000, UTC).date())
        found = reference.instruments[symbol]
        pools.append(LinePool(name=code, exchange=code, lines=tuple(line for line in lines if line.startswith(f"{code}-"))))
        mic = {"EGX": "XCAI", "ADX": "XADS"}[code]
        exchanges.append(
            msgspec.structs.replace(exchange, code=code, mic=mic, currency=found.currency, time_zone=reference.time_zone)
        )
        instruments.append(
            msgspec.structs.replace(
                document.instruments[0],
                exchange=code,
                symbol=symbol,
                currency=found.currency,
                lot=found.lot,
                ticks=tuple(TickBand(each.from_price, each.tick) for each in found.ticks),
                reference_price=found.reference_price,
                band_low=found.band_low,
                band_high=found.band_high,
            )
        )
    return msgspec.structs.replace(
        document, exchanges=tuple(exchanges), instruments=tuple(instruments), routes=(), pools=tuple(pools)
    )


def _tenant(now: int) -> TenantDocument:
    document = bench_order_checks.tenant(now)
    assert document.licence is not None
    keys = [f"{exchange}:{symbol}" for exchange, symbol in INSTRUMENTS.items()]
    return msgspec.structs.replace(
        document,
        licence=msgspec.structs.replace(document.licence, features=(*document.licence.features, "exchange:ADX")),
        accounts=tuple(
            msgspec.structs.replace(
                account,
                investor_ids=dict.fromkeys(INSTRUMENTS, "1"),
                cash={"EGP": 10**12 * MICROS, "AED": 10**12 * MICROS},
                shares=dict.fromkeys(keys, 10**9),
            )
            for account in document.accounts
            if account.code in (BUYER, SELLER, RESTER)
        ),
    )
