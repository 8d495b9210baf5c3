"""Form of API keys: ``tsk_<8 characters>_<secret>``. The first two parts are the visible prefix."""

from __future__ import annotations

import secrets

from django.utils.crypto import salted_hmac

MARK = "tsk"
SECRET_BYTES = 32


def new_key() -> tuple[str, str]:
    """(prefix, secret) of a new key."""
    return f"{MARK}_{secrets.token_hex(4)}", secrets.token_urlsafe(SECRET_BYTES)


def split_key(presented: str) -> tuple[str, str] | None:
    """(prefix, secret) of a presented key, or None when it has not the form of one."""
    mark, _, rest = presented.partition("_")
    name, separator, secret = rest.partition("_")
    if mark != MARK or not separator or len(name) != 8 or not secret:
        return None
    return f"{mark}_{name}", secret


def key_digest(secret: str) -> bytes:
    """Keyed hash of a secret (HMAC-SHA-256 under the platform's secret key): a stolen table proves no key."""
    return salted_hmac("tenants.ApiKey", secret, algorithm="sha256").digest()
