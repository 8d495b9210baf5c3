"""What a process of the mesh holds besides its services: configuration, entitlements, quota, tokens, usage, the registry's copy.

Every process that serves gRPC puts itself together with this: entitlements come in by `configure` with each document, and `host`
gives the server around the services.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from licensing.licence_check import LicenceCheck
from licensing.quota_leases import QuotaLeases
from trading_workers.configuration_view import TenantView
from trading_workers.service_catalogue import every_method
from trading_workers.snapshot.documents import PlatformDocument
from trading_workers.snapshot.entitlement import entitlement_of
from trading_workers.snapshot.signing import AnyDocument
from tradsys.configuration import Configuration
from tradsys.mesh.admission import Admission
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.host import ServiceHost
from tradsys.mesh.platform_service import PlatformService
from tradsys.mesh.registry.fallback import configured_instances
from tradsys.mesh.registry.instance import instance_name
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.service import Health, HealthStatus, UnifiedService
from tradsys.mesh.standard_services import STANDARD_SERVICES
from tradsys.mesh.start_order import StartOrderError
from tradsys.mesh.telemetry.process import TelemetryError
from tradsys.mesh.tokens import Claims, KeyUnreadable, TokenVerifier, load_verification_key
from tradsys.mesh.trust.authorization import AuthorizationTable, TableError
from tradsys.mesh.trust.credentials import IdentityFiles
from tradsys.mesh.trust.identity import PeerReader
from tradsys.mesh.trust.x509_files import CertificateError
from tradsys.mesh.usage import UsageRecorder

CANNOT_HOST = (MeshConfigError, KeyUnreadable, CertificateError, StartOrderError, TableError, TelemetryError, OSError)
"""What keeps a process of the mesh from starting; each says for itself what to do."""


class MeshProcess:
    """`process` is the name in the configuration (``worker-1``); `now` gives nanoseconds UTC.

    Raises tradsys.mesh.config.reading.MeshConfigError and tradsys.mesh.tokens.KeyUnreadable.
    """

    def __init__(self, process: str, configuration: Configuration, *, now: Callable[[], int]) -> None:
        self.process = process
        self.configuration = configuration
        self.mesh = load_mesh_config(configuration.mesh_config_file)
        self.check = LicenceCheck()
        self.registry = Registry(configured_instances(configuration))
        self.instance = instance_name(process, os.getpid(), now())
        self._now = now
        self._tenants: dict[str, TenantView] = {}
        self._quota = QuotaLeases(redis_url=configuration.redis_url, check=self.check, now=now)
        self._quota_task: asyncio.Task[None] | None = None
        self._host: ServiceHost | None = None
        authentication = self.mesh.authentication
        self._tokens = TokenVerifier(
            load_verification_key(configuration.token_verification_key),
            issuer=authentication.issuer,
            longest_lifetime_seconds=authentication.longest_token_seconds,
            leeway_seconds=authentication.leeway_seconds,
            revoked=self._is_revoked,
        )

    def configure(self, document: AnyDocument) -> None:
        """Take over a newer document: entitlements, revocations; open streams of the tenant are looked at again."""
        if isinstance(document, PlatformDocument):
            return
        tenant = document.tenant
        self._tenants[tenant] = TenantView(document)
        self.check.apply(tenant, entitlement_of(document), revision=document.revision, lease_until=document.lease_until)
        if self._host is not None:
            self._host.interceptor.entitlement_changed(tenant)

    def configured(self) -> Health:
        """The resource ``configuration``: without any document nobody's licence is known."""
        if self._tenants:
            return Health(HealthStatus.SERVING)
        return Health(HealthStatus.NOT_SERVING, "no configuration document has arrived yet")

    def host(
        self,
        services: Sequence[UnifiedService],
        *,
        resources: Mapping[str, Callable[[], Health]] | None = None,
        revisions: Callable[[], Mapping[str, int]] = dict,
        lag_ms: Callable[[], Mapping[str, int]] = dict,
        breakers: Callable[[], Mapping[str, str]] = dict,
        lines: Callable[[], Mapping[str, str]] = dict,
    ) -> ServiceHost:
        """The server around `services`, not started."""
        configuration, process = self.configuration, self.process
        methods = {
            **STANDARD_SERVICES,
            PlatformService.NAME: PlatformService.METHODS,
            **{each.NAME: each.METHODS for each in services},
        }
        standard = {f"{name}/{rule.name}" for name, rules in STANDARD_SERVICES.items() for rule in rules}
        table = AuthorizationTable.of(methods, self.mesh.authorization, every_method=every_method() | standard)
        self._host = ServiceHost(
            process=process,
            instance=self.instance,
            services=services,
            mesh=self.mesh,
            client_door=configuration.order_workers.get(process) or configuration.services.get(process),
            mesh_door=configuration.mesh.get(process),
            identity=IdentityFiles.of(configuration.var / self.mesh.mtls.folder, process),
            admission=Admission(
                tokens=self._tokens, peer_of=PeerReader(self.mesh).peer, permits=table.permits, gate=self.check, now=self._now
            ),
            gate=self.check,
            usage=UsageRecorder(
                process=process, instance=self.instance, folder=configuration.var / process, redis_url=configuration.redis_url
            ),
            registry=self.registry,
            redis_url=configuration.redis_url,
            metrics_address=configuration.metrics.get(process),
            resources={"configuration": self.configured, **(resources or {})},
            revisions=revisions,
            lag_ms=lag_ms,
            breakers=breakers,
            lines=lines,
            now=self._now,
        )
        return self._host

    async def start(self) -> None:
        """Start the host, and the leases of quota beside it."""
        assert self._host is not None, "host() comes first"
        # Before the doors open: the first call of a capped tenant would find no lease.
        await self._quota.refill_quietly()
        self._quota_task = asyncio.create_task(self._quota.run(), name="quota")
        await self._host.start()

    async def stop(self, seconds: float) -> None:
        """End the host within about `seconds`; leased quota is given back."""
        assert self._host is not None
        await self._host.stop(seconds)
        if self._quota_task is not None:
            self._quota_task.cancel()
            await asyncio.gather(self._quota_task, return_exceptions=True)
        await self._quota.close()

    def _is_revoked(self, claims: Claims) -> bool:
        tenant = self._tenants.get(claims.tenant)
        # A tenant that nobody knows is denied by the licence check, with a better reason.
        return tenant is not None and tenant.is_revoked(claims)
