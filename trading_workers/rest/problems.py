"""One error shape for the whole REST API: RFC 9457 problem details with a machine code."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.reasons import Reason
from tradsys.mesh.refusals import CallRefused

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/reason-codes#"


def problem(status: int, code: str, detail: str, figures: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A response of media type ``application/problem+json``; ``figures`` are what the rule compared."""
    body = {
        "type": TYPE_PREFIX + code.lower(),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        "figures": dict(figures or {}),
        **more,
    }
    return Response(body, status=status, content_type=CONTENT_TYPE)


def handle(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """DRF's exception handler. What it does not know is left to Django, which answers 500 and logs it."""
    set_rollback()
    if isinstance(error, OrderRefused):
        return problem(error.http_status, error.code, error.rule, error.figures)
    if isinstance(error, CallRefused):
        return problem(error.refusal.http_status, error.refusal.name, error.refusal.rule, error.figures)
    if isinstance(error, OrderPathUnavailable):
        return problem(
            503,
            "OUTCOME_UNKNOWN",
            "No order worker answered in time. Send the same instruction with the same client order id again.",
            {"cause": str(error)[:200]},
        )
    if isinstance(error, Http404 | exceptions.NotFound):
        return problem(404, "NOT_FOUND", "There is nothing at this address for you.")
    if isinstance(error, exceptions.PermissionDenied) and str(error.detail).startswith("CSRF Failed"):
        return problem(403, "CSRF_FAILED", str(error.detail))
    if isinstance(error, PermissionDenied | exceptions.PermissionDenied):
        return problem(403, Reason.ROLE_NOT_PERMITTED.name, str(error) or Reason.ROLE_NOT_PERMITTED.rule)
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        response = problem(401, Reason.UNAUTHENTICATED.name, str(error.detail))
        response["WWW-Authenticate"] = getattr(error, "auth_header", None) or "Api-Key"
        return response
    if isinstance(error, exceptions.ParseError):
        return problem(400, Reason.MALFORMED_REQUEST.name, f"The body is not valid JSON: {error.detail}")
    if isinstance(error, exceptions.APIException):
        code = str(error.get_codes()).upper() if isinstance(error.get_codes(), str) else Reason.MALFORMED_REQUEST.name
        response = problem(error.status_code, code, str(error.detail))
        wait = getattr(error, "wait", None)
        if wait is not None:
            response["Retry-After"] = str(int(wait))
        return response
    return None
