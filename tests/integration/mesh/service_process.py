"""A process of the mesh for tests that kill it: ``python -m tests.integration.mesh.service_process NAME REDIS_URL KEY_PREFIX``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from typing import Any

import grpc

from tests.mesh_documents import SERVICE, an_instance, mesh_config
from tradsys.mesh.registry.leases import LeaseKeeper


async def main(process: str, redis_url: str, key_prefix: str) -> None:
    async def say(request: bytes, context: Any) -> bytes:
        return process.encode()

    server = grpc.aio.server()
    handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    started_at = time.time_ns()
    instance = an_instance(
        process, instance=f"{process}-{os.getpid()}-{started_at}", started_at=started_at, mesh_address=f"127.0.0.1:{port}"
    )
    await LeaseKeeper(redis_url, mesh_config(registry={"key_prefix": key_prefix}), lambda: instance).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
