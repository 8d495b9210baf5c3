"""What a servicer of a stream gets for its context: one whose first sending cannot be torn.

With the first thing that a stream sends go its initial metadata, and gRPC notes that they are out only when that sending has come
back. A servicer that is cancelled in the middle of it leaves the note unmade: the status would carry the metadata a second time,
the core refuses that, and the caller hears nothing until its own deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, NoReturn

FIRST_SENDING_SECONDS = 5.0
"""How long an end waits for the first sending to come back; it needs a reader only when the whole connection is full."""


class StreamContext:
    """Everything of gRPC's context; only the first sending, and an abort after it, take a way of their own."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._first: asyncio.Task[None] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        await self._send(self._context.write(message))

    async def send_initial_metadata(self, metadata: Any) -> None:
        await self._send(self._context.send_initial_metadata(metadata))

    async def abort(self, *status: Any, **more: Any) -> NoReturn:
        await self.first_sent()
        await self._context.abort(*status, **more)
        raise AssertionError("abort does not return")

    async def first_sent(self) -> None:
        """Wait until a first sending that is under way has come back, well or not."""
        if self._first is not None and not self._first.done():
            await asyncio.wait({self._first}, timeout=FIRST_SENDING_SECONDS)

    async def _send(self, sending: Awaitable[None]) -> None:
        if self._first is None:
            self._first = asyncio.ensure_future(sending)
            # From here on gRPC's own does, at its own price.
            self.write = self._context.write  # type: ignore[method-assign]
            await asyncio.shield(self._first)
        else:
            await sending
