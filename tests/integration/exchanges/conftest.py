"""Reference data loaded from the project's files, in the platform's scope, and a signer with a key."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class KeyHolder:
    """A signer as stored, and the private key that only he has."""

    signer: object
    key: Ed25519PrivateKey


@pytest.fixture
def platform(db: None) -> Iterator[None]:
    from tenants.kernel.entry_points import platform_scope

    with platform_scope():
        yield


@pytest.fixture
def reference_data(platform: None) -> None:
    from exchanges.loading import load_reference_data

    load_reference_data(actor="tester")


@pytest.fixture
def operator(platform: None) -> KeyHolder:
    return make_signer("demo operator", "operator")


@pytest.fixture
def board(platform: None) -> KeyHolder:
    return make_signer("demo board", "board")


def make_signer(name: str, kind: str) -> KeyHolder:
    from exchanges.models import Signer
    from exchanges.services import save_signer
    from exchanges.signatures import public_key_text

    key = Ed25519PrivateKey.generate()
    return KeyHolder(save_signer(actor="tester", signer=Signer(name=name, kind=kind, public_key=public_key_text(key))), key)
