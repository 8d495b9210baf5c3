"""Forms of the operator's admin: what a service would refuse is said on the form, beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS as WEEKDAY_NAMES
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from exchanges.dated_rules import RuleError
from exchanges.models import DataSet, MarketReference, RoutingRule, RuleRow, Signer
from exchanges.prices import PriceError, price_to_text, text_to_price
from exchanges.selectors import line_pools
from exchanges.services import check_route, check_rules
from tenants.selectors import tenants


class RuleRowForm(forms.ModelForm):
    """A dated rule. Overlaps and malformed values are errors of the form."""

    class Meta:
        model = RuleRow
        fields = ("exchange", "kind", "scope", "valid_from", "valid_to", "value", "label", "trust", "sources", "note", "active")

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if not self.errors:
            try:
                check_rules(self.instance.exchange, with_rule=self.instance)
            except RuleError as error:
                self.add_error(None, ValidationError(str(error)))


class DataSetImportForm(forms.ModelForm):
    """A signed data set to import. The service verifies and refuses; see ``exchanges.services.import_data_set``."""

    # A file and not a text area: browsers rewrite line ends, and the signature is over the exact text.
    file = forms.FileField(label=_("document"), help_text=_("JSON, in UTF-8"))
    signature = forms.CharField(label=_("signature"), required=False, max_length=88, help_text=_("Ed25519, base64"))
    signer = forms.ModelChoiceField(label=_("signer"), queryset=Signer.objects.filter(active=True), required=False)

    class Meta:
        model = DataSet
        fields = ("signature", "signer")

    def clean_file(self) -> str:
        """Return the text of the uploaded file."""
        try:
            text: str = self.cleaned_data["file"].read().decode()
        except UnicodeDecodeError as error:
            raise ValidationError(_("The file is not UTF-8 text.")) from error
        return text

    def _post_clean(self) -> None:
        """The row is made by the service: nothing of it is known before the signature is verified."""


class MarketReferenceForm(forms.ModelForm):
    """A reference price typed as a decimal; it stays unsigned."""

    price = forms.CharField(label=_("reference price"), max_length=24, help_text=_("Decimal, in the instrument's currency."))

    class Meta:
        model = MarketReference
        fields = ("instrument", "valid_from", "lot")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            self.fields["price"].initial = price_to_text(self.instance.reference_price)

    def clean_price(self) -> str:
        text: str = self.cleaned_data["price"]
        try:
            price = text_to_price(text)
        except PriceError as error:
            raise ValidationError(str(error)) from error
        if price <= 0:
            raise ValidationError(_("A reference price is positive."))
        self.instance.reference_price = price
        return text


FALLBACKS = 4
"""Places for fallbacks on the form; a rule with more keeps them and gets one place more."""


class _ListWidget(forms.MultiWidget):
    def decompress(self, value: list[str] | None) -> list[str]:
        return list(value or [])


class OrderedChoices(forms.MultiValueField):
    """Some of the choices, in an order: one list after the other, those left empty are passed over."""

    def __init__(self, *, choices: Any, places: int, label: Any, help_text: Any) -> None:
        fields = [forms.ChoiceField(choices=choices, required=False) for _place in range(places)]
        widget = _ListWidget([forms.Select(choices=choices, attrs={"aria-label": label}) for _place in range(places)])
        super().__init__(fields, widget=widget, required=False, require_all_fields=False, label=label, help_text=help_text)

    def compress(self, data_list: list[str]) -> list[str]:
        return [each for each in data_list if each]


class RoutingRuleForm(forms.ModelForm):
    """A routing rule. Lines, pools and tenants are offered, not typed; values are typed as decimals."""

    least_value = forms.CharField(label=_("least value"), max_length=24, required=False)
    largest_value = forms.CharField(
        label=_("largest value"),
        max_length=24,
        required=False,
        help_text=_("Quantity times price, or the reference price for a market order. Decimal, in the instrument's currency."),
    )
    weekdays = forms.TypedMultipleChoiceField(
        label=_("weekdays"),
        choices=[(number, WEEKDAY_NAMES[number - 1]) for number in range(1, 8)],
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None: every day."),
    )

    class Meta:
        model = RoutingRule
        fields = (
            "priority", "exchange", "symbol", "asset_type", "tenant", "account", "min_quantity", "max_quantity", "from_time",
            "until_time", "weekdays", "line", "fallback", "balancer", "active", "note",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rule = self.instance
        targets = _target_choices([rule.line, *rule.fallback] if rule.pk else [])
        line, fallback, tenant = (self._meta.model._meta.get_field(name) for name in ("line", "fallback", "tenant"))
        self.fields["line"] = forms.ChoiceField(label=capfirst(line.verbose_name), choices=targets, help_text=line.help_text)
        self.fields["fallback"] = OrderedChoices(
            choices=targets,
            places=max(FALLBACKS, len(rule.fallback) + 1),
            label=capfirst(fallback.verbose_name),
            help_text=fallback.help_text,
        )
        slugs = dict.fromkeys([*tenants().values_list("slug", flat=True), *([rule.tenant] if rule.tenant else [])])
        self.fields["tenant"] = forms.ChoiceField(
            label=capfirst(tenant.verbose_name), choices=[("", "---------"), *((slug, slug) for slug in slugs)], required=False
        )
        for name in ("least_value", "largest_value", "weekdays"):
            self.fields[name].label = capfirst(self.fields[name].label)
        for name, value in (("least_value", rule.min_value), ("largest_value", rule.max_value)):
            self.fields[name].initial = "" if value is None else price_to_text(value)

    def clean(self) -> dict[str, Any] | None:
        """Bring the typed values into the rule."""
        for name, column in (("least_value", "min_value"), ("largest_value", "max_value")):
            text = self.cleaned_data.get(name, "")
            try:
                value = text_to_price(text) if text else None
            except PriceError as error:
                self.add_error(name, ValidationError(str(error)))
                continue
            if value is not None and value <= 0:
                self.add_error(name, ValidationError(_("A value is positive.")))
                continue
            setattr(self.instance, column, value)
        return super().clean()

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            check_route(self.instance)
        except ValidationError as error:
            for column, said in error.message_dict.items():
                self.add_error({"min_value": "least_value", "max_value": "largest_value"}.get(column, column), said)


def _target_choices(held: list[str]) -> list[tuple[str, Any]]:
    """Pools and lines by exchange; a name that the rule still has and nothing carries any more is shown as what it is."""
    choices: list[tuple[str, Any]] = [("", "---------")]
    known = set()
    for pool in line_pools():
        said = gettext("%(pool)s: the whole pool") % {"pool": pool.name}
        choices.append((pool.exchange, [(pool.name, said), *((line, line) for line in pool.lines)]))
        known |= {pool.name, *pool.lines}
    gone = [(name, name) for name in held if name not in known]
    return [*choices, (gettext("no longer known"), gone)] if gone else choices
