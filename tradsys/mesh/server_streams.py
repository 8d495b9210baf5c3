"""What waits to be written to each open server stream: bounded, and fed without ever waiting for a reader.

A stream ends in order at its token's end (the client opens it again with a fresh one) and when its source has finished. It ends
with a code for a reader that is too slow, for a licence that no longer covers it, and for a process that is stopping.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal

WATCH_SECONDS = 0.5
"""How often an open stream looks at its licence's revision and its token's end."""
LAST_WORD_SECONDS = 5.0
_NS = 1_000_000_000


class OutgoingStream:
    """Serialised messages of one stream, in order. One task writes them, the event loop's thread puts them."""

    def __init__(self, limit: int) -> None:
        self.features: tuple[str, ...] = ()
        """What the request's content needs of the licence; checked again whenever the licence's revision changes."""
        self._limit = limit
        self._waiting: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._woken = asyncio.Event()
        self._closed = False
        self._draining = False
        self._overflowed = False

    def put(self, raw: bytes) -> None:
        """Queue one message. Beyond the limit it is dropped, and the stream is about to be cut."""
        if len(self._waiting) >= self._limit:
            self._overflowed = True
            self._woken.set()
            return
        self._waiting.append(raw)
        self._filled.set()

    def drain(self) -> None:
        self._draining = True
        self._woken.set()

    async def serve(
        self,
        context: Any,
        source: Coroutine[Any, Any, None],
        *,
        expires_at: int,
        now: Callable[[], int],
        revision: Callable[[], int],
        denied: Callable[[], CallRefusal | None],
    ) -> None:
        """Write what `source` puts until it ends. `expires_at`: ns UTC, 0 for never. Raises what the source raises."""
        tasks = (asyncio.create_task(source), asyncio.create_task(self._write(context)))
        try:
            end = await self._watched(*tasks, expires_at=expires_at, now=now, revision=revision, denied=denied)
        finally:
            for task in tasks:
                task.cancel()
        if end is not None:
            # A reader that does not read may not take the last word either.
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await abort_with_refusal(context, end, {"stream": "cut"})

    async def _watched(
        self,
        source: asyncio.Task[None],
        writer: asyncio.Task[None],
        *,
        expires_at: int,
        now: Callable[[], int],
        revision: Callable[[], int],
        denied: Callable[[], CallRefusal | None],
    ) -> CallRefusal | None:
        """Why the stream must be cut, or None when it has ended in order."""
        known = revision()
        running: set[asyncio.Task[Any]] = {source, writer}
        while True:
            woken = asyncio.create_task(self._woken.wait())
            try:
                await asyncio.wait({*running, woken}, timeout=WATCH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            finally:
                woken.cancel()
            if self._overflowed:
                return CallRefusal.SLOW_READER
            if self._draining:
                return CallRefusal.SERVICE_DRAINING
            if revision() != known:
                known = revision()
                refusal = denied()
                if refusal is not None:
                    return refusal
            if source in running and source.done():
                running.discard(source)
                source.result()
                self._close()
            if expires_at and now() >= expires_at:
                self._close()
            if writer.done():
                writer.result()
                return None

    def _close(self) -> None:
        """Nothing more will come; what waits is still written."""
        self._closed = True
        self._filled.set()

    async def _write(self, context: Any) -> None:
        while True:
            while not self._waiting:
                if self._closed:
                    return
                self._filled.clear()
                await self._filled.wait()
            await context.write(self._waiting.popleft())


class OutgoingStreams:
    """All open streams of one service."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[OutgoingStream] = set()
        self._draining = False

    def open(self) -> OutgoingStream:
        stream = OutgoingStream(self._limit)
        self._open.add(stream)
        if self._draining:
            stream.drain()
        return stream

    def discard(self, stream: OutgoingStream) -> None:
        self._open.discard(stream)

    def drain(self) -> None:
        """Cut every open stream, and every one that is still opened; clients go to another instance."""
        self._draining = True
        for stream in self._open:
            stream.drain()

    def __len__(self) -> int:
        return len(self._open)
