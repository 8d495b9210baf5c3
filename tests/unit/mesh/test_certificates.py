"""The folder of certificates: what is made, when it is made anew, and how an authority follows another."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from msgspec.structs import replace

from tests.mesh_trust import MESH
from tradsys.mesh.trust.certificates import (
    announce_authority,
    certificates,
    client_file,
    ensure_certificates,
    issue_client,
    renew_certificates,
    service_file,
)
from tradsys.mesh.trust.renewal import AuthorityStep, Life, authority_step, is_due
from tradsys.mesh.trust.x509_files import CertificateError, read_authorities, read_key_pair, uris_of

SECOND = 1_000_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
NOON = 1_800_000_000 * SECOND


def states(folder: Path, now: int) -> dict[str, str]:
    return {each.file: each.state for each in certificates(folder, MESH, now)}


def test_everything_missing_is_made_once_and_only_its_owner_reads_the_keys(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    assert ensure_certificates(folder, MESH, ["worker-1", "web"], NOON) == ["ca.key.pem", "ca.pem", "worker-1.pem", "web.pem"]
    assert ensure_certificates(folder, MESH, ["worker-1", "web"], NOON + HOUR) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.glob("*.pem")} == {0o600}
    assert states(folder, NOON) == {"ca.key.pem": "valid", "web.pem": "valid", "worker-1.pem": "valid"}


def test_a_certificate_says_which_service_it_is_and_for_how_long(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["worker-1"], NOON)
    pair = read_key_pair(service_file(tmp_path, "worker-1"))
    names = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert uris_of(pair.certificate) == ["spiffe://tradsys.internal/ns/default/service/worker-1"]
    assert names.get_values_for_type(x509.DNSName) == ["worker-1.default.tradsys.internal", "localhost"]
    assert pair.life == Life(NOON - 300 * SECOND, NOON + DAY)
    constraints = pair.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca


def test_a_certificate_is_made_anew_when_half_of_its_life_is_over(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    first = service_file(tmp_path, "web").read_bytes()
    assert renew_certificates(tmp_path, MESH, NOON + 12 * HOUR) == []
    assert renew_certificates(tmp_path, MESH, NOON + 12 * HOUR + SECOND) == ["web.pem"]
    assert service_file(tmp_path, "web").read_bytes() != first
    assert renew_certificates(tmp_path, MESH, NOON + 12 * HOUR + SECOND) == []
    assert renew_certificates(tmp_path, MESH, NOON + 13 * HOUR, everything=True) == ["web.pem"]


def test_a_damaged_certificate_and_one_of_another_namespace_are_made_anew(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web", "relay"], NOON)
    service_file(tmp_path, "web").write_bytes(service_file(tmp_path, "web").read_bytes()[:300])
    assert states(tmp_path, NOON)["web.pem"] == "unreadable"
    assert ensure_certificates(tmp_path, MESH, ["web", "relay"], NOON) == ["web.pem"]
    assert ensure_certificates(tmp_path, replace(MESH, namespace="other"), ["web"], NOON) == ["web.pem"]


def test_a_key_beside_another_ones_certificate_is_no_pair(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web", "relay"], NOON)
    key = service_file(tmp_path, "web").read_text().partition("-----BEGIN CERTIFICATE")[0]
    certificate = "-----BEGIN CERTIFICATE" + service_file(tmp_path, "relay").read_text().partition("-----BEGIN CERTIFICATE")[2]
    service_file(tmp_path, "web").write_text(key + certificate)
    with pytest.raises(CertificateError, match="the key is not the certificate's"):
        read_key_pair(service_file(tmp_path, "web"))


def test_a_tenants_program_gets_a_name_that_no_service_can_have(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, [], NOON)
    path = issue_client(tmp_path, MESH, "nile", "algo", now=NOON)
    assert path == client_file(tmp_path, "nile", "algo")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert uris_of(read_key_pair(path).certificate) == ["spiffe://tradsys.internal/tenant/nile/client/algo"]
    assert renew_certificates(tmp_path, MESH, NOON + 20 * HOUR) == ["clients/nile/algo.pem"]


@pytest.mark.parametrize("name", ["", "Web", "web/..", "../web", "1web", "ca", "w" * 41, "web\n", "web pem", "wéb"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    ensure_certificates(tmp_path, MESH, [], NOON)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="cannot"):
        ensure_certificates(tmp_path, MESH, [name], NOON)
    with pytest.raises(ValueError, match="cannot"):
        issue_client(tmp_path, MESH, name if name != "ca" else "", "algo", now=NOON)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_authority_follows_another_only_after_everybody_trusts_it(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    old = read_key_pair(tmp_path / "ca.key.pem")
    half = NOON + 183 * DAY
    renew_certificates(tmp_path, MESH, half)
    following = read_key_pair(tmp_path / "ca.next.pem")
    assert read_authorities(tmp_path / "ca.pem") == [old.certificate, following.certificate]
    assert old.signed(read_key_pair(service_file(tmp_path, "web")).certificate), "nobody may show the next one's certificates yet"
    assert renew_certificates(tmp_path, MESH, half + 59 * SECOND) == []
    assert renew_certificates(tmp_path, MESH, half + 60 * SECOND) == ["ca.key.pem", "web.pem"]
    assert following.signed(read_key_pair(service_file(tmp_path, "web")).certificate)
    assert set(read_authorities(tmp_path / "ca.pem")) == {old.certificate, following.certificate}, "the old one's are still in use"
    assert not (tmp_path / "ca.next.pem").exists()
    later = NOON + 365 * DAY
    renew_certificates(tmp_path, MESH, later)
    assert old.certificate not in read_authorities(tmp_path / "ca.pem")


def test_an_authority_that_has_ended_is_replaced_at_once(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    later = NOON + 400 * DAY
    assert states(tmp_path, later) == {"ca.key.pem": "expired", "web.pem": "expired"}
    assert renew_certificates(tmp_path, MESH, later) == ["ca.key.pem", "ca.pem", "web.pem"]
    assert set(states(tmp_path, later).values()) == {"valid"}


def test_the_operator_can_begin_the_change_of_authority_once(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    assert announce_authority(tmp_path, MESH, NOON)
    assert not announce_authority(tmp_path, MESH, NOON + SECOND)
    assert len(read_authorities(tmp_path / "ca.pem")) == 2


def test_a_bundle_that_a_crash_kept_from_being_written_is_written_at_the_next_start(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    (tmp_path / "ca.pem").unlink()
    assert ensure_certificates(tmp_path, MESH, ["web"], NOON) == ["ca.pem"]


def test_a_damaged_authority_is_said_and_not_replaced_in_silence(tmp_path: Path) -> None:
    ensure_certificates(tmp_path, MESH, ["web"], NOON)
    (tmp_path / "ca.key.pem").write_text("broken")
    with pytest.raises(CertificateError, match=r"ca\.key\.pem holds no private key"):
        ensure_certificates(tmp_path, MESH, ["web"], NOON)
    assert (tmp_path / "ca.key.pem").read_text() == "broken"


def test_due_is_decided_at_the_exact_border() -> None:
    life = Life(0, 100)
    assert not is_due(life, now=50, renew_before_percent=50)
    assert is_due(life, now=51, renew_before_percent=50)
    assert is_due(life, now=-1, renew_before_percent=50), "a clock that went back shows a certificate that nobody accepts yet"
    step = authority_step(life, 0, now=100, renew_before_percent=50, reload_ms=1)
    assert step is AuthorityStep.REPLACE
