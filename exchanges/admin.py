"""The operator's view of reference data. Every save goes through ``exchanges.services``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import NullIf
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _

from exchanges import services
from exchanges.admin_forms import DataSetImportForm, MarketReferenceForm, RoutingRuleForm, RuleRowForm
from exchanges.api import Trust
from exchanges.assets.admin import inlines_for
from exchanges.assets.services import KIND as ASSETS
from exchanges.assets.services import apply_data_set
from exchanges.calendar import DayPlan, plan_day, time_zone_on
from exchanges.closure_admin import closures_page
from exchanges.closures import confirm_closure
from exchanges.dated_rules import RuleError
from exchanges.models import AssetType as AssetTypeChoice
from exchanges.models import (
    DataSet,
    Exchange,
    ExchangeSwitch,
    Instrument,
    IsinStatus,
    MarketReference,
    RoutingRule,
    RuleRow,
    Signer,
)
from exchanges.prices import price_to_text
from exchanges.registry import BUILT_IN, registry
from exchanges.selectors import acting_rules, data_set_is_signed, line_pools

CALENDAR_DAYS = 14

_BADGES = {
    "V": "verified",
    "verified": "verified",
    "1": "single",
    "single source": "single",
    "unverified": "unverified",
    "not found": "unverified",
    "demo": "demo",
}


def badge(mark: str, text: str) -> str:
    """Return a trust mark as a badge; colour never speaks alone, the text says the same."""
    return format_html('<span class="trust trust-{}">{}</span>', _BADGES[mark], text)


class ReferenceDataAdmin(admin.ModelAdmin):
    """Rows are never deleted here: what ends gets a last day, or is switched off."""

    class Media:
        css = {"all": ("exchanges/admin.css",)}

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is derived from a stored row is not on the form of a new one."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A change that a service refuses is told as a message: nothing was saved."""
        try:
            with transaction.atomic():
                return super().changeform_view(request, object_id, form_url, extra_context)
        except (RuleError, services.DataSetRefused) as error:
            self.message_user(request, str(error), messages.ERROR)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        return HttpResponseRedirect(request.get_full_path())


@admin.register(Exchange)
class ExchangeAdmin(ReferenceDataAdmin):
    list_display = ("code", "name", "name_ar", "mic", "country", "balancer", "trading")
    list_select_related = ("switch",)
    readonly_fields = ("code", "mic", "country", "lines", "closures", "next_days")
    fields = ("code", "mic", "country", "name", "name_ar", "lines", "balancer", "closures", "next_days")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(closures_page)
        return [path("<int:exchange_id>/closures/", page, name="exchanges_closures"), *super().get_urls()]

    @admin.display(description=gettext_lazy("closures"))
    def closures(self, exchange: Exchange) -> str:
        return format_html(
            '<a href="{}">{}</a>',
            reverse("admin:exchanges_closures", args=[exchange.pk]),
            _("Close at once, reopen, import holidays"),
        )

    @admin.display(description=gettext_lazy("trading stopped"), boolean=True)
    def trading(self, exchange: Exchange) -> bool:
        switch = getattr(exchange, "switch", None)
        return switch is not None and switch.killed

    @admin.display(description=gettext_lazy("order lines"))
    def lines(self, exchange: Exchange) -> str:
        pool = next((pool for pool in line_pools() if pool.exchange == exchange.code), None)
        return _("none: its plugin is not installed") if pool is None else ", ".join(pool.lines)

    @admin.display(description=gettext_lazy("next days"))
    def next_days(self, exchange: Exchange) -> str:
        rules = acting_rules(exchange)
        real = [rule for rule in rules if rule.trust is not Trust.DEMO]
        try:
            today = datetime.now(UTC).astimezone(time_zone_on(rules, datetime.now(UTC).date())).date()
            days = [today + timedelta(days=offset) for offset in range(CALENDAR_DAYS)]
            plans = [(plan_day(rules, day), plan_day(real, day)) for day in days]
        except RuleError as error:
            return str(error)
        rows = format_html_join(
            "",
            "<tr><th>{}</th><td>{}</td><td>{}</td></tr>",
            (
                (date_format(acting.day, "l j F Y"), _plan(acting), _plan(by_calendar) if by_calendar != acting else "")
                for acting, by_calendar in plans
            ),
        )
        heading = format_html("<tr><td></td><th>{}</th><th>{}</th></tr>", _("in force"), _("real calendar, where it differs"))
        return format_html('<table class="calendar-days">{}{}</table>', heading, rows)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Below the rows: the plugins that this process has loaded, and those it refused."""
        found = registry()
        names = dict(AssetTypeChoice.choices)
        plugins = [
            {
                "code": plugin.id,
                "version": plugin.version,
                "package": "" if (source := found.sources[plugin.id]) == BUILT_IN else source,
                "lines": ", ".join(plugin.lines),
                "assets": ", ".join(str(names[each]) for each in sorted(plugin.assets)),
            }
            for plugin in found
        ]
        context = {"plugins": plugins, "refused_plugins": sorted(found.refused.items())}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an exchange comes with its plugin

    def save_model(self, request: HttpRequest, obj: Exchange, form: Any, change: bool) -> None:
        services.save_exchange(actor=request.user, exchange=obj)


@admin.register(Instrument)
class InstrumentAdmin(ReferenceDataAdmin):
    list_display = ("symbol", "venue", "name_shown", "asset_type", "currency", "isin_mark", "lot_mark", "reference", "tradable")
    list_display_links = ("symbol", "name_shown")
    # Lines without a symbol cannot be traded: last.
    ordering = ("exchange__code", NullIf("symbol", Value("")).asc(nulls_last=True), "name")
    list_filter = ("exchange", "asset_type", "isin_status", "lot_status", "tradable")
    list_select_related = ("exchange",)
    search_fields = ("symbol", "isin", "name", "name_ar")
    readonly_fields = ("isin_mark", "lot_mark", "reference")

    def get_inlines(self, request: HttpRequest, obj: Instrument | None) -> list[Any]:
        return inlines_for(obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instrument]:
        return super().get_queryset(request).prefetch_related("references__data_set")

    @admin.display(description=gettext_lazy("exchange"), ordering="exchange__code")
    def venue(self, instrument: Instrument) -> str:
        return instrument.exchange.code

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def name_shown(self, instrument: Instrument) -> str:
        return instrument.name_ar if get_language() == "ar" and instrument.name_ar else instrument.name

    @admin.display(description=gettext_lazy("ISIN"), ordering="isin")
    def isin_mark(self, instrument: Instrument) -> str:
        verified = instrument.isin_status == IsinStatus.VERIFIED
        text = _("verified") if verified else instrument.get_isin_status_display()
        return format_html("{} {}", instrument.isin or "", badge(instrument.isin_status, text))

    @admin.display(description=gettext_lazy("lot"), ordering="lot")
    def lot_mark(self, instrument: Instrument) -> str:
        reference = _reference_today(instrument)
        if reference is not None and reference.lot is not None and reference.data_set is not None:
            return format_html("{} {}", reference.lot, _signed_badge(reference.data_set))
        return format_html("{} {}", instrument.lot, badge(instrument.lot_status, instrument.get_lot_status_display()))

    @admin.display(description=gettext_lazy("reference price"))
    def reference(self, instrument: Instrument) -> str:
        reference = _reference_today(instrument)
        return "" if reference is None else _priced(reference)

    def save_model(self, request: HttpRequest, obj: Instrument, form: Any, change: bool) -> None:
        services.save_instrument(actor=request.user, instrument=obj)


@admin.register(RuleRow)
class RuleRowAdmin(ReferenceDataAdmin):
    form = RuleRowForm
    list_display = ("label", "kind", "valid_from", "valid_to", "trust_mark", "active", "source_list")
    list_filter = ("exchange", "active", "trust", "kind")
    search_fields = ("label", "note", "scope")
    readonly_fields = ("data_set", "source_list")
    actions = ("confirm_closures",)

    @admin.display(description=gettext_lazy("trust"), ordering="trust")
    def trust_mark(self, rule: RuleRow) -> str:
        return badge(rule.trust, rule.get_trust_display())

    @admin.display(description=gettext_lazy("sources"))
    def source_list(self, rule: RuleRow) -> str:
        return "; ".join(f"{key}: {text}" for key, text in rule.sources.items())

    @admin.action(description=gettext_lazy("Confirm the chosen conditional closures"), permissions=["change"])
    def confirm_closures(self, request: HttpRequest, queryset: QuerySet[RuleRow]) -> None:
        """All of them or none."""
        try:
            with transaction.atomic():
                for row in queryset:
                    confirm_closure(actor=request.user, rule=row)
        except ValidationError as error:
            self.message_user(request, " ".join(error.messages), messages.ERROR)
        except RuleError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, _("Closures confirmed: %(count)d.") % {"count": len(queryset)}, messages.SUCCESS)

    def save_model(self, request: HttpRequest, obj: RuleRow, form: Any, change: bool) -> None:
        services.save_rule(actor=request.user, rule=obj)


@admin.register(MarketReference)
class MarketReferenceAdmin(ReferenceDataAdmin):
    form = MarketReferenceForm
    list_display = ("instrument", "valid_from", "price_mark", "lot", "data_set")
    list_filter = ("instrument__exchange", "data_set")
    list_select_related = ("instrument__exchange", "data_set")
    search_fields = ("instrument__symbol", "instrument__name")
    autocomplete_fields = ("instrument",)

    @admin.display(description=gettext_lazy("reference price"), ordering="reference_price")
    def price_mark(self, reference: MarketReference) -> str:
        return _priced(reference)

    def save_model(self, request: HttpRequest, obj: MarketReference, form: Any, change: bool) -> None:
        saved = services.set_reference_price(
            actor=request.user,
            instrument=obj.instrument,
            valid_from=obj.valid_from,
            reference_price=obj.reference_price,
            lot=obj.lot,
        )
        obj.pk = saved.pk


@admin.register(Signer)
class SignerAdmin(ReferenceDataAdmin):
    list_display = ("name", "kind", "user", "active")

    def save_model(self, request: HttpRequest, obj: Signer, form: Any, change: bool) -> None:
        services.save_signer(actor=request.user, signer=obj)


@admin.register(DataSet)
class DataSetAdmin(ReferenceDataAdmin):
    list_display = ("name", "label_mark", "kind", "signature_mark", "signed_by", "imported_by", "imported_at")
    list_select_related = ("signer",)
    readonly_fields = ("name", "label", "kind", "content_hash", "signature_mark", "signed_by", "imported_by", "imported_at")

    def get_fields(self, request: HttpRequest, obj: DataSet | None = None) -> tuple[str, ...]:
        return ("file", "signature", "signer") if obj is None else (*self.readonly_fields, "document", "signature")

    def get_form(self, request: HttpRequest, obj: DataSet | None = None, change: bool = False, **kwargs: Any) -> Any:
        if obj is None:
            kwargs["form"] = DataSetImportForm
        return super().get_form(request, obj, change, **kwargs)

    def has_change_permission(self, request: HttpRequest, obj: DataSet | None = None) -> bool:
        return False  # another content is another data set

    @admin.display(description=gettext_lazy("label"), ordering="label")
    def label_mark(self, data_set: DataSet) -> str:
        return badge("demo", data_set.label) if "DEMO" in data_set.label else data_set.label

    @admin.display(description=gettext_lazy("signature"))
    def signature_mark(self, data_set: DataSet) -> str:
        if data_set_is_signed(data_set):
            return badge("verified", _("valid"))
        return badge("unverified", _("does not count"))

    def save_model(self, request: HttpRequest, obj: DataSet, form: Any, change: bool) -> None:
        imported = services.import_data_set(
            actor=request.user,
            document=form.cleaned_data["file"],
            signature=form.cleaned_data["signature"],
            signer=form.cleaned_data["signer"],
        )
        if imported.kind == ASSETS:
            apply_data_set(actor=request.user, data_set=imported)
        obj.__dict__.update(imported.__dict__)


@admin.register(RoutingRule)
class RoutingRuleAdmin(ReferenceDataAdmin):
    form = RoutingRuleForm
    list_display = ("priority", "exchange", "symbol", "asset_type", "tenant", "account", "target", "active", "note")
    list_select_related = ("exchange",)
    list_filter = ("exchange", "active")
    fieldsets = (
        (None, {"fields": ("priority", "active", "note")}),
        (
            gettext_lazy("Which orders"),
            {
                "fields": (
                    "exchange", "symbol", "asset_type", "tenant", "account", ("min_quantity", "max_quantity"),
                    ("least_value", "largest_value"), ("from_time", "until_time"), "weekdays",
                ),
                "description": gettext_lazy("What is left empty holds for every order."),
            },
        ),
        (gettext_lazy("Where they go"), {"fields": ("line", "fallback", "balancer")}),
    )  # fmt: skip

    @admin.display(description=gettext_lazy("target and fallbacks"), ordering="line")
    def target(self, route: RoutingRule) -> str:
        return format_html("<bdi dir='ltr'>{}</bdi>", " → ".join([route.line, *route.fallback]))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        services.save_route(actor=request.user, route=obj)

    def delete_model(self, request: HttpRequest, obj: RoutingRule) -> None:
        services.delete_route(actor=request.user, route=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[RoutingRule]) -> None:
        for route in queryset:
            services.delete_route(actor=request.user, route=route)


@admin.register(ExchangeSwitch)
class ExchangeSwitchAdmin(ReferenceDataAdmin):
    list_display = ("__str__", "killed", "reason", "changed_at")
    list_select_related = ("exchange",)
    readonly_fields = ("exchange",)

    def save_model(self, request: HttpRequest, obj: ExchangeSwitch, form: Any, change: bool) -> None:
        saved = services.set_exchange_switch(actor=request.user, exchange=obj.exchange, killed=obj.killed, reason=obj.reason)
        obj.pk = saved.pk


def _plan(plan: DayPlan) -> str:
    hours = ", ".join(
        f"{phase.phase} {phase.start:%H:%M}-{f'{phase.end:%H:%M}' if phase.end else '24:00'}" for phase in plan.phases
    )
    stops = "; ".join(dict.fromkeys(stop.label for stop in plan.stops if stop.label != plan.reason))
    reason = f"{plan.reason}; {stops}" if stops else plan.reason
    return format_html("{}<br><span dir='ltr'>{}</span>", reason, hours) if hours else reason


def _reference_today(instrument: Instrument) -> MarketReference | None:
    today: date = datetime.now(UTC).date()
    # The prefetched rows come newest first.
    return next((row for row in instrument.references.all() if row.valid_from <= today), None)


def _priced(reference: MarketReference) -> str:
    price = price_to_text(reference.reference_price)
    if reference.data_set is None:
        return format_html("{} {}", price, badge("unverified", _("unsigned")))
    return format_html("{} {}", price, _signed_badge(reference.data_set))


def _signed_badge(data_set: DataSet) -> str:
    if "DEMO" in data_set.label:
        return badge("demo", _("DEMO"))
    return badge("verified", _("signed"))
