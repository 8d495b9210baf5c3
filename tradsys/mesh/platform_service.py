"""``tradsys.v1.PlatformService``: answers for every service of its process what `UnifiedService` knows of itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tradsys.mesh.calls import current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.service import ANYBODY, Health, MethodRule, ServiceDependency, UnifiedService
from tradsys.mesh.standard_services import EVERY_SERVICE
from tradsys.v1 import platform_pb2 as pb
from tradsys.v1 import platform_pb2_grpc


def _rule(name: str, about: str) -> MethodRule:
    return MethodRule(name=name, about=about, roles=ANYBODY, services=frozenset({EVERY_SERVICE}), licensed=False, meter="")


class PlatformService(UnifiedService):
    """`health_of` and `dependency_health` are the host's own eyes; it also says which services it has, by `serve`."""

    NAME = "tradsys.v1.PlatformService"
    ABOUT = "What the services of a process are, can do, need and allow."
    METHODS = (
        _rule("ListServices", "Services of this process, and every process of the mesh that it knows."),
        _rule("GetServiceInfo", "Name, version and process of a service."),
        _rule("GetCapabilities", "The methods of a service."),
        _rule("GetDependencies", "What a service needs, and whether it is healthy."),
        _rule("GetLicenseRequirements", "The features and meters of a service's methods."),
        _rule("GetHealth", "Whether a service can do its work, and why not."),
        _rule("ValidateLicense", "Whether the caller's tenant may call a method."),
    )

    def __init__(
        self,
        *,
        health_of: Callable[[str], Health],
        dependency_health: Callable[[ServiceDependency], Health],
        instances: Callable[[], Sequence[Instance]],
    ) -> None:
        self._services: Mapping[str, UnifiedService] = {}
        self._health_of = health_of
        self._dependency_health = dependency_health
        self._instances = instances

    def serve(self, services: Mapping[str, UnifiedService]) -> None:
        """Answer for these, by full name."""
        self._services = services

    def add_to(self, server: Any) -> None:
        platform_pb2_grpc.add_PlatformServiceServicer_to_server(self, server)  # type: ignore[no-untyped-call]

    async def ListServices(self, _request: pb.ListServicesRequest, _context: Any) -> pb.ListServicesResponse:
        return pb.ListServicesResponse(
            services=[_info(each) for each in self._services.values()],
            instances=[
                pb.MeshInstance(
                    process=each.process,
                    instance=each.instance,
                    services=each.services,
                    address=each.client_address,
                    version=each.version,
                    health=each.health,
                )
                for each in self._instances()
            ],
        )

    async def GetServiceInfo(self, request: pb.ServiceRequest, context: Any) -> pb.ServiceInfo:
        return _info(await self._service(request.service, context))

    async def GetCapabilities(self, request: pb.ServiceRequest, context: Any) -> pb.Capabilities:
        service = await self._service(request.service, context)
        return pb.Capabilities(
            capabilities=[
                pb.Capability(method=each.method, about=each.about, streaming=each.streaming, idempotent=each.idempotent)
                for each in service.capabilities()
            ]
        )

    async def GetDependencies(self, request: pb.ServiceRequest, context: Any) -> pb.Dependencies:
        service = await self._service(request.service, context)
        answer = pb.Dependencies()
        for each in service.dependencies():
            health = self._dependency_health(each)
            answer.dependencies.add(
                name=each.name, kind=each.kind, required=each.required, healthy=health.serving, reason=health.reason
            )
        return answer

    async def GetLicenseRequirements(self, request: pb.ServiceRequest, context: Any) -> pb.LicenseRequirements:
        service = await self._service(request.service, context)
        return pb.LicenseRequirements(
            requirements=[
                pb.LicenseRequirement(method=each.method, features=each.features, meter=each.meter)
                for each in service.license_requirements()
            ]
        )

    async def GetHealth(self, request: pb.ServiceRequest, context: Any) -> pb.ServiceHealth:
        service = await self._service(request.service, context)
        health = self._health_of(service.NAME)
        return pb.ServiceHealth(serving=health.serving, reason=health.reason)

    async def ValidateLicense(self, request: pb.ValidateLicenseRequest, context: Any) -> pb.LicenseValidation:
        service = await self._service(request.service, context)
        refusal = service.validate_license(current_call.get().identity.tenant, request.method, time.time_ns())
        if refusal is None:
            return pb.LicenseValidation(valid=True, code="OK")
        return pb.LicenseValidation(valid=False, code=refusal.name, rule=refusal.rule)

    async def _service(self, name: str, context: Any) -> UnifiedService:
        found = self._services.get(name)
        if found is None:
            await abort_with_refusal(context, CallRefusal.NOT_FOUND, {"service": name, "here": ", ".join(self._services)})
        assert found is not None
        return found


def _info(service: UnifiedService) -> pb.ServiceInfo:
    info = service.service_info()
    return pb.ServiceInfo(name=info.name, version=info.version, about=info.about, instance=info.instance)
