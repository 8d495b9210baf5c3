"""Order workers of a benchmark: real processes on free ports, with certificates, configuration on their disk, and a Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.bench_order_checks import platform, tenant
from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.documents import PLATFORM
from trading_workers.snapshot.signing import encode_signed, sign
from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.ports import any_free_port
from tradsys.embedded.servers import EmbeddedServers, ServerPorts
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.tokens import issue, load_signing_key
from tradsys.mesh.trust.certificates import BUNDLE, ensure_certificates
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles

START_SECONDS = 30.0
CALLER = "bench"


@dataclass
class Workers:
    """Processes by name; everything ends with `running`."""

    configuration: Configuration
    mesh: ServiceMeshConfig
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def certificates(self) -> Path:
        return self.configuration.var / self.mesh.mtls.folder

    def trust(self) -> ChannelTrust:
        """Of a caller with a certificate of its own."""
        own = IdentityFiles.of(self.certificates, CALLER)
        return ChannelTrust(self.certificates / BUNDLE, own, self.mesh.mtls.reload_ms)

    def token(self) -> str:
        key = load_signing_key(self.configuration.token_signing_key)
        return issue(key, subject="program", tenant="nile", role="trader", accounts=["*"], now=time.time_ns())

    def start(self, name: str) -> None:
        output = (self.configuration.var / f"{name}.log").open("w", encoding="utf-8")
        self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "trading_workers.order_worker", "--name", name],
            cwd=REPOSITORY,
            env=self.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        output.close()

    def log(self, name: str) -> str:
        return (self.configuration.var / f"{name}.log").read_text(encoding="utf-8")[-2_000:]


@contextmanager
def running(var: Path, *names: str) -> Iterator[Workers]:
    """Order workers `names`, serving. Their venues are addresses where nobody listens: they take calls, and no orders."""
    var.chmod(0o711)
    ports = ServerPorts.free()
    servers = EmbeddedServers.prepare(var, ports=ports, durable=False)
    taken = {ports.postgres, ports.redis}

    def address() -> str:
        port = any_free_port(but_not=taken)
        taken.add(port)
        return f"127.0.0.1:{port}"

    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TRADSYS_", "DJANGO_"))}
    variables = {
        "TRADSYS_VAR": str(var),
        "TRADSYS_REDIS_URL": servers.redis.url,
        "TRADSYS_DATABASE_URL": servers.postgres.url,
        "TRADSYS_ORDER_WORKERS": ",".join(f"{name}={address()}" for name in names),
        "TRADSYS_MESH": ",".join(f"{name}={address()}" for name in names),
        "TRADSYS_METRICS": ",".join(f"{name}={address()}" for name in names),
        "TRADSYS_VENUES": f"EGX={address()}",
    }
    configuration = Configuration.from_environment(variables)
    mesh = load_mesh_config(configuration.mesh_config_file)
    ensure_certificates(var / mesh.mtls.folder, mesh, (*names, CALLER), time.time_ns())
    key, now = load_signing_key(configuration.snapshot_signing_key), time.time_ns()
    for name in names:
        copies = DiskCopies(var / name / "snapshots")
        copies.write(PLATFORM, encode_signed(sign(platform(now), key)))
        copies.write("nile", encode_signed(sign(tenant(now), key)))
    workers = Workers(configuration, mesh, kept | variables)
    servers.start()
    try:
        for name in names:
            workers.start(name)
        yield workers
    finally:
        for process in workers.processes.values():
            process.kill()
            process.wait()
        servers.stop()
