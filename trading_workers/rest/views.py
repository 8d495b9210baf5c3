"""``/api/v1``: orders, and what an order needs to be written."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import APIException, MethodNotAllowed, NotFound, ParseError, PermissionDenied
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from licensing.licence_check import API_CALLS
from tenants.access import membership_of_request
from tenants.models import Membership
from tenants.roles import Permission, may
from trading_workers.acting import gateway_for, visible_accounts
from trading_workers.blotter import selectors as blotter
from trading_workers.client.order_log import ack_fields
from trading_workers.doors import cancel_from_fields, new_client_order_id, only_fields, order_from_fields, refused
from trading_workers.reasons import Reason
from trading_workers.rest import problems
from trading_workers.rest.authentication import AUTHENTICATION
from trading_workers.rest.serializers import (
    AckSerializer,
    CancelSerializer,
    NewOrderSerializer,
    OrderSerializer,
    ProblemSerializer,
)
from trading_workers.web_calls import web_calls
from tradsys.mesh.refusals import CallRefused

_NANOSECONDS = re.compile(r"[0-9]{1,19}")

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Used as client_order_id where the body has none"
)


LONGEST_BODY = 64 * 1024
"""Bytes; an order has less than one thousand."""


class BodyTooLong(APIException):
    status_code = 413
    default_code = Reason.MALFORMED_REQUEST.name
    default_detail = f"A body has at most {LONGEST_BODY} bytes."


class TenantView(APIView):
    """A member of this host's tenant who holds ``permissions[method]``; a method without an entry is denied."""

    authentication_classes = AUTHENTICATION
    permissions: Mapping[str, Permission] = {}
    licensed: frozenset[str] = frozenset({"GET"})
    """Methods that need a licence in force and count as calls. An order's licence is checked on the order path, which counts it."""

    def get_exception_handler(self) -> Any:
        return problems.handle

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        django_request: HttpRequest = request._request
        # An API key has set the user on DRF's request only; the membership is read for that user.
        django_request.user = request.user
        membership = membership_of_request(django_request)
        if request.method not in self.permissions and request.method not in ("HEAD", "OPTIONS"):
            raise MethodNotAllowed(str(request.method))
        permission = self.permissions.get(str(request.method))
        if membership is None or permission is None or not may(membership.role, permission):
            raise PermissionDenied
        self.membership: Membership = membership
        if request.method in self.licensed:
            refusal = web_calls().refusal(membership.tenant.slug, meter=API_CALLS)
            if refusal is not None:
                raise CallRefused(refusal, tenant=membership.tenant.slug)
            self._counted_from: tuple[int, int] | None = (time.time_ns(), time.perf_counter_ns())

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        counted_from = getattr(self, "_counted_from", None)
        if counted_from is not None:
            web_calls().record(
                tenant=self.membership.tenant.slug,
                operation=f"rest/{type(self).__name__}",
                subject=self.membership.user.username,
                success=answer.status_code < 400,
                began_at=counted_from[0],
                duration=time.perf_counter_ns() - counted_from[1],
            )
        return answer


def fields_of(request: Request) -> dict[str, Any]:
    """The JSON object of the body. Raises the refusal ``MALFORMED_REQUEST`` for any other JSON, BodyTooLong, ParseError."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > LONGEST_BODY:
        raise BodyTooLong
    try:
        data = request.data
    except RecursionError as error:
        raise ParseError("nested too deeply") from error
    if not isinstance(data, dict):
        found = json.dumps(data)[:80]
        raise refused(Reason.MALFORMED_REQUEST, field="body", expected="a JSON object", found=found)
    return dict(data)


def with_identity(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    if "client_order_id" not in fields:
        fields["client_order_id"] = request.headers.get("Idempotency-Key") or new_client_order_id()
    return fields


class NewestFirst(CursorPagination):
    page_size = 100
    max_page_size = 500
    page_size_query_param = "page_size"
    ordering = ("-accepted_at", "-id")

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises NotFound for a cursor that this list never gave out."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not _NANOSECONDS.fullmatch(cursor.position):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class OrdersView(TenantView):
    permissions = {"GET": Permission.SEE_ORDERS, "POST": Permission.PLACE_ORDERS}

    @extend_schema(
        operation_id="list_orders",
        responses=OrderSerializer(many=True),
        parameters=[OpenApiParameter("open", bool, description="Only orders that can still fill")],
    )
    def get(self, request: Request) -> Response:
        open_only = request.query_params.get("open", "") in ("1", "true")
        found = blotter.orders(accounts=visible_accounts(self.membership), open_only=open_only)
        pages = NewestFirst()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(OrderSerializer(page, many=True).data)

    @extend_schema(
        operation_id="place_order",
        request=NewOrderSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={201: AckSerializer, 200: AckSerializer, (422, problems.CONTENT_TYPE): ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        order = order_from_fields(with_identity(request, fields_of(request)))
        ack = gateway_for(self.membership, door="rest").place(order)
        return Response(AckSerializer(ack_fields(ack)).data, status=200 if ack.duplicate else 201)


class OrderView(TenantView):
    permissions = {"GET": Permission.SEE_ORDERS}

    @extend_schema(operation_id="get_order", responses={200: OrderSerializer, (404, problems.CONTENT_TYPE): ProblemSerializer})
    def get(self, request: Request, account: str, client_order_id: str) -> Response:
        accounts = visible_accounts(self.membership)
        if not (account + client_order_id).isprintable() or (accounts is not None and account not in accounts):
            raise NotFound
        order = blotter.order_by_client_id(account=account, client_order_id=client_order_id)
        if order is None:
            raise NotFound
        return Response(OrderSerializer(order).data)


class CancelView(TenantView):
    permissions = {"POST": Permission.CANCEL_ORDERS}

    @extend_schema(
        operation_id="cancel_order",
        request=CancelSerializer,
        parameters=[IDEMPOTENCY_KEY],
        responses={202: AckSerializer, (409, problems.CONTENT_TYPE): ProblemSerializer},
    )
    def post(self, request: Request, account: str, client_order_id: str) -> Response:
        fields = fields_of(request)
        only_fields(fields, ("client_order_id",))
        fields = with_identity(request, fields)
        fields |= {"account": account, "orig_client_order_id": client_order_id}
        ack = gateway_for(self.membership, door="rest").cancel(cancel_from_fields(fields))
        return Response(AckSerializer(ack_fields(ack)).data, status=202)


class NoSuchAddressView(TenantView):
    """Every other address below ``/api/``: a program gets the problem it can read, not the site's page."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound
