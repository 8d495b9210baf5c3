"""One coroutine in a thread of its own, for processes that block: Django's threads, the relay, Celery."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable

log = logging.getLogger("tradsys.registry")


class LoopThread:
    """Runs ``main(stopping)`` on an event loop in a daemon thread until `stop`. An exception of it is logged and ends it."""

    def __init__(self, name: str, main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self._name = name
        self._main = main
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Begin; nothing happens when it runs already."""
        if self.alive:
            return
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self, *, timeout: float) -> None:
        """Ask `main` to end and wait for it, `timeout` seconds at most."""
        if self._stopping is not None:
            self.call_soon(self._stopping.set)
        if self._thread is not None:
            self._thread.join(timeout)

    def call_soon(self, action: Callable[[], object]) -> None:
        """Do `action` on the loop; nothing happens after its end."""
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(action)
        except RuntimeError:
            log.debug("%s has ended already", self._name)

    def _run(self) -> None:
        try:
            asyncio.run(self._coroutine())
        except Exception:
            log.exception("the thread %s ends", self._name)
        finally:
            self._loop = None
            self._ready.set()

    async def _coroutine(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._ready.set()
        await self._main(self._stopping)
