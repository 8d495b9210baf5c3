"""The order path in the name of a signed-in member: which worker, which token, which door."""

from __future__ import annotations

import time
from datetime import datetime

from tenants.models import Membership
from tenants.tokens import issue_order_token
from trading_workers.client.errors import OrderPathUnavailable
from trading_workers.client.gateway import OrderGateway
from trading_workers.client.workers import MeshWorkers
from tradsys.configuration import Configuration
from tradsys.mesh.channels.process import process_channels
from tradsys.mesh.config.reading import MeshConfigError
from tradsys.mesh.trust.x509_files import CertificateError

TOKEN_REUSE_SECONDS = 60
"""A role or account taken away ends within this time; signing anew for each click would cost more than it protects."""

_tokens: dict[tuple[int, str, str, datetime | None], tuple[str, float]] = {}


WEB, COMMAND = "web", "command"
"""Whose certificate is shown to the workers. A door of people counts only in the mouth of one of the platform's own services."""


def gateway_for(membership: Membership, *, door: str) -> OrderGateway:
    """``door`` is kept with each order: "rest", "page" or "command". Raises OrderPathUnavailable."""
    try:
        channels = process_channels(COMMAND if door == "command" else WEB, Configuration.from_environment())
    except (MeshConfigError, CertificateError) as error:
        raise OrderPathUnavailable(f"nothing was sent: {error}") from error
    return OrderGateway(MeshWorkers(channels, tenant=membership.tenant.slug), _token(membership), door=door)


def _token(membership: Membership) -> str:
    key = (membership.pk, membership.role, ",".join(sorted(membership.accounts)), membership.tokens_revoked_at)
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
