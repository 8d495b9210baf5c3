"""Names in certificates are read strictly: what is not exactly one identity of this mesh is nobody."""

from __future__ import annotations

import pytest

from tests.mesh_trust import MESH
from tradsys.mesh.trust.identity import (
    NOBODY,
    Peer,
    PeerReader,
    client_uri,
    peer_of_uris,
    server_name,
    service_uri,
    tenant_matches,
)

WEB = "spiffe://tradsys.internal/ns/default/service/web"


def test_what_is_written_is_read_back() -> None:
    assert peer_of_uris([service_uri(MESH, "worker-1")], MESH) == Peer(service="worker-1")
    assert peer_of_uris([client_uri(MESH, "nile", "algo")], MESH) == Peer(tenant="nile", client="algo")
    assert server_name(MESH, "web") == "web.default.tradsys.internal"


@pytest.mark.parametrize(
    "uri",
    [
        "spiffe://other.internal/ns/default/service/web",
        "spiffe://tradsys.internal/ns/other/service/web",
        "spiffe://tradsys.internal/ns/default/service/",
        "spiffe://tradsys.internal/ns/default/service/Web",
        "spiffe://tradsys.internal/ns/default/service/web/",
        "spiffe://tradsys.internal/ns/default/service/web?x",
        "spiffe://tradsys.internal/ns/default/service/web\n",
        "spiffe://tradsys.internal/ns/default/service/%77eb",
        "spiffe://tradsys.internal//ns/default/service/web",
        "spiffe://tradsys.internal/tenant/nile/client/",
        "spiffe://tradsys.internal/tenant//client/algo",
        "spiffe://tradsys.internal/tenant/nile/service/web",
        "spiffe://user@tradsys.internal/ns/default/service/web",
        "SPIFFE://tradsys.internal/ns/default/service/web",
        "https://tradsys.internal/ns/default/service/web",
        "spiffe://",
        "",
    ],
)
def test_anything_else_is_nobody(uri: str) -> None:
    assert peer_of_uris([uri], MESH) == NOBODY


def test_two_identities_in_one_certificate_are_nobody() -> None:
    assert peer_of_uris([WEB, client_uri(MESH, "nile", "algo")], MESH) == NOBODY
    assert peer_of_uris([WEB, "https://example.com"], MESH) == Peer(service="web")


def test_the_context_of_a_connection_is_read() -> None:
    reader = PeerReader(MESH)
    assert reader.peer_of({}) == NOBODY
    assert reader.peer_of({"transport_security_type": [b"ssl"]}) == NOBODY
    for _ in range(2):
        assert reader.service_of({"peer_uri": [WEB.encode()]}) == "web"
        assert reader.service_of({"peer_uri": [b"\xff"]}) == ""
    # A DNS name may hold any text; only the list of URIs counts.
    assert reader.peer_of({"x509_subject_alternative_name": [WEB.encode()], "x509_common_name": [b"web"]}) == NOBODY


def test_a_tenants_certificate_binds_tokens_to_that_tenant() -> None:
    assert tenant_matches(Peer(tenant="nile", client="algo"), "nile")
    assert not tenant_matches(Peer(tenant="nile", client="algo"), "corniche")
    assert not tenant_matches(Peer(tenant="nile", client="algo"), "")
    assert tenant_matches(Peer(service="web"), "corniche")
    assert tenant_matches(NOBODY, "corniche")


@pytest.mark.parametrize("name", ["", "Web", "web/x", "web.x", "w" * 41, "-web"])
def test_no_uri_is_made_of_a_name_that_could_mean_something_else(name: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a certificate"):
        service_uri(MESH, name)
    with pytest.raises(ValueError, match="cannot stand in a certificate"):
        client_uri(MESH, "nile", name)
