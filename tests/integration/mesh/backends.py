"""Real gRPC servers of one method for the tests of the mesh's clients, each behind a door that can be slammed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from tests.mesh_documents import SERVICE, an_instance
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.instance import Instance

PATH = f"/{SERVICE}/Say"


class Door:
    """A TCP relay before a server: `slam` cuts every connection, new ones are let in; `lock` lets nobody in."""

    def __init__(self) -> None:
        self.connections = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._behind = 0
        self._port = 0
        self._server: asyncio.Server | None = None

    async def open(self, behind: int) -> int:
        """Listen (on the same port as before); returns it."""
        self._behind = behind
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def unlock(self) -> None:
        await self.open(self._behind)

    def slam(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def lock(self) -> None:
        if self._server is not None:
            self._server.close()
        self.slam()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", self._behind)
        self._writers |= {writer, behind_writer}
        with contextlib.suppress(asyncio.CancelledError):  # the loop of the test ends
            await asyncio.gather(_pump(reader, behind_writer), _pump(behind_reader, writer))
        self._writers -= {writer, behind_writer}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Backend:
    """Answers with its own name. What the fields say happens to each call that reaches it."""

    def __init__(self, process: str) -> None:
        self.process = process
        self.door = Door()
        self.calls = 0
        self.delay = 0.0
        self.abort: grpc.StatusCode | None = None
        self.refusal: CallRefusal | None = None
        self.slam = False
        self.metadata: dict[str, Any] = {}
        self.time_remaining: float | None = None
        self.health = health.aio.HealthServicer()
        self.instance: Instance = an_instance(process)

    async def say(self, request: bytes, context: Any) -> bytes:
        self.calls += 1
        self.metadata = dict(context.invocation_metadata())
        self.time_remaining = context.time_remaining()
        if self.slam:
            self.door.slam()
        await asyncio.sleep(self.delay)
        if self.refusal is not None:
            await abort_with_refusal(context, self.refusal, {})
        if self.abort is not None:
            await context.abort(self.abort, "as the test wants it")
        return self.process.encode() + b":" + request

    async def serves(self, serving: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self.health.set(SERVICE, status)


@asynccontextmanager
async def backends(
    *processes: str, credentials: Callable[[str], grpc.ServerCredentials] | None = None
) -> AsyncIterator[list[Backend]]:
    """`credentials` makes a process's own; without it there is no TLS."""
    found, servers = [], []
    for process in processes:
        backend, server = Backend(process), grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handlers = {"Say": grpc.unary_unary_rpc_method_handler(backend.say)}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(backend.health, server)
        address = "127.0.0.1:0"
        port = server.add_secure_port(address, credentials(process)) if credentials else server.add_insecure_port(address)
        await server.start()
        await backend.serves(True)
        backend.instance = an_instance(process, mesh_address=f"127.0.0.1:{await backend.door.open(port)}")
        found.append(backend)
        servers.append(server)
    try:
        yield found
    finally:
        for backend in found:
            backend.door.lock()
        for server in servers:
            await server.stop(None)
