"""The operator's view of plans and licences. Every save goes through ``licensing.services``."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from licensing import services
from licensing.admin_forms import LicenceForm, PlanForm, PriceVersionForm, feature_name
from licensing.catalogue import features
from licensing.models import Licence, LicenceChange, Plan, PlanPriceVersion
from licensing.rating import round_money
from licensing.selectors import licence_state, price_in_force


class LicensingAdmin(admin.ModelAdmin):
    """Nothing is deleted here: a plan is withdrawn from offer, a licence ends or is suspended."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A change that a service refuses is told as a message: nothing was saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except services.LicensingRefused as error:
            self.message_user(request, str(error), messages.ERROR)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


class ReadOnlyInline(admin.TabularInline):
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PriceVersionInline(ReadOnlyInline):
    model = PlanPriceVersion
    fields = readonly_fields = ("version", "currency", "monthly_base", "allowances", "effective_from")


@admin.register(Plan)
class PlanAdmin(LicensingAdmin):
    form = PlanForm
    list_display = ("code", "name", "name_ar", "price", "orders_per_second", "feature_list", "offered")
    inlines = (PriceVersionInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Plan | None = None) -> tuple[str, ...]:
        return () if obj is None else ("code",)

    @admin.display(description=gettext_lazy("price a month"))
    def price(self, plan: Plan) -> str:
        price = price_in_force(plan, at=timezone.now())
        return "" if price is None else f"{round_money(price.monthly_base, price.currency)} {price.currency}"

    @admin.display(description=gettext_lazy("features"))
    def feature_list(self, plan: Plan) -> str:
        return format_html_join(", ", "{}", ((feature_name(each),) for each in features() if each in plan.features))

    def save_model(self, request: HttpRequest, obj: Plan, form: Any, change: bool) -> None:
        saved = services.define_plan(
            actor=request.user,
            code=obj.code,
            name=obj.name,
            name_ar=obj.name_ar,
            features=form.cleaned_data["features"],
            orders_per_second=obj.orders_per_second,
            position=obj.position,
            offered=obj.offered,
        )
        obj.__dict__.update(saved.__dict__)


@admin.register(PlanPriceVersion)
class PlanPriceVersionAdmin(LicensingAdmin):
    form = PriceVersionForm
    list_display = ("plan", "version", "currency", "monthly_base", "effective_from")
    list_filter = ("plan",)
    list_select_related = ("plan",)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a price is changed by its next version

    def save_model(self, request: HttpRequest, obj: PlanPriceVersion, form: Any, change: bool) -> None:
        saved = services.publish_price(
            actor=request.user,
            plan=obj.plan,
            currency=obj.currency,
            monthly_base=obj.monthly_base,
            allowances=obj.allowances,
            effective_from=obj.effective_from,
        )
        obj.__dict__.update(saved.__dict__)


class LicenceChangeInline(ReadOnlyInline):
    model = LicenceChange
    fields = readonly_fields = (
        "sequence",
        "effective_at",
        "plan",
        "price_version",
        "status",
        "valid_from",
        "valid_until",
        "overrides",
    )


@admin.register(Licence)
class LicenceAdmin(LicensingAdmin):
    form = LicenceForm
    list_display = ("tenant", "plan", "price_version", "state", "valid_from", "valid_until", "overrides")
    list_filter = ("plan", "status")
    list_select_related = ("tenant", "plan", "price_version__plan")
    search_fields = ("tenant__slug", "tenant__name", "tenant__name_ar")
    inlines = (LicenceChangeInline,)
    actions = ("suspend", "reinstate")

    def get_readonly_fields(self, request: HttpRequest, obj: Licence | None = None) -> tuple[str, ...]:
        return ("status",) if obj is None else ("tenant", "price_version", "state", "billing_time_zone")

    def get_fields(self, request: HttpRequest, obj: Licence | None = None) -> tuple[str, ...]:
        fields = ("tenant", "plan", "status", "valid_from", "valid_until", "overrides", "billing_time_zone")
        return fields if obj is None else (*fields, "price_version", "state")

    @admin.display(description=gettext_lazy("state"))
    def state(self, licence: Licence) -> str:
        names = {
            "active": _("active"),
            "suspended": _("suspended"),
            "expired": _("expired"),
            "not_yet_valid": _("not yet valid"),
        }
        return names[licence_state(licence, at=timezone.now())]

    def save_model(self, request: HttpRequest, obj: Licence, form: Any, change: bool) -> None:
        if not change:
            saved = services.grant_licence(
                actor=request.user,
                tenant=obj.tenant,
                plan=obj.plan,
                valid_from=obj.valid_from,
                valid_until=obj.valid_until,
                overrides=obj.overrides,
                billing_time_zone=obj.billing_time_zone,
            )
        else:
            # Only what this form changed: another operator's change of another field stays.
            saved = services.change_licence(
                actor=request.user,
                tenant=obj.tenant,
                **{field: form.cleaned_data[field] for field in form.changed_data},
            )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description=gettext_lazy("Suspend: no order passes until reinstated"))
    def suspend(self, request: HttpRequest, queryset: QuerySet[Licence]) -> None:
        for licence in queryset.order_by("tenant_id"):
            services.suspend_licence(actor=request.user, tenant=licence.tenant)

    @admin.action(description=gettext_lazy("Reinstate"))
    def reinstate(self, request: HttpRequest, queryset: QuerySet[Licence]) -> None:
        for licence in queryset.order_by("tenant_id"):
            services.reinstate_licence(actor=request.user, tenant=licence.tenant)
