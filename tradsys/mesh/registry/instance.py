"""The registry's document: one running process, what it serves and how it is. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

Text = Annotated[str, Meta(max_length=300)]
ProcessName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
InstanceName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,99}$")]
MeshAddress = Annotated[str, Meta(pattern=r"^$|^[A-Za-z0-9.-]{1,200}:[0-9]{1,5}$|^\[[0-9a-fA-F:]{2,45}\]:[0-9]{1,5}$")]
Count = Annotated[int, Meta(ge=0)]

SERVING = "SERVING"
NOT_SERVING = "NOT_SERVING"


class InstanceRefused(ValueError):
    """A document of the registry is no instance; the text says what is wrong with it."""


class Instance(Struct, frozen=True, kw_only=True):
    """One start of one process. Times in nanoseconds UTC. Fields that a later version adds are passed over."""

    process: ProcessName
    """``worker-1``: the same after every restart."""
    instance: InstanceName
    """``worker-1-4711-1764086400``: of this start only."""
    services: tuple[Text, ...] = ()
    """Full names of the services it serves."""
    mesh_address: MeshAddress = ""
    """``host:port`` for other services; empty for a process that serves nothing."""
    client_address: MeshAddress = ""
    metrics_address: MeshAddress = ""
    version: Text = ""
    health: dict[str, Text] = msgspec.field(default_factory=dict)
    """Service → ``SERVING``, ``SERVING: reason`` for one that is degraded, or ``NOT_SERVING: reason``."""
    started_at: int = 0
    renewed_at: int = 0
    lease_ms: Count = 0
    in_flight: Count = 0
    """Calls that are being answered."""
    calls: Count = 0
    """Calls answered since the start."""
    breakers: dict[str, Text] = msgspec.field(default_factory=dict)
    """Name → closed, half_open or open."""
    lines: dict[str, Text] = msgspec.field(default_factory=dict)
    """Order line to an exchange → ``up`` where it takes new orders, else ``down``."""
    revisions: dict[str, Count] = msgspec.field(default_factory=dict)
    """Configuration document → revision in use."""
    lag_ms: dict[str, Count] = msgspec.field(default_factory=dict)
    """Configuration document → from its commit to its use here."""

    def serves(self, service: str) -> bool:
        """Whether calls of `service` may go there, as far as it says itself."""
        status, _, _ = self.health.get(service, "").partition(":")
        return status == SERVING and service in self.services and bool(self.mesh_address)


def instance_name(process: str, pid: int, started_at: int) -> str:
    """A name that no other start of the process has. `started_at` in nanoseconds UTC."""
    return f"{process}-{pid}-{started_at}"


def encode_instance(instance: Instance) -> bytes:
    return _ENCODER.encode(instance)


def decode_instance(raw: bytes) -> Instance:
    """Raises InstanceRefused for anything that is not an instance's document."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InstanceRefused(str(error)[:300]) from error


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Instance)
