"""TLS of FIX connections: contexts for `SessionConfig.tls` (initiator) and `Acceptor(tls=…)`, from PEM files."""

import ssl
from pathlib import Path


def initiator_tls(authorities: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Trusts `authorities` only, checks the host's name, and shows `certificate` where the venue asks for one.

    Raises OSError or ssl.SSLError when a file cannot be read or key and certificate do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(authorities)
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def acceptor_tls(certificate: Path, key: Path, client_authorities: Path | None = None) -> ssl.SSLContext:
    """With `client_authorities` a client without a certificate of theirs gets no answer to its Logon. Raises as initiator_tls."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_authorities is not None:
        context.load_verify_locations(client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
