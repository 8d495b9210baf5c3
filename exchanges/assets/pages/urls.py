"""Addresses of the pages of assets, on a tenant's host."""

from django.urls import path

from exchanges.assets.pages import views

urlpatterns = [
    path("instruments", views.index, name="instruments"),
    path("instruments/<str:exchange>/<str:symbol>", views.sheet, name="instrument"),
]
