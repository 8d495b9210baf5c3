"""Signing in and out on a tenant's host."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import views
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from tenants.forms import SignInForm
from tenants.kernel.context import current_tenant
from tenants.selectors import tenant_by_slug


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignIn(views.LoginView):
    """Members of this host's tenant only; everyone else gets the answer of a wrong password."""

    template_name = "tenants/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Says whose host this is before anyone signs in."""
        return super().get_context_data(**kwargs, tenant_name=tenant_by_slug(slug=current_tenant().slug).local_name)


class SignOut(views.LogoutView):
    http_method_names = ["post", "options"]
    next_page = "sign_in"
