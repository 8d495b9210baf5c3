"""Order tokens: what is issued verifies, and nothing else does."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradsys.mesh.tokens import NS_PER_SECOND, Claims, TokenRefused, TokenRevoked, TokenVerifier, issue

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


def test_a_revocation_counts_at_the_next_use_of_a_token_that_was_verified_before() -> None:
    revoked: set[str] = set()
    verifier = TokenVerifier(KEY.public_key(), revoked=lambda claims: claims.subject in revoked)
    token = good()
    claims = verifier.verify(token, now=NOW)
    assert not verifier.is_revoked(claims)
    revoked.add("sara")
    for _ in range(2):
        with pytest.raises(TokenRevoked, match="revoked"):
            verifier.verify(token, now=NOW)
    assert verifier.is_revoked(claims)
    assert verifier.verify(good(subject="omar"), now=NOW).subject == "omar"


def test_an_expired_token_is_expired_also_when_it_was_revoked() -> None:
    verifier = TokenVerifier(KEY.public_key(), revoked=lambda claims: True)
    with pytest.raises(TokenRefused, match="expired"):
        verifier.verify(good(lifetime_seconds=1), now=NOW + NS_PER_SECOND)


def test_issuer_lifetime_and_leeway_are_those_of_the_configuration() -> None:
    ours = TokenVerifier(KEY.public_key(), issuer="other", longest_lifetime_seconds=60, leeway_seconds=0)
    assert ours.verify(good(issuer="other", lifetime_seconds=60), now=NOW).subject == "sara"
    with pytest.raises(TokenRefused):
        ours.verify(good(lifetime_seconds=60), now=NOW)
    with pytest.raises(TokenRefused, match="not 1 to 60 seconds"):
        ours.verify(good(issuer="other", lifetime_seconds=61), now=NOW)
    with pytest.raises(TokenRefused, match="not valid yet"):
        ours.verify(good(issuer="other", lifetime_seconds=60, now=NOW + 1), now=NOW)
    with pytest.raises(ValueError, match="1 to 60"):
        good(lifetime_seconds=61, longest_lifetime_seconds=60)


def test_a_token_tells_its_exact_time_its_id_and_its_api_key(verifier: TokenVerifier) -> None:
    claims = verifier.verify(good(now=NOW + 123, token_id="a1", api_key="tsk_00000000"), now=NOW + NS_PER_SECOND)
    assert (claims.issued_at, claims.token_id, claims.api_key) == (NOW + 123, "a1", "tsk_00000000")
    assert verifier.verify(good(), now=NOW).api_key == ""


@pytest.mark.parametrize(
    "changes", [{"iat_ns": NOW + NS_PER_SECOND}, {"iat_ns": NOW - 1}, {"iat_ns": "x"}, {"key": 7}, {"key": None}]
)
def test_a_token_whose_added_claims_make_no_sense_does_not_count(verifier: TokenVerifier, changes: dict[str, object]) -> None:
    claims = {**jwt.decode(good(), options={"verify_signature": False}), **changes}
    with pytest.raises(TokenRefused):
        verifier.verify(jwt.encode(claims, KEY, algorithm="EdDSA"), now=NOW)


def test_a_token_of_the_time_before_the_exact_claim_counts_from_its_second(verifier: TokenVerifier) -> None:
    claims = jwt.decode(good(now=NOW + 5), options={"verify_signature": False})
    del claims["iat_ns"]
    found: Claims = verifier.verify(jwt.encode(claims, KEY, algorithm="EdDSA"), now=NOW)
    assert found.issued_at == NOW
