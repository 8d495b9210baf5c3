"""What every page may show of where it is and who reads it."""

from __future__ import annotations

from django.http import HttpRequest

from tenants.access import membership_of_request


def tenant(request: HttpRequest) -> dict[str, object]:
    """`tenant_name`, `role` and `role_name` of the signed-in person; nothing on the operator's site or before signing in."""
    membership = membership_of_request(request)
    if membership is None:
        return {}
    return {"tenant_name": membership.tenant.local_name, "role": membership.role, "role_name": membership.get_role_display()}
