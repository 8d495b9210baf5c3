"""HTTP entry point: the request's host decides whose data it may touch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware

from tenants.kernel.directory import TenantEntry, directory
from tenants.kernel.entry_points import enter_for_http, platform_scope

OPERATOR = "operator"


def host_name(request: HttpRequest) -> str:
    """The request's host without port, in lower case; empty when the header is no host name at all."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return ""
    return host.rsplit(":", 1)[0].rstrip(".").lower() if not host.endswith("]") else host


@sync_and_async_middleware
def tenant_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Serve an operator's host in the platform's scope, a tenant's host in the tenant's, and no other host.

    Sets `request.tenant` (TenantScope, or None on an operator's host) and `request.urlconf`. Unknown host: 404;
    suspended tenant: 403.
    """

    def prepare(request: HttpRequest, found: TenantEntry | str | None) -> HttpResponse | None:
        if found is None:
            return render(request, "tenants/unknown_host.html", {"host": host_name(request)}, status=404)
        if found == OPERATOR:
            request.tenant = None  # type: ignore[attr-defined]
            request.urlconf = settings.OPERATOR_URLCONF
            return None
        assert isinstance(found, TenantEntry)
        if found.suspended:
            return render(request, "tenants/suspended.html", {"host": host_name(request)}, status=403)
        request.tenant = found.scope  # type: ignore[attr-defined]
        request.urlconf = settings.TENANT_URLCONF
        return None

    def scope_of(found: TenantEntry | str | None) -> Any:
        return enter_for_http(found) if isinstance(found, TenantEntry) else platform_scope()

    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            host = host_name(request)
            found: TenantEntry | str | None = OPERATOR if host in settings.OPERATOR_HOSTS else directory.known_host(host)
            if found is None:
                found = await sync_to_async(directory.find_host)(host)
            refusal = prepare(request, found)
            if refusal is not None:
                return refusal
            with scope_of(found):
                return await get_response(request)

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse:
        host = host_name(request)
        found = OPERATOR if host in settings.OPERATOR_HOSTS else directory.find_host(host)
        refusal = prepare(request, found)
        if refusal is not None:
            return refusal
        with scope_of(found):
            return get_response(request)

    return synchronous
