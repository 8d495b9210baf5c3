from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from tenants.kernel.context import TenantScope, scope_or_none
from tradsys.mesh.telemetry.logs import also_ask_for_tenant


def _slug_of_scope() -> str:
    scope = scope_or_none()
    return scope.slug if isinstance(scope, TenantScope) else ""


class TenantsConfig(AppConfig):
    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Tenants")

    def ready(self) -> None:
        also_ask_for_tenant(_slug_of_scope)
