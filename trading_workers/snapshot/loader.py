"""Keeps a worker's configuration current: Redis first, PostgreSQL behind it, the worker's own disk behind both.

No source is needed to go on: when one is away the worker trades with what it holds, until the lease inside a document ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable
from typing import Any

import psycopg
import redis.asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from redis.exceptions import RedisError

from trading_workers.snapshot.disk import DiskCopies
from trading_workers.snapshot.redis_keys import CHANNEL, REVISIONS, acks_key, document_key
from trading_workers.snapshot.signing import AnyDocument, DocumentRefused, encode_signed, open_signed
from tradsys.mesh.telemetry.metrics import METRICS

log = logging.getLogger("trading_workers.snapshot")

NS_PER_MS = 1_000_000
CONNECT_SECONDS = 2.0
CHECK_SECONDS = 2.0
"""How often a connected loader compares its revisions with the published ones, should a publication have been missed."""
LONGEST_WAIT_SECONDS = 5.0

NEWEST_ROWS = """
    SELECT DISTINCT ON (name) signed_document FROM public.trading_workers_publishedsnapshot ORDER BY name, revision DESC
"""


class SnapshotLoader:
    """Applies the highest valid revision of every document it can find, in memory, on disk, and says so in Redis.

    `apply` is called on the event loop with each document that replaces an older one, and may refuse it with a ValueError;
    `now` gives nanoseconds UTC.
    """

    def __init__(
        self,
        *,
        worker: str,
        key: Ed25519PublicKey,
        copies: DiskCopies,
        redis_url: str,
        database_url: str,
        apply: Callable[[AnyDocument], None],
        now: Callable[[], int],
    ) -> None:
        self._worker = worker
        self._key = key
        self._copies = copies
        self._redis_url = redis_url
        self._database_url = database_url
        self._apply = apply
        self._now = now
        self._begun = now()
        self.revisions: dict[str, int] = {}
        self.lag_ms: dict[str, int] = {}
        """Document name → milliseconds from the commit of its revision to its application here."""
        self._unwritten: dict[str, bytes] = {}
        self._unacknowledged: dict[str, str] = {}

    def load_from_disk(self) -> int:
        """Apply the disk copies; returns how many counted."""
        return sum(self._take(raw, "disk", keep=False) for raw in self._copies.read_all())

    async def load_from_servers(self) -> None:
        """One attempt at both servers; what is away is logged and left out."""
        for source in (self._load_from_redis, self._load_from_postgres):
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    await source()
            except (RedisError, psycopg.Error, OSError, TimeoutError) as error:
                log.warning("configuration cannot be read by %s: %s", source.__name__.removeprefix("_load_from_"), _short(error))
        await self._keep_copies()

    async def run(self) -> None:
        """Follow the publications until cancelled."""
        wait = 0.1
        while True:
            try:
                await self._follow()
            except (RedisError, OSError, TimeoutError) as error:
                log.warning("publications of configuration cannot be followed: %s; trying again in %.1f s", _short(error), wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 (spreads reconnects, guards nothing)
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    await self._load_from_postgres()
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.info("configuration cannot be read from PostgreSQL either: %s", _short(error))
            else:
                await self._keep_copies()

    async def _follow(self) -> None:
        client = self._client()
        try:
            async with client.pubsub(ignore_subscribe_messages=True) as publications:
                # Subscribed before the full read: what is published in between is read twice instead of never.
                await publications.subscribe(CHANNEL)
                await self._read_names(client, await self._published(client))
                next_check = asyncio.get_running_loop().time() + CHECK_SECONDS
                while True:
                    message = await publications.get_message(timeout=CHECK_SECONDS / 2)
                    if message is not None:
                        await self._read_names(client, _announced(message))
                    if asyncio.get_running_loop().time() >= next_check:
                        next_check = asyncio.get_running_loop().time() + CHECK_SECONDS
                        await self._read_names(client, await self._published(client))
        finally:
            await client.aclose()

    async def _load_from_redis(self) -> None:
        client = self._client()
        try:
            await self._read_names(client, await self._published(client))
        finally:
            await client.aclose()

    async def _load_from_postgres(self) -> None:
        connection = await psycopg.AsyncConnection.connect(
            self._database_url, connect_timeout=int(CONNECT_SECONDS), autocommit=True
        )
        async with connection:
            cursor = await connection.execute(NEWEST_ROWS)
            async for (text,) in cursor:
                self._take(text.encode(), "PostgreSQL")

    def _client(self) -> Any:
        return redis.asyncio.Redis.from_url(
            self._redis_url, socket_connect_timeout=CONNECT_SECONDS, socket_keepalive=True, health_check_interval=5
        )

    @staticmethod
    async def _published(client: Any) -> dict[str, int]:
        return {name.decode(): int(revision) for name, revision in (await client.hgetall(REVISIONS)).items()}

    async def _read_names(self, client: Any, published: dict[str, int]) -> None:
        """Read, apply, keep and acknowledge every document that is newer than ours."""
        newer = [name for name, revision in published.items() if revision > self.revisions.get(name, 0)]
        if newer:
            for raw in await client.mget([document_key(name) for name in newer]):
                if raw is not None:
                    self._take(raw, "Redis")
        if self._unacknowledged:
            await self._acknowledge(client)
        await self._keep_copies()

    def _take(self, raw: bytes, source: str, *, keep: bool = True) -> bool:
        """Apply one document if it is valid and newer than ours."""
        try:
            signed, document = open_signed(raw, self._key)
        except DocumentRefused as error:
            log.error("a document from %s is refused: %s", source, error)
            return False
        if signed.revision <= self.revisions.get(signed.name, 0):
            return False
        try:
            self._apply(document)
        except ValueError as error:
            log.error("configuration %s revision %d contradicts itself and is not applied: %s", signed.name, signed.revision, error)
            return False
        applied = self._now()
        lag_ms = max(applied - document.committed_at, 0) // NS_PER_MS
        if document.committed_at >= self._begun:  # what is older was late for no reason of ours: this process did not run yet
            METRICS.snapshot_lag(signed.name, lag_ms)
        self.revisions[signed.name], self.lag_ms[signed.name] = signed.revision, lag_ms
        self._unacknowledged[signed.name] = json.dumps({"revision": signed.revision, "applied_at": applied, "lag_ms": lag_ms})
        if keep:
            self._unwritten[signed.name] = encode_signed(signed)
            log.info(
                "configuration %s revision %d applied from %s, %d ms after its commit", signed.name, signed.revision, source, lag_ms
            )
        return True

    async def _acknowledge(self, client: Any) -> None:
        said = dict(self._unacknowledged)
        await client.hset(acks_key(self._worker), mapping=said)
        for name, text in said.items():
            if self._unacknowledged.get(name) == text:
                del self._unacknowledged[name]

    async def _keep_copies(self) -> None:
        while self._unwritten:
            name, raw = next(iter(self._unwritten.items()))
            try:
                await asyncio.to_thread(self._copies.write, name, raw)
            except (OSError, ValueError) as error:
                log.error("the disk copy of %s cannot be written: %s", name, error)
            if self._unwritten.get(name) is raw:
                del self._unwritten[name]


def _announced(message: dict[str, Any]) -> dict[str, int]:
    try:
        told = json.loads(message["data"])
        return {str(told["name"]): int(told["revision"])}
    except (ValueError, KeyError, TypeError) as error:
        log.error("a publication cannot be read: %s", error)
        return {}


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]
