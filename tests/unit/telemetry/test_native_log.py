"""Refused TLS handshakes are counted where no call ever came to be, and what Python says on its own error output stays there."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.mesh_trust import certificate_folder
from tradsys.configuration import REPOSITORY

_SERVER = """
import asyncio, logging, sys
from pathlib import Path
from tests.mesh_trust import channel_to, who_server
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.native_log import NativeLog
from tradsys.mesh.trust.certificates import BUNDLE
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles

good, foreign, old = map(Path, sys.argv[1:])
logging.basicConfig(stream=sys.stdout, level=logging.INFO)
native = NativeLog()
native.start()

async def attempt(address, own):
    try:
        async with channel_to(address, "worker-1", ChannelTrust(good / BUNDLE, own, 20)) as channel:
            await channel.unary_unary("/tests.Echo/Who")(b"", timeout=2)
        print("answered")
    except Exception as error:
        print("refused", error.code().name)

async def main():
    async with who_server(good, "worker-1") as address:
        await attempt(address, IdentityFiles.of(good, "web"))
        for own in (IdentityFiles.of(foreign, "web"), IdentityFiles.of(old, "web"), None):
            await attempt(address, own)

asyncio.run(main())
print("python says so", file=sys.stderr)
native.stop()
print(METRICS.exposition().decode())
"""


def test_a_foreign_an_expired_and_a_missing_certificate_are_refused_and_counted(tmp_path: Path) -> None:
    now = time.time_ns()
    good = certificate_folder(tmp_path / "good", "worker-1", "web", now=now)
    foreign = certificate_folder(tmp_path / "foreign", "worker-1", "web", now=now)
    old = tmp_path / "old"
    old.mkdir(mode=0o700)
    for name in ("ca.pem", "ca.key.pem"):
        (old / name).write_bytes((good / name).read_bytes())
    certificate_folder(old, "web", now=now - 30 * 3600 * 1_000_000_000)
    done = subprocess.run(
        [sys.executable, "-c", _SERVER, str(good), str(foreign), str(old)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith(("answered", "refused"))] == ["answered", *["refused UNAVAILABLE"] * 3], lines
    counted = {
        line.split('reason="')[1].split('"')[0]: int(float(line.rpartition(" ")[2]))
        for line in lines
        if line.startswith("tradsys_calls_refused_total{") and 'service="tls"' in line
    }
    assert sum(counted.values()) >= 3, counted
    assert counted.keys() == {"CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE"}
    assert done.stderr.strip() == "python says so"
