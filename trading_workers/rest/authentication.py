"""Programs bring ``Authorization: Api-Key tsk_…``; people bring their session."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from tenants.selectors import api_key_presented

SCHEME = "Api-Key"


class ApiKeyAuthentication(BaseAuthentication):
    """The key's user, in the key's tenant only. Unknown, wrong, expired, revoked and foreign keys get one answer."""

    def authenticate(self, request: Any) -> tuple[Any, Any] | None:
        scheme, _, presented = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        key = api_key_presented(presented=presented.strip(), now=timezone.now()) if scheme == SCHEME else None
        if key is None:
            raise AuthenticationFailed("The API key is not valid here. Ask an administrator of the broker for a new one.")
        return key.user, key

    def authenticate_header(self, request: Any) -> str:
        return SCHEME


class ApiKeyInSchema(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document tells of the scheme."""

    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": "Authorization", "description": f"{SCHEME} tsk_…"}


AUTHENTICATION = (ApiKeyAuthentication, SessionAuthentication)
