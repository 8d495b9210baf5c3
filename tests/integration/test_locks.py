"""The lock files install as they are, in an empty environment, with nothing resolved and nothing unhashed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tradsys.configuration import REPOSITORY

LOCKS = ("runtime", "development")


@pytest.mark.parametrize("name", LOCKS)
def test_every_entry_of_a_lock_is_pinned_and_hashed_and_no_address_stands_in_it(name: str) -> None:
    text = (REPOSITORY / "requirements" / f"{name}.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text.strip())
    assert len(entries) > 50
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==", entry), entry[:80]
        assert "--hash=sha256:" in entry, entry[:80]
    assert "://" not in text
    assert "--index-url" not in text
    assert "--find-links" not in text


def test_the_development_lock_holds_the_runtime_lock() -> None:
    versions = {
        name: set(re.findall(r"^[A-Za-z0-9._-]+==\S+", (REPOSITORY / "requirements" / f"{name}.lock").read_text(), re.M))
        for name in LOCKS
    }
    assert versions["runtime"] <= versions["development"]


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
