"""Short-lived tokens of the order path: EdDSA (Ed25519) JSON Web Tokens, issued by the web, verified by the workers.

Pure: keys and the time come in as arguments. Times are int64 nanoseconds UTC here and whole seconds inside the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

ISSUER = "tradsys"
ORDER_WORKER = "order-worker"
"""The audience of tokens for order entry."""
ROLES = frozenset({"administrator", "trader", "viewer", "operator"})
ALL_ACCOUNTS = "*"
LONGEST_LIFETIME_SECONDS = 600
NS_PER_SECOND = 1_000_000_000
CLOCK_LEEWAY_SECONDS = 5
"""How far the issuer's clock may be ahead of ours."""

_REQUIRED = ("iss", "aud", "sub", "tenant", "role", "accounts", "iat", "exp", "jti")
_CACHE_LIMIT = 10_000


class TokenRefused(Exception):
    """The token does not count; the text says why and holds nothing of the token."""


class TokenRevoked(TokenRefused):
    """The token was good and has been revoked since."""


class KeyUnreadable(Exception):
    """A key file is missing or is not a PEM of an Ed25519 key; the text names the file."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Who calls: a user of one tenant, in one role, for some of its accounts. Times in ns UTC."""

    subject: str
    tenant: str
    role: str
    accounts: frozenset[str]
    issued_at: int
    expires_at: int
    token_id: str
    api_key: str = ""
    """Prefix of the API key that the token was made from; empty where a person or a service made it."""

    def may_use(self, account: str) -> bool:
        return account in self.accounts or ALL_ACCOUNTS in self.accounts


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Private key of a PEM file. Raises KeyUnreadable."""
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnreadable(f"{path} is not a PEM private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(f"{path} is not an Ed25519 key")
    return key


def load_verification_key(path: Path) -> Ed25519PublicKey:
    """Public key of a PEM file. Raises KeyUnreadable."""
    try:
        key = load_pem_public_key(_read(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnreadable(f"{path} is not a PEM public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnreadable(f"{path} is not an Ed25519 key")
    return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyUnreadable(f"{path} cannot be read: {error.strerror}") from error


def issue(
    key: Ed25519PrivateKey,
    *,
    subject: str,
    tenant: str,
    role: str,
    accounts: Collection[str],
    now: int,
    lifetime_seconds: int = LONGEST_LIFETIME_SECONDS,
    longest_lifetime_seconds: int = LONGEST_LIFETIME_SECONDS,
    audience: str = ORDER_WORKER,
    issuer: str = ISSUER,
    token_id: str = "",
    api_key: str = "",
) -> str:
    """A signed token for `subject`, of a random id unless `token_id` is given. `accounts` are codes, or ``["*"]`` for all of them.

    Raises ValueError for an unknown role or a lifetime outside 1 … `longest_lifetime_seconds`.
    """
    if role not in ROLES:
        raise ValueError(f"{role!r} is not a role: {', '.join(sorted(ROLES))}")
    if not 1 <= lifetime_seconds <= longest_lifetime_seconds:
        raise ValueError(f"a token lives 1 to {longest_lifetime_seconds} seconds, not {lifetime_seconds}")
    issued = now // NS_PER_SECOND
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "tenant": tenant,
        "role": role,
        "accounts": sorted(accounts),
        "iat": issued,
        # A token made in the second in which older ones were revoked is not one of them.
        "iat_ns": now,
        "exp": issued + lifetime_seconds,
        "jti": token_id or secrets.token_hex(16),
    }
    if api_key:
        claims["key"] = api_key
    return jwt.encode(claims, key, algorithm="EdDSA")


class TokenVerifier:
    """Verifies tokens of one audience. A signature is checked once; expiry and revocation at every call.

    `revoked` says whether a token that is good otherwise has been revoked; it is asked every time, so it looks in memory only.
    """

    def __init__(
        self,
        key: Ed25519PublicKey,
        *,
        audience: str = ORDER_WORKER,
        issuer: str = ISSUER,
        longest_lifetime_seconds: int = LONGEST_LIFETIME_SECONDS,
        leeway_seconds: int = CLOCK_LEEWAY_SECONDS,
        revoked: Callable[[Claims], bool] | None = None,
    ) -> None:
        self._key = key
        self._audience = audience
        self._issuer = issuer
        self._longest_seconds = longest_lifetime_seconds
        self._leeway_ns = leeway_seconds * NS_PER_SECOND
        self.revoked = revoked
        self._verified: dict[str, Claims] = {}

    def is_revoked(self, claims: Claims) -> bool:
        """Whether the token of these claims counts no more, for a stream that it opened."""
        return self.revoked is not None and self.revoked(claims)

    def verify(self, token: str, *, now: int) -> Claims:
        """The token's claims. Raises TokenRefused for anything but a valid, unexpired token for this audience, TokenRevoked
        (which is one) for a revoked one.
        """
        claims = self._verified.get(token)
        if claims is None:
            claims = self._checked(token)
        try:
            self.look_again(claims, now=now)
        except TokenRefused:
            self._verified.pop(token, None)
            raise
        if token not in self._verified:
            if len(self._verified) >= _CACHE_LIMIT:
                self._forget(now)
            self._verified[token] = claims
        return claims

    def look_again(self, claims: Claims, *, now: int) -> None:
        """At a token that was verified before. Raises TokenRefused when it does not count at `now`, TokenRevoked among others."""
        if now >= claims.expires_at:
            raise TokenRefused("the token has expired")
        if claims.issued_at > now + self._leeway_ns:
            raise TokenRefused("the token is not valid yet")
        if self.revoked is not None and self.revoked(claims):
            raise TokenRevoked("the token has been revoked")

    def _checked(self, token: str) -> Claims:
        try:
            payload = jwt.decode(
                token,
                self._key,
                algorithms=["EdDSA"],
                audience=self._audience,
                issuer=self._issuer,
                # Times are checked by the caller's clock, at every use of the cached claims.
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            raise TokenRefused(f"the token is not valid ({type(error).__name__})") from error
        return _claims(payload, self._longest_seconds)

    def _forget(self, now: int) -> None:
        """Drop what has expired, and the oldest half if that is not enough."""
        alive = {token: claims for token, claims in self._verified.items() if claims.expires_at > now}
        if len(alive) >= _CACHE_LIMIT:
            alive = dict(list(alive.items())[_CACHE_LIMIT // 2 :])
        self._verified = alive


def _claims(payload: Mapping[str, Any], longest_seconds: int) -> Claims:
    subject, tenant, role, accounts = payload["sub"], payload["tenant"], payload["role"], payload["accounts"]
    issued, expires = payload["iat"], payload["exp"]
    if not (isinstance(subject, str) and isinstance(tenant, str) and subject and tenant):
        raise TokenRefused("the token names no user or no tenant")
    if role not in ROLES:
        raise TokenRefused("the token names an unknown role")
    if not isinstance(accounts, list) or not all(isinstance(each, str) for each in accounts):
        raise TokenRefused("the token's accounts are not a list of codes")
    if type(issued) is not int or type(expires) is not int or not 0 < expires - issued <= longest_seconds:
        raise TokenRefused(f"the token's lifetime is not 1 to {longest_seconds} seconds")
    exactly, key = payload.get("iat_ns", issued * NS_PER_SECOND), payload.get("key", "")
    if type(exactly) is not int or exactly // NS_PER_SECOND != issued:
        raise TokenRefused("the token's two times of issue disagree")
    if not isinstance(key, str):
        raise TokenRefused("the token names its API key in no way that is known")
    return Claims(
        subject=subject,
        tenant=tenant,
        role=role,
        accounts=frozenset(accounts),
        issued_at=exactly,
        expires_at=expires * NS_PER_SECOND,
        token_id=str(payload["jti"]),
        api_key=key,
    )
