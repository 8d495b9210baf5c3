"""Fan-out of Redis channels to many WebSocket subscribers in one process.

One Redis connection serves all; a frame is built once per update and handed to every subscriber. Each
channel counts its updates, so a subscriber that was too slow, or a Redis that was away, shows up as a gap
in the numbers, and a gap means: subscribe again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import redis.asyncio as redis

from tradsys.mesh.telemetry.tracing import TRACING

log = logging.getLogger(__name__)

QUEUE_LIMIT = 512
"""Frames that wait for one subscriber; beyond it the oldest are dropped and the numbers show the gap."""

Snapshot = Callable[[], Awaitable[str]]
"""Gives the JSON text of a channel's present state."""


# Where ``projector.order_event`` puts it; nothing else of the text is read here.
_LINK = re.compile(r'"trace": "([0-9a-f]{32}-[0-9a-f]{16})"}\Z')


class TracedFrame(str):
    """A frame about a traced order, on its way since `came` (ns UTC)."""

    link: str
    came: int

    def sent(self) -> None:
        """The frame was handed to one subscriber's connection."""
        span = TRACING.begin("websocket frame", parent=self.link, start=self.came)
        if span is not None:
            span.end()


class Subscriber:
    """One connection's outgoing frames: bounded, oldest dropped first, wakes its writer."""

    def __init__(self) -> None:
        self._frames: deque[str] = deque(maxlen=QUEUE_LIMIT)
        self._filled = asyncio.Event()
        self.dropped = 0

    def put(self, frame: str) -> None:
        if len(self._frames) == QUEUE_LIMIT:
            self.dropped += 1
        self._frames.append(frame)
        self._filled.set()

    def move_to(self, other: Subscriber) -> None:
        """Hand every waiting frame on."""
        while self._frames:
            other.put(self._frames.popleft())

    async def take(self) -> str:
        while not self._frames:
            self._filled.clear()
            await self._filled.wait()
        return self._frames.popleft()


@dataclass(slots=True)
class _Channel:
    name: str
    sequence: int = 0
    subscribers: set[Subscriber] = field(default_factory=set)


def frame(channel: str, kind: str, sequence: int, data: str) -> str:
    """``data`` is JSON text already: it is embedded, not encoded again."""
    return f'{{"channel":{json.dumps(channel)},"type":"{kind}","seq":{sequence},"data":{data}}}'


class Hub:
    """Maps Redis topics to subscribers. All methods run on the loop that created the hub."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(redis_url, decode_responses=True, socket_connect_timeout=2)
        self._pubsub = self._client.pubsub()
        self._topics: dict[str, _Channel] = {}
        self._listener: asyncio.Task[None] | None = None

    async def subscribe(self, topic: str, channel: str, subscriber: Subscriber, snapshot: Snapshot) -> None:
        """Send ``channel``'s snapshot to ``subscriber``, then every update of the Redis ``topic``.

        ``channel`` is the public name; ``topic`` is the Redis channel. Subscribing again sends a fresh snapshot.
        """
        entry = self._topics.get(topic)
        if entry is None:
            entry = self._topics[topic] = _Channel(channel)
            try:
                await self._pubsub.subscribe(topic)
            except (redis.RedisError, OSError):
                # The listener subscribes to every topic again as soon as Redis is back.
                log.warning("Redis is away; %s will follow when it is back", topic)
            self._listen()
        entry.subscribers.discard(subscriber)
        # Updates that arrive while the snapshot is read are kept aside and follow it, so that none is missing between the two.
        sequence, meanwhile = entry.sequence, Subscriber()
        entry.subscribers.add(meanwhile)
        try:
            data = await snapshot()
        except BaseException:
            await self.unsubscribe(topic, meanwhile)
            raise
        entry.subscribers.discard(meanwhile)
        subscriber.put(frame(entry.name, "snapshot", sequence, data))
        meanwhile.move_to(subscriber)
        entry.subscribers.add(subscriber)

    async def unsubscribe(self, topic: str, subscriber: Subscriber) -> None:
        entry = self._topics.get(topic)
        if entry is None:
            return
        entry.subscribers.discard(subscriber)
        if not entry.subscribers:
            del self._topics[topic]
            try:
                await self._pubsub.unsubscribe(topic)
            except (redis.RedisError, OSError):
                log.warning("Redis is away; %s ends with its connection", topic)

    async def last(self, key: str) -> str:
        """The JSON text last published under ``key``, or ``null``, also while Redis is away."""
        try:
            return str(await self._client.get(key) or "null")
        except (redis.RedisError, OSError):
            return "null"

    def _listen(self) -> None:
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        wait = 0.2
        while self._topics:
            try:
                message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
                wait = 0.2
                if message is not None:
                    self._publish(message["channel"], message["data"])
            except (redis.RedisError, OSError, RuntimeError):
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
                await self._resume()

    async def _resume(self) -> None:
        """Subscribe again after Redis was away. The numbers jump, so that every holder asks for a snapshot."""
        try:
            await self._pubsub.aclose()
            self._pubsub = self._client.pubsub()
            if self._topics:
                await self._pubsub.subscribe(*self._topics)
        except (redis.RedisError, OSError):
            return
        for entry in self._topics.values():
            entry.sequence += 1

    def _publish(self, topic: str, data: str) -> None:
        entry = self._topics.get(topic)
        if entry is None:
            return
        entry.sequence += 1
        text = frame(entry.name, "update", entry.sequence, data)
        if TRACING.enabled and (link := _LINK.search(data)) is not None:
            text = traced = TracedFrame(text)
            traced.link, traced.came = link[1], time.time_ns()
        for subscriber in entry.subscribers:
            subscriber.put(text)

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
        await self._pubsub.aclose()
        await self._client.aclose()
