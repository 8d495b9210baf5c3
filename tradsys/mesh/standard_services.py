"""Who may call the standard gRPC services that every process has: health, reflection, channelz."""

from __future__ import annotations

from typing import Final

from tradsys.mesh.service import ANYBODY, OPERATOR, MethodRule

EVERY_SERVICE: Final = "*"
"""In `MethodRule.services`: whichever service the certificate names."""

_HEALTH = ("Check", "Watch")
_CHANNELZ = ("GetTopChannels", "GetServers", "GetServer", "GetServerSockets", "GetChannel", "GetSubchannel", "GetSocket")


def _rule(
    name: str, about: str, *, public: bool = False, roles: frozenset[str] = frozenset(), streaming: bool = False
) -> MethodRule:
    services = frozenset({EVERY_SERVICE})
    return MethodRule(
        name=name, about=about, public=public, roles=roles, services=services, licensed=False, meter="", streaming=streaming
    )


STANDARD_SERVICES: Final[dict[str, tuple[MethodRule, ...]]] = {
    # Whoever balances load asks before anybody has signed in.
    "grpc.health.v1.Health": tuple(
        _rule(name, "Whether a service can do its work.", public=True, roles=ANYBODY, streaming=name == "Watch") for name in _HEALTH
    ),
    # The contract is published with the product.
    "grpc.reflection.v1alpha.ServerReflection": (
        _rule("ServerReflectionInfo", "Descriptions of the services.", public=True, roles=ANYBODY, streaming=True),
    ),
    # It shows every connection of the process.
    "grpc.channelz.v1.Channelz": tuple(
        _rule(name, "Connections and calls of this process.", roles=frozenset({OPERATOR})) for name in _CHANNELZ
    ),
}
"""Full service name → rules."""
