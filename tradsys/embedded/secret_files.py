"""Passwords and keys of one data folder, made at first start and kept in files that only their owner reads.

``python -m tradsys.embedded.secret_files --var DIR`` makes them without starting anything.
"""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SIGNING_KEYS = ("token-signing", "snapshot-signing")
_RANDOM_TEXTS = {"django-secret-key": 64, "postgres-superuser-password": 24, "postgres-password": 24, "redis-password": 24}


def ensure_secrets(folder: Path) -> None:
    """Make what is missing in `folder` (mode 0700, files 0600): passwords, Django's key, Ed25519 key pairs as PEM.

    What exists is left as it is, so that data made with it stays readable.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, size in _RANDOM_TEXTS.items():
        if not (folder / name).exists():
            write_private(folder / name, secrets.token_urlsafe(size) + "\n")
    for name in _SIGNING_KEYS:
        if not (folder / f"{name}.pem").exists():
            _write_key_pair(folder, name)


def read_secret(folder: Path, name: str) -> str:
    """The text of one secret without its line end; raises OSError when it cannot be read."""
    return (folder / name).read_text(encoding="ascii").strip()


def write_private(path: Path, text: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write a file of mode 0600 in one step: a reader sees the old text or the new one, never a part.

    `owner` is the (uid, gid) it is given to.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    unfinished.rename(path)


def _write_key_pair(folder: Path, name: str) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    # The public half first: a crash in between leaves no private key without its pair.
    write_private(folder / f"{name}.pub.pem", public.decode("ascii"))
    write_private(
        folder / f"{name}.pem",
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode(
            "ascii"
        ),
    )


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(prog="python -m tradsys.embedded.secret_files", description=__doc__)
    _parser.add_argument("--var", type=Path, required=True, help="data folder")
    ensure_secrets(_parser.parse_args().var.absolute() / "secrets")
