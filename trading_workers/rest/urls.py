"""Addresses of the REST API on a tenant's host."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from trading_workers.rest.market_views import CandlesView, NoticesView
from trading_workers.rest.token_views import TokensView, TokenView
from trading_workers.rest.views import CancelView, NoSuchAddressView, OrdersView, OrderView

urlpatterns = [
    path("api/v1/schema", SpectacularAPIView.as_view(), name="api_schema"),
    path("api/v1/orders", OrdersView.as_view(), name="api_orders"),
    path("api/v1/orders/<str:account>/<str:client_order_id>", OrderView.as_view(), name="api_order"),
    path("api/v1/orders/<str:account>/<str:client_order_id>/cancel", CancelView.as_view(), name="api_cancel"),
    path("api/v1/candles", CandlesView.as_view(), name="api_candles"),
    path("api/v1/notices", NoticesView.as_view(), name="api_notices"),
    path("api/v1/tokens", TokensView.as_view(), name="api_tokens"),
    path("api/v1/tokens/<str:token_id>", TokenView.as_view(), name="api_token"),
    path("api/<path:address>", NoSuchAddressView.as_view(), name="api_nothing"),
]
