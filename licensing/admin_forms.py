"""Forms of the operator's admin: what a service would refuse is said on the form, beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from licensing.catalogue import Feature, exchange_feature, features
from licensing.entitlements import OverridesInvalid, check_overrides
from licensing.models import Licence, Plan, PlanPriceVersion
from licensing.price_terms import PriceTermsInvalid, read_terms

FEATURE_NAMES = {
    Feature.ASSET_EQUITY: _("Shares"),
    Feature.ASSET_ETF: _("Exchange-traded funds"),
    Feature.ASSET_FUND: _("Funds"),
    Feature.ASSET_ISLAMIC_FUND: _("Islamic funds"),
    Feature.ASSET_REIT: _("Real estate funds"),
    Feature.ASSET_BOND: _("Bonds"),
    Feature.ASSET_SUKUK: _("Sukuk"),
    Feature.ASSET_RIGHT: _("Subscription rights"),
    Feature.ASSET_DEPOSITARY_RECEIPT: _("Depositary receipts"),
    Feature.DOOR_GRPC_STREAM: _("Order stream for programs"),
    Feature.QUOTES_REALTIME: _("Real-time quotes"),
    Feature.SHARIA: _("Sharia compliance"),
}


def feature_name(feature: str) -> str:
    """What a feature is called on pages."""
    if feature.startswith(exchange_feature("")):
        return gettext("Exchange: %(code)s") % {"code": feature.removeprefix(exchange_feature(""))}
    return str(FEATURE_NAMES[Feature(feature)])


def feature_choices() -> list[tuple[str, str]]:
    return [(feature, feature_name(feature)) for feature in features()]


class PlanForm(forms.ModelForm):
    features = forms.MultipleChoiceField(
        label=_("features"), choices=feature_choices, widget=forms.CheckboxSelectMultiple, required=False
    )

    class Meta:
        model = Plan
        fields = ("code", "name", "name_ar", "features", "orders_per_second", "position", "offered")


class PriceVersionForm(forms.ModelForm):
    class Meta:
        model = PlanPriceVersion
        fields = ("plan", "currency", "monthly_base", "allowances", "effective_from")
        help_texts = {
            "allowances": _(
                'A list of {"meter", "period", "included", "overage_price"}; numbers as text; '
                "included null: unlimited; overage_price null: a hard cap."
            )
        }

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors:
            try:
                read_terms(
                    plan=cleaned["plan"].code,
                    version=0,
                    currency=cleaned["currency"],
                    monthly_base=cleaned["monthly_base"],
                    allowances=cleaned["allowances"],
                )
            except PriceTermsInvalid as error:
                raise ValidationError(str(error)) from error
        return cleaned


class LicenceForm(forms.ModelForm):
    class Meta:
        model = Licence
        fields = ("tenant", "plan", "status", "valid_from", "valid_until", "overrides", "billing_time_zone")

    def clean_overrides(self) -> dict[str, object]:
        overrides = self.cleaned_data["overrides"] or {}
        if not isinstance(overrides, dict):
            raise ValidationError(_("Overrides are an object of names and values."))
        try:
            check_overrides(overrides)
        except OverridesInvalid as error:
            raise ValidationError(str(error)) from error
        return overrides
