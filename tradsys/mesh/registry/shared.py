"""The one copy of the registry that a blocking process shares among its threads."""

from __future__ import annotations

import asyncio
import os
import threading

from tradsys.configuration import Configuration
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.fallback import configured_instances
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.loop_thread import LoopThread
from tradsys.mesh.registry.watcher import RegistryWatcher

FIRST_READING_SECONDS = 0.5
"""The first caller waits so long for Redis; then it gets the configuration's addresses."""

_lock = threading.Lock()
_shared: dict[tuple[int, str, str], _Watched] = {}


class _Watched:
    def __init__(self, configuration: Configuration, config: ServiceMeshConfig) -> None:
        self.registry = Registry(configured_instances(configuration))
        self._redis_url = configuration.redis_url
        self._config = config
        self._attempted = threading.Event()
        self.thread = LoopThread("registry", self._watch)

    def start(self) -> None:
        self.thread.start()
        self._attempted.wait(FIRST_READING_SECONDS)

    async def _watch(self, stopping: asyncio.Event) -> None:
        watcher = RegistryWatcher(self._redis_url, self._config, self.registry)
        watching = asyncio.create_task(watcher.run())
        others = [asyncio.create_task(self._tell(watcher)), asyncio.create_task(stopping.wait())]
        try:
            await asyncio.wait({watching, others[1]}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                # Nothing but a mistake of ours ends it; the thread ends with it, and the next caller starts another.
                watching.result()
        finally:
            for task in (watching, *others):
                task.cancel()
            await asyncio.gather(watching, *others, return_exceptions=True)

    async def _tell(self, watcher: RegistryWatcher) -> None:
        await watcher.attempted.wait()
        self._attempted.set()


def shared_registry(configuration: Configuration, config: ServiceMeshConfig) -> Registry:
    """This process's copy, followed by one background thread that starts with the first call.

    A process that was forked starts a thread of its own: its parent's did not come along.
    """
    key = (os.getpid(), configuration.redis_url, f"{config.registry.key_prefix}:{config.namespace}")
    with _lock:
        watched = _shared.get(key)
        if watched is None or not watched.thread.alive:
            for other in [each for each in _shared if each[0] != key[0]]:
                del _shared[other]
            watched = _shared[key] = _Watched(configuration, config)
            watched.start()
        return watched.registry


def stop_shared_registries() -> None:
    """End the threads of this process; the next `shared_registry` starts anew."""
    with _lock:
        for (pid, _, _), watched in list(_shared.items()):
            if pid == os.getpid():
                watched.thread.stop(timeout=2.0)
        _shared.clear()
