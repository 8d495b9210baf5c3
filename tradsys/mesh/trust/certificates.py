"""The folder of certificates: a local authority, one file per service, one per tenant's program.

``ca.pem``             every trusted authority: the present one, the next one, and those whose certificates may still be in use
``ca.key.pem``         key and certificate of the authority that issues; ``ca.next.pem``: the one that will
``<process>.pem``      key and certificate of a service
``clients/<tenant>/<name>.pem``   key and certificate of a tenant's program

Plain functions without Django: the launcher calls `ensure_certificates` before anything else runs.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from tradsys.embedded.secret_files import write_private
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.trust.identity import NAME, client_uri, server_name, service_uri
from tradsys.mesh.trust.renewal import AuthorityStep, Life, authority_step, is_due
from tradsys.mesh.trust.x509_files import (
    BACKDATED_NS,
    CertificateError,
    KeyPair,
    certificate_pem,
    common_name,
    issue,
    life_of,
    new_authority,
    read_authorities,
    read_key_pair,
    uris_of,
)

BUNDLE: Final = "ca.pem"
ISSUING: Final = "ca.key.pem"
NEXT: Final = "ca.next.pem"
CLIENTS: Final = "clients"
_LOCK: Final = ".lock"
RESERVED: Final = frozenset({"ca"})
"""Process names whose files would be taken for the authority's."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate of the folder, as `certificates` lists it. Times in nanoseconds UTC."""

    file: str
    """Relative to the folder."""
    subject: str
    uri: str
    begins: int
    ends: int
    state: str
    """valid, due, expired, foreign (not issued by the present authority) or unreadable"""


def ensure_certificates(folder: Path, config: ServiceMeshConfig, names: Iterable[str], now: int) -> list[str]:
    """Make what is missing, due, of a former authority or unreadable: the authority, and a certificate for each service of `names`.

    Returns the names of the files that were written, none when all is well. `now`: ns UTC. Raises ValueError for a name that no
    certificate may carry, CertificateError when the authority's own files are damaged, OSError when the folder cannot be written.
    """
    with _locked(folder):
        written, authority = _ensure_authority(folder, config, now)
        for name in names:
            path = service_file(folder, name)
            if _needed(path, service_uri(config, name), authority, config, now):
                issue_service(folder, config, name, authority=authority, now=now)
                written.append(path.name)
    return written


def renew_certificates(folder: Path, config: ServiceMeshConfig, now: int, *, everything: bool = False) -> list[str]:
    """Issue anew what is due in `folder`, or `everything`; take the authority's next step. Returns the files written.

    Made to be called again and again: with nothing due it only reads. Raises CertificateError and OSError.
    """
    with _locked(folder):
        written, authority = _ensure_authority(folder, config, now)
        for name in service_names(folder):
            path = service_file(folder, name)
            if everything or _needed(path, service_uri(config, name), authority, config, now):
                issue_service(folder, config, name, authority=authority, now=now)
                written.append(path.name)
        for tenant, client in client_names(folder):
            path = client_file(folder, tenant, client)
            if everything or _needed(path, client_uri(config, tenant, client), authority, config, now):
                issue_client(folder, config, tenant, client, authority=authority, now=now)
                written.append(str(path.relative_to(folder)))
    return written


def announce_authority(folder: Path, config: ServiceMeshConfig, now: int) -> bool:
    """Begin to change the authority before it is due: everybody trusts the next one as well. False: one is on its way already."""
    with _locked(folder):
        _ensure_authority(folder, config, now)
        if (folder / NEXT).exists():
            return False
        _announce(folder, config, now)
        return True


def issue_service(folder: Path, config: ServiceMeshConfig, name: str, *, now: int, authority: KeyPair | None = None) -> Path:
    """A new certificate for the service `name`, whatever it had. Raises ValueError and CertificateError."""
    path = service_file(folder, name)
    pair = issue(
        authority or read_key_pair(folder / ISSUING),
        name=name,
        uri=service_uri(config, name),
        dns=(server_name(config, name),),
        server=True,
        hours=config.mtls.certificate_hours,
        now=now,
    )
    pair.write(path)
    return path


def issue_client(
    folder: Path, config: ServiceMeshConfig, tenant: str, client: str, *, now: int, authority: KeyPair | None = None
) -> Path:
    """A new certificate for a program of `tenant`. It opens nothing by itself: it binds the tenant's tokens to its connections."""
    path = client_file(folder, tenant, client)
    pair = issue(
        authority or read_key_pair(folder / ISSUING),
        name=f"{client}.{tenant}",
        uri=client_uri(config, tenant, client),
        dns=(),
        server=False,
        hours=config.mtls.certificate_hours,
        now=now,
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pair.write(path)
    return path


def service_file(folder: Path, name: str) -> Path:
    """Raises ValueError for a name that no certificate may carry."""
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ValueError(f"{name!r} cannot be a service's name: lower-case letters, digits and hyphens, a letter first, not ca")
    return folder / f"{name}.pem"


def client_file(folder: Path, tenant: str, client: str) -> Path:
    """Raises ValueError for a name that no certificate may carry."""
    for each in (tenant, client):
        if not NAME.fullmatch(each):
            raise ValueError(f"{each!r} cannot stand in a certificate: lower-case letters, digits and hyphens, a letter first")
    return folder / CLIENTS / tenant / f"{client}.pem"


def service_names(folder: Path) -> list[str]:
    """Services that have a certificate in `folder`."""
    return sorted(path.stem for path in folder.glob("*.pem") if NAME.fullmatch(path.stem) and path.stem not in RESERVED)


def client_names(folder: Path) -> list[tuple[str, str]]:
    """(tenant, client) that have a certificate in `folder`."""
    found = ((path.parent.name, path.stem) for path in (folder / CLIENTS).glob("*/*.pem"))
    return sorted((tenant, client) for tenant, client in found if NAME.fullmatch(tenant) and NAME.fullmatch(client))


def certificates(folder: Path, config: ServiceMeshConfig, now: int) -> list[Held]:
    """Everything in the folder with its state. Raises CertificateError when there is no authority."""
    authority = read_key_pair(folder / ISSUING)
    files = [folder / ISSUING, *((folder / NEXT,) if (folder / NEXT).exists() else ())]
    files += [service_file(folder, name) for name in service_names(folder)]
    files += [client_file(folder, tenant, client) for tenant, client in client_names(folder)]
    return [_held(folder, path, authority, config, now) for path in files]


def _held(folder: Path, path: Path, authority: KeyPair, config: ServiceMeshConfig, now: int) -> Held:
    file = str(path.relative_to(folder))
    try:
        pair = read_key_pair(path)
    except CertificateError:
        return Held(file=file, subject="", uri="", begins=0, ends=0, state="unreadable")
    life = pair.life
    if now >= life.ends:
        state = "expired"
    elif path.name != NEXT and not authority.signed(pair.certificate):
        state = "foreign"
    else:
        state = "due" if is_due(_own_life(life), now=now, renew_before_percent=config.mtls.renew_before_percent) else "valid"
    return Held(
        file=file,
        subject=common_name(pair.certificate),
        uri=", ".join(uris_of(pair.certificate)),
        begins=life.begins,
        ends=life.ends,
        state=state,
    )


def _needed(path: Path, uri: str, authority: KeyPair, config: ServiceMeshConfig, now: int) -> bool:
    try:
        pair = read_key_pair(path)
    except CertificateError:
        return True
    # A renamed namespace or domain makes another identity.
    return (
        uris_of(pair.certificate) != [uri]
        or not authority.signed(pair.certificate)
        or is_due(_own_life(pair.life), now=now, renew_before_percent=config.mtls.renew_before_percent)
    )


def _own_life(life: Life) -> Life:
    """Without the time by which certificates are backdated, which is not for use."""
    return Life(min(life.begins + BACKDATED_NS, life.ends), life.ends)


def _ensure_authority(folder: Path, config: ServiceMeshConfig, now: int) -> tuple[list[str], KeyPair]:
    issuing, following = folder / ISSUING, folder / NEXT
    if not issuing.exists():
        return _replace(folder, config, now)
    authority = read_key_pair(issuing)
    announced = read_key_pair(following) if following.exists() else None
    step = authority_step(
        authority.life,
        None if announced is None else announced.life.begins + BACKDATED_NS,
        now=now,
        renew_before_percent=config.mtls.renew_before_percent,
        reload_ms=config.mtls.reload_ms,
    )
    match step:
        case AuthorityStep.REPLACE:
            return _replace(folder, config, now)
        case AuthorityStep.ANNOUNCE:
            return _announce(folder, config, now), authority
        case AuthorityStep.SWITCH:
            assert announced is not None
            following.rename(issuing)
            return [ISSUING, *_write_bundle(folder, [announced], now)], announced
    # A crash may have come between the authority and its bundle.
    return _write_bundle(folder, [authority, *([announced] if announced else [])], now), authority


def _replace(folder: Path, config: ServiceMeshConfig, now: int) -> tuple[list[str], KeyPair]:
    authority = _new(config, now)
    (folder / NEXT).unlink(missing_ok=True)
    authority.write(folder / ISSUING)
    return [ISSUING, *_write_bundle(folder, [authority], now)], authority


def _announce(folder: Path, config: ServiceMeshConfig, now: int) -> list[str]:
    authority = _new(config, now)
    authority.write(folder / NEXT)
    return [NEXT, *_write_bundle(folder, [read_key_pair(folder / ISSUING), authority], now)]


def _new(config: ServiceMeshConfig, now: int) -> KeyPair:
    # A name of its own: where two had the same, a verifier might try the wrong one's key.
    return new_authority(f"{config.mesh_name} authority {secrets.token_hex(4)}", days=config.mtls.ca_days, now=now)


def _write_bundle(folder: Path, pairs: list[KeyPair], now: int) -> list[str]:
    """Trust `pairs` and whoever was trusted before and has not ended: certificates of a former authority are still in use."""
    path = folder / BUNDLE
    try:
        before = read_authorities(path)
    except CertificateError:
        before = []
    trusted = [pair.certificate for pair in pairs]
    trusted += [each for each in before if each not in trusted and life_of(each).ends > now]
    if trusted and set(trusted) == set(before):
        return []
    write_private(path, "".join(certificate_pem(each) for each in trusted))
    return [BUNDLE]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time: two would each make an authority, and one of them would be lost."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    with (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
