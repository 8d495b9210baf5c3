"""The lease of a process that serves no gRPC: so that the registry knows of it, and the operator sees when it is gone."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from tradsys.configuration import Configuration
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance, instance_name
from tradsys.mesh.registry.leases import ThreadLeaseKeeper
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.version import VERSION


def presence_of(
    process: str,
    configuration: Configuration,
    mesh: ServiceMeshConfig,
    *,
    breakers: Callable[[], Mapping[str, str]] = dict,
    now: Callable[[], int] = time.time_ns,
) -> ThreadLeaseKeeper:
    """Its keeper, not started. Load is what the process's own metrics count; `breakers` those of its calls to others."""
    started_at = now()
    name = instance_name(process, os.getpid(), started_at)
    address = str(configuration.metrics.get(process, ""))

    def describe() -> Instance:
        in_flight, calls = METRICS.load()
        return Instance(
            process=process,
            instance=name,
            metrics_address=address,
            version=VERSION,
            started_at=started_at,
            in_flight=in_flight,
            calls=calls,
            breakers=dict(breakers()),
        )

    return ThreadLeaseKeeper(configuration.redis_url, mesh, describe, now=now)
