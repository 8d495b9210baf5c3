"""``/api/v1/candles`` and ``/api/v1/notices``: what instruments traded at, and what the venues said of it."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from exchanges.market_data.intervals import Interval
from exchanges.price_history import selectors
from exchanges.price_history.models import MarketNotice
from tenants.roles import Permission
from trading_workers.doors import refused
from trading_workers.reasons import Reason
from trading_workers.rest import problems
from trading_workers.rest.serializers import MicrosField, ProblemSerializer
from trading_workers.rest.views import TenantView
from trading_workers.snapshot.published import NothingPublished, platform_document
from trading_workers.web_calls import web_calls
from tradsys.mesh.refusals import CallRefusal, CallRefused

INTERVALS = {each.value: each for each in Interval}
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\+00:00")
_NUMBER = re.compile(r"[0-9]{1,19}")
EXCHANGE = OpenApiParameter("exchange", str, required=True, description="Exchange code, such as EGX")
REFUSALS = {
    (400, problems.CONTENT_TYPE): ProblemSerializer,
    (402, problems.CONTENT_TYPE): ProblemSerializer,
    (404, problems.CONTENT_TYPE): ProblemSerializer,
}


class CandleSerializer(serializers.Serializer):  # type: ignore[type-arg]
    time = serializers.DateTimeField(help_text="Its beginning; of a day, midnight UTC of the date at the exchange")
    open = MicrosField()
    high = MicrosField()
    low = MicrosField()
    close = MicrosField()
    volume = serializers.IntegerField(help_text="Shares")


class NoticeSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    class Meta:
        model = MarketNotice
        fields = ("notice_id", "exchange", "kind", "symbols", "headline", "text", "reason", "time")


class OldestFirst(CursorPagination):
    page_size = 500
    max_page_size = 1_000
    page_size_query_param = "page_size"
    ordering = ("time",)
    position = _MOMENT

    def decode_cursor(self, request: Request) -> Cursor | None:
        """Raises NotFound for a cursor that this list never gave out."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not self.position.fullmatch(cursor.position):
            raise NotFound(self.invalid_cursor_message)
        return cursor


class NewestNotices(OldestFirst):
    page_size = 100
    max_page_size = 500
    ordering = ("-time", "-notice_id")
    position = _NUMBER


class MarketView(TenantView):
    """Of an exchange that the tenant's licence includes."""

    def instrument(self, request: Request, *, symbol_needed: bool) -> tuple[str, str]:
        """(exchange, symbol) of the query. Raises CallRefused for the licence, NotFound for what is not listed."""
        exchange, symbol = (request.query_params.get(name, "") for name in ("exchange", "symbol"))
        if not exchange or (symbol_needed and not symbol):
            raise refused(Reason.MALFORMED_REQUEST, field="symbol" if exchange else "exchange", expected="a code", found="")
        slug = self.membership.tenant.slug
        try:
            listed = {(each.exchange, each.symbol) for each in platform_document().instruments}
        except NothingPublished:
            raise CallRefused(CallRefusal.CONFIGURATION_MISSING, tenant=slug) from None
        if exchange not in {each for each, _ in listed} or (symbol and (exchange, symbol) not in listed):
            raise NotFound
        refusal = web_calls().refusal(slug, (f"exchange:{exchange}",))
        if refusal is not None:
            raise CallRefused(refusal, tenant=slug, feature=f"exchange:{exchange}")
        return exchange, symbol


class CandlesView(MarketView):
    permissions = {"GET": Permission.SEE_MARKET}

    @extend_schema(
        operation_id="list_candles",
        parameters=[
            EXCHANGE,
            OpenApiParameter("symbol", str, required=True),
            OpenApiParameter("from", str, description="RFC 3339 moment or a date (its midnight UTC), inclusive"),
            OpenApiParameter("to", str, description="RFC 3339 moment or a date (its midnight UTC), exclusive"),
            OpenApiParameter("interval", str, enum=list(INTERVALS), description="Default: 1m"),
        ],
        responses={200: CandleSerializer(many=True), **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Candles, the oldest first. Minutes without a trade have none."""
        exchange, symbol = self.instrument(request, symbol_needed=True)
        asked = request.query_params.get("interval", Interval.MINUTE.value)
        if asked not in INTERVALS:
            raise refused(Reason.MALFORMED_REQUEST, field="interval", expected=", ".join(INTERVALS), found=asked[:40])
        first, end = _moment(request, "from"), _moment(request, "to")
        if first is not None and end is not None and first >= end:
            raise refused(Reason.MALFORMED_REQUEST, field="to", expected="a moment after from", found=end.isoformat())
        found = selectors.candles(exchange=exchange, symbol=symbol, interval=INTERVALS[asked], first=first, end=end)
        pages = OldestFirst()
        page = pages.paginate_queryset(found, request, view=self)
        return pages.get_paginated_response(CandleSerializer(page, many=True).data)


class NoticesView(MarketView):
    permissions = {"GET": Permission.SEE_MARKET}

    @extend_schema(
        operation_id="list_notices",
        parameters=[EXCHANGE, OpenApiParameter("symbol", str, description="With it: its own notices and the market's")],
        responses={200: NoticeSerializer(many=True), **REFUSALS},
    )
    def get(self, request: Request) -> Response:
        """Halts, resumptions, corporate actions and news, the newest first."""
        exchange, symbol = self.instrument(request, symbol_needed=False)
        pages = NewestNotices()
        page = pages.paginate_queryset(selectors.notices(exchange=exchange, symbol=symbol), request, view=self)
        return pages.get_paginated_response(NoticeSerializer(page, many=True).data)


def _moment(request: Request, name: str) -> datetime | None:
    """Raises the refusal ``MALFORMED_REQUEST``."""
    text = request.query_params.get(name)
    if text is None:
        return None
    # In a query string an unescaped plus is a space.
    written = text.replace(" ", "+")
    found: Any = None
    try:
        found = parse_date(written) or parse_datetime(written)
    except ValueError:
        found = None
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day, tzinfo=UTC)
    if found is None or found.tzinfo is None or not 1970 <= found.year < 2200:
        raise refused(Reason.MALFORMED_REQUEST, field=name, expected="an RFC 3339 moment or a date", found=text[:40])
    return found
