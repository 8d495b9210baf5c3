"""Where services are when the registry has never been read: the addresses of the configuration. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from tradsys.configuration import Configuration
from tradsys.mesh.registry.instance import SERVING, Instance

SERVICES_OF: Mapping[str, tuple[str, ...]] = {
    "worker": ("tradsys.v1.OrderService", "tradsys.v1.RiskService"),
    "market-data": ("tradsys.v1.MarketDataService",),
    "services": (
        "tradsys.v1.AssetService",
        "tradsys.v1.ExchangeService",
        "tradsys.v1.IslamicFinanceService",
        "tradsys.v1.LicensingService",
        "tradsys.v1.SettlementService",
        "tradsys.v1.StrategyService",
    ),
}
"""Kind of process → what it serves. Every one also serves ``PlatformService``, for itself."""
PLATFORM_SERVICE = "tradsys.v1.PlatformService"


def configured_instances(configuration: Configuration) -> tuple[Instance, ...]:
    """One instance per process with a mesh address, taken to be serving: nobody knows better, and a call will find out."""
    clients = {**configuration.services, **configuration.order_workers}
    instances = []
    for process, address in configuration.mesh.items():
        kind = "worker" if process in configuration.order_workers else process
        services = (*SERVICES_OF.get(kind, ()), PLATFORM_SERVICE)
        client, metrics = clients.get(process), configuration.metrics.get(process)
        instances.append(
            Instance(
                process=process,
                instance=f"{process}-configured",
                services=services,
                mesh_address=str(address),
                client_address=str(client) if client is not None else "",
                metrics_address=str(metrics) if metrics is not None else "",
                health=dict.fromkeys(services, SERVING),
            )
        )
    return tuple(instances)
