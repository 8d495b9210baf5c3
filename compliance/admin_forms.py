"""Form with which the operator publishes a board's signed document."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from compliance.models import Verdict
from exchanges.models import Signer


class PublishVerdictsForm(forms.ModelForm):
    """The document as the board signed it. An unsigned one reaches the service, which refuses it by its code."""

    document = forms.CharField(label=_("document"), widget=forms.Textarea, strip=False)
    signature = forms.CharField(label=_("signature"), required=False, help_text=_("Ed25519, base64"))
    signer = forms.ModelChoiceField(label=_("signer"), queryset=Signer.objects.filter(kind=Signer.Kind.BOARD), required=False)

    class Meta:
        model = Verdict
        fields = ()

    def clean_document(self) -> str:
        # A browser sends line ends as CR LF; the board signed LF.
        return str(self.cleaned_data["document"]).replace("\r\n", "\n")
