"""WebSocket entry point: the host of the handshake decides whose data the connection may see, for as long as it lives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async

from tenants.kernel.directory import directory
from tenants.kernel.entry_points import enter_for_worker

Asgi = Callable[[MutableMapping[str, Any], Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

FOREIGN_ORIGIN = 4403
NO_TENANT_HERE = 4404


class TenantWebSocket:
    """Runs `inner` in the scope of the tenant the host names, with ``scope["tenant"]`` set.

    Refused before the handshake ends: a host without a tenant, a suspended tenant, and a page of another host (browsers
    send the session cookie along, whichever page opens the connection).
    """

    def __init__(self, inner: Asgi) -> None:
        self._inner = inner

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        headers = {name.lower(): value.decode("latin-1") for name, value in scope["headers"]}
        authority = headers.get(b"host", "").lower()
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin).netloc.lower() != authority:
            await send({"type": "websocket.close", "code": FOREIGN_ORIGIN})
            return
        host = authority.rsplit(":", 1)[0].rstrip(".")
        entry = directory.known_host(host) or await sync_to_async(directory.find_host)(host)
        if entry is None or entry.suspended:
            await send({"type": "websocket.close", "code": NO_TENANT_HERE})
            return
        with enter_for_worker(entry) as tenant:
            await self._inner({**scope, "tenant": tenant}, receive, send)
