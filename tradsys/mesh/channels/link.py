"""What both clients of the mesh keep of one instance: places for calls and the channels they go over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tradsys.mesh.channels.options import CHANNEL_OPTIONS, Trust, channel_version
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.resilience.pool import AsyncPlaces, ChannelSet, ThreadPlaces
from tradsys.mesh.trust.credentials import channel_options

Places = TypeVar("Places", AsyncPlaces, ThreadPlaces)
LinkKey = tuple[str, str, str]


def link_key(service: str, instance: Instance) -> LinkKey:
    """An instance that came back at another address is linked anew."""
    return service, instance.instance, instance.mesh_address


class Link(Generic[Places]):
    """Channels to one instance for one service. `grpc` opens them: the module ``grpc`` or ``grpc.aio``."""

    def __init__(
        self,
        service: str,
        instance: Instance,
        config: ServiceMeshConfig,
        trust: Trust | None,
        *,
        places: Callable[[str, int], Places],
        grpc: Any,
    ) -> None:
        self.service = service
        self.instance = instance
        pool = config.connection_pool
        self.places: Places = places(f"{service}/{instance.process}", pool.max_calls_per_instance)
        self.channels: ChannelSet[Any] = ChannelSet(
            pool.channels_per_instance, lambda: _open_channel(grpc, instance, config, trust), channel_version(trust)
        )


def _open_channel(grpc: Any, instance: Instance, config: ServiceMeshConfig, trust: Trust | None) -> Any:
    if trust is None:
        return grpc.insecure_channel(instance.mesh_address, options=CHANNEL_OPTIONS)
    # The name in the certificate is the process's: another service that took its address is not talked to.
    options = (*CHANNEL_OPTIONS, *channel_options(instance.process, config))
    return grpc.secure_channel(instance.mesh_address, trust.credentials(), options=options)
