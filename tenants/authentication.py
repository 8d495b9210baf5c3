"""Who may be signed in where: operators on the operator's site, members on their tenant's."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend

from tenants.kernel.context import PlatformScope, TenantScope, scope_or_none
from tenants.models import Membership, User


def may_be_here(user: User) -> bool:
    """Whether `user` belongs to the site of the current scope; nobody belongs anywhere outside a scope."""
    if not user.is_active:
        return False
    match scope_or_none():
        case PlatformScope():
            return user.is_staff
        case TenantScope(tenant_id=tenant_id):
            return Membership.objects.filter(user=user, tenant_id=tenant_id).exists()
    return False


class ScopedBackend(ModelBackend):
    """Passwords as Django keeps them, and a person counts only on a site he belongs to.

    A right password on another tenant's host gets the answer of a wrong one, after the same work: the password is
    checked first. The question is asked again at every request, so a membership that ends ends the session too, and a session
    cookie carried to another host is worth nothing there.
    """

    def authenticate(self, request: Any, username: str | None = None, password: str | None = None, **kwargs: Any) -> User | None:
        return super().authenticate(request, username=username, password=password, **kwargs)

    def user_can_authenticate(self, user: Any) -> bool:
        return may_be_here(user)
