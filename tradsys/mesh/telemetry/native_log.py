"""What gRPC's own core writes to the standard error output: as log records, and refused TLS handshakes as figures.

A handshake that fails (a certificate of another authority, an expired one, none at all) never becomes a call, so no interceptor
sees it; the core's log is the only place where a server is told.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading

from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("grpc.core")

SERVICE = "tls"
"""The label ``service`` of ``tradsys_calls_refused_total`` for handshakes; ``reason`` is OpenSSL's name for what was wrong."""
OTHER_REASON = "HANDSHAKE_FAILED"
_HANDSHAKE = re.compile(r"Handshake failed with error .*?OPENSSL_internal:([A-Z0-9_]{1,60})")
_FAILED = "Handshake failed"
_LINE = re.compile(r"([IWEF])[0-9]{4} [0-9:.]+\s+[0-9]+ (.*)")
_LEVELS = {"I": logging.INFO, "W": logging.WARNING, "E": logging.ERROR, "F": logging.CRITICAL}


def take(line: str) -> None:
    """One line of the core: counted where it tells of a refused handshake, and logged."""
    if _FAILED in line:
        found = _HANDSHAKE.search(line)
        METRICS.call_refused(SERVICE, found[1] if found else OTHER_REASON)
    form = _LINE.fullmatch(line)
    if form is None:
        log.info("%s", line)
    else:
        log.log(_LEVELS[form[1]], "%s", form[2])


class NativeLog:
    """From `start` to `stop` the lines of native code go through `take`; Python's own error output is not touched."""

    def __init__(self) -> None:
        self._kept = -1
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Call before the first gRPC object. A second start does nothing."""
        if self._thread is not None:
            return
        sys.stderr.flush()
        self._kept = os.dup(2)
        # What Python says when it dies must not wait in a pipe that nobody reads any more.
        sys.stderr = os.fdopen(os.dup(self._kept), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
        reading, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
        self._thread = threading.Thread(target=_read, args=(reading,), name="native log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Everything is written as before; what was written meanwhile has been taken."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        # The last writing end of the pipe is closed by this, which ends the thread.
        os.dup2(self._kept, 2)
        os.close(self._kept)
        thread.join(1)


def _read(descriptor: int) -> None:
    with os.fdopen(descriptor, "r", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.strip():
                take(line.rstrip("\n"))
