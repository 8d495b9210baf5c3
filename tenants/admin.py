"""Tenants and people on the operator's site. Every change goes through `tenants.services`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tenants import services
from tenants.models import ApiKey, Domain, Membership, Tenant, TokenRevocation, User
from tradsys.audit.services import record

# Rights of operators are given one by one or all at once; groups would be a second, unaudited way.
admin.site.unregister(Group)


class ReadOnlyInline(admin.TabularInline):
    """Rows beside their parent, to look at; they are changed on their own page, through the services."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class DomainInline(ReadOnlyInline):
    model = Domain
    fields = ("domain", "is_primary")


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = ("user", "role", "accounts")


class NewTenantForm(forms.ModelForm):
    domain = forms.CharField(label=_("First domain"), max_length=253, help_text=_("Such as nile.localhost, in lower case."))

    class Meta:
        model = Tenant
        fields = ("slug", "name", "name_ar", "country")

    def clean_domain(self) -> str:
        domain: str = self.cleaned_data["domain"].lower()
        if Domain.objects.filter(domain=domain).exists():
            raise forms.ValidationError(_("Another tenant answers on this domain."), code="taken")
        return domain


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    list_display = ("slug", "name", "name_ar", "country", "state", "created_at")
    list_filter = ("state", "country")
    search_fields = ("slug", "name", "name_ar", "domains__domain")
    fields = ("slug", "name", "name_ar", "country", "state", "schema_name", "created_at")
    readonly_fields = ("slug", "schema_name", "created_at")
    inlines = (DomainInline, MembershipInline)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = NewTenantForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ("slug", "name", "name_ar", "country", "domain")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Tenant, form: Any, change: bool) -> None:
        if change:
            values = {field: form.cleaned_data[field] for field in form.changed_data}
            services.update_tenant(actor=request.user, tenant=obj, changes=values)
        else:
            _become(obj, services.create_tenant(actor=request.user, **form.cleaned_data))


@admin.register(Domain)
class DomainAdmin(admin.ModelAdmin):
    list_display = ("domain", "tenant", "is_primary")
    list_select_related = ("tenant",)
    list_filter = ("tenant",)
    search_fields = ("domain",)
    fields = ("tenant", "domain", "is_primary")
    actions = None

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        only_one = obj is not None and not Domain.objects.filter(tenant=obj.tenant).exclude(pk=obj.pk).exists()
        return not only_one and super().has_delete_permission(request, obj)

    def save_model(self, request: HttpRequest, obj: Domain, form: Any, change: bool) -> None:
        _become(obj, services.add_domain(actor=request.user, **form.cleaned_data))

    def delete_model(self, request: HttpRequest, obj: Domain) -> None:
        services.remove_domain(actor=request.user, domain=obj)


@admin.register(Membership)
class MembershipAdmin(admin.ModelAdmin):
    list_display = ("user", "tenant", "role", "accounts")
    list_select_related = ("user", "tenant")
    list_filter = ("tenant", "role")
    search_fields = ("user__username", "tenant__slug")
    autocomplete_fields = ("user", "tenant")
    fields = ("tenant", "user", "role", "accounts")
    actions = ("revoke_tokens",)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        # Memberships end one by one, on their own pages, through the service.
        actions.pop("delete_selected", None)
        return actions

    @admin.action(description=_("Revoke the tokens of the chosen members"), permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, queryset: QuerySet[Membership]) -> None:
        chosen = list(queryset.select_related("tenant", "user"))
        for each in chosen:
            services.revoke_tokens(actor=request.user, tenant=each.tenant, user=each.user.username, reason="by an operator")
        messages.success(request, _("Tokens of %(count)d members no longer count.") % {"count": len(chosen)})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("tenant", "user") if obj else ()

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        saved = services.set_membership(actor=request.user, tenant=obj.tenant, user=obj.user, role=obj.role, accounts=obj.accounts)
        _become(obj, saved)

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        services.remove_membership(actor=request.user, membership=obj)


@admin.register(User)
class PersonAdmin(UserAdmin):
    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff", "memberships__tenant")
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_superuser")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    readonly_fields = ("last_login", "date_joined")
    filter_horizontal = ()
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("username", *self.readonly_fields) if obj else ()

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return (MembershipInline,) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change:
            values = {field: form.cleaned_data[field] for field in form.changed_data if field != "password"}
            services.update_user(actor=request.user, user=obj, changes=values)
        else:
            password = form.cleaned_data["password1"]
            _become(obj, services.create_user(actor=request.user, username=obj.username, password=password))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        with transaction.atomic():
            return super().user_change_password(request, id, form_url)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        # The form of the password page saves by itself; this is the only place that hears of it.
        if request.resolver_match is not None and request.resolver_match.url_name == "auth_user_password_change":
            record(actor=request.user, action="user.password-set", subject=f"user:{obj.username}")
        return super().log_change(request, obj, message)


@admin.register(ApiKey)
class ApiKeyAdmin(admin.ModelAdmin):
    list_display = ("prefix", "tenant", "user", "name", "expires_at", "revoked_at", "last_used_at")
    list_select_related = ("tenant", "user")
    list_filter = ("tenant",)
    search_fields = ("prefix", "name", "user__username")
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description=_("Revoke the chosen keys"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        live = list(queryset.filter(revoked_at=None).select_related("tenant"))
        for key in live:
            services.revoke_api_key(actor=request.user, key=key, now=timezone.now())
        messages.success(request, _("%(count)d keys no longer count.") % {"count": len(live)})

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("tenants.change_apikey")


@admin.register(TokenRevocation)
class TokenRevocationAdmin(admin.ModelAdmin):
    list_display = ("revoked_at", "tenant", "kind", "value", "reason")
    list_select_related = ("tenant",)
    list_filter = ("tenant", "kind")
    search_fields = ("value",)
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _become(obj: Model, saved: Model) -> None:
    """Let the admin's own instance stand for the row a service has made, so that its log and its answer name it."""
    obj.pk = saved.pk
    obj._state.adding = False
    obj.refresh_from_db()
