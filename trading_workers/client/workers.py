"""How a call of the order path reaches a worker: by the account's name through the mesh, or at one worker's door for clients."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import grpc

from tradsys.mesh.balancing import Balancer
from tradsys.mesh.channels.blocking import BlockingMeshChannels
from tradsys.mesh.channels.options import CHANNEL_OPTIONS, Metadata, Trust, channel_version
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.resilience.pool import ChannelSet

Answer = TypeVar("Answer")
ORDER_SERVICE = "tradsys.v1.OrderService"
aio: Any = grpc.aio  # its published type stubs lack the optional arguments


class Workers(Protocol):
    """Makes one unary call of ``OrderService``."""

    def call(
        self,
        method: str,
        request: Any,
        *,
        response: Callable[[bytes], Answer],
        account: str,
        metadata: Metadata,
        seconds: float,
        idempotent: bool,
    ) -> Answer:
        """Within `seconds`; a worker that is just starting is waited for. Raises grpc.RpcError, CallRefused, DeadlinePassed."""
        ...


def account_affinity(tenant: str, account: str) -> str:
    """What decides which worker keeps the orders of an account; the same for every caller of an account-affine service."""
    return f"{tenant}/{account}"


class MeshWorkers:
    """Workers found by name, for a service of the platform. An account is called on its own worker or not at all."""

    def __init__(self, channels: BlockingMeshChannels, *, tenant: str) -> None:
        self._channels = channels
        self._tenant = tenant

    def call(
        self,
        method: str,
        request: Any,
        *,
        response: Callable[[bytes], Answer],
        account: str,
        metadata: Metadata,
        seconds: float,
        idempotent: bool,
    ) -> Answer:
        """Raises ValueError without an account: then nothing says which worker to ask."""
        if not account:
            raise ValueError(f"{method} is asked for an account: its worker keeps the account's orders")
        return self._channels.call(
            f"/{ORDER_SERVICE}/{method}",
            request,
            response=response,
            timeout=seconds,
            wait=seconds,
            affinity=account_affinity(self._tenant, account),
            stay=True,
            metadata=metadata,
            idempotent=idempotent,
        )


class WorkerDoor:
    """The door of one worker that programs use: TLS and a token. `trust` None: without TLS, where the mesh has it switched off."""

    def __init__(self, address: str, trust: Trust | None) -> None:
        self.address = address
        self.trust = trust
        self._channels: ChannelSet[Any] = ChannelSet(1, self.channel, channel_version(trust))

    def call(
        self,
        method: str,
        request: Any,
        *,
        response: Callable[[bytes], Answer],
        account: str,
        metadata: Metadata,
        seconds: float,
        idempotent: bool,
    ) -> Answer:
        pooled, unused = self._channels.take(time.monotonic_ns())
        try:
            path = f"/{ORDER_SERVICE}/{method}"
            raw = pooled.channel.unary_unary(path)(
                request.SerializeToString(), metadata=metadata, timeout=seconds, wait_for_ready=True
            )
            return response(raw)
        finally:
            for channel in (*unused, *self._channels.give_back(pooled)):
                channel.close()

    def channel(self) -> Any:
        """A channel of the caller's own."""
        if self.trust is None:
            return grpc.insecure_channel(self.address, options=CHANNEL_OPTIONS)
        return grpc.secure_channel(self.address, self.trust.credentials(), options=CHANNEL_OPTIONS)


def program_channel(address: str, trust: Trust | None) -> Any:
    """An asyncio channel to a worker's door for clients; `trust` as of `WorkerDoor`."""
    if trust is None:
        return aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    return aio.secure_channel(address, trust.credentials(), options=CHANNEL_OPTIONS)


def door_of_account(registry: Registry, tenant: str, account: str) -> str:
    """``host:port`` of the door for clients of the worker that keeps the account; empty while there is none."""
    found = Balancer("account_affine", lambda instance: 0).order(
        ORDER_SERVICE, registry.of(ORDER_SERVICE), affinity=account_affinity(tenant, account), stay=True
    )
    return found[0].client_address if found else ""
