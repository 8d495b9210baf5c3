"""The blocking client of the mesh, for Django's threads and commands: calls by service name."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from tradsys.mesh.channels.course import LOOK_AGAIN_SECONDS, NS_PER_MS, NS_PER_SECOND, Calls, Course
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
from tradsys.mesh.resilience.pool import PooledChannel, PoolExhausted, ThreadPlaces

Answer = TypeVar("Answer")
PROOF_NS = NS_PER_SECOND
"""A channel over which an answer came so lately is taken to be connected; another one is asked first."""


class BlockingMeshChannels:
    """Shared by all threads of a process. `trust` None: without TLS. Make it after a fork, never before.

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
        self._links: dict[LinkKey, Link[ThreadPlaces]] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._checker: threading.Thread | None = None
        self.breakers = breakers if breakers is not None else Breakers(config.circuit_breaker, steady=steady)
        self._calls = Calls(registry, config, breakers=self.breakers, load=self.in_flight, steady=steady, random=random)

    def in_flight(self, instance: Instance) -> int:
        """Calls of this process that the instance is answering."""
        return sum(link.places.in_use for link in self._all() if link.instance.instance == instance.instance)

    def call(
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
        """One unary call; arguments and errors as of ``MeshChannels.call``, but it raises grpc.RpcError."""
        service = service_of_method(path)
        if timeout is None:
            timeout = self._config.retry.default_deadline_ms / 1000
        course = Course(self._calls, service, timeout=timeout, wait=wait, affinity=affinity, stay=stay, idempotent=idempotent)
        payload, sent_with = as_bytes(request), with_trace(metadata)
        while True:
            instance = course.choose()
            if instance is None:
                time.sleep(LOOK_AGAIN_SECONDS)
                continue
            link = self._link(service, instance)
            try:
                link.places.acquire(min(self._config.connection_pool.acquire_ms / 1000, course.remaining()))
            except PoolExhausted as error:
                raise course.no_place(instance, link.places.limit) from error
            pause = 0.0
            try:
                pooled, unused = link.channels.take(self._steady())
                _close(unused)
                try:
                    if not self._ready(pooled, service, course.connect_seconds()):
                        course.not_reached(instance)
                        continue
                    permit = course.permit(instance)
                    if permit is None:
                        continue
                    try:
                        raw = pooled.channel.unary_unary(path)(payload, timeout=course.remaining(), metadata=sent_with)
                    except grpc.RpcError as error:
                        ended: Any = error
                        pooled.proven_at = None
                        wait_before_retry = course.ended(instance, permit, ended.code(), status_details(ended.trailing_metadata()))
                        if wait_before_retry is None:
                            raise
                        pause = wait_before_retry
                    except BaseException:
                        course.abandoned(instance, permit)
                        raise
                    else:
                        pooled.proven_at = self._steady()
                        course.answered(instance, permit)
                        return response(raw)
                finally:
                    _close(link.channels.give_back(pooled))
            finally:
                link.places.release()
            time.sleep(pause)

    def check(self) -> None:
        """Ask each instance in use how it is, drop links to instances that are gone, close idle channels."""
        living = {(each.instance, each.mesh_address) for each in self._calls.registry.instances}
        idle_since = self._steady() - self._config.connection_pool.idle_ms * NS_PER_MS
        for link in self._all():
            if (link.instance.instance, link.instance.mesh_address) in living:
                _close(link.channels.close_idle(idle_since))
                self._check(link)
                continue
            with self._lock:
                self._links.pop(link_key(link.service, link.instance), None)
            _close(link.channels.retire_all())

    def close(self) -> None:
        """End the health checks and close channels without calls; the others are closed by their last call."""
        self._stopping.set()
        with self._lock:
            links, checker = list(self._links.values()), self._checker
            self._links.clear()
        for link in links:
            _close(link.channels.retire_all())
        if checker is not None:
            checker.join(2.0)

    def _check_regularly(self) -> None:
        while not self._stopping.wait(self._config.connection_pool.health_check_ms / 1000):
            self.check()

    def _check(self, link: Link[ThreadPlaces]) -> None:
        pooled = link.channels.take_for_check()
        if pooled is None:
            return
        try:
            if self._healthy(pooled, link.service, min(self._config.connection_pool.health_check_ms / 1000, 1.0)):
                self._calls.reached(link.instance)
            else:
                self._calls.suspect(link.instance)
        finally:
            _close(link.channels.give_back(pooled))

    def _ready(self, pooled: PooledChannel[Any], service: str, seconds: float) -> bool:
        """Whether the channel is connected, after at most `seconds`. A refused connection is known at once."""
        if pooled.proven_at is not None and self._steady() - pooled.proven_at < PROOF_NS:
            return True
        return self._healthy(pooled, service, seconds)

    def _healthy(self, pooled: PooledChannel[Any], service: str, seconds: float) -> bool:
        """Whether the instance answers its health check and does not say that `service` does not work."""
        try:
            raw = pooled.channel.unary_unary(HEALTH_CHECK)(health_request(service), timeout=seconds)
        except grpc.RpcError as error:
            ended: Any = error
            pooled.proven_at = None
            return is_reached(ended.code())
        pooled.proven_at = self._steady()
        return is_serving(raw)

    def _link(self, service: str, instance: Instance) -> Link[ThreadPlaces]:
        key = link_key(service, instance)
        found = self._links.get(key)
        if found is not None:
            return found
        with self._lock:
            if self._checker is None:
                self._checker = threading.Thread(target=self._check_regularly, name="mesh health checks", daemon=True)
                self._checker.start()
            if key not in self._links:
                self._links[key] = Link(service, instance, self._config, self._trust, places=ThreadPlaces, grpc=grpc)
            return self._links[key]

    def _all(self) -> list[Link[ThreadPlaces]]:
        with self._lock:
            return list(self._links.values())


def _close(channels: list[Any]) -> None:
    for channel in channels:
        channel.close()
