"""What every process does first: log, metrics and traces under its own name.

telemetry = start_telemetry("venue-egx", configuration, mesh_config)
...
telemetry.close()
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, TypeVar

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from tradsys.configuration import Address, Configuration
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.leases import ThreadLeaseKeeper
from tradsys.mesh.registry.presence import presence_of
from tradsys.mesh.telemetry.logs import set_up_logging
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.native_log import NativeLog
from tradsys.mesh.telemetry.tracing import TRACING

log = logging.getLogger("tradsys.telemetry")

LOOP_CHECK_SECONDS = 0.5
LOOP_CHECKS_KEPT = 20
_CLOSE_SECONDS = 2.0
Result = TypeVar("Result")


class TelemetryError(RuntimeError):
    """The process cannot be observed and does not start; the text says what is wrong and what to do."""


class Telemetry:
    """What a process tells of itself, until `close`."""

    def __init__(self, process: str, server: MetricsServer | None, loop_watch: asyncio.Task[None] | None) -> None:
        self.process = process
        self._server = server
        self._loop_watch = loop_watch
        self._lease: ThreadLeaseKeeper | None = None
        self._native_log = NativeLog()

    @property
    def address(self) -> str:
        """``host:port`` of /metrics; empty when none is served."""
        return "" if self._server is None else str(self._server.address)

    def watch_event_loop(self) -> None:
        """Measure how late the running event loop is; `start_telemetry` does so itself when it is called inside one."""
        if self._loop_watch is None:
            self._loop_watch = asyncio.get_running_loop().create_task(_measure_loop_lag(), name="event loop lag")

    def hear_native_log(self) -> None:
        """Until `close`."""
        self._native_log.start()

    def keep(self, lease: ThreadLeaseKeeper) -> None:
        """Start the process's lease; it ends with `close`."""
        self._lease = lease
        lease.start()

    def close(self) -> None:
        """Hand over the last spans, stop serving, leave the registry."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.stop()
        watch, self._loop_watch = self._loop_watch, None
        if watch is not None and not watch.get_loop().is_closed():
            watch.cancel()
        TRACING.close()
        self._native_log.stop()
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def start_telemetry(process: str, configuration: Configuration, mesh: ServiceMeshConfig) -> Telemetry:
    """Set up the log, serve ``/metrics`` where ``configuration.metrics`` names `process`, begin to trace.

    Raises TelemetryError when the address is taken or spans cannot be written.
    """
    set_up_logging(process, mesh.logging)
    METRICS.configure(mesh.metrics)
    address = configuration.metrics.get(process) if mesh.metrics.enabled else None
    server = MetricsServer(process, address) if address is not None else None
    try:
        TRACING.configure(process, mesh.tracing, namespace=mesh.namespace, var=configuration.var)
    except OSError as error:
        if server is not None:
            server.close()
        raise TelemetryError(f"spans of {process} cannot be kept: {error}") from error
    telemetry = Telemetry(process, server, None)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return telemetry
    telemetry.watch_event_loop()
    return telemetry


def telemetry_of(
    process: str,
    configuration: Configuration,
    *,
    serves: bool = False,
    breakers: Callable[[], Mapping[str, str]] = dict,
) -> Telemetry:
    """`start_telemetry` with the configuration's own mesh file, and a lease in the registry that tells the states of `breakers`.

    `serves` for a process that serves gRPC: its host has a lease of its own, and what gRPC's core says of connections is heard.
    Raises TelemetryError, also for a file that is wrong.
    """
    try:
        mesh = load_mesh_config(configuration.mesh_config_file)
    except MeshConfigError as error:
        raise TelemetryError(str(error)) from error
    telemetry = start_telemetry(process, configuration, mesh)
    # A process that nothing names is a command or a test: nobody waits for it.
    if serves:
        telemetry.hear_native_log()
    elif process in configuration.metrics:
        telemetry.keep(presence_of(process, configuration, mesh, breakers=breakers))
    return telemetry


def run_with_telemetry(
    process: str, configuration: Configuration, main: Callable[[], Coroutine[Any, Any, Result]], *, serves: bool = False
) -> Result:
    """``asyncio.run(main())``, observed from before its first step until after its last; see `telemetry_of`."""

    async def observed() -> Result:
        with telemetry_of(process, configuration, serves=serves):
            return await main()

    return asyncio.run(observed())


class MetricsServer:
    """``/metrics`` and ``/health`` in threads of their own, so that a busy event loop still shows that it is busy."""

    def __init__(self, process: str, address: Address) -> None:
        try:
            self._server = _Server((address.host, address.port), _Handler)
        except OSError as error:
            raise TelemetryError(
                f"metrics of {process} cannot be served on {address} ({error.strerror}): "
                "end the process that listens there, or name another address in TRADSYS_METRICS"
            ) from error
        self.address = Address(address.host, self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_CLOSE_SECONDS)


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0
    server_version = "tradsys"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, METRICS.exposition())
        elif path == "/health":
            self._answer(200, "text/plain; charset=utf-8", b"ok\n")
        else:
            self._answer(404, "text/plain; charset=utf-8", b"only /metrics and /health\n")

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """A scrape every few seconds is not worth a line."""


async def _measure_loop_lag() -> None:
    loop = asyncio.get_running_loop()
    late: deque[float] = deque(maxlen=LOOP_CHECKS_KEPT)
    while True:
        due = loop.time() + LOOP_CHECK_SECONDS
        await asyncio.sleep(LOOP_CHECK_SECONDS)
        late.append(max(loop.time() - due, 0.0))
        METRICS.event_loop_lag(max(late))
