"""The sign-in form."""

from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _


class SignInForm(AuthenticationForm):
    """One refusal for every reason: wrong name, wrong password, inactive, not a member here."""

    error_messages = {
        "invalid_login": _("This name and password do not match anyone here."),
        "inactive": _("This name and password do not match anyone here."),
    }
