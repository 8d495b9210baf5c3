"""Signs configuration documents and opens signed ones. Pure; Ed25519 (RFC 8032) over name and exact bytes."""

from __future__ import annotations

import base64
import binascii

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from trading_workers.snapshot.documents import PLATFORM, PlatformDocument, SignedDocument, TenantDocument

AnyDocument = PlatformDocument | TenantDocument

_encoder = msgspec.json.Encoder()
_document_decoder: msgspec.json.Decoder[AnyDocument] = msgspec.json.Decoder(PlatformDocument | TenantDocument)
_signed_decoder = msgspec.json.Decoder(SignedDocument)


class DocumentRefused(Exception):
    """A received document does not count: not readable, not signed by the relay, or not what its envelope says."""


def sign(document: AnyDocument, key: Ed25519PrivateKey) -> SignedDocument:
    """The envelope that travels."""
    name = name_of(document)
    text = _encoder.encode(document).decode()
    return SignedDocument(
        name=name,
        revision=document.revision,
        document=text,
        signature=base64.b64encode(key.sign(_signed_bytes(name, text))).decode("ascii"),
    )


def encode_signed(signed: SignedDocument) -> bytes:
    return _encoder.encode(signed)


def open_signed(raw: bytes | str, key: Ed25519PublicKey, *, name: str | None = None) -> tuple[SignedDocument, AnyDocument]:
    """The envelope and the document in it. Raises DocumentRefused unless the signature is good and name, revision and kind agree.

    `name`: what the document was asked for under; None takes any.
    """
    try:
        signed = _signed_decoder.decode(raw)
        signature = base64.b64decode(signed.signature, validate=True)
        key.verify(signature, _signed_bytes(signed.name, signed.document))
        document = _document_decoder.decode(signed.document)
    except InvalidSignature as error:
        raise DocumentRefused(f"{name or 'a document'}: the signature is not the relay's") from error
    except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
        raise DocumentRefused(f"{name or 'a document'} cannot be read: {error}") from error
    if name_of(document) != signed.name or document.revision != signed.revision:
        raise DocumentRefused(f"{signed.name}: the envelope does not match the document in it")
    if name is not None and signed.name != name:
        raise DocumentRefused(f"asked for {name}, got {signed.name}")
    return signed, document


def name_of(document: AnyDocument) -> str:
    """The name under which a document is published."""
    return PLATFORM if isinstance(document, PlatformDocument) else document.tenant


def _signed_bytes(name: str, text: str) -> bytes:
    return f"{name}\n{text}".encode()
