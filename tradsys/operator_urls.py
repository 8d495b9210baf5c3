"""Addresses on the operator's host."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

admin.site.site_title = "TradSys"
admin.site.site_header = "TradSys"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    # Before the admin, which answers everything below its own address.
    path("", include("trading_workers.operations.urls")),
    path("admin/", admin.site.urls),
    path("language/", include("django.conf.urls.i18n")),
]
