"""A folder of certificates and a real gRPC server that tells its callers who they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
from msgspec.structs import replace

from tradsys.configuration import REPOSITORY
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.trust.certificates import BUNDLE, client_file, ensure_certificates, issue_client
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, channel_options, server_credentials
from tradsys.mesh.trust.identity import PeerReader

MESH = load_mesh_config(REPOSITORY / "deploy" / "mesh.yaml")
MESH = replace(MESH, mtls=replace(MESH.mtls, reload_ms=20))
WHO = "/tests.Echo/Who"


def certificate_folder(folder: Path, *names: str, config: ServiceMeshConfig = MESH, now: int | None = None) -> Path:
    ensure_certificates(folder, config, names, time.time_ns() if now is None else now)
    return folder


def client_of_tenant(folder: Path, tenant: str, name: str) -> IdentityFiles:
    issue_client(folder, MESH, tenant, name, now=time.time_ns())
    return IdentityFiles(client_file(folder, tenant, name), folder / BUNDLE)


class _Who(grpc.GenericRpcHandler):
    def __init__(self) -> None:
        self._reader = PeerReader(MESH)
        self.certificates: set[bytes] = set()

    def service(self, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(self._who) if details.method == WHO else None

    async def _who(self, request: bytes, context: Any) -> bytes:
        peer = self._reader.peer_of(context.auth_context())
        return f"{peer.service}|{peer.tenant}|{peer.client}".encode()


@asynccontextmanager
async def who_server(folder: Path, process: str, *, clients_need_certificate: bool = True) -> AsyncIterator[str]:
    """Address of a server of `process`; its method `WHO` answers ``service|tenant|client``."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Who(),))
    credentials = server_credentials(
        IdentityFiles.of(folder, process), clients_need_certificate=clients_need_certificate, reload_ms=MESH.mtls.reload_ms
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def channel_to(address: str, process: str, trust: ChannelTrust) -> grpc.aio.Channel:
    # Every channel its own connection, or gRPC would share one between channels with the same options.
    options = (*channel_options(process, MESH), ("grpc.use_local_subchannel_pool", 1))
    return grpc.aio.secure_channel(address, trust.credentials(), options=options)


async def who_am_i(address: str, process: str, trust: ChannelTrust) -> str:
    """What a new connection is answered. Raises grpc.aio.AioRpcError."""
    async with channel_to(address, process, trust) as channel:
        return await ask(channel)


async def ask(channel: grpc.aio.Channel) -> str:
    answer: bytes = await asyncio.wait_for(channel.unary_unary(WHO)(b"", timeout=5), 6)
    return answer.decode()
