"""X.509 of the mesh: an authority, the certificates it signs, and PEM files of a key with its certificate. ECDSA P-256.

Key and certificate share one file, written in one step, so that no reader pairs a new certificate with an old key.
Ed25519 would be shorter, but BoringSSL does not offer it for certificates.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tradsys.embedded.secret_files import write_private
from tradsys.mesh.trust.renewal import NS_PER_SECOND, Life

BACKDATED_NS = 300 * NS_PER_SECOND
"""Certificates begin so long before they are made: a clock that is behind ours must not refuse them."""


class CertificateError(Exception):
    """A certificate file is missing, unreadable or not what it should be; the text names it and says what to do."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key with its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def life(self) -> Life:
        return life_of(self.certificate)

    @property
    def pem(self) -> str:
        """Key, then certificate."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii")
        return key + certificate_pem(self.certificate)

    def write(self, path: Path) -> None:
        """Mode 0600, in one step."""
        write_private(path, self.pem)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether this authority issued `certificate`."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def life_of(certificate: x509.Certificate) -> Life:
    return Life(_ns(certificate.not_valid_before_utc), _ns(certificate.not_valid_after_utc))


def certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def common_name(certificate: x509.Certificate) -> str:
    return ", ".join(str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))


def uris_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def read_key_pair(path: Path) -> KeyPair:
    """Raises CertificateError."""
    content = read_pem(path)
    try:
        return key_pair(content)
    except ValueError as error:
        raise CertificateError(f"{path} holds no private key with its certificate: {error}") from error


def read_pem(path: Path) -> bytes:
    """Raises CertificateError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path} cannot be read ({error.strerror}): manage.py certs init makes it") from error


def key_pair(content: bytes) -> KeyPair:
    """Of a PEM text. Raises ValueError, also when key and certificate do not belong together."""
    try:
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is not an elliptic curve key")
    if key.public_key() != certificate.public_key():
        raise ValueError("the key is not the certificate's")
    return KeyPair(key, certificate)


def read_authorities(path: Path) -> list[x509.Certificate]:
    """The trusted authorities of a bundle. Raises CertificateError, also for an empty one."""
    try:
        return x509.load_pem_x509_certificates(read_pem(path))
    except ValueError as error:
        raise CertificateError(f"{path} holds no certificate: {error}") from error


def new_authority(name: str, *, days: int, now: int) -> KeyPair:
    """A self-signed authority that may sign certificates, but no further authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(subject, key, subject, now=now, ends=now + days * 86_400 * NS_PER_SECOND)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(key, certificate)


def issue(authority: KeyPair, *, name: str, uri: str, dns: tuple[str, ...], server: bool, hours: int, now: int) -> KeyPair:
    """A certificate signed by `authority`; it never outlives it. A `server` also answers on this machine's loopback names."""
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri), *(x509.DNSName(each) for each in dns)]
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
    if server:
        names += [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
        usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    ends = min(now + hours * 3_600 * NS_PER_SECOND, authority.life.ends)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, key, authority.certificate.subject, now=now, ends=ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(key, certificate)


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, *, now: int, ends: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now - BACKDATED_NS))
        .not_valid_after(_time(ends))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _time(ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ns // NS_PER_SECOND)


def _ns(time: datetime) -> int:
    return int(time.timestamp()) * NS_PER_SECOND
