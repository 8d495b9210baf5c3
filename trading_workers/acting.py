"""The order path in the name of a signed-in member: which worker, which token, which door."""

from __future__ import annotations

import time

from tenants.models import Membership
from tenants.tokens import issue_order_token
from trading_workers.client.errors import OrderPathUnavailable
from trading_workers.client.gateway import OrderGateway
from tradsys.configuration import Configuration

TOKEN_REUSE_SECONDS = 60
"""A role or account taken away ends within this time; signing anew for each click would cost more than it protects."""

_tokens: dict[tuple[int, str, str], tuple[str, float]] = {}


def gateway_for(membership: Membership, *, door: str) -> OrderGateway:
    """``door`` is kept with each order: "rest", "page" or "command". Raises OrderPathUnavailable when no worker is configured."""
    configuration = Configuration.from_environment()
    address = next(iter(configuration.order_workers.values()), None)
    if address is None:
        raise OrderPathUnavailable("TRADSYS_ORDER_WORKERS names no order worker")
    return OrderGateway(str(address), _token(membership), door=door)


def _token(membership: Membership) -> str:
    key = (membership.pk, membership.role, ",".join(sorted(membership.accounts)))
    token, until = _tokens.get(key, ("", 0.0))
    now = time.monotonic()
    if now >= until:
        if len(_tokens) > 10_000:
            _tokens.clear()
        token = issue_order_token(membership=membership)
        _tokens[key] = (token, now + TOKEN_REUSE_SECONDS)
    return token


def visible_accounts(membership: Membership) -> frozenset[str] | None:
    """Codes that the member may see; None stands for all of the tenant's."""
    return None if "*" in membership.accounts else frozenset(membership.accounts)
