"""Addresses on a tenant's host. Each room lists its own; this file only joins them."""

from importlib.util import find_spec

from django.urls import URLPattern, URLResolver, include, path

# In this order; a room that is not part of the installation has no addresses.
ROOMS = ("trading_workers.rest.urls", "trading_workers.pages.urls", "licensing.urls")

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("tenants.urls")),
    path("language/", include("django.conf.urls.i18n")),
    *(path("", include(room)) for room in ROOMS if find_spec(room) is not None),
]
