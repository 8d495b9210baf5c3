"""``/api/v1/tokens``: short-lived order tokens for a session or an API key, and their end before they expire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from tenants.models import ApiKey
from tenants.roles import Permission, may
from tenants.services import revoke_tokens
from tenants.tokens import is_token_of, longest_lifetime_seconds, order_token
from trading_workers.doors import only_fields, refused
from trading_workers.reasons import Reason
from trading_workers.rest import problems
from trading_workers.rest.serializers import ProblemSerializer
from trading_workers.rest.views import TenantView, fields_of
from tradsys.mesh.tokens import NS_PER_SECOND

_TOKEN_ID = re.compile(r"[0-9a-f]{32}")


class NewTokenSerializer(serializers.Serializer):  # type: ignore[type-arg]
    lifetime_seconds = serializers.IntegerField(min_value=1, required=False, help_text="Default: the longest that is allowed")


class TokenSerializer(serializers.Serializer):  # type: ignore[type-arg]
    token = serializers.CharField(help_text="Goes into the gRPC metadata as `authorization: Bearer …`; shown this once")
    token_id = serializers.CharField(help_text="Revokes the token")
    expires_at = serializers.DateTimeField()


class TokensView(TenantView):
    permissions = {"POST": Permission.HOLD_TOKENS}

    @extend_schema(
        operation_id="issue_token",
        request=NewTokenSerializer,
        responses={201: TokenSerializer, (400, problems.CONTENT_TYPE): ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        fields = fields_of(request)
        only_fields(fields, ("lifetime_seconds",))
        key = request.auth if isinstance(request.auth, ApiKey) else None
        issued = order_token(membership=self.membership, lifetime_seconds=_lifetime(fields.get("lifetime_seconds")), api_key=key)
        expires_at = datetime.fromtimestamp(issued.expires_at // NS_PER_SECOND, UTC)
        body = {"token": issued.token, "token_id": issued.token_id, "expires_at": expires_at}
        # A kept copy would be a token in somebody's cache.
        return Response(TokenSerializer(body).data, status=201, headers={"Cache-Control": "no-store"})


class TokenView(TenantView):
    permissions = {"DELETE": Permission.HOLD_TOKENS}

    @extend_schema(operation_id="revoke_token", responses={204: None, (404, problems.CONTENT_TYPE): ProblemSerializer})
    def delete(self, request: Request, token_id: str) -> Response:
        """One's own token; an administrator revokes any of his tenant's."""
        anybodys = may(self.membership.role, Permission.MANAGE_TENANT)
        if not _TOKEN_ID.fullmatch(token_id) or not (anybodys or is_token_of(self.membership, token_id)):
            raise NotFound
        reason = "by an administrator" if anybodys else "by its holder"
        revoke_tokens(actor=self.membership.user, tenant=self.membership.tenant, token_id=token_id, reason=reason)
        return Response(status=204)


def _lifetime(value: Any) -> int | None:
    """Raises the refusal ``MALFORMED_REQUEST``."""
    longest = longest_lifetime_seconds()
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= longest:
        expected = f"a whole number from 1 to {longest}"
        raise refused(Reason.MALFORMED_REQUEST, field="lifetime_seconds", expected=expected, found=repr(value)[:80])
    return value
