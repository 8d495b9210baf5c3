"""The life of a process of services: configuration, then the doors, until it is told to stop or something it stands on fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from trading_workers.mesh_process import MeshProcess
from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.loader import SnapshotLoader
from trading_workers.snapshot.signing import AnyDocument
from tradsys.configuration import Configuration
from tradsys.mesh.service import Health, UnifiedService
from tradsys.mesh.tokens import load_verification_key

log = logging.getLogger("trading_workers.process")

STREAM_END_SECONDS = 2.0


def loader_of(
    process: str, configuration: Configuration, apply: Callable[[AnyDocument], None], now: Callable[[], int]
) -> SnapshotLoader:
    """The process's loader of configuration, with copies of its own on the disk. Raises KeyUnreadable."""
    return SnapshotLoader(
        worker=process,
        key=load_verification_key(configuration.snapshot_verification_key),
        copies=DiskCopies(configuration.var / process / "snapshots"),
        redis_url=configuration.redis_url,
        database_url=configuration.database_url,
        apply=apply,
        now=now,
    )


async def run_services(
    mesh: MeshProcess,
    loader: SnapshotLoader,
    services: Sequence[UnifiedService],
    *,
    background: Mapping[str, Coroutine[Any, Any, None]],
    resources: Mapping[str, Callable[[], Health]],
    breakers: Callable[[], Mapping[str, str]] = dict,
    finish: Callable[[], Awaitable[None]] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status. `background` tasks never end by themselves: one that does has failed.

    `finish` is called when the doors are closed.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with _running({"configuration": loader.run(), **background}, first=_configured(loader)) as tasks:
        host = mesh.host(
            services,
            resources=resources,
            revisions=lambda: loader.revisions,
            lag_ms=lambda: loader.lag_ms,
            breakers=breakers,
        )
        await mesh.start()
        print(f"{mesh.process}: gRPC is served", flush=True)
        stop = asyncio.create_task(stopping.wait(), name="stop")
        ended, _ = await asyncio.wait({stop, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        failed = next((task for task in ended if task is not stop), None)
        await host.drain()
        await mesh.stop(STREAM_END_SECONDS if failed is None else 0)
        if finish is not None:
            await finish()
    if failed is not None:
        print(f"{mesh.process} stopped by a failure of {failed.get_name()}: {failed.exception()!r}", file=sys.stderr)
        return 1
    print(f"{mesh.process}: stopped", flush=True)
    return 0


async def _configured(loader: SnapshotLoader) -> None:
    loaded = loader.load_from_disk()
    await loader.load_from_servers()
    log.info("%d documents from the disk, revisions %s", loaded, loader.revisions)


@contextlib.asynccontextmanager
async def _running(
    coroutines: Mapping[str, Coroutine[Any, Any, None]], *, first: Coroutine[Any, Any, None]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    await first
    tasks = [asyncio.create_task(each, name=name) for name, each in coroutines.items()]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
