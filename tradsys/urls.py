"""Addresses on a tenant's host. Each room lists its own; this file only joins them."""

from django.urls import include, path

urlpatterns = [
    path("", include("tenants.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("", include("trading_workers.rest.urls")),
    path("", include("trading_workers.pages.urls")),
    path("", include("exchanges.pages.urls")),
    path("", include("exchanges.assets.pages.urls")),
]
