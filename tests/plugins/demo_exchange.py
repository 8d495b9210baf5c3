"""The demo exchange's package, installed into a folder of the test's own; child processes get that folder on their path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).with_name("tradsys-exchange-demo")
CODE = "DEMOX"


def install(folder: Path, package: Path = PACKAGE) -> Path:
    """Build and install `package` below `folder`, without a network; returns the folder to put on the path."""
    # Building leaves files beside the source.
    source, target = folder / "source", folder / "installed"
    shutil.copytree(package, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    command += ["--no-build-isolation", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def environment_with(target: Path, **variables: str) -> dict[str, str]:
    """The environment of a child process in which the package is installed."""
    return {**os.environ, "PYTHONPATH": str(target), **variables}
