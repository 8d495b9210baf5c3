"""gRPC credentials from certificate files that are replaced while the process runs. For ``grpc.aio`` and blocking gRPC alike.

A server asks for its certificate at every new connection, so a swapped file counts from the next connection on. A client's
credentials are fixed when a channel is made: `ChannelTrust.version` rises, and whoever owns the channel makes a new one.
A file that cannot be used is passed over and logged once; what was read last stays in use.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.trust.certificates import BUNDLE, service_file
from tradsys.mesh.trust.identity import server_name
from tradsys.mesh.trust.x509_files import CertificateError, certificate_pem, key_pair, read_authorities, read_pem

log = logging.getLogger("tradsys.trust")

NS_PER_MS = 1_000_000
_KEY_END = b"-----END PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """Where a process's own certificate is (key and certificate in one file), and the authorities it trusts."""

    own: Path
    authorities: Path

    @classmethod
    def of(cls, folder: Path, process: str) -> IdentityFiles:
        """In the folder of certificates. Raises ValueError for a name that no certificate may carry."""
        return cls(service_file(folder, process), folder / BUNDLE)


@dataclass(frozen=True, slots=True)
class _Material:
    """PEM texts as gRPC wants them; key and chain are empty without a certificate of one's own."""

    key: bytes
    chain: bytes
    roots: bytes
    version: int


class TrustFiles:
    """What the files hold now. They are looked at every `reload_ms` at most; `clock` counts monotonic nanoseconds.

    Raises CertificateError when they cannot be used from the start.
    """

    def __init__(
        self, authorities: Path, own: Path | None, *, reload_ms: int, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._authorities, self._own = authorities, own
        self._reload_ns = reload_ms * NS_PER_MS
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._material = self._read(1)
        self._look_at = clock() + self._reload_ns
        self._complaint = ""

    def current(self) -> _Material:
        """From memory, except when it is time to look: gRPC asks at every connection, from a thread of its own."""
        if self._clock() >= self._look_at:
            with self._lock:
                self._look()
        return self._material

    def _look(self) -> None:
        self._look_at = self._clock() + self._reload_ns
        stamps = self._stamps()
        if stamps == self._seen:
            return
        try:
            material = self._read(self._material.version + 1)
        except CertificateError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.error("the certificate in use stays: %s", error)
            return
        self._seen, self._material, self._complaint = stamps, material, ""

    def _read(self, version: int) -> _Material:
        roots = "".join(certificate_pem(each) for each in read_authorities(self._authorities)).encode("ascii")
        if self._own is None:
            return _Material(b"", b"", roots, version)
        content = read_pem(self._own)
        try:
            key_pair(content)
        except ValueError as error:
            raise CertificateError(f"{self._own} holds no private key with its certificate: {error}") from error
        key, end, chain = content.partition(_KEY_END)
        return _Material(key + end, chain, roots, version)

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        return tuple(_stamp(path) for path in (self._authorities, self._own) if path is not None)


def server_credentials(
    files: IdentityFiles, *, clients_need_certificate: bool, reload_ms: int, clock: Callable[[], int] = time.monotonic_ns
) -> grpc.ServerCredentials:
    """Mutual TLS (`clients_need_certificate`), or TLS alone, where a token has to say who calls. Raises CertificateError."""
    held = TrustFiles(files.authorities, files.own, reload_ms=reload_ms, clock=clock)
    first = held.current()
    given = first.version

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """None: as before."""
        nonlocal given
        now = held.current()
        if now.version == given:
            return None
        given = now.version
        return _server_configuration(now)

    # Its types leave out that None is a valid answer.
    return grpc.dynamic_ssl_server_credentials(_server_configuration(first), fetch, clients_need_certificate)  # type: ignore[arg-type]


class ChannelTrust:
    """A client's side: whom it trusts, and its own certificate where it has one. Raises CertificateError."""

    def __init__(
        self, ca: Path, own: IdentityFiles | None, reload_ms: int, *, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._files = TrustFiles(ca, None if own is None else own.own, reload_ms=reload_ms, clock=clock)
        self._made: tuple[int, grpc.ChannelCredentials] | None = None

    def version(self) -> int:
        """Rises when the files have changed: a channel made with an older version is to be replaced."""
        return self._files.current().version

    def credentials(self) -> grpc.ChannelCredentials:
        """Of the present version."""
        now = self._files.current()
        if self._made is None or self._made[0] != now.version:
            self._made = now.version, grpc.ssl_channel_credentials(now.roots, now.key or None, now.chain or None)
        return self._made[1]


def channel_options(process: str, config: ServiceMeshConfig) -> tuple[tuple[str, str], ...]:
    """Options of a channel to `process`: the server must show that service's certificate, whatever address it was reached at."""
    return (("grpc.ssl_target_name_override", server_name(config, process)),)


def _server_configuration(material: _Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], root_certificates=material.roots)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    # Files are replaced, not overwritten: another inode is another content even within one tick of the clock.
    return (found.st_ino, found.st_mtime_ns, found.st_size)
