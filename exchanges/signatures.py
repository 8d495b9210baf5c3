"""Ed25519 signatures under data sets. Pure: text and keys in, base64 out."""

from __future__ import annotations

import base64
import binascii

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

# Signed with the document, so that a signature made for another purpose never counts here.
_CONTEXT = b"tradsys data set\n"


def sign_document(document: str, private_key: Ed25519PrivateKey) -> str:
    """Return the base64 signature over the exact text of a data set."""
    return base64.b64encode(private_key.sign(_CONTEXT + document.encode())).decode()


def is_signed_by(document: str, signature: str, public_key: str) -> bool:
    """Tell whether ``signature`` (base64) over ``document`` was made with the key of ``public_key`` (base64)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), _CONTEXT + document.encode())
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def public_key_text(private_key: Ed25519PrivateKey) -> str:
    """Return the base64 text of the key's public half, as ``Signer.public_key`` stores it."""
    return base64.b64encode(private_key.public_key().public_bytes_raw()).decode()
