"""Order tokens for people and programs: what they present to the services in a member's name."""

from __future__ import annotations

import hmac
import secrets
import time
from functools import cache
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils.crypto import salted_hmac

from tenants.models import ApiKey, Membership
from tradsys.configuration import Configuration
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.config.schema import AuthConfig
from tradsys.mesh.tokens import NS_PER_SECOND, issue, load_signing_key

_HALF = 16
"""Characters: a token's id is random in its first half, and its second half proves whose it is without a table of tokens."""


class IssuedToken(NamedTuple):
    token: str
    token_id: str
    expires_at: int
    """Nanoseconds UTC."""


@cache
def _signing_key() -> Ed25519PrivateKey:
    return load_signing_key(Configuration.from_environment().token_signing_key)


@cache
def _authentication() -> AuthConfig:
    return load_mesh_config(Configuration.from_environment().mesh_config_file).authentication


def longest_lifetime_seconds() -> int:
    """As the mesh configuration says. Raises tradsys.mesh.config.reading.MeshConfigError."""
    return _authentication().longest_token_seconds


def order_token(*, membership: Membership, lifetime_seconds: int | None = None, api_key: ApiKey | None = None) -> IssuedToken:
    """A token that lets its bearer act as this member, for his accounts, in his tenant only, for the longest life unless said.

    A token made from `api_key` ends with it at the latest, and when the key is revoked.
    Raises tradsys.mesh.tokens.KeyUnreadable where the signing key is missing, MeshConfigError where the configuration cannot be
    used, and ValueError for a lifetime outside 1 … `longest_lifetime_seconds`.
    """
    now = time.time_ns()
    longest = longest_lifetime_seconds()
    seconds = longest if lifetime_seconds is None else lifetime_seconds
    if api_key is not None:
        seconds = min(seconds, max(1, int(api_key.expires_at.timestamp()) - now // NS_PER_SECOND))
    token_id = _new_token_id(membership)
    token = issue(
        _signing_key(),
        subject=membership.user.username,
        tenant=membership.tenant.slug,
        role=membership.role,
        accounts=membership.accounts,
        now=now,
        lifetime_seconds=seconds,
        longest_lifetime_seconds=longest,
        issuer=_authentication().issuer,
        token_id=token_id,
        api_key="" if api_key is None else api_key.prefix,
    )
    return IssuedToken(token, token_id, (now // NS_PER_SECOND + seconds) * NS_PER_SECOND)


def issue_order_token(*, membership: Membership, lifetime_seconds: int | None = None) -> str:
    """The text of an `order_token`."""
    return order_token(membership=membership, lifetime_seconds=lifetime_seconds).token


def is_token_of(membership: Membership, token_id: str) -> bool:
    """Whether a token of this id was issued to this member here."""
    return len(token_id) == 2 * _HALF and hmac.compare_digest(
        token_id[_HALF:].encode(), _proof(membership, token_id[:_HALF]).encode()
    )


def _new_token_id(membership: Membership) -> str:
    chance = secrets.token_hex(_HALF // 2)
    return chance + _proof(membership, chance)


def _proof(membership: Membership, chance: str) -> str:
    owner = f"{membership.tenant_id}:{membership.user_id}:{chance}"
    return salted_hmac("tenants.tokens", owner, algorithm="sha256").hexdigest()[:_HALF]
