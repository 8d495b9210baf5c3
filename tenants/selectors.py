"""Reading tenants, people and keys. All of it is in the shared schema, so it works in every scope."""

from __future__ import annotations

import hmac
from datetime import datetime

from django.db.models import QuerySet

from tenants.api_keys import key_digest, split_key
from tenants.kernel.context import current_tenant
from tenants.models import ApiKey, Membership, Tenant, TokenRevocation, User


def tenants() -> QuerySet[Tenant]:
    """All tenants, by slug."""
    return Tenant.objects.order_by("slug")


def tenant_by_slug(*, slug: str) -> Tenant:
    """Raises Tenant.DoesNotExist."""
    return Tenant.objects.get(slug=slug)


def membership_of(*, user: User) -> Membership | None:
    """`user`'s membership in the current tenant; None when he has none, or is not active. Raises TenantNotSet."""
    found = Membership.objects.select_related("tenant", "user")
    return found.filter(user=user, user__is_active=True, tenant_id=current_tenant().tenant_id).first()


def member_by_name(*, username: str) -> Membership | None:
    """The membership of the person of that name in the current tenant. Raises TenantNotSet."""
    found = Membership.objects.select_related("tenant", "user")
    return found.filter(user__username=username, user__is_active=True, tenant_id=current_tenant().tenant_id).first()


def members() -> QuerySet[Membership]:
    """All memberships of the current tenant. Raises TenantNotSet."""
    return Membership.objects.select_related("user").filter(tenant_id=current_tenant().tenant_id)


def api_key_presented(*, presented: str, now: datetime) -> ApiKey | None:
    """The live key of the current tenant that `presented` is, or None.

    None is the one answer for unknown, wrong, expired, revoked and another tenant's. Raises TenantNotSet.
    """
    parts = split_key(presented)
    if parts is None:
        return None
    prefix, secret = parts
    key = ApiKey.objects.select_related("user").filter(prefix=prefix, tenant_id=current_tenant().tenant_id).first()
    # The comparison is made in every case, so that its time tells nothing.
    matches = hmac.compare_digest(bytes(key.digest) if key else b"\0" * 32, key_digest(secret))
    if key is None or not matches or key.revoked_at is not None or key.expires_at <= now or not key.user.is_active:
        return None
    return key


_REVOCATION_KEYS = {TokenRevocation.Kind.USER: "", TokenRevocation.Kind.TOKEN: "jti:", TokenRevocation.Kind.API_KEY: "key:"}


def token_revocations(*, since: datetime) -> dict[str, datetime]:
    """The current tenant's: user name, ``jti:<token id>`` or ``key:<API key prefix>`` → the latest revocation from `since` on.

    Raises TenantNotSet.
    """
    found = TokenRevocation.objects.filter(tenant_id=current_tenant().tenant_id, revoked_at__gte=since).order_by("revoked_at", "id")
    return {
        _REVOCATION_KEYS[TokenRevocation.Kind(kind)] + value: revoked_at
        for kind, value, revoked_at in found.values_list("kind", "value", "revoked_at")
    }
