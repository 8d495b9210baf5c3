"""An instrument's details, values and distributions on its page in the operator's admin. Every save goes through the services."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from exchanges.api import AssetType
from exchanges.assets import services
from exchanges.assets.models import (
    DETAIL_MODELS,
    DISTRIBUTING_TYPES,
    VALUED_TYPES,
    AssetDetail,
    DetailVersion,
    Distribution,
    NavValue,
)
from exchanges.assets.validation import AssetInvalid
from exchanges.models import Instrument
from exchanges.prices import PriceError, price_to_text, text_to_price

PRICES = frozenset({"nav", "subscription_price"})
LONG_TEXTS = frozenset({"sources", "note"})


class PriceField(forms.Field):
    """A price of the columns in millionths, typed and shown as a decimal."""

    widget = forms.TextInput

    def prepare_value(self, value: Any) -> Any:
        return price_to_text(value) if isinstance(value, int) else value

    def to_python(self, value: Any) -> int | None:
        text = str(value or "").strip()
        if not text:
            return None
        try:
            return text_to_price(text)
        except PriceError as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class ServiceFormSet(BaseInlineFormSet):
    """Rows are stored by a service, in the name of ``actor``."""

    actor: Any = None

    def save_new(self, form: Any, commit: bool = True) -> Any:
        row = form.save(commit=False)
        row.instrument = self.instance
        return self._stored(row)

    def save_existing(self, form: Any, obj: Any, commit: bool = True) -> Any:
        return self._stored(form.save(commit=False))

    def _stored(self, row: Any) -> Any:
        try:
            if isinstance(row, AssetDetail):
                return services.save_details(actor=self.actor, detail=row)
            return services.save_dated_row(actor=self.actor, row=row)
        except AssetInvalid as error:
            raise ValidationError(str(error)) from error


class ServiceInline(admin.options.InlineModelAdmin):
    formset = ServiceFormSet
    fk_name = "instrument"
    can_delete = False

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        made = super().get_formset(request, obj, **kwargs)
        made.actor = request.user
        return made

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest | None, **kwargs: Any) -> Any:
        if db_field.name in PRICES:
            text = _("value of a unit") if db_field.name == "nav" else _("subscription price")
            return PriceField(label=text, required=not db_field.blank)
        if db_field.name in LONG_TEXTS:
            kwargs["widget"] = forms.Textarea(attrs={"rows": 2, "cols": 40})
        return super().formfield_for_dbfield(db_field, request, **kwargs)


class DatedInline(ServiceInline, admin.TabularInline):
    extra = 1
    readonly_fields = ("data_set",)


class NavInline(DatedInline):
    model = NavValue


class DistributionInline(DatedInline):
    model = Distribution


class VersionInline(admin.TabularInline):
    model = DetailVersion
    fields = readonly_fields = ("as_of", "fields", "trust", "sources", "data_set", "replaced_by", "replaced_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _detail_inline(detail: type[AssetDetail]) -> type[admin.StackedInline]:
    class DetailInline(ServiceInline, admin.StackedInline):
        model = detail
        extra = 1
        max_num = 1
        readonly_fields = ("data_set",)
        raw_id_fields = tuple(column.name for column in detail._meta.concrete_fields if column.name == "underlying")

    return DetailInline


DETAIL_INLINES = {kind.value: _detail_inline(model) for kind, model in DETAIL_MODELS.items()}


def inlines_for(instrument: Instrument | None) -> list[Any]:
    """Return the inlines of an instrument's page: those of its asset type; none on the page of a new one."""
    if instrument is None or instrument.asset_type not in set(AssetType):
        return []
    found: list[Any] = [DETAIL_INLINES[instrument.asset_type], VersionInline]
    if instrument.asset_type in VALUED_TYPES:
        found.append(NavInline)
    if instrument.asset_type in DISTRIBUTING_TYPES:
        found.append(DistributionInline)
    return found
