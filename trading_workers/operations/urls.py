"""Addresses of the operations pages, on the operator's host only."""

from django.contrib import admin
from django.urls import path

from trading_workers.operations import route_views, views

urlpatterns = [
    path("admin/services/", admin.site.admin_view(views.services), name="services"),
    path("admin/routing/", admin.site.admin_view(route_views.routing), name="routing"),
    # Guards itself: a redirect to the sign-in would end up inside the page.
    path("admin/services/board", views.services_board, name="services_board"),
]
