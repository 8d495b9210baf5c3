"""Forms of the operator's admin: what a service would refuse is said on the form, beside the field."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from exchanges.dated_rules import RuleError
from exchanges.models import DataSet, MarketReference, RuleRow, Signer
from exchanges.prices import PriceError, price_to_text, text_to_price
from exchanges.services import check_rules


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
