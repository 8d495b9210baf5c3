from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class BlotterConfig(AppConfig):
    name = "trading_workers.blotter"
    label = "blotter"
    verbose_name = _("Accounts and orders")
    default_auto_field = "django.db.models.BigAutoField"
