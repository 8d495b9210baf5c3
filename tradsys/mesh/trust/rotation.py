"""Keeps the folder of certificates fresh: ``python -m tradsys.mesh.trust.rotation``, a process without a port.

Servers and clients look for new files by themselves; nothing is told to anybody and nothing is restarted.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tradsys.configuration import Configuration
from tradsys.embedded.addresses import certified_processes
from tradsys.exchange_entries import exchange_codes
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.telemetry.process import TelemetryError, start_telemetry
from tradsys.mesh.trust.certificates import ensure_certificates, renew_certificates
from tradsys.mesh.trust.x509_files import CertificateError

log = logging.getLogger("tradsys.certificates")

PROCESS = "certificates"
READY = "certificates are watched"
PAUSE_SECONDS = 20.0
"""A fraction of the shortest notice that a new authority is given."""


def rotate(folder: Path, config: ServiceMeshConfig, names: Iterable[str], *, now: int) -> list[str]:
    """One turn: make what is missing of `names`, and renew all that is due. Returns the files written. Raises CertificateError."""
    written = ensure_certificates(folder, config, names, now)
    return written + [each for each in renew_certificates(folder, config, now) if each not in written]


def watch(
    folder: Path, config: ServiceMeshConfig, names: Iterable[str], *, now: Callable[[], int], pause: Callable[[], bool]
) -> None:
    """Turn after turn, until `pause` (which waits) says that it is time to stop. A turn that fails is logged and tried again."""
    known = tuple(names)
    while True:
        try:
            written = rotate(folder, config, known, now=now())
        except (CertificateError, OSError) as error:
            # What is in use goes on until it ends; dying here would not renew it either.
            log.error("certificates cannot be renewed: %s", error)
        else:
            if written:
                log.info("certificates were made: %s", ", ".join(written))
        if pause():
            return


def main() -> None:
    configuration = Configuration.from_environment()
    try:
        mesh = load_mesh_config(configuration.mesh_config_file)
        with start_telemetry(PROCESS, configuration, mesh):
            stop = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            log.info(READY)
            watch(
                configuration.var / mesh.mtls.folder,
                mesh,
                certified_processes(exchange_codes()),
                now=time.time_ns,
                pause=lambda: stop.wait(PAUSE_SECONDS),
            )
    except (MeshConfigError, TelemetryError) as error:
        sys.exit(f"certificates are not watched: {error}")


if __name__ == "__main__":
    main()
