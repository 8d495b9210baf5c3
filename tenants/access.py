"""Guards of views: who asks, in which part, and may he."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from tenants.kernel.context import TenantScope, scope_or_none
from tenants.models import Membership, User
from tenants.roles import Permission, may
from tenants.selectors import membership_of


def membership_of_request(request: HttpRequest) -> Membership | None:
    """The signed-in person's membership in the tenant of the request's host; None where there is none. Read once per request."""
    user = getattr(request, "user", None)
    if user is None or not isinstance(scope_or_none(), TenantScope) or not user.is_authenticated:
        return None
    if not hasattr(request, "_membership"):
        request._membership = membership_of(user=user)  # type: ignore[attr-defined]
    found: Membership | None = request._membership  # type: ignore[attr-defined]
    return found


def user_may(user: User, permission: Permission) -> bool:
    """Whether `user` holds `permission` in the current tenant; false outside every tenant."""
    if not user.is_authenticated or not isinstance(scope_or_none(), TenantScope):
        return False
    membership = membership_of(user=user)
    return membership is not None and may(membership.role, permission)


def permission_required(permission: Permission) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Guard of a tenant's view: signed out goes to the sign-in page, a role without `permission` gets 403."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            membership = membership_of_request(request)
            if membership is None or not may(membership.role, permission):
                raise PermissionDenied(f"{permission} is not held here")
            return view(request, *args, **kwargs)

        return login_required(guarded)

    return decorate
