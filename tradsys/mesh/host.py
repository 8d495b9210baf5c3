"""Runs the services of one process: start in the order of their needs, both doors, health, lease, and an end that drains.

Two doors lead to the same services. The client door has TLS and asks for a token; the mesh door has mutual TLS, for the platform's
own services and for programs with a certificate of their tenant. Where the configuration switches TLS off, both are plain, and each
start says so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tradsys.configuration import Address
from tradsys.mesh.admission import Admission
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.grpc_server import StandardServices, new_server
from tradsys.mesh.interceptor import CallInterceptor
from tradsys.mesh.platform_service import PlatformService
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.registry.leases import LeaseKeeper
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.watcher import RegistryWatcher
from tradsys.mesh.service import SERVING, Health, HealthStatus, LicenseGate, ServiceDependency, UnifiedService
from tradsys.mesh.start_order import start_order
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.trust.credentials import IdentityFiles, server_credentials
from tradsys.mesh.usage import UsageRecorder
from tradsys.version import VERSION

log = logging.getLogger("tradsys.host")

HEALTH_SECONDS = 0.25
STREAM_CHECK_SECONDS = 1.0
NS_PER_MS = 1_000_000


class CannotListen(OSError):
    """An address of this process is taken or not ours; the text names it."""


class ServiceHost:
    """One process's services. `resources` says of each resource that a service depends on whether it is healthy.

    `revisions` and `lag_ms` are told in the lease: which configuration document is held, and how late it came. `now`: ns UTC.
    """

    def __init__(
        self,
        *,
        process: str,
        instance: str,
        services: Sequence[UnifiedService],
        mesh: ServiceMeshConfig,
        client_door: Address | None,
        mesh_door: Address | None,
        identity: IdentityFiles | None,
        admission: Admission,
        gate: LicenseGate,
        usage: UsageRecorder,
        registry: Registry,
        redis_url: str,
        metrics_address: Address | None = None,
        resources: Mapping[str, Callable[[], Health]] | None = None,
        revisions: Callable[[], Mapping[str, int]] = dict,
        lag_ms: Callable[[], Mapping[str, int]] = dict,
        breakers: Callable[[], Mapping[str, str]] = dict,
        lines: Callable[[], Mapping[str, str]] = dict,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.process = process
        self._mesh = mesh
        self._client_door, self._mesh_door, self._identity = client_door, mesh_door, identity
        self._metrics_address = metrics_address
        self._resources = dict(resources or {})
        self._revisions, self._lag_ms, self._breakers, self._lines = revisions, lag_ms, breakers, lines
        self._now = now
        self._started_at = now()
        self.instance = instance
        self._registry = registry
        self._usage = usage
        platform = PlatformService(
            health_of=self.health,
            dependency_health=self.dependency_health,
            instances=lambda: registry.instances,
        )
        self.services: dict[str, UnifiedService] = {each.NAME: each for each in (*services, platform)}
        platform.serve(self.services)
        needs = {
            name: [each.name for each in service.dependencies() if each.kind == "service" and each.required]
            for name, service in self.services.items()
        }
        self._order = start_order(needs)
        for service in self.services.values():
            service.instance = process
            service.license_gate = gate
        self.interceptor = CallInterceptor(admission, {name: each.METHODS for name, each in self.services.items()}, usage)
        self._server: Any = None
        self._standard: StandardServices | None = None
        self._lease = LeaseKeeper(redis_url, mesh, self.describe)
        self._watcher = RegistryWatcher(redis_url, mesh, registry)
        self._started: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._health: dict[str, Health] = {}

    async def start(self) -> None:
        """Everything up and serving. Raises CannotListen and what a service's start raises; what had started is stopped then."""
        try:
            for name in self._order:
                await self.services[name].initialize()
            for name in self._order:
                await self.services[name].start()
                self._started.append(name)
            await self._open_doors()
        except BaseException:
            await self._stop_services()
            raise
        for name, run in (
            ("health", self._watch_health()),
            ("streams", self._check_streams()),
            ("lease", self._lease.run()),
            ("registry", self._watcher.run()),
            ("usage", self._usage.run()),
        ):
            self._tasks.append(asyncio.create_task(run, name=name))

    async def _open_doors(self) -> None:
        self._server = server = new_server(interceptors=[self.interceptor])
        for service in self.services.values():
            service.add_to(server)
        self._standard = StandardServices(server, self.services)
        self._listen(self._client_door, clients_need_certificate=False)
        self._listen(self._mesh_door, clients_need_certificate=True)
        await server.start()
        await self._say_health()

    def _listen(self, address: Address | None, *, clients_need_certificate: bool) -> None:
        if address is None:
            return
        try:
            if self._mesh.mtls.enabled and self._identity is not None:
                credentials = server_credentials(
                    self._identity, clients_need_certificate=clients_need_certificate, reload_ms=self._mesh.mtls.reload_ms
                )
                port = self._server.add_secure_port(str(address), credentials)
            else:
                log.warning("%s: %s has no TLS, as the mesh configuration says", self.process, address)
                port = self._server.add_insecure_port(str(address))
        except RuntimeError as error:
            raise CannotListen(f"the address {address} cannot be listened on: {error}") from error
        if port == 0:
            raise CannotListen(f"the address {address} cannot be listened on")

    async def drain(self) -> None:
        """No new calls; open streams are told to go elsewhere; the registry says so. Returns when it is said."""
        self.interceptor.draining = True
        for name in reversed(self._started):
            self.services[name].drain()
        if self._standard is not None:
            await self._standard.not_serving()
        await self._lease.leave()

    async def stop(self, seconds: float) -> None:
        """End within about `seconds`: calls in progress get that long, then they are cut."""
        if self._server is not None:
            await self._server.stop(seconds)
        await self._stop_services()
        self.interceptor.settle()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lease.leave()
        await self._usage.close()

    async def _stop_services(self) -> None:
        while self._started:
            await self.services[self._started.pop()].stop()

    # ---- health

    def health(self, name: str) -> Health:
        """Of one service here: its own, and that of everything it needs; degraded where something lacks that it can do without."""
        if self.interceptor.draining:
            return Health(HealthStatus.NOT_SERVING, "the process is stopping")
        service = self.services[name]
        own = service.health()
        if not own.serving:
            return own
        degraded = []
        for each in service.dependencies():
            found = self.dependency_health(each)
            if each.required and not found.serving:
                return Health(HealthStatus.NOT_SERVING, f"{each.name}: {found.reason}")
            if found.reason:
                degraded.append(f"{each.name}: {found.reason}")
        return Health(HealthStatus.SERVING, "; ".join(degraded)) if degraded else SERVING

    def dependency_health(self, dependency: ServiceDependency) -> Health:
        """Of something that a service needs. What nobody knows is not healthy."""
        if dependency.kind == "service":
            return self.health(dependency.name)
        if dependency.kind == "remote":
            if any(each.serves(dependency.name) for each in self._registry.of(dependency.name)):
                return SERVING
            return Health(HealthStatus.NOT_SERVING, "no instance serves it")
        ask = self._resources.get(dependency.name)
        return Health(HealthStatus.NOT_SERVING, "nobody watches it") if ask is None else ask()

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            await self._say_health()

    async def _say_health(self) -> None:
        assert self._standard is not None
        found = {name: self.health(name) for name in self.services}
        for name, health in found.items():
            before = self._health.get(name)
            if before is not None and before.serving != health.serving:
                log.warning("%s is %s%s", name, health.status, f": {health.reason}" if health.reason else "")
        if found != self._health:
            self._health = found
            self._lease.changed()
            await self._standard.say({name: health.serving for name, health in found.items()})

    async def _check_streams(self) -> None:
        while True:
            await asyncio.sleep(STREAM_CHECK_SECONDS)
            self.interceptor.look_at_streams()

    def describe(self) -> Instance:
        """What the registry is told of this process."""
        in_flight, calls = METRICS.load()
        return Instance(
            process=self.process,
            instance=self.instance,
            services=tuple(self.services),
            mesh_address=str(self._mesh_door or ""),
            client_address=str(self._client_door or ""),
            metrics_address=str(self._metrics_address or ""),
            version=VERSION,
            health={name: f"{each.status}: {each.reason}" if each.reason else each.status for name, each in self._health.items()},
            started_at=self._started_at,
            renewed_at=self._now(),
            lease_ms=self._mesh.registry.lease_ms,
            in_flight=in_flight,
            calls=calls,
            breakers=dict(self._breakers()),
            lines=dict(self._lines()),
            revisions=dict(self._revisions()),
            lag_ms=dict(self._lag_ms()),
        )
