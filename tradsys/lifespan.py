"""What a web process has besides requests: parts that begin before the first and end after the last (ASGI's lifespan)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

log = logging.getLogger("tradsys.web")

Part = Callable[[], AbstractAsyncContextManager[object]]
Message = MutableMapping[str, Any]


class Lifespan:
    """Enters `parts` in their order when the server starts and leaves them in the opposite order when it stops.

    A part that raises on entering stops the server's start; the server says why.
    """

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        await receive()
        async with AsyncExitStack() as entered:
            try:
                for part in self._parts:
                    await entered.enter_async_context(part())
            except Exception as error:  # noqa: BLE001 (whatever it is, the server has to be told)
                await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
