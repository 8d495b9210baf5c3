"""Order tokens for people: what the web presents to the order workers in their name."""

from __future__ import annotations

import time
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenants.models import Membership
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import LONGEST_LIFETIME_SECONDS, issue, load_signing_key


@cache
def _signing_key() -> Ed25519PrivateKey:
    return load_signing_key(Configuration.from_environment().token_signing_key)


def issue_order_token(*, membership: Membership, lifetime_seconds: int = LONGEST_LIFETIME_SECONDS) -> str:
    """A token that lets its bearer act on order workers as this member, for his accounts, in his tenant only.

    Raises tradsys.mesh.tokens.KeyUnreadable where the signing key is missing, ValueError for a lifetime outside 1 … 600 s.
    """
    return issue(
        _signing_key(),
        subject=membership.user.username,
        tenant=membership.tenant.slug,
        role=membership.role,
        accounts=membership.accounts,
        now=time.time_ns(),
        lifetime_seconds=lifetime_seconds,
    )
