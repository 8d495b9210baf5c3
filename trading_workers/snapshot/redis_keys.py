"""Names in Redis by which relay and workers meet."""

from __future__ import annotations

CHANNEL = "tradsys:snapshots"
"""JSON ``{"name", "revision"}`` is published here after a document was set."""
REVISIONS = "tradsys:snapshot-revisions"
"""Hash: document name → newest revision; a worker that missed a publication sees it here."""
CACHE_OF_DOCUMENTS = "published-documents"
"""Of the web's processes; the relay announces its revisions, with the documents' names as scopes."""
_DOCUMENT = "tradsys:snapshot:"
_ACKS = "tradsys:snapshot-acks:"


def document_key(name: str) -> str:
    """Key of the JSON of one SignedDocument."""
    return _DOCUMENT + name


def acks_key(worker: str) -> str:
    """Hash of one worker: document name → JSON ``{"revision", "applied_at", "lag_ms"}``."""
    return _ACKS + worker
