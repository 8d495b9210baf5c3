"""Order tokens: what is issued verifies, and nothing else does."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradsys.mesh.tokens import NS_PER_SECOND, TokenRefused, TokenVerifier, issue

NOW = 1_790_000_000 * NS_PER_SECOND
KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def verifier() -> TokenVerifier:
    return TokenVerifier(KEY.public_key())


def good(**changes: object) -> str:
    claims = {"subject": "sara", "tenant": "nile", "role": "trader", "accounts": ["NILE-001"], "now": NOW, **changes}
    return issue(KEY, **claims)  # type: ignore[arg-type]


def test_an_issued_token_gives_back_its_claims(verifier: TokenVerifier) -> None:
    claims = verifier.verify(good(), now=NOW)
    assert (claims.subject, claims.tenant, claims.role) == ("sara", "nile", "trader")
    assert claims.may_use("NILE-001")
    assert not claims.may_use("NILE-002")


def test_a_star_opens_every_account(verifier: TokenVerifier) -> None:
    assert verifier.verify(good(accounts=["*"]), now=NOW).may_use("anything")


def test_a_token_ends_at_its_expiry_also_when_it_was_verified_before(verifier: TokenVerifier) -> None:
    token = good(lifetime_seconds=10)
    verifier.verify(token, now=NOW + 9 * NS_PER_SECOND)
    with pytest.raises(TokenRefused, match="expired"):
        verifier.verify(token, now=NOW + 10 * NS_PER_SECOND)


def test_a_token_from_the_future_does_not_count_yet(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused, match="not valid yet"):
        verifier.verify(good(now=NOW + 60 * NS_PER_SECOND), now=NOW)


def test_a_token_for_another_service_does_not_count(verifier: TokenVerifier) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(good(audience="somewhere-else"), now=NOW)


@pytest.mark.parametrize("missing", ["tenant", "role", "accounts", "exp", "iat", "jti", "sub", "iss", "aud"])
def test_a_token_without_a_claim_does_not_count(verifier: TokenVerifier, missing: str) -> None:
    claims = jwt.decode(good(), options={"verify_signature": False})
    del claims[missing]
    with pytest.raises(TokenRefused):
        verifier.verify(jwt.encode(claims, KEY, algorithm="EdDSA"), now=NOW)


def test_a_token_that_lives_too_long_does_not_count(verifier: TokenVerifier) -> None:
    claims = jwt.decode(good(), options={"verify_signature": False})
    claims["exp"] = claims["iat"] + 601
    with pytest.raises(TokenRefused, match="lifetime"):
        verifier.verify(jwt.encode(claims, KEY, algorithm="EdDSA"), now=NOW)


def test_a_token_signed_with_another_algorithm_or_key_does_not_count(verifier: TokenVerifier) -> None:
    claims = jwt.decode(good(), options={"verify_signature": False})
    for forged in (
        jwt.encode(claims, "x" * 64, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        jwt.encode(claims, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
    ):
        with pytest.raises(TokenRefused):
            verifier.verify(forged, now=NOW)


def test_a_role_or_lifetime_that_does_not_exist_cannot_be_issued() -> None:
    with pytest.raises(ValueError, match="role"):
        good(role="emperor")
    with pytest.raises(ValueError, match="seconds"):
        good(lifetime_seconds=601)
