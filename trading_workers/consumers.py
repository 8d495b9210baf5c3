"""The WebSocket door ``/ws/v1/stream``: quotes, depth, trades, notices, the tenant's own orders and its licence.

The client sends ``{"op": "subscribe" | "unsubscribe", "channel": "quotes:EGX:COMI"}``; each channel answers
with a snapshot, then numbered updates. Whatever cannot be served is answered by
``{"type": "error", "code": …, "detail": …}`` and the connection lives.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError
from django.urls import path

from tenants.models import Membership
from tenants.roles import Permission, may
from tenants.selectors import membership_of
from trading_workers.acting import visible_accounts
from trading_workers.blotter import selectors as blotter
from trading_workers.fanout import Hub, Subscriber, TracedFrame
from trading_workers.snapshot.published import NothingPublished, platform_document, tenant_document
from trading_workers.web_calls import web_calls
from tradsys.configuration import Configuration
from tradsys.mesh.refusals import CallRefusal

log = logging.getLogger(__name__)

NOTICES_CHANNEL = re.compile(r"notices:([A-Z]{2,8})\Z")
MARKET_CHANNEL = re.compile(r"(?:quotes|depth|trades):([A-Z]{2,8}):([A-Za-z0-9_.]{1,20})\Z")
SUBSCRIPTION_LIMIT = 500
MESSAGE_LIMIT = 4096
NOT_SIGNED_IN = 4401
SNAPSHOT_ORDERS = 100

_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def hub() -> Hub:
    """The hub of this process's event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(Configuration.from_environment().redis_url)
    return _hubs[loop]


class ChannelRefused(Exception):
    """``code`` and a sentence for the client."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class StreamConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One browser or program of one member. The tenant is the host's; the member is the session's."""

    async def connect(self) -> None:
        self.subscriber = Subscriber()
        self.topics: dict[str, str] = {}
        self.writer: asyncio.Task[None] | None = None
        user = self.scope.get("user")
        signed_in = user is not None and user.is_authenticated
        membership = await database_sync_to_async(membership_of)(user=user) if signed_in else None
        await self.accept()
        if membership is None:
            await self.close(code=NOT_SIGNED_IN, reason="Sign in on this host first.")
            return
        self.membership: Membership = membership
        self.slug: str = self.scope["tenant"].slug
        self.writer = asyncio.create_task(self._write())

    async def disconnect(self, code: int) -> None:
        if self.writer is not None:
            self.writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.writer
        for topic in self.topics.values():
            await hub().unsubscribe(topic, self.subscriber)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.writer is None:
            return
        channel: str | None = None
        try:
            op, channel = self._read(text_data)
            if op == "subscribe":
                await self._subscribe(channel)
            else:
                await self._unsubscribe(channel)
        except ChannelRefused as refusal:
            self._answer_error(channel, refusal.code, refusal.detail)
        except NothingPublished as error:
            self._answer_error(channel, "CONFIGURATION_MISSING", str(error))
        except DatabaseError:
            log.exception("%s could not be subscribed to", channel)
            self._answer_error(channel, "TEMPORARILY_UNAVAILABLE", "The database does not answer; ask again in a moment.")

    def _answer_error(self, channel: str | None, code: str, detail: str) -> None:
        self.subscriber.put(json.dumps({"type": "error", "channel": channel, "code": code, "detail": detail}))

    @staticmethod
    def _read(text: str | None) -> tuple[str, str]:
        malformed = ChannelRefused("MALFORMED_REQUEST", 'Send {"op": "subscribe" or "unsubscribe", "channel": "…"} as text.')
        if text is None or len(text) > MESSAGE_LIMIT:
            raise malformed
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            raise malformed from None
        if not isinstance(message, dict) or set(message) != {"op", "channel"}:
            raise malformed
        op, channel = message["op"], message["channel"]
        if op not in ("subscribe", "unsubscribe") or not isinstance(channel, str):
            raise malformed
        return op, channel

    async def _subscribe(self, channel: str) -> None:
        if channel not in self.topics and len(self.topics) >= SUBSCRIPTION_LIMIT:
            raise ChannelRefused("TOO_MANY_SUBSCRIPTIONS", f"A connection holds at most {SUBSCRIPTION_LIMIT} channels.")
        topic = await database_sync_to_async(self._permitted_topic)(channel)

        async def snapshot() -> str:
            if channel == "orders":
                return await database_sync_to_async(self._orders)()
            if channel == "licence":
                return await database_sync_to_async(self._licence)()
            return await hub().last(topic)

        await hub().subscribe(topic, channel, self.subscriber, snapshot)
        self.topics[channel] = topic

    async def _unsubscribe(self, channel: str) -> None:
        topic = self.topics.pop(channel, None)
        if topic is None:
            raise ChannelRefused("NOT_SUBSCRIBED", "This connection does not hold that channel.")
        await hub().unsubscribe(topic, self.subscriber)

    def _permitted_topic(self, channel: str) -> str:
        """The Redis channel behind ``channel``, if this member may see it. Runs in a thread; reads the database."""
        market = MARKET_CHANNEL.match(channel)
        if market is not None:
            return self._market_topic(channel, market[1], market[2])
        if (notices := NOTICES_CHANNEL.match(channel)) is not None:
            return self._market_topic(channel, notices[1], None)
        wanted = {"orders": Permission.SEE_ORDERS, "licence": Permission.SEE_USAGE}.get(channel)
        if wanted is None:
            raise ChannelRefused(
                "UNKNOWN_CHANNEL",
                "Channels are quotes:, depth: and trades: with EXCHANGE:SYMBOL, notices: with EXCHANGE, orders, licence.",
            )
        if not may(self.membership.role, wanted):
            raise ChannelRefused("ROLE_NOT_PERMITTED", "Your role may not see this channel.")
        if channel == "orders" and visible_accounts(self.membership) is not None:
            # One channel serves the whole tenant; a member of some accounts only would see the others' orders.
            raise ChannelRefused(
                "ROLE_NOT_PERMITTED", "This channel is for members with access to every account; use /api/v1/orders."
            )
        return f"tenant:{self.slug}:{channel}"

    def _market_topic(self, channel: str, exchange: str, symbol: str | None) -> str:
        if not may(self.membership.role, Permission.SEE_MARKET):
            raise ChannelRefused("ROLE_NOT_PERMITTED", "Your role may not see market data.")
        listed = platform_document().instruments
        if not any(each.exchange == exchange and symbol in (each.symbol, None) for each in listed):
            raise ChannelRefused("UNKNOWN_CHANNEL", f"{exchange} lists no instrument {symbol or ''}".rstrip() + ".")
        refusal = web_calls().refusal(self.slug, (f"exchange:{exchange}",))
        if refusal is CallRefusal.FEATURE_NOT_LICENSED:
            raise ChannelRefused(refusal.name, f"The licence does not include {exchange}.")
        if refusal is not None:
            raise ChannelRefused(refusal.name, refusal.rule)
        return f"md:{channel}"

    def _orders(self) -> str:
        rows = blotter.orders(open_only=True)[:SNAPSHOT_ORDERS]
        return json.dumps(
            [
                {"client_order_id": row.client_order_id, "account": row.account, "state": row.state, "cumulative": row.cumulative}
                for row in rows
            ]
        )

    def _licence(self) -> str:
        licence = tenant_document(self.slug).licence
        if licence is None:
            return "null"
        return json.dumps({"plan": licence.plan, "status": licence.status, "valid_until": licence.valid_until})

    async def _write(self) -> None:
        while True:
            frame = await self.subscriber.take()
            await self.send(text_data=frame)
            if type(frame) is TracedFrame:
                frame.sent()


websocket_urlpatterns = [path("ws/v1/stream", StreamConsumer.as_asgi())]
