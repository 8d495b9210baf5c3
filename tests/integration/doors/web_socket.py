"""A browser's end of a WebSocket, spoken to the ASGI application itself.

``channels.testing`` would bring a second web server along, which the project does not use.
"""

from __future__ import annotations

from typing import Any

from asgiref.testing import ApplicationCommunicator

PATIENCE = 10
"""Seconds."""


class WebSocket:
    """One connection. ``headers`` as in an ASGI scope."""

    def __init__(self, application: Any, path: str, headers: list[tuple[bytes, bytes]]) -> None:
        scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers, "subprotocols": []}
        self._end = ApplicationCommunicator(application, scope)

    async def connect(self) -> int | None:
        """None when the application accepts, else the code it closes with."""
        await self._end.send_input({"type": "websocket.connect"})
        answer = await self._end.receive_output(PATIENCE)
        if answer["type"] == "websocket.accept":
            return None
        return int(answer.get("code", 1000))

    async def closed(self) -> int:
        """The code of the close that comes next."""
        answer = await self._end.receive_output(PATIENCE)
        assert answer["type"] == "websocket.close", answer
        return int(answer["code"])

    async def send(self, *, text: str | None = None, data: bytes | None = None) -> None:
        message = {"type": "websocket.receive"}
        await self._end.send_input(message | ({"text": text} if data is None else {"bytes": data}))

    async def text(self) -> str:
        """The next frame."""
        answer = await self._end.receive_output(PATIENCE)
        assert answer["type"] == "websocket.send", answer
        return str(answer["text"])

    async def silent(self, seconds: float) -> bool:
        return bool(await self._end.receive_nothing(timeout=seconds))

    async def leave(self) -> None:
        """Close from this side and let the application end."""
        await self._end.send_input({"type": "websocket.disconnect", "code": 1000})
        await self._end.wait(PATIENCE)
