"""Names in certificates: which service, or which tenant's program, is at the other end of a connection. Pure.

A service is ``spiffe://<cluster domain>/ns/<namespace>/service/<process>``, a tenant's program
``spiffe://<cluster domain>/tenant/<slug>/client/<name>``. Anything else names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from tradsys.mesh.config.schema import ServiceMeshConfig

NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
"""A process, a tenant's slug or a client in a certificate."""
SCHEME: Final = "spiffe://"
PEER_URIS: Final = "peer_uri"
"""Property of gRPC's authentication context with the URIs of the verified certificate; ``x509_subject_alternative_name`` would mix
them with names of other kinds, which may hold the same text."""
_KNOWN_LIMIT: Final = 1_000


class Peer(msgspec.Struct, frozen=True):
    """Whom the verified certificate of a connection names; nobody where there is none."""

    service: str = ""
    """Process name of a service, ``web``."""
    tenant: str = ""
    """Slug, of a tenant's own client certificate."""
    client: str = ""
    """Name of that certificate within the tenant."""


NOBODY: Final = Peer()


def service_uri(config: ServiceMeshConfig, process: str) -> str:
    """Identity of the service `process`. Raises ValueError for a name that no certificate may carry."""
    return f"{SCHEME}{config.cluster_domain}/ns/{config.namespace}/service/{_name(process)}"


def client_uri(config: ServiceMeshConfig, tenant: str, client: str) -> str:
    """Identity of a program of `tenant`. Raises ValueError for a name that no certificate may carry."""
    return f"{SCHEME}{config.cluster_domain}/tenant/{_name(tenant)}/client/{_name(client)}"


def server_name(config: ServiceMeshConfig, process: str) -> str:
    """DNS name by which a client verifies that it reached `process` and no other service."""
    return f"{_name(process)}.{config.namespace}.{config.cluster_domain}"


def peer_of_uris(uris: Iterable[str], config: ServiceMeshConfig) -> Peer:
    """The one identity among `uris`; nobody when there is none, another mesh's, a malformed one or more than one."""
    named = [uri for uri in uris if uri.startswith(SCHEME)]
    if len(named) != 1:
        return NOBODY
    match named[0].removeprefix(SCHEME).split("/"):
        case [domain, "ns", namespace, "service", process] if (
            domain == config.cluster_domain and namespace == config.namespace and NAME.fullmatch(process)
        ):
            return Peer(service=process)
        case [domain, "tenant", tenant, "client", client] if (
            domain == config.cluster_domain and NAME.fullmatch(tenant) and NAME.fullmatch(client)
        ):
            return Peer(tenant=tenant, client=client)
    return NOBODY


def tenant_matches(peer: Peer, tenant: str) -> bool:
    """Whether a token of `tenant` counts on a connection of `peer`: a tenant's certificate binds it to that tenant."""
    return not peer.tenant or peer.tenant == tenant


class PeerReader:
    """Reads whom a connection's verified certificate names."""

    def __init__(self, config: ServiceMeshConfig) -> None:
        self._config = config
        self._known: dict[tuple[bytes, ...], Peer] = {}
        self._by_names: dict[tuple[bytes, ...], Peer] = {}

    def peer_of(self, auth_context: Mapping[str, Iterable[bytes]]) -> Peer:
        """Whom the connection's verified certificate names. gRPC fills the context only from a chain it has verified."""
        uris = auth_context.get(PEER_URIS)
        if not uris:
            return NOBODY
        key = tuple(uris)
        peer = self._known.get(key)
        if peer is None:
            if len(self._known) >= _KNOWN_LIMIT:
                self._known.clear()
            peer = self._known[key] = peer_of_uris((uri.decode("utf-8", "replace") for uri in key), self._config)
        return peer

    def peer(self, context: Any) -> Peer:
        """Of a gRPC servicer context. A certificate with names seen before costs one look-up.

        The names are all subject alternative names, kinds mixed; which of them is the identity is read from the whole
        authentication context, once. To copy that for every call, certificates and all, costs more than the rest of the admission.
        """
        names = context.peer_identities()
        if not names:
            return NOBODY
        key = tuple(names)
        peer = self._by_names.get(key)
        if peer is None:
            if len(self._by_names) >= _KNOWN_LIMIT:
                self._by_names.clear()
            peer = self._by_names[key] = self.peer_of(context.auth_context())
        return peer

    def service_of(self, auth_context: Mapping[str, Iterable[bytes]]) -> str:
        """Name of the calling service; empty for a program, and without a certificate of this mesh."""
        return self.peer_of(auth_context).service


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(
            f"{text!r} cannot stand in a certificate: lower-case letters, digits and hyphens, a letter first, at most 40"
        )
    return text
