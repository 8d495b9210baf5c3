"""The asyncio client of the mesh: calls by service name.

channels = MeshChannels(registry, config, trust, breakers=breakers)
checking = asyncio.create_task(channels.run())
view = await channels.call("/tradsys.v1.OrderService/GetOrder", request, response=pb.OrderView.FromString, idempotent=True)
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from tradsys.mesh.channels.course import LOOK_AGAIN_SECONDS, NS_PER_MS, CallNotSent, Calls, Course
from tradsys.mesh.channels.link import Link, LinkKey, link_key
from tradsys.mesh.channels.options import (
    DEFAULT_WAIT_SECONDS,
    HEALTH_CHECK,
    Metadata,
    Trust,
    as_bytes,
    health_request,
    is_reached,
    is_serving,
    service_of_method,
    status_details,
    with_trace,
)
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.resilience.breakers import Breakers
from tradsys.mesh.resilience.pool import AsyncPlaces, PoolExhausted

log = logging.getLogger("tradsys.channels")
aio: Any = grpc.aio  # its published type stubs lack the optional arguments

Answer = TypeVar("Answer")


class MeshChannels:
    """Belongs to the event loop that first uses it; `run` is a task of it. `trust` None: without TLS.

    `steady` gives nanoseconds of a clock that never steps.
    """

    def __init__(
        self,
        registry: Registry,
        config: ServiceMeshConfig,
        trust: Trust | None,
        *,
        breakers: Breakers | None = None,
        steady: Callable[[], int] = time.monotonic_ns,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._config = config
        self._trust = trust
        self._steady = steady
        self._links: dict[LinkKey, Link[AsyncPlaces]] = {}
        self.breakers = breakers if breakers is not None else Breakers(config.circuit_breaker, steady=steady)
        self._calls = Calls(registry, config, breakers=self.breakers, load=self.in_flight, steady=steady, random=random)
        self._closing: set[asyncio.Task[None]] = set()

    def in_flight(self, instance: Instance) -> int:
        """Calls of this process that the instance is answering."""
        return sum(link.places.in_use for link in self._links.values() if link.instance.instance == instance.instance)

    async def call(
        self,
        path: str,
        request: Any,
        *,
        response: Callable[[bytes], Answer],
        timeout: float | None = None,
        wait: float = DEFAULT_WAIT_SECONDS,
        affinity: str = "",
        stay: bool = False,
        metadata: Metadata = (),
        idempotent: bool = False,
    ) -> Answer:
        """One unary call. `path` is ``/package.Service/Method``, `request` a message or its bytes.

        `timeout` is for everything together, in seconds, shortened by the incoming call's deadline; `wait` of it at most goes by
        until an instance is reached. `affinity` is the account of an account-affine service; with `stay` it is called on its own
        process or not at all. A call that is not `idempotent` is sent once, whatever happens then.

        Raises CallNotSent (nothing was sent), DeadlinePassed (nothing was sent, or not again), grpc.aio.AioRpcError.
        """
        service = service_of_method(path)
        if timeout is None:
            timeout = self._config.retry.default_deadline_ms / 1000
        course = Course(self._calls, service, timeout=timeout, wait=wait, affinity=affinity, stay=stay, idempotent=idempotent)
        payload, sent_with = as_bytes(request), with_trace(metadata)
        while True:
            try:
                instance = course.choose()
            except CallNotSent:
                # A caller that asks again at once must not keep everybody else off the loop, the registry's watcher above all.
                await asyncio.sleep(0)
                raise
            if instance is None:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                continue
            link = self._link(service, instance)
            try:
                await link.places.acquire(min(self._config.connection_pool.acquire_ms / 1000, course.remaining()))
            except PoolExhausted as error:
                raise course.no_place(instance, link.places.limit) from error
            pause = 0.0
            try:
                pooled, unused = link.channels.take(self._steady())
                self._close(unused)
                try:
                    if not await _ready(pooled.channel, service, course.connect_seconds()):
                        course.not_reached(instance)
                        continue
                    permit = course.permit(instance)
                    if permit is None:
                        continue
                    try:
                        raw = await pooled.channel.unary_unary(path)(payload, timeout=course.remaining(), metadata=sent_with)
                    except grpc.aio.AioRpcError as error:
                        wait_before_retry = course.ended(instance, permit, error.code(), status_details(error.trailing_metadata()))
                        if wait_before_retry is None:
                            raise
                        pause = wait_before_retry
                    except BaseException:
                        course.abandoned(instance, permit)
                        raise
                    else:
                        course.answered(instance, permit)
                        return response(raw)
                finally:
                    self._close(link.channels.give_back(pooled))
            finally:
                link.places.release()
            await asyncio.sleep(pause)

    async def run(self) -> None:
        """Every ``health_check_ms``: ask each instance in use how it is, drop those that are gone, close idle channels."""
        interval = self._config.connection_pool.health_check_ms / 1000
        while True:
            await asyncio.sleep(interval)
            await self.check()

    async def check(self) -> None:
        """One round of `run`."""
        living = {(each.instance, each.mesh_address) for each in self._calls.registry.instances}
        idle_since = self._steady() - self._config.connection_pool.idle_ms * NS_PER_MS
        checks = []
        for key, link in list(self._links.items()):
            if (link.instance.instance, link.instance.mesh_address) not in living:
                del self._links[key]
                self._close(link.channels.retire_all())
            else:
                self._close(link.channels.close_idle(idle_since))
                checks.append(self._check(link))
        await asyncio.gather(*checks)

    async def close(self) -> None:
        """Calls that are under way end first; the channels then."""
        for link in self._links.values():
            self._close(link.channels.retire_all())
        self._links.clear()
        while self._closing:
            await asyncio.gather(*self._closing)

    async def _check(self, link: Link[AsyncPlaces]) -> None:
        seconds = min(self._config.connection_pool.health_check_ms / 1000, 1.0)
        pooled = link.channels.take_for_check()
        if pooled is None:
            return
        try:
            if await _healthy(pooled.channel, link.service, seconds):
                self._calls.reached(link.instance)
            else:
                self._calls.suspect(link.instance)
        finally:
            self._close(link.channels.give_back(pooled))

    def _link(self, service: str, instance: Instance) -> Link[AsyncPlaces]:
        key = link_key(service, instance)
        found = self._links.get(key)
        if found is None:
            found = self._links[key] = Link(service, instance, self._config, self._trust, places=AsyncPlaces, grpc=aio)
        return found

    def _close(self, channels: list[Any]) -> None:
        for channel in channels:
            task = asyncio.get_running_loop().create_task(channel.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _ready(channel: Any, service: str, seconds: float) -> bool:
    """Whether the channel is connected, after at most `seconds`. A refused connection is known at once."""
    if channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.READY:
        return True
    return await _healthy(channel, service, seconds)


async def _healthy(channel: Any, service: str, seconds: float) -> bool:
    """Whether the instance answers its health check and does not say that `service` does not work."""
    try:
        raw = await channel.unary_unary(HEALTH_CHECK)(health_request(service), timeout=seconds)
    except grpc.aio.AioRpcError as error:
        return is_reached(error.code())
    return is_serving(raw)
