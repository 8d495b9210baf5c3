"""Signing in and out on a tenant's host."""

from __future__ import annotations

from django.contrib.auth import views
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters

from tenants.forms import SignInForm


@method_decorator(sensitive_post_parameters("password"), name="dispatch")
class SignIn(views.LoginView):
    """Members of this host's tenant only; everyone else gets the answer of a wrong password."""

    template_name = "tenants/sign_in.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True


class SignOut(views.LogoutView):
    http_method_names = ["post", "options"]
    next_page = "sign_in"
