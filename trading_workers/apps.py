from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class TradingWorkersConfig(AppConfig):
    name = "trading_workers"
    label = "trading_workers"
    verbose_name = _("Order workers")
    default_auto_field = "django.db.models.BigAutoField"
