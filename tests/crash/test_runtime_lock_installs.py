"""The runtime lock alone is enough to run: slow, because every package is installed anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tradsys.configuration import REPOSITORY


@pytest.mark.timeout(240)
def test_the_runtime_lock_installs_in_a_clean_environment_and_the_platform_imports(tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    lock = REPOSITORY / "requirements" / "runtime.lock"
    install = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", str(lock)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    parts = ("trading_workers.order_worker.order_service", "exchanges.simulator.venue", "tradsys.embedded.launch", "channels")
    imports = f"import {', '.join(parts)}"
    tried = subprocess.run([str(python), "-c", imports], cwd=REPOSITORY, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr[-2000:]
