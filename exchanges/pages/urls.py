"""Addresses of this app's pages on a tenant's host."""

from django.urls import path

from exchanges.pages import market_rules

urlpatterns = [path("market-rules", market_rules.page, name="market_rules")]
