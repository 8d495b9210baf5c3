from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PriceHistoryConfig(AppConfig):
    name = "exchanges.price_history"
    label = "price_history"
    verbose_name = _("Price history")
    default_auto_field = "django.db.models.BigAutoField"
