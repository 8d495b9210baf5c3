"""Instances, settings and a steady clock for the mesh's tests."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from tradsys.configuration import REPOSITORY
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import SERVING, Instance

SERVICE = "tradsys.v1.OrderService"
NS_PER_MS = 1_000_000


def mesh_config(**sections: dict[str, Any]) -> ServiceMeshConfig:
    """The project's own settings with some fields changed: ``mesh_config(registry={"lease_ms": 500})``."""
    document = yaml.safe_load((REPOSITORY / "deploy" / "mesh.yaml").read_text(encoding="utf-8"))
    for section, fields in sections.items():
        document[section] = {**document[section], **fields}
    return msgspec.convert(document, ServiceMeshConfig)


def an_instance(process: str, *, services: tuple[str, ...] = (SERVICE,), started_at: int = 1, **fields: Any) -> Instance:
    return Instance(
        process=process,
        instance=fields.pop("instance", f"{process}-1-{started_at}"),
        services=services,
        started_at=started_at,
        mesh_address=fields.pop("mesh_address", "127.0.0.1:1"),
        health=fields.pop("health", dict.fromkeys(services, SERVING)),
        **fields,
    )


class SteadyClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 1_000_000 * NS_PER_MS

    def __call__(self) -> int:
        return self.now

    def turn(self, ms: float) -> None:
        self.now += int(ms * NS_PER_MS)
