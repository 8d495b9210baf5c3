"""Addresses of the pages on a tenant's host."""

from django.urls import path

from trading_workers.pages import accounts, charts, usage, views

urlpatterns = [
    path("", views.home, name="home"),
    path("trade", views.desk, name="trading"),
    path("trade/blotter", views.blotter_rows, name="trading_blotter"),
    path("trade/orders", views.place, name="trading_place"),
    path("trade/orders/cancel", views.cancel, name="trading_cancel"),
    path("trade/candles", charts.candles, name="trading_candles"),
    path("accounts", accounts.accounts, name="accounts"),
    path("accounts/<str:code>", accounts.change, name="accounts_change"),
    path("usage", usage.dashboard, name="usage"),
]
