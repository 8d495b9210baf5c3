"""Where the registry is in Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tradsys.mesh.config.schema import ServiceMeshConfig


@dataclass(frozen=True, slots=True)
class RegistryKeys:
    """Names below ``<key_prefix>:<namespace>``; two namespaces never see each other."""

    index: str
    """Sorted set of instance names; the score is the last renewal in milliseconds UTC by the instance's clock."""
    changes: str
    """Channel of announcements: ``joined``, ``left`` or ``changed`` and an instance name."""
    _instance: str

    @classmethod
    def of(cls, config: ServiceMeshConfig) -> Self:
        root = f"{config.registry.key_prefix}:{config.namespace}"
        return cls(index=f"{root}:instances", changes=f"{root}:changes", _instance=f"{root}:instance:")

    def instance(self, name: str) -> str:
        """Key of one instance's document; it lives as long as the lease."""
        return self._instance + name
