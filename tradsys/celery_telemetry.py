"""Log, metrics and traces of Celery's processes: those of the worker come from the pool process that does the work.

A pool of several processes would need an address for each; start several workers of one process instead, each under a name and an
address of its own.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any

from celery import Task, signals

from tradsys.configuration import Configuration
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.telemetry.logs import set_up_logging
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.process import Telemetry, TelemetryError, telemetry_of

log = logging.getLogger("tradsys.celery")

WORKER, BEAT = "celery-worker", "celery-beat"
SERVICE = "celery"
"""The label ``service`` of tasks."""

_begun: dict[tuple[str, int], float] = {}
"""By task and thread: a retry has the same id, and may begin before the first try has quite ended."""
_telemetry: list[Telemetry] = []


@signals.setup_logging.connect
def _log_under_our_own_name(**_: Any) -> None:
    """Celery sets up its own logging unless somebody answers this signal; Django's is in force by then, without a name."""
    for command, process in (("worker", WORKER), ("beat", BEAT)):
        if command in sys.argv:
            set_up_logging(process, load_mesh_config(Configuration.from_environment().mesh_config_file).logging)


def _start(process: str) -> None:
    try:
        _telemetry.append(telemetry_of(process, Configuration.from_environment()))
    except TelemetryError as error:
        # Celery would only log an exception here as well; the jobs are done all the same.
        log.error("%s is not observed: %s", process, error)


def _close() -> None:
    while _telemetry:
        _telemetry.pop().close()


@signals.worker_process_init.connect
def _pool_process_begins(**_: Any) -> None:
    _start(WORKER)


@signals.worker_process_shutdown.connect
def _pool_process_ends(**_: Any) -> None:
    _close()


@signals.beat_init.connect
def _beat_begins(**_: Any) -> None:
    _start(BEAT)


@signals.task_prerun.connect
def _task_begins(task_id: str, task: Task, **_: Any) -> None:
    _begun[task_id, threading.get_ident()] = time.perf_counter()
    METRICS.method(SERVICE, task.name).started()


@signals.task_postrun.connect
def _task_ends(task_id: str, task: Task, state: str | None = None, **_: Any) -> None:
    began = _begun.pop((task_id, threading.get_ident()), None)
    if began is not None:
        METRICS.method(SERVICE, task.name).finished(state or "UNKNOWN", time.perf_counter() - began)
